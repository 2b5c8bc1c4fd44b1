"""A provider for tests: one server that speaks Chat Completions, Messages and Responses.

It answers by the words of the last user message, so that one server serves all tests at once:

- `fail 429`: that error, in the API's own shape, with `retry-after`;
- `call NAME {…}`, one per line: those tool calls;
- `think first`: a line of thinking, then the answer;
- `hang`: no answer until the caller leaves; `drip`: a few words and then none until the caller leaves;
- `cut`: a stream that breaks off after some words;
- anything else: an answer that states what arrived (`upstream heard: …`): text, system prompt, images, tool results.

What it was sent is kept by the `x-request-id` that came with it.
"""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

DIALECTS = {"/v1/chat/completions": "chat", "/v1/messages": "messages", "/v1/responses": "responses"}
INPUT_TOKENS, OUTPUT_TOKENS = 11, 7
THOUGHT = "The user wants me to think."
SIGNATURE = "c2lnbmF0dXJl"


@dataclass(slots=True)
class Received:
    """One request as it arrived."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    left: threading.Event = field(default_factory=threading.Event)
    """Set when the caller closed the connection before the answer was complete."""


@dataclass(slots=True)
class Script:
    """What to answer."""

    text: str = ""
    thinking: str = ""
    calls: list[tuple[str, str, str]] = field(default_factory=list)
    """Identifier, name, arguments."""
    signature: str = SIGNATURE
    """What proves the thinking, or with Gemini the first call."""
    encrypted: str = ""
    """The content of a reasoning item of Responses."""
    ends: str = ""
    """`length` or `refusal` where the answer does not end by itself."""
    serial: str = "1"
    """The end of the ids of a response's items."""


