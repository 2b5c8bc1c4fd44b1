"""A gateway as an attacker meets it: `llm-gateway start` as a process, and a provider over sockets that misbehaves.

`ATTACKED_PYTHON` names the interpreter of another installation, to attack another version of the gateway: what has been
corrected since then fails there.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx

from llm_gateway.testing.processes import GatewayProcess, run_command

PYTHON = os.environ.get("ATTACKED_PYTHON", sys.executable)
START_SECONDS = 90


@dataclass(slots=True)
class Sent:
    """What reached the provider."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(slots=True)
class Reply:
    """What the provider answers. `pieces` are sent in chunks, and may take their time."""

    body: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    pieces: Iterable[bytes] | None = None


Answer = Callable[[Sent], Reply]


class Provider:
    """A server of the loopback address; `answer` may be set anew at any time."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.sent: list[Sent] = []
        provider = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True
            wbufsize = -1

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                sent = Sent(self.command, self.path, headers, body)
                provider.sent.append(sent)
                try:
                    self._answer(provider.answer(sent))
                except ConnectionError:
                    self.close_connection = True

            do_GET = do_DELETE = do_POST

            def _answer(self, reply: Reply) -> None:
                self.send_response_only(reply.status)
                headers = dict(reply.headers)
                if reply.pieces is not None:
                    headers = {"content-type": "text/event-stream", "transfer-encoding": "chunked", **headers}
                    self._head(headers)
                    for piece in reply.pieces:
                        self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                        self.wfile.flush()
                    self.wfile.write(b"0\r\n\r\n")
                    return
                body = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
                self._head({"content-type": "application/json", "content-length": str(len(body)), **headers})
                self.wfile.write(body)

            def _head(self, headers: Mapping[str, str]) -> None:
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = _Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    def texts(self) -> str:
        """All that arrived since the last call, path, headers and body, as one text."""
        taken, self.sent = self.sent, []
        return "\n".join(
            f"{sent.path}\n{sent.headers}\n{sent.body.decode(errors='replace')}\n{_plain(sent.body)}" for sent in taken
        )

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that leave are not an error of the test."""


def _plain(body: bytes) -> str:
    """The same JSON without escapes, so that no spelling of a secret is overlooked."""
    try:
        return json.dumps(json.loads(body), ensure_ascii=False)
    except ValueError:
        return ""


def comes_true(found: Callable[[], bool], seconds: float = 10) -> bool:
    """Whether it comes true in time."""
    deadline = time.monotonic() + seconds
    while not found():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


class Attacked:
    """A running gateway. `url` has no path."""

    def __init__(
        self,
        config: Mapping[str, Any],
        folder: Path,
        *options: str,
        environ: Mapping[str, str] | None = None,
        host: str | None = "127.0.0.1",
        fork: bool = True,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / "gateway.yaml"
        file.write_text(json.dumps(config))
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._log = folder / "log.txt"
        at = [] if host is None else ["--host", host]
        arguments = ["start", "--config", str(file), *at, "--port", str(self.port), *options]
        self.process = GatewayProcess(arguments, cwd=folder, env=environment(environ), output=self._log, fork=fork)
        try:
            self._await_start()
        except BaseException:
            self.process.kill()
            self.process.wait()
            raise
        self.http = httpx.Client(base_url=self.url, trust_env=False, timeout=30)

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def _await_start(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            with suppress(httpx.TransportError):
                if httpx.get(f"{self.url}/health/ready", trust_env=False, timeout=5).status_code == 200:
                    return
            time.sleep(0.05)
        raise AssertionError(f"the gateway did not start:\n{self.log}")

    def wait_for(self, found: Callable[[], bool], seconds: float = 10) -> bool:
        """Whether it comes true in time."""
        return comes_true(found, seconds)

    def stop(self, timeout: float = 20) -> int | None:
        """Its exit status; None where it had to be killed."""
        self.http.close()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return None


def environment(further: Mapping[str, str] | None = None) -> dict[str, str]:
    """That of the tests without keys, proxies and settings of the machine."""
    kept = {name: value for name, value in os.environ.items() if not name.upper().endswith(("_API_KEY", "_PROXY"))}
    kept.update(further or {})
    return kept


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def command(
    *arguments: str, folder: Path, environ: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """`llm-gateway` with these arguments, to its end."""
    return run_command(arguments, cwd=folder, env=environment(environ))


PATHS = {
    "chat": "/v1/chat/completions",
    "responses": "/v1/responses",
    "anthropic": "/v1/messages",
    "gemini": "/v1beta/models/m:generateContent",
    "gemini stream": "/v1beta/models/m:streamGenerateContent?alt=sse",
}


def model(dialect: str, url: str, name: str = "m", **config: Any) -> dict[str, Any]:
    """A model of the provider at `url` that speaks this API."""
    settings: dict[str, Any] = {"apiKey": "sk-provider", "model": "the-model", "retryAttempts": 1, **config}
    if dialect in ("chat", "responses"):
        settings |= {"baseUrl": f"{url}/v1", "api": dialect}
        return {"name": name, "provider": {"type": "openai", "config": settings}}
    settings |= {"baseUrl": url}
    return {"name": name, "provider": {"type": dialect, "config": settings}}


def asking(dialect: str, text: str = "hello", *, name: str = "m", stream: bool = False) -> dict[str, Any]:
    """The least request with this text."""
    match dialect:
        case "chat":
            return {"model": name, "stream": stream, "messages": [{"role": "user", "content": text}]}
        case "responses":
            return {"model": name, "stream": stream, "input": text}
        case "anthropic":
            messages = [{"role": "user", "content": text}]
            return {"model": name, "stream": stream, "max_tokens": 50, "messages": messages}
        case _:
            return {"contents": [{"role": "user", "parts": [{"text": text}]}]}


def answering(text: str = "fine") -> Answer:
    """A provider of all APIs that gives this answer, whole or as a stream."""

    def answer(sent: Sent) -> Reply:
        if "/chat/completions" in sent.path:
            return _chat(text, streaming=bool(sent.json.get("stream")))
        if "/messages" in sent.path:
            return _message(text, streaming=bool(sent.json.get("stream")))
        if "/responses" in sent.path:
            return _response(text, streaming=bool(sent.json.get("stream")))
        if "enerateContent" in sent.path:
            body = {
                "candidates": [{"content": {"role": "model", "parts": [{"text": text}]}, "finishReason": "STOP"}],
                "usageMetadata": {"promptTokenCount": 1, "candidatesTokenCount": 1, "totalTokenCount": 2},
            }
            return Reply(pieces=[event(body)]) if "stream" in sent.path else Reply(body)
        if "mbed" in sent.path:
            return Reply({"object": "list", "model": "e", "data": [], "usage": {"prompt_tokens": 1, "total_tokens": 1}})
        return Reply({"error": {"message": "not found"}}, 404)

    return answer


def event(data: Any, name: str | None = None) -> bytes:
    """One server-sent event."""
    return (f"event: {name}\n" if name else "").encode() + b"data: " + json.dumps(data).encode() + b"\n\n"


def chat_chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return event({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]})


USAGE = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}


def chat_reply(message: dict[str, Any], finish: str = "stop") -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}
    return {
        "id": "c",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [choice],
        "usage": USAGE,
    }


