"""A provider for tests that speaks all five APIs: OpenAI's two, Anthropic's, Gemini's and Bedrock's.

What it answers is decided by what it is asked, so that one server serves all tests at once:

- `call NAME {…}`, one per line, where the request offers a tool of that name: a sentence and those calls; once their
  results are there: `tool results: …`, and how many signatures came back;
- `think first`: a line of thinking before all else;
- `fail CLASS`: that error of `provider_errors.py`, in the API's own words;
- `fail inside CLASS`: the same under a status that means success; streamed, after the first word;
- anything else: `upstream heard: …`.

A signature that comes back altered is refused, as the vendors do. What it was sent is kept in `received`.
"""

from __future__ import annotations

import asyncio
import json
import re
import struct
import threading
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from sys import path as import_path
from typing import Any
from zlib import crc32

import_path.append(str(Path(__file__).resolve().parent.parent / "end_to_end"))

from provider_errors import ProviderError, failure_inside, provider_error
from scripted_upstream import INPUT_TOKENS, OUTPUT_TOKENS, SIGNATURE, THOUGHT, Asked, Script, stream, whole, words

__all__ = [
    "DIALECTS",
    "FiveApis",
    "Heard",
    "Received",
    "models_of",
    "send",
    "send_stream",
    "streamed_reply",
    "tool_names",
    "whole_reply",
]

DIALECTS = ("openai_chat", "openai_responses", "anthropic", "gemini", "bedrock")

_PATHS = (
    (re.compile(r"^/v1/chat/completions$"), "openai_chat"),
    (re.compile(r"^/v1/responses$"), "openai_responses"),
    (re.compile(r"^/v1/messages$"), "anthropic"),
    (re.compile(r"^/v1beta/models/[^/]+:(?:generateContent|streamGenerateContent)$"), "gemini"),
    (re.compile(r"^/model/[^/]+/converse(?:-stream)?$"), "bedrock"),
)
# Gemini takes this text where a call has no signature ("Thought signatures" in Google's documentation).
_PLACEHOLDER = b64encode(b"context_engineering_is_the_way_to_go").decode()
_SCRIPTED = {"openai_chat": "chat", "openai_responses": "responses", "anthropic": "messages"}
_COUNTS: tuple[tuple[re.Pattern[str], dict[str, Any]], ...] = (
    (re.compile(r"^/v1/messages/count_tokens$"), {"input_tokens": 101}),
    (re.compile(r"^/v1/responses/input_tokens$"), {"object": "response.input_tokens", "input_tokens": 102}),
    (re.compile(r":countTokens$"), {"totalTokens": 103}),
    (re.compile(r"/count-tokens$"), {"inputTokens": 104}),
)
_OTHERS: tuple[tuple[re.Pattern[str], dict[str, Any]], ...] = (
    (
        re.compile(r"^/v1/embeddings$"),
        {
            "object": "list",
            "data": [{"object": "embedding", "index": 0, "embedding": [0.5, -0.25]}],
            "model": "an-embedder",
            "usage": {"prompt_tokens": 3, "total_tokens": 3},
        },
    ),
    (re.compile(r"^/v1/files(?:/|$)"), {"object": "list", "data": [{"id": "file-1", "object": "file"}]}),
    (
        re.compile(r"^/v1/responses/resp_1$"),
        {"id": "resp_1", "object": "response", "status": "completed", "output": []},
    ),
    (re.compile(r"^/v1/messages/batches$"), {"data": [], "has_more": False, "first_id": None, "last_id": None}),
)


@dataclass(slots=True)
class Received:
    """One request as it arrived."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: Any


def models_of(url: str) -> list[dict[str, Any]]:
    """A model of each API, named after its dialect, for a gateway's configuration."""
    common = {"apiKey": "sk-upstream", "retryAttempts": 1}
    providers: dict[str, tuple[str, dict[str, Any]]] = {
        "openai_chat": ("openai", {"baseUrl": f"{url}/v1", "api": "chat"}),
        "openai_responses": ("openai", {"baseUrl": f"{url}/v1", "api": "responses"}),
        "anthropic": ("anthropic", {"baseUrl": url}),
        "gemini": ("gemini", {"baseUrl": f"{url}/v1beta"}),
        "bedrock": ("bedrock", {"baseUrl": url, "region": "eu-central-1"}),
    }
    upstream_names = {"gemini": "gemini-3-pro", "bedrock": "anthropic.claude-sonnet-4-5-v1:0"}
    return [
        {
            "name": name,
            "provider": {
                "type": kind,
                "config": {**common, **config, "model": upstream_names.get(name, f"{name}-model")},
            },
        }
        for name, (kind, config) in providers.items()
    ]