class ScriptedUpstream:
    """Runs in its own thread. `url` has no path; OpenAI's base URL is `url + "/v1"`."""

    def __init__(self) -> None:
        self._received: dict[str, list[Received]] = defaultdict(list)
        self._arrival = threading.Condition()
        self._loop = asyncio.new_event_loop()
        self._server: asyncio.Server | None = None
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(10)

    def received(self, request_id: str) -> list[Received]:
        """What came with this id, in order."""
        return list(self._received[request_id])

    def wait_for(self, request_id: str, timeout: float = 10) -> Received:
        """The first request with this id, as soon as it is there."""
        with self._arrival:
            assert self._arrival.wait_for(lambda: self._received[request_id], timeout), "nothing reached the upstream"
            return self._received[request_id][0]

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def _stop(self) -> None:
        assert self._server is not None
        self._server.close()
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._exchange(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        _, path, _ = head[0].split(" ", 2)
        path = path.partition("?")[0]
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
        body = json.loads(await reader.readexactly(int(headers.get("content-length", "0"))) or b"{}")
        received = Received(path, headers, body)
        with self._arrival:
            self._received[headers.get("x-request-id", "")].append(received)
            self._arrival.notify_all()
        dialect = DIALECTS.get(path)
        if dialect is None:
            await _send(writer, 404, {"error": {"message": f"no {path} here", "type": "not_found_error"}})
            return True
        try:
            return await self._answer(dialect, received, reader, writer)
        except ConnectionError:
            received.left.set()
            raise

    async def _answer(
        self, dialect: str, received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        asked = Asked.read(received.body)
        failure = re.search(r"\bfail (\d{3})(?: on (\S+))?", asked.text)
        if failure and failure[2] in (None, received.body.get("model")):
            await _send(writer, int(failure[1]), error_body(dialect, int(failure[1])), {"retry-after": "1"})
            return True
        if "hang" in asked.text:
            await self._await_leave(received, reader)
            return False
        model = received.body.get("model", "")
        if not received.body.get("stream"):
            await _send(writer, 200, whole(dialect, model, asked.script()))
            return True
        include_usage = bool((received.body.get("stream_options") or {}).get("include_usage"))
        events = list(stream(dialect, model, asked.script(), include_usage=include_usage))
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        if "drip" in asked.text or "cut" in asked.text:
            events = events[: max(3, len(events) // 2)]
        for event in events:
            writer.write(b"%x\r\n%s\r\n" % (len(event), event))
            await writer.drain()
            await asyncio.sleep(0.002)
        if "drip" in asked.text:
            await self._await_leave(received, reader)
            return False
        if "cut" in asked.text:
            return False
        writer.write(b"0\r\n\r\n")
        await writer.drain()
        return True

    async def _await_leave(self, received: Received, reader: asyncio.StreamReader) -> None:
        try:
            await reader.read(1)
        except ConnectionError:
            pass
        received.left.set()


@dataclass(slots=True)
class Asked:
    """The content of a request of any of the three APIs, as far as the answer depends on it."""

    text: str
    system: str
    images: int
    results: list[str]

    @staticmethod
    def read(body: dict[str, Any]) -> Asked:
        messages = body.get("messages") or body.get("input") or []
        if isinstance(messages, str):
            messages = [{"role": "user", "content": messages}]
        system = [_text(body.get("system")), body.get("instructions") or ""]
        system += [_text(m.get("content")) for m in messages if m.get("role") in ("system", "developer")]
        turn = [m for m in messages if m.get("role") not in ("system", "developer")]
        while any(_is_reply(m) for m in turn):
            turn = turn[1:]
        parts = [part for m in turn if isinstance(m.get("content"), list) for part in m["content"]]
        results = [_text(m.get("content")) for m in turn if m.get("role") == "tool"]
        results += [_text(part.get("content")) for part in parts if part.get("type") == "tool_result"]
        results += [_text(m.get("output")) for m in turn if m.get("type") == "function_call_output"]
        images = sum(part.get("type") in ("image", "image_url", "input_image") for part in parts)
        seen_words = [_text(m.get("content")) for m in turn if m.get("role") == "user"]
        return Asked(" ".join(filter(None, seen_words)), " ".join(filter(None, system)), images, results)

    def script(self) -> Script:
        calls = re.findall(r"call (\w+) (\{[^\n]*\})", self.text)
        if calls:
            return Script(calls=[(f"call_{index}", name, given) for index, (name, given) in enumerate(calls)])
        heard = [f"upstream heard: {self.text}"]
        heard += [f"[system: {self.system}]"] if self.system else []
        heard += [f"[images: {self.images}]"] if self.images else []
        heard += [f"[results: {', '.join(self.results)}]"] if self.results else []
        return Script(" ".join(heard), THOUGHT if "think first" in self.text else "")


def _is_reply(message: dict[str, Any]) -> bool:
    return message.get("role") == "assistant" or message.get("type") == "function_call"


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    return " ".join(part["text"] for part in content or [] if isinstance(part, dict) and "text" in part)


async def _send(
    writer: asyncio.StreamWriter, status: int, body: dict[str, Any], headers: dict[str, str] | None = None
) -> None:
    data = json.dumps(body).encode()
    given = {"content-type": "application/json", "content-length": str(len(data)), **(headers or {})}
    lines = "".join(f"{name}: {value}\r\n" for name, value in given.items())
    writer.write(f"HTTP/1.1 {status} Status\r\n{lines}\r\n".encode() + data)
    await writer.drain()


ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    529: "overloaded_error",
}


def error_body(dialect: str, status: int) -> dict[str, Any]:
    message = f"upstream said {status}"
    if dialect == "messages":
        return {"type": "error", "error": {"type": ERROR_TYPES.get(status, "api_error"), "message": message}}
    kind = {429: "rate_limit_exceeded"}.get(status)
    return {"error": {"message": message, "type": ERROR_TYPES.get(status, "server_error"), "param": None, "code": kind}}


def whole(dialect: str, model: str, script: Script) -> dict[str, Any]:
    if dialect == "chat":
        return {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1_700_000_000,
            "model": model,
            "choices": [{"index": 0, "message": _chat_message(script), "finish_reason": _chat_finish(script)}],
            "usage": _chat_usage(),
        }
    if dialect == "messages":
        return {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": model,
            "content": list(_blocks(script)),
            "stop_reason": _stop_reason(script),
            "stop_sequence": None,
            "usage": {"input_tokens": INPUT_TOKENS, "output_tokens": OUTPUT_TOKENS},
        }
    return _response(model, script, list(_items(script)), status=_status(script))


def stream(dialect: str, model: str, script: Script, *, include_usage: bool) -> Iterator[bytes]:
    """The events of the answer, as bytes."""
    if dialect == "chat":
        yield from _chat_stream(model, script, include_usage=include_usage)
    elif dialect == "messages":
        for event in _message_events(model, script):
            yield f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()
    else:
        for number, event in enumerate(_response_events(model, script)):
            event["sequence_number"] = number
            yield f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()


def words(text: str) -> list[str]:
    return re.findall(r"\S+\s*", text)


def halves(text: str) -> tuple[str, str]:
    return text[: len(text) // 2], text[len(text) // 2 :]


def _chat_message(script: Script) -> dict[str, Any]:
    refused = script.ends == "refusal"
    message: dict[str, Any] = {"role": "assistant", "content": None if refused else script.text or None}
    message["refusal"] = script.text if refused else None
    if script.thinking:
        message["reasoning_content"] = script.thinking
    if script.calls:
        message["tool_calls"] = [
            {"id": call, "type": "function", "function": {"name": name, "arguments": given}}
            for call, name, given in script.calls
        ]
    return message


def _chat_finish(script: Script) -> str:
    if script.ends == "length":
        return "length"
    return "tool_calls" if script.calls else "stop"


def _chat_usage() -> dict[str, int]:
    return {
        "prompt_tokens": INPUT_TOKENS,
        "completion_tokens": OUTPUT_TOKENS,
        "total_tokens": INPUT_TOKENS + OUTPUT_TOKENS,
    }


def _chat_stream(model: str, script: Script, *, include_usage: bool) -> Iterator[bytes]:
    def chunk(delta: dict[str, Any], finish: str | None = None, **more: Any) -> bytes:
        body = {
            "id": "chatcmpl-1",
            "object": "chat.completion.chunk",
            "created": 1_700_000_000,
            "model": model,
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
            **more,
        }
        return f"data: {json.dumps(body)}\n\n".encode()

    yield chunk({"role": "assistant", "content": ""})
    for word in words(script.thinking):
        yield chunk({"reasoning_content": word})
    for word in words(script.text):
        yield chunk({"refusal" if script.ends == "refusal" else "content": word})
    for index, (call, name, given) in enumerate(script.calls):
        first = {"index": index, "id": call, "type": "function", "function": {"name": name, "arguments": ""}}
        yield chunk({"tool_calls": [first]})
        for half in halves(given):
            yield chunk({"tool_calls": [{"index": index, "function": {"arguments": half}}]})
    yield chunk({}, _chat_finish(script))
    if include_usage:
        yield chunk({}, choices=[], usage=_chat_usage())
    yield b"data: [DONE]\n\n"


def _stop_reason(script: Script) -> str:
    if script.ends:
        return {"length": "max_tokens"}.get(script.ends, script.ends)
    return "tool_use" if script.calls else "end_turn"


def _blocks(script: Script) -> Iterator[dict[str, Any]]:
    if script.thinking:
        yield {"type": "thinking", "thinking": script.thinking, "signature": script.signature}
    if script.text:
        yield {"type": "text", "text": script.text}
    for call, name, given in script.calls:
        yield {"type": "tool_use", "id": f"toolu_{call}", "name": name, "input": json.loads(given)}


def _message_events(model: str, script: Script) -> Iterator[dict[str, Any]]:
    message = whole("messages", model, script)
    content, stop = message["content"], message["stop_reason"]
    started = {**message, "content": [], "stop_reason": None}
    started["usage"] = {"input_tokens": INPUT_TOKENS, "output_tokens": 1}
    yield {"type": "message_start", "message": started}
    yield {"type": "ping"}
    for index, block in enumerate(content):
        yield {"type": "content_block_start", "index": index, "content_block": _empty(block)}
        for delta in _deltas(block):
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    delta = {"stop_reason": stop, "stop_sequence": None}
    yield {"type": "message_delta", "delta": delta, "usage": {"output_tokens": OUTPUT_TOKENS}}
    yield {"type": "message_stop"}


def _empty(block: dict[str, Any]) -> dict[str, Any]:
    blank = {"thinking": {"thinking": "", "signature": ""}, "text": {"text": ""}, "tool_use": {"input": {}}}
    return {**block, **blank[block["type"]]}


def _deltas(block: dict[str, Any]) -> Iterator[dict[str, Any]]:
    match block["type"]:
        case "thinking":
            for word in words(block["thinking"]):
                yield {"type": "thinking_delta", "thinking": word}
            yield {"type": "signature_delta", "signature": block["signature"]}
        case "text":
            for word in words(block["text"]):
                yield {"type": "text_delta", "text": word}
        case _:
            for half in halves(json.dumps(block["input"])):
                yield {"type": "input_json_delta", "partial_json": half}


def _items(script: Script) -> Iterator[dict[str, Any]]:
    if script.thinking:
        summary = [{"type": "summary_text", "text": script.thinking}]
        encrypted = {"encrypted_content": script.encrypted} if script.encrypted else {}
        yield {"type": "reasoning", "id": f"rs_{script.serial}", "summary": summary, **encrypted}
    if script.text:
        content = [{"type": "output_text", "text": script.text, "annotations": [], "logprobs": []}]
        if script.ends == "refusal":
            content = [{"type": "refusal", "refusal": script.text}]
        item = {"type": "message", "id": f"msg_{script.serial}", "role": "assistant", "status": "completed"}
        yield {**item, "content": content}
    for call, name, given in script.calls:
        item = {"type": "function_call", "id": f"fc_{call}", "call_id": call, "name": name, "arguments": given}
        yield {**item, "status": "completed"}


def _response(model: str, script: Script, output: list[dict[str, Any]], *, status: str) -> dict[str, Any]:
    usage = {
        "input_tokens": INPUT_TOKENS,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": OUTPUT_TOKENS,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": INPUT_TOKENS + OUTPUT_TOKENS,
    }
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1_700_000_000,
        "status": status,
        "model": model,
        "output": output,
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "error": None,
        "incomplete_details": {"reason": "max_output_tokens"} if status == "incomplete" else None,
        "instructions": None,
        "metadata": {},
        "temperature": 1.0,
        "top_p": 1.0,
        "usage": None if status == "in_progress" else usage,
    }


def _status(script: Script) -> str:
    return "incomplete" if script.ends == "length" else "completed"


def _response_events(model: str, script: Script) -> Iterator[dict[str, Any]]:
    items = list(_items(script))
    yield {"type": "response.created", "response": _response(model, script, [], status="in_progress")}
    yield {"type": "response.in_progress", "response": _response(model, script, [], status="in_progress")}
    for index, item in enumerate(items):
        place = {"item_id": item["id"], "output_index": index}
        if item["type"] == "message":
            part = item["content"][0]
            kind = part["type"]
            key, more = ("refusal", {}) if kind == "refusal" else ("text", {"logprobs": []})
            inner = {**place, "content_index": 0}
            yield _added(index, {**item, "content": [], "status": "in_progress"})
            yield {"type": "response.content_part.added", **inner, "part": {**part, key: ""}}
            for word in words(part[key]):
                yield {"type": f"response.{kind}.delta", **inner, "delta": word, **more}
            yield {"type": f"response.{kind}.done", **inner, key: part[key], **more}
            yield {"type": "response.content_part.done", **inner, "part": part}
        elif item["type"] == "reasoning":
            part = item["summary"][0]
            inner = {**place, "summary_index": 0}
            yield _added(index, {**item, "summary": []})
            yield {"type": "response.reasoning_summary_part.added", **inner, "part": {**part, "text": ""}}
            for word in words(part["text"]):
                yield {"type": "response.reasoning_summary_text.delta", **inner, "delta": word}
            yield {"type": "response.reasoning_summary_text.done", **inner, "text": part["text"]}
            yield {"type": "response.reasoning_summary_part.done", **inner, "part": part}
        else:
            yield _added(index, {**item, "arguments": "", "status": "in_progress"})
            for half in halves(item["arguments"]):
                yield {"type": "response.function_call_arguments.delta", **place, "delta": half}
            done = {"name": item["name"], "arguments": item["arguments"]}
            yield {"type": "response.function_call_arguments.done", **place, **done}
        yield {"type": "response.output_item.done", "output_index": index, "item": item}
    status = _status(script)
    yield {"type": f"response.{status}", "response": _response(model, script, items, status=status)}


def _added(index: int, item: dict[str, Any]) -> dict[str, Any]:
    return {"type": "response.output_item.added", "output_index": index, "item": item}
