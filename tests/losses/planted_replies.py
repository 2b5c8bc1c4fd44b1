"""Replies of the vendors with a text in one string position each, whole and as streams.

The positions are those of the types of the vendors' SDKs, see `sdk_types.py`.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from five_apis import event_stream_message
from sdk_types import Node, each_text, of_annotation, of_shape

__all__ = [
    "Planted",
    "PlantedApi",
    "event_tree_of",
    "planted_embeddings",
    "planted_errors",
    "planted_streams",
    "planted_wholes",
    "reply_tree_of",
    "stream_of",
    "whole_of",
]


@dataclass(frozen=True)
class Planted:
    path: str
    value: Any
    """The reply, or one event of it."""


class PlantedApi:
    """A provider that gives one and the same answer to whatever it is asked. Runs in its own thread."""

    def __init__(self) -> None:
        self.answer: tuple[str, bytes] = ("application/json", b"{}")
        self.status = 200
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(10)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _start(self) -> asyncio.Server:
        return await asyncio.start_server(self._serve, "127.0.0.1", 0)

    async def _stop(self) -> None:
        self._server.close()
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                lines = head.lower().split(b"\r\n")
                length = next((int(line[15:]) for line in lines if line.startswith(b"content-length:")), 0)
                await reader.readexactly(length)
                kind, body = self.answer
                writer.write(f"HTTP/1.1 {self.status} Status\r\ncontent-type: {kind}\r\n".encode())
                writer.write(f"content-length: {len(body)}\r\n\r\n".encode() + body)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()


# Whole replies.


def planted_wholes(dialect: str, planted: str) -> Iterator[Planted]:
    for path, value in each_text(reply_tree_of(dialect), planted):
        yield Planted(path, whole_of(dialect, value))


def whole_of(dialect: str, value: dict[str, Any]) -> Any:
    """A reply that is complete but for what a value of its type has otherwise."""
    return _from_nought({**_BASES.get(dialect, {}), **value})


@cache
def reply_tree_of(dialect: str) -> Node:
    match dialect:
        case "openai_chat":
            from openai.types.chat import ChatCompletion

            return of_annotation(ChatCompletion, reply=True)
        case "openai_responses":
            from openai.types.responses import Response

            return of_annotation(Response, reply=True)
        case "anthropic":
            from anthropic.types import Message

            return of_annotation(Message, reply=True)
        case "gemini":
            from google.genai import types

            return of_annotation(types.GenerateContentResponse, reply=True)
    return of_shape(_bedrock("Converse"))


def _bedrock(operation: str) -> Any:
    import botocore.session

    model = botocore.session.get_session().get_service_model("bedrock-runtime")
    return model.operation_model(operation).output_shape


_GEMINI_TEXT = {"content": {"role": "model", "parts": [{"text": "hello"}]}, "index": 0}
_BASES: dict[str, dict[str, Any]] = {
    "gemini": {"candidates": [{**_GEMINI_TEXT, "finishReason": "STOP"}]},
    "bedrock": {"output": {"message": {"role": "assistant", "content": [{"text": "hello"}]}}, "stopReason": "end_turn"},
}


def _from_nought(value: Any) -> Any:
    """Numbers of choices, blocks and items begin with nought."""
    if isinstance(value, dict):
        return {key: 0 if key in _NUMBERS and isinstance(one, int) else _from_nought(one) for key, one in value.items()}
    return [_from_nought(one) for one in value] if isinstance(value, list) else value


_NUMBERS = ("index", "output_index", "content_index", "summary_index", "contentBlockIndex")

# Streams.


def planted_streams(dialect: str, planted: str, *, split: bool) -> Iterator[tuple[str, str, bytes]]:
    """(path, content type, body) of streams with one planted event, or with two that have a part of the text each. The
    text is cut within its word with a hyphen."""
    half = planted.index("-")
    for path, value in each_text(event_tree_of(dialect), planted):
        written = json.dumps(_from_nought(value))
        texts = [planted[:half], planted[half:]] if split else [planted]
        events = [json.loads(written.replace(json.dumps(planted)[1:-1], json.dumps(text)[1:-1])) for text in texts]
        kind = "application/vnd.amazon.eventstream" if dialect == "bedrock" else "text/event-stream"
        yield path, kind, stream_of(dialect, events)


def stream_of(dialect: str, events: list[Any], *, instead: list[Any] | None = None) -> bytes:
    """A whole stream with these events where they belong, or with others in their places."""
    if dialect == "bedrock":
        return b"".join(_bedrock_stream(events))
    whole = list(_STREAMS[dialect](events))
    for usual, other in zip(events, instead or events, strict=True):
        whole = [other if event is usual else event for event in whole]
    return _sse(dialect, whole)


@cache
def event_tree_of(dialect: str) -> Node:
    match dialect:
        case "openai_chat":
            from openai.types.chat import ChatCompletionChunk

            return of_annotation(ChatCompletionChunk, reply=True)
        case "openai_responses":
            from openai.types.responses import ResponseStreamEvent

            return of_annotation(ResponseStreamEvent, reply=True)
        case "anthropic":
            from anthropic.types import RawMessageStreamEvent

            return of_annotation(RawMessageStreamEvent, reply=True)
        case "gemini":
            return reply_tree_of("gemini")
    return of_shape(_bedrock("ConverseStream").members["stream"])


def _sse(dialect: str, events: list[dict[str, Any]]) -> bytes:
    written = []
    for event in events:
        name = f"event: {_type_of(event)}\n" if dialect in ("anthropic", "openai_responses") else ""
        written.append(f"{name}data: {json.dumps(event)}\n\n")
    return ("".join(written) + ("data: [DONE]\n\n" if dialect == "openai_chat" else "")).encode()


def _type_of(event: Any) -> Any:
    return event.get("type") if isinstance(event, dict) else None


def _chat_stream(events: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    def chunk(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}

    yield chunk({"role": "assistant", "content": "hi"})
    for event in events:
        for choice in event.get("choices") or []:
            choice["finish_reason"] = None
        yield event
    yield chunk({}, "stop")


def _gemini_stream(events: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    yield {"candidates": [_GEMINI_TEXT]}
    yield from events
    yield {"candidates": [{**_GEMINI_TEXT, "finishReason": "STOP"}], "usageMetadata": {"promptTokenCount": 1}}


def _anthropic_stream(events: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    kind = events[0]["type"]
    message = {
        "id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [], "stop_reason": None,
        "stop_sequence": None, "usage": {"input_tokens": 1, "output_tokens": 1},
    }  # fmt: skip
    yield events[0] if kind == "message_start" else {"type": "message_start", "message": message}
    if kind == "content_block_start":
        yield events[0]
    else:
        delta = events[0]["delta"]["type"] if kind == "content_block_delta" else "text_delta"
        yield {"type": "content_block_start", "index": 0, "content_block": dict(_BLOCKS[delta])}
    if kind == "content_block_delta":
        yield from events
    yield {"type": "content_block_stop", "index": 0}
    end = {
        "type": "message_delta",
        "delta": {"stop_reason": "end_turn", "stop_sequence": None},
        "usage": {"output_tokens": 1},
    }
    yield events[0] if kind == "message_delta" else end
    yield {"type": "message_stop"}


_BLOCKS: dict[str, dict[str, Any]] = {
    "text_delta": {"type": "text", "text": ""},
    "citations_delta": {"type": "text", "text": ""},
    "input_json_delta": {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {}},
    "thinking_delta": {"type": "thinking", "thinking": "", "signature": ""},
    "signature_delta": {"type": "thinking", "thinking": "", "signature": ""},
}


def _responses_stream(events: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    kind = events[0]["type"]
    response = {
        "id": "resp_1", "object": "response", "created_at": 1, "status": "in_progress", "model": "m", "output": [],
        "usage": None, "error": None, "incomplete_details": None, "tools": [], "tool_choice": "auto",
        "parallel_tool_calls": True, "metadata": {}, "instructions": None, "temperature": 1.0, "top_p": 1.0,
    }  # fmt: skip
    for first in ("response.created", "response.in_progress"):
        yield events[0] if kind == first else {"type": first, "response": response}
    item = next((item for name, item in _ITEMS.items() if name in kind), _ITEMS["output_text"])
    if kind != "response.output_item.added":
        yield {"type": "response.output_item.added", "output_index": 0, "item": {"id": "some_item_id", **item}}
    part = {"type": "output_text", "text": "", "annotations": []}
    if item["type"] == "message" and kind != "response.content_part.added":
        yield {
            "type": "response.content_part.added", "item_id": "some_item_id", "output_index": 0, "content_index": 0,
            "part": part,
        }  # fmt: skip
    if kind not in ("response.created", "response.in_progress", *_ENDS):
        yield from events
    if kind in _ENDS:
        yield events[0]
    else:
        yield {"type": "response.completed", "response": {**response, "status": "completed"}}


_ENDS = ("response.completed", "response.incomplete", "response.failed")
_MESSAGE = {"type": "message", "role": "assistant", "status": "in_progress", "content": []}
_ITEMS: dict[str, dict[str, Any]] = {
    "function_call": {"type": "function_call", "call_id": "call_1", "name": "look", "arguments": ""},
    "custom_tool_call": {"type": "custom_tool_call", "call_id": "call_1", "name": "look", "input": ""},
    "mcp_call": {"type": "mcp_call", "server_label": "files", "name": "look", "arguments": ""},
    "code_interpreter": {"type": "code_interpreter_call", "status": "in_progress", "code": "", "container_id": "c1"},
    "shell_call": {"type": "shell_call", "call_id": "call_1", "status": "in_progress", "action": {"commands": []}},
    "reasoning": {"type": "reasoning", "summary": []},
    "output_text": _MESSAGE,
}

_STREAMS = {
    "openai_chat": _chat_stream,
    "gemini": _gemini_stream,
    "anthropic": _anthropic_stream,
    "openai_responses": _responses_stream,
}


def _bedrock_stream(events: list[dict[str, Any]]) -> Iterator[bytes]:
    ((kind, _),) = events[0].items()
    if kind.endswith("Exception"):
        yield event_stream_message("messageStart", {"role": "assistant"})
        yield event_stream_message(kind, events[0][kind], "exception")
        return
    yield event_stream_message("messageStart", {"role": "assistant"})
    if kind not in ("contentBlockStart", "contentBlockDelta"):
        yield event_stream_message("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "hi"}})
    if kind == "contentBlockDelta" and "toolUse" in events[0][kind].get("delta", {}):
        start = {"toolUse": {"toolUseId": "t1", "name": "look"}}
        yield event_stream_message("contentBlockStart", {"contentBlockIndex": 0, "start": start})
    for event in events:
        if kind in ("contentBlockStart", "contentBlockDelta"):
            yield event_stream_message(kind, {"contentBlockIndex": 0, **event[kind]})
    yield event_stream_message("contentBlockStop", {"contentBlockIndex": 0})
    stop, usage = {"stopReason": "end_turn"}, {"usage": {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2}}
    yield event_stream_message("messageStop", {**stop, **events[0].get("messageStop", {})})
    yield event_stream_message("metadata", {**usage, **events[0].get("metadata", {})})


# Errors and embeddings.

_ERROR = Node(
    "object",
    {
        "error": (
            Node(
                "object",
                {
                    **{key: (Node("text"), True) for key in ("message", "type", "code", "param", "status")},
                    "details": (Node("list", items=[Node("any")]), False),
                    "metadata": (Node("any"), False),
                },
            ),
            True,
        ),
        **{key: (Node("text"), False) for key in ("type", "message", "request_id", "detail", "__type")},
    },
)
"""Fields of the five APIs' errors, and of servers that imitate them."""


def planted_errors(planted: str) -> Iterator[Planted]:
    for path, value in each_text(_ERROR, planted):
        yield Planted(path, value)
    yield Planted("(plain text)", planted)


def planted_embeddings(planted: str) -> Iterator[Planted]:
    from google.genai import types
    from openai.types import CreateEmbeddingResponse

    for reply in (CreateEmbeddingResponse, types.EmbedContentResponse):
        for path, value in each_text(of_annotation(reply, reply=True), planted):
            yield Planted(path, _from_nought(value))
    yield Planted(".more", {"object": "list", "data": [], "model": "m", "more": {"deep": [planted]}})