class FiveApis:
    """Runs in its own thread. `url` has no path."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(10)

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def _stop(self) -> None:
        self._server.close()
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                await self._exchange(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, target, _ = lines[0].split(" ", 2)
        path, _, query = target.partition("?")
        headers = {
            name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:] if line)
        }
        data = await reader.readexactly(int(headers.get("content-length", "0")))
        received = Received(method, path, query, headers, json.loads(data) if data[:1] == b"{" else data)
        self.received.append(received)
        dialect = next((name for pattern, name in _PATHS if pattern.search(path)), None)
        if dialect is not None and isinstance(received.body, dict):
            await self._answer(dialect, received, writer)
            return
        for pattern, body in _COUNTS + _OTHERS:
            if pattern.search(path):
                await send(writer, 200, body)
                return
        await send(writer, 404, {"error": {"message": f"no {path} here", "type": "not_found_error"}})

    async def _answer(self, dialect: str, received: Received, writer: asyncio.StreamWriter) -> None:
        body = received.body
        heard = Heard.read(dialect, body)
        failure = re.search(r"\bfail (?!inside)(\w+)", heard.text)
        if failure is not None:
            error = provider_error(dialect, failure[1])
            await send(writer, error.status, error.body, error.headers)
            return
        if heard.altered:
            error = provider_error(dialect, "bad_request")
            await send(writer, 400, error.body, error.headers)
            return
        model = body.get("model") or "upstream-model"
        streamed = bool(body.get("stream")) or "stream" in received.path.lower()
        inside = re.search(r"\bfail inside (\w+)", heard.text)
        broken = failure_inside(dialect, inside[1]) if inside else None
        if not streamed:
            if broken is not None and broken.whole is not None:
                await send(writer, 200, broken.whole)
                return
            await send(writer, 200, whole_reply(dialect, model, heard.script()))
            return
        await send_stream(writer, dialect, list(streamed_reply(dialect, model, heard.script(), body)), broken)


@dataclass(slots=True)
class Heard:
    """The content of a request of any of the five APIs, as far as the answer depends on it."""

    text: str
    system: str
    images: int
    results: list[str]
    tools: set[str]
    signatures: int
    """Proofs of the first turn that came back as they were given."""
    altered: bool
    """One came back otherwise."""

    @staticmethod
    def read(dialect: str, body: dict[str, Any]) -> Heard:
        asked = {"gemini": _read_gemini, "bedrock": _read_bedrock}.get(dialect, Asked.read)(body)
        proofs = list(_proofs(body.get("messages") or body.get("contents") or []))
        return Heard(
            asked.text,
            asked.system,
            asked.images,
            asked.results,
            set(tool_names(body)),
            proofs.count(SIGNATURE),
            any(proof not in (SIGNATURE, _PLACEHOLDER) for proof in proofs),
        )

    def script(self) -> Script:
        if self.results:
            return Script(f"tool results: {', '.join(self.results)} [signatures: {self.signatures}]")
        calls = [
            (name, given)
            for name, given in re.findall(r"call (\w+) (\{[^\n]*\})", self.text)
            if name in self.tools and _is_json(given)
        ]
        thinking = THOUGHT if "think first" in self.text else ""
        if calls:
            named = [(f"call_{number}", name, given) for number, (name, given) in enumerate(calls)]
            return Script("Let me look.", thinking, named)
        seen_words = [f"upstream heard: {self.text}"]
        seen_words += [f"[system: {self.system}]"] if self.system else []
        seen_words += [f"[images: {self.images}]"] if self.images else []
        return Script(" ".join(seen_words), thinking)


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _proofs(node: Any) -> Iterator[str]:
    """Each signature in the conversation."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key in ("signature", "thoughtSignature") and isinstance(value, str):
                yield value
            else:
                yield from _proofs(value)
    elif isinstance(node, list):
        for item in node:
            yield from _proofs(item)


