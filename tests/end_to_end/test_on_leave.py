"""What becomes of a call whose client leaves, by `onLeave` of its provider, and what the books hold of it."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from served_gateway import ServedGateway

PIECES = 8
BOOKS = """
import json
from pathlib import Path
from llm_gateway_sdk import Plugin, plugin_metadata

@plugin_metadata(name="books")
class Books(Plugin):
    async def after_request(self, ctx):
        metrics = ctx.metrics
        line = {
            "status": ctx.metadata.get("status"), "error": getattr(ctx.error, "code", None),
            "input": metrics.input_tokens, "output": metrics.output_tokens,
            "input_precision": metrics.input_precision, "output_precision": metrics.output_precision,
            "attempts": len(ctx.attempts),
        }
        with Path(__file__).with_name("books.jsonl").open("a") as file:
            file.write(json.dumps(line) + "\\n")
"""


class _Slow(BaseHTTPRequestHandler):
    """Answers word by word, a stream or a whole that takes as long, and reports 40 and 80 tokens at its end."""

    protocol_version = "HTTP/1.1"
    ended: list[bool]
    fails = False

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        usage = {"prompt_tokens": 40, "completion_tokens": 80, "total_tokens": 120}
        try:
            if asked.get("stream"):
                self._stream(usage)
            else:
                time.sleep(0.1 * PIECES)
                choice = {"index": 0, "message": {"role": "assistant", "content": "word " * 8}, "finish_reason": "stop"}
                body = {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}
                self._whole(500 if self.fails else 200, {**body, "usage": usage})
        except OSError:
            type(self).ended.append(False)
            return
        type(self).ended.append(True)

    def _whole(self, status: int, body: dict[str, Any]) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _stream(self, usage: dict[str, int]) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        chunk = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
        for number in range(PIECES):
            time.sleep(0.1)
            finish = "stop" if number == PIECES - 1 else None
            choice = {"index": 0, "delta": {"content": "word "}, "finish_reason": finish}
            self._event({**chunk, "choices": [choice]})
        self._event({**chunk, "choices": [], "usage": usage})
        self.wfile.write(b"data: [DONE]\n\n")

    def _event(self, data: dict[str, Any]) -> None:
        self.wfile.write(b"data: " + json.dumps(data).encode() + b"\n\n")
        self.wfile.flush()

    def log_message(self, format: str, *args: object) -> None:
        """Silent."""


@pytest.fixture
def slow() -> Iterator[str]:
    _Slow.ended, _Slow.fails = [], False
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Slow)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    server.shutdown()
    server.server_close()


@pytest.fixture
def serve(slow: str, tmp_path: Path) -> Iterator[Callable[[str], ServedGateway]]:
    started: list[ServedGateway] = []

    def start(on_leave: str) -> ServedGateway:
        (tmp_path / "books.py").write_text(BOOKS)
        provider = {"type": "openai", "config": {"apiKey": "k", "baseUrl": slow, "model": "m", "onLeave": on_leave}}
        config = {
            "models": [{"name": "m", "isDefault": True, "provider": provider}],
            "availablePlugins": [{"path": str(tmp_path / "books.py")}],
            "plugins": [{"name": "books", "type": "books"}],
        }
        started.append(ServedGateway(config, tmp_path / "served"))
        return started[-1]

    yield start
    for served in started:
        served.process.kill()
        served.process.wait()


def _leave(served: ServedGateway, path: str, body: dict[str, Any], *, after_first_word: bool) -> None:
    address = urlsplit(served.url)
    with socket.create_connection((address.hostname, address.port or 0), 10) as connection:
        data = json.dumps(body).encode()
        head = f"POST {path} HTTP/1.1\r\nhost: {address.netloc}\r\ncontent-type: application/json\r\n"
        connection.sendall(f"{head}content-length: {len(data)}\r\n\r\n".encode() + data)
        seen = b""
        while after_first_word and b"word" not in seen:
            seen += connection.recv(4096)
        if not after_first_word:
            time.sleep(0.3)


def _books(tmp_path: Path) -> dict[str, Any]:
    file = tmp_path / "books.jsonl"
    deadline = time.monotonic() + 8
    while not file.exists() or not file.read_text().endswith("\n"):
        assert time.monotonic() < deadline, "the request was never booked"
        time.sleep(0.05)
    time.sleep(0.2)
    (line,) = file.read_text().splitlines()
    found: dict[str, Any] = json.loads(line)
    return found


CHAT = ("/v1/chat/completions", {"model": "m", "max_tokens": 500, "messages": [{"role": "user", "content": "Hello"}]})
MESSAGES = ("/v1/messages", {"model": "m", "max_tokens": 500, "messages": [{"role": "user", "content": "Hello"}]})
each_client = pytest.mark.parametrize(("path", "body"), [CHAT, MESSAGES], ids=["same dialect", "translated"])
each_form = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])


@each_client
@each_form
def test_drain_reads_the_reply_to_its_end(
    serve: Callable[[str], ServedGateway], tmp_path: Path, path: str, body: dict[str, Any], stream: bool
) -> None:
    _leave(serve("drain"), path, {**body, "stream": stream}, after_first_word=stream)
    books = _books(tmp_path)

    assert _Slow.ended == [True]
    assert (books["input"], books["output"]) == (40, 80)
    assert (books["input_precision"], books["output_precision"]) == ("exact", "exact")
    assert books["error"] == "client_disconnected"
    assert books["status"] == (200 if stream else 499)


@each_client
@each_form
def test_cancel_ends_the_call_and_counts_what_came(
    serve: Callable[[str], ServedGateway], tmp_path: Path, path: str, body: dict[str, Any], stream: bool
) -> None:
    _leave(serve("cancel"), path, {**body, "stream": stream}, after_first_word=stream)
    books = _books(tmp_path)

    assert books["output"] < 80
    assert books["output_precision"] == "estimated"
    assert books["error"] == "client_disconnected"


@each_form
def test_full_counts_the_most_that_the_request_allows(
    serve: Callable[[str], ServedGateway], tmp_path: Path, stream: bool
) -> None:
    path, body = CHAT
    _leave(serve("full"), path, {**body, "stream": stream}, after_first_word=stream)
    books = _books(tmp_path)

    assert (books["output"], books["output_precision"]) == (500, "estimated")


def test_nothing_more_is_tried_for_a_client_that_left(serve: Callable[[str], ServedGateway], tmp_path: Path) -> None:
    path, body = CHAT
    _Slow.fails = True
    _leave(serve("drain"), path, body, after_first_word=False)
    books = _books(tmp_path)

    assert (len(_Slow.ended), books["attempts"], books["status"]) == (1, 1, 499)


def test_a_client_that_stays_is_answered_as_ever(serve: Callable[[str], ServedGateway], tmp_path: Path) -> None:
    path, body = CHAT
    served = serve("drain")
    import httpx

    answer = httpx.post(served.url + path, json=body, timeout=10)

    assert answer.json()["usage"]["completion_tokens"] == 80
    assert _books(tmp_path)["error"] is None