def _chat(text: str, *, streaming: bool) -> Reply:
    if not streaming:
        return Reply(chat_reply({"content": text}))
    return Reply(
        pieces=[chat_chunk({"role": "assistant", "content": text}), chat_chunk({}, "stop"), b"data: [DONE]\n\n"]
    )


def message_reply(content: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "id": "msg",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": content,
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 1, "output_tokens": 1},
    }


def message_stream(blocks: Iterable[tuple[dict[str, Any], list[dict[str, Any]]]]) -> list[bytes]:
    """Events of a message of these blocks: each as it starts, and its deltas."""
    events = [{"type": "message_start", "message": {**message_reply([]), "stop_reason": None}}]
    for index, (block, deltas) in enumerate(blocks):
        events.append({"type": "content_block_start", "index": index, "content_block": block})
        events += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
        events.append({"type": "content_block_stop", "index": index})
    delta = {"stop_reason": "end_turn", "stop_sequence": None}
    events += [{"type": "message_delta", "delta": delta, "usage": {"output_tokens": 1}}, {"type": "message_stop"}]
    return [event(item, item["type"]) for item in events]


def _message(text: str, *, streaming: bool) -> Reply:
    if not streaming:
        return Reply(message_reply([{"type": "text", "text": text}]))
    block = {"type": "text", "text": ""}
    return Reply(pieces=message_stream([(block, [{"type": "text_delta", "text": text}])]))


def response_reply(text: str) -> dict[str, Any]:
    part = {"type": "output_text", "text": text, "annotations": []}
    item = {"type": "message", "id": "i", "role": "assistant", "status": "completed", "content": [part]}
    return {
        "id": "r",
        "object": "response",
        "created_at": 1,
        "status": "completed",
        "model": "m",
        "output": [item],
        "usage": {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2},
    }


def _response(text: str, *, streaming: bool) -> Reply:
    body = response_reply(text)
    if not streaming:
        return Reply(body)
    item = body["output"][0]
    place = {"item_id": "i", "output_index": 0, "content_index": 0}
    empty = {"type": "output_text", "text": "", "annotations": []}
    events = [
        {"type": "response.created", "response": {**body, "status": "in_progress", "output": []}},
        {"type": "response.output_item.added", "output_index": 0, "item": {**item, "content": []}},
        {"type": "response.content_part.added", **place, "part": empty},
        {"type": "response.output_text.delta", **place, "delta": text},
        {"type": "response.output_text.done", **place, "text": text},
        {"type": "response.content_part.done", **place, "part": item["content"][0]},
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": "response.completed", "response": body},
    ]
    return Reply(pieces=[event({**item, "sequence_number": at}, str(item["type"])) for at, item in enumerate(events)])