def tool_names(body: dict[str, Any]) -> Iterator[str]:
    tools = body.get("tools") or (body.get("toolConfig") or {}).get("tools") or []
    for tool in tools:
        for described in (tool, tool.get("function"), tool.get("toolSpec"), *(tool.get("functionDeclarations") or ())):
            if isinstance(described, dict) and isinstance(described.get("name"), str):
                yield described["name"]


def _read_gemini(body: dict[str, Any]) -> Asked:
    system = " ".join(part.get("text", "") for part in (body.get("systemInstruction") or {}).get("parts", []))
    parts = [part for turn in _last_turn(body["contents"], "model") for part in turn.get("parts", [])]
    return Asked(
        " ".join(part["text"] for part in parts if "text" in part),
        system,
        sum("inlineData" in part for part in parts),
        [_result_text(part["functionResponse"].get("response")) for part in parts if "functionResponse" in part],
    )


def _result_text(response: Any) -> str:
    values = response.values() if isinstance(response, dict) else [response]
    return " ".join(value if isinstance(value, str) else json.dumps(value) for value in values)


def _read_bedrock(body: dict[str, Any]) -> Asked:
    system = " ".join(block.get("text", "") for block in body.get("system") or [])
    blocks = [block for turn in _last_turn(body["messages"], "assistant") for block in turn["content"]]
    results = [
        " ".join(inner.get("text") or json.dumps(inner.get("json")) for inner in block["toolResult"]["content"])
        for block in blocks
        if "toolResult" in block
    ]
    texts = " ".join(block["text"] for block in blocks if "text" in block)
    return Asked(texts, system, sum("image" in block for block in blocks), results)


def _last_turn(turns: list[dict[str, Any]], replier: str) -> list[dict[str, Any]]:
    place = max((number for number, turn in enumerate(turns) if turn.get("role") == replier), default=-1)
    return turns[place + 1 :]


# Replies.


def whole_reply(dialect: str, model: str, script: Script) -> dict[str, Any]:
    if dialect == "gemini":
        return _gemini_reply(model, _gemini_parts(script), _gemini_end(script))
    if dialect == "bedrock":
        return {
            "output": {"message": {"role": "assistant", "content": list(_bedrock_blocks(script))}},
            "stopReason": _bedrock_end(script),
            "usage": _bedrock_usage(),
            "metrics": {"latencyMs": 1},
        }
    return whole(_SCRIPTED[dialect], model, script)


def streamed_reply(dialect: str, model: str, script: Script, body: dict[str, Any]) -> Iterator[bytes]:
    if dialect == "gemini":
        yield from _gemini_stream(model, script)
    elif dialect == "bedrock":
        yield from _bedrock_stream(script)
    else:
        usage = bool((body.get("stream_options") or {}).get("include_usage"))
        yield from stream(_SCRIPTED[dialect], model, script, include_usage=usage)


def _gemini_parts(script: Script) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = [{"text": script.thinking, "thought": True}] if script.thinking else []
    parts += [{"text": script.text}] if script.text else []
    for number, (_, name, given) in enumerate(script.calls):
        signed = {"thoughtSignature": script.signature} if number == 0 else {}
        parts.append({"functionCall": {"name": name, "args": json.loads(given)}, **signed})
    return parts


def _gemini_end(script: Script) -> str:
    return {"length": "MAX_TOKENS", "refusal": "SAFETY"}.get(script.ends, "STOP")


def _gemini_reply(model: str, parts: list[dict[str, Any]], end: str | None) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"role": "model", "parts": parts}, "index": 0}
    if end is not None:
        candidate["finishReason"] = end
    total = INPUT_TOKENS + OUTPUT_TOKENS
    usage = {"promptTokenCount": INPUT_TOKENS, "candidatesTokenCount": OUTPUT_TOKENS, "totalTokenCount": total}
    return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": model, "responseId": "gem-1"}


def _gemini_stream(model: str, script: Script) -> Iterator[bytes]:
    pieces: list[dict[str, Any]] = []
    for part in _gemini_parts(script):
        pieces += [{**part, "text": word} for word in words(part["text"])] if "text" in part else [part]
    for number, part in enumerate(pieces):
        reply = _gemini_reply(model, [part], _gemini_end(script) if number == len(pieces) - 1 else None)
        yield b"data: " + json.dumps(reply).encode() + b"\r\n\r\n"


def _bedrock_blocks(script: Script) -> Iterator[dict[str, Any]]:
    if script.thinking:
        yield {"reasoningContent": {"reasoningText": {"text": script.thinking, "signature": script.signature}}}
    if script.text:
        yield {"text": script.text}
    for call, name, given in script.calls:
        yield {"toolUse": {"toolUseId": f"tooluse_{call}", "name": name, "input": json.loads(given)}}


def _bedrock_end(script: Script) -> str:
    if script.ends:
        return {"length": "max_tokens", "refusal": "content_filtered"}[script.ends]
    return "tool_use" if script.calls else "end_turn"


def _bedrock_usage() -> dict[str, int]:
    total = INPUT_TOKENS + OUTPUT_TOKENS
    return {"inputTokens": INPUT_TOKENS, "outputTokens": OUTPUT_TOKENS, "totalTokens": total}


def _bedrock_stream(script: Script) -> Iterator[bytes]:
    yield event_stream_message("messageStart", {"role": "assistant"})
    for index, block in enumerate(_bedrock_blocks(script)):
        deltas: list[dict[str, Any]]
        if "reasoningContent" in block:
            proven = block["reasoningContent"]["reasoningText"]
            deltas = [{"reasoningContent": {"text": word}} for word in words(proven["text"])]
            deltas.append({"reasoningContent": {"signature": proven["signature"]}})
        elif "text" in block:
            deltas = [{"text": word} for word in words(block["text"])]
        else:
            used = block["toolUse"]
            start = {"toolUse": {"toolUseId": used["toolUseId"], "name": used["name"]}}
            yield event_stream_message("contentBlockStart", {"start": start, "contentBlockIndex": index})
            text = json.dumps(used["input"])
            deltas = [{"toolUse": {"input": half}} for half in (text[:4], text[4:])]
        for delta in deltas:
            yield event_stream_message("contentBlockDelta", {"delta": delta, "contentBlockIndex": index})
        yield event_stream_message("contentBlockStop", {"contentBlockIndex": index})
    yield event_stream_message("messageStop", {"stopReason": _bedrock_end(script)})
    yield event_stream_message("metadata", {"usage": _bedrock_usage(), "metrics": {"latencyMs": 1}})


def event_stream_message(name: str, payload: dict[str, Any], kind: str = "event") -> bytes:
    """One message of AWS's event stream encoding, after the Smithy specification."""
    named = {":message-type": kind, f":{kind}-type": name, ":content-type": "application/json"}
    headers = b"".join(
        struct.pack(">B", len(key)) + key.encode() + struct.pack(">BH", 7, len(value)) + value.encode()
        for key, value in named.items()
    )
    data = json.dumps(payload).encode()
    prelude = struct.pack(">II", 16 + len(headers) + len(data), len(headers))
    message = prelude + struct.pack(">I", crc32(prelude)) + headers + data
    return message + struct.pack(">I", crc32(message))


async def send(writer: asyncio.StreamWriter, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
    data = json.dumps(body).encode()
    given = {"content-type": "application/json", "content-length": str(len(data)), **(headers or {})}
    lines = "".join(f"{name}: {value}\r\n" for name, value in given.items())
    writer.write(f"HTTP/1.1 {status} Status\r\n{lines}\r\n".encode() + data)
    await writer.drain()


async def send_stream(
    writer: asyncio.StreamWriter, dialect: str, events: list[bytes], broken: ProviderError | None
) -> None:
    kind = "application/vnd.amazon.eventstream" if dialect == "bedrock" else "text/event-stream"
    writer.write(f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ntransfer-encoding: chunked\r\n\r\n".encode())
    if broken is not None:
        # After enough events that a word of the answer is among them.
        events = [*events[: len(events) // 2 + 1], _error_event(dialect, broken)]
    for event in events:
        writer.write(b"%x\r\n%s\r\n" % (len(event), event))
        await writer.drain()
        await asyncio.sleep(0.001)
    writer.write(b"0\r\n\r\n")
    await writer.drain()


def _error_event(dialect: str, broken: ProviderError) -> bytes:
    if dialect == "bedrock":
        return event_stream_message(broken.name, broken.event, kind="exception")
    named = f"event: {broken.name}\n".encode() if broken.name else b""
    return named + b"data: " + json.dumps(broken.event).encode() + b"\n\n"
