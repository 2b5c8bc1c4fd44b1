"""Messages streams ↔ chunks, after docs.anthropic.com/en/api/messages-streaming.

The grammar, which the encoder keeps for any chunks:

    message_start ( content_block_start content_block_delta* content_block_stop )* message_delta message_stop

One block is open at a time and none is opened twice. Tool calls that a provider sends interleaved are therefore written
one after the other: while the open call's arguments are not yet a whole JSON object, what else comes is held.
"""

from __future__ import annotations

from typing import Any

from llm_gateway_sdk import (
    Choice,
    DialectError,
    ErrorInfo,
    LLMResponse,
    Message,
    Mint,
    OpaquePart,
    Part,
    RefusalPart,
    StreamDecoder,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    Usage,
)
from llm_gateway_sdk.dialects.bare_errors import error_data
from llm_gateway_sdk.wire import json
from llm_gateway_sdk.wire.sse import EventSplitter, SSEError, event_data

from .errors import error_of_body
from .parts import (
    NAME,
    decode_block,
    decode_citation,
    extras,
    read_object,
)
from .response import (
    KNOWN,
    decode_usage,
    read_stop,
    string_or_empty,
)

__all__ = ["AnthropicStreamDecoder"]

# Reading.


class AnthropicStreamDecoder(StreamDecoder):
    """Bytes → chunks. Wire block indices become part indices by first appearance."""

    def __init__(self, mint: Mint) -> None:
        self._splitter = EventSplitter()
        self._mint = mint
        self._blocks: dict[int, _OpenBlock] = {}
        self._next = 0
        self._usage: dict[str, Any] = {}
        self.finished = False

    def feed(self, data: bytes) -> list[LLMResponse]:
        try:
            return self._read(self._splitter.feed(data))
        except SSEError as error:
            raise DialectError(str(error)) from None

    def close(self) -> list[LLMResponse]:
        return self._read(self._splitter.close())

    def _read(self, events: list[bytes]) -> list[LLMResponse]:
        chunks: list[LLMResponse] = []
        for raw in events:
            data = event_data(raw) or (None if self.finished else error_data(raw))
            if data is None or data == b"[DONE]":
                continue
            try:
                body = json.loads(data)
            except ValueError as error:
                raise DialectError(f"an event is not valid JSON: {error}") from None
            if not isinstance(body, dict):
                raise DialectError("an event is not a JSON object")
            chunk = self._event(body)
            if chunk is not None:
                chunks.append(chunk)
        return chunks

    def _event(self, body: dict[str, Any]) -> LLMResponse | None:
        match body.get("type"):
            case "content_block_delta":
                return self._delta(body)
            case "content_block_start":
                return self._start(body)
            case "content_block_stop":
                return self._stop(body)
            case "message_start":
                return self._message(body)
            case "message_delta":
                return self._finish(body)
            case "message_stop":
                self.finished = True
                return LLMResponse(final=True)
            case "ping":
                return None
            case "error":
                info = error_of_body(body)
                return LLMResponse(error=info or ErrorInfo(json.dumps_text(body), 500, "upstream"))
        if (body.get("type") is None or "error" in body) and (info := error_of_body(body)) is not None:
            return LLMResponse(error=info)
        return LLMResponse(provider_deltas=[(NAME, body)])

    def _message(self, body: dict[str, Any]) -> LLMResponse:
        message = read_object(body.get("message"), "message")
        chunk = LLMResponse(
            id=string_or_empty(message.get("id")) or self._mint.id("msg_"),
            model=string_or_empty(message.get("model")),
            choices=[Choice(0, Message("assistant"))],
            usage=self._count(message.get("usage")),
            provider_metadata=extras(message, KNOWN),
        )
        if isinstance(tier := self._usage.get("service_tier"), str):
            chunk.service_tier = tier
        return chunk

    def _start(self, body: dict[str, Any]) -> LLMResponse | None:
        source = read_object(body.get("content_block"), "content_block")
        part = decode_block(source, "content_block", from_client=False)
        block = _OpenBlock(part, self._next)
        self._next += 1
        self._blocks[_index(body)] = block
        part.index = block.index
        match part:
            case TextPart() | RefusalPart():
                has_content = bool(
                    part.text or part.provider_metadata or (isinstance(part, TextPart) and part.citations)
                )
            case ThinkingPart():
                # A signature ends the part, so one that comes first waits for the block's end.
                block.signature, part.signature = part.signature, None
                has_content = bool(part.text or part.redacted is not None or part.provider_metadata)
            case ToolCallPart():
                block.arguments, part.arguments = part.arguments, ""
                has_content = True
            case _:
                has_content = True
        return _chunk(part) if has_content else None

    def _delta(self, body: dict[str, Any]) -> LLMResponse | None:
        delta = body.get("delta")
        block = self._blocks.get(_index(body))
        if block is None or not isinstance(delta, dict):
            raise DialectError("a delta outside of any block", path="content_block_delta")
        index, part = block.index, block.part
        if delta.get("type") == "text_delta" and type(part) is TextPart:
            text = delta.get("text")
            return _chunk(TextPart(text, [], index=index)) if isinstance(text, str) and text else None
        if isinstance(part, OpaquePart):
            return _chunk(OpaquePart(NAME, None, [delta], index=index))
        match delta.get("type"):
            case "input_json_delta" if isinstance(part, ToolCallPart):
                fragment = delta.get("partial_json")
                if not isinstance(fragment, str) or not fragment:
                    return None
                block.arguments = ""
                return _chunk(ToolCallPart(arguments=fragment, index=index))
            case "thinking_delta" if isinstance(part, ThinkingPart):
                text = delta.get("thinking")
                return (
                    _chunk(ThinkingPart(text, signed_by=NAME, index=index)) if isinstance(text, str) and text else None
                )
            case "signature_delta" if isinstance(part, ThinkingPart):
                signature = delta.get("signature")
                if isinstance(signature, str) and signature:
                    block.signature = signature
                return None
            case "citations_delta" if isinstance(part, TextPart):
                citation = decode_citation(delta.get("citation"), "delta.citation")
                return _chunk(TextPart(citations=[citation], index=index))
        return LLMResponse(provider_deltas=[(NAME, body)])

    def _stop(self, body: dict[str, Any]) -> LLMResponse | None:
        block = self._blocks.pop(_index(body), None)
        if block is None:
            return None
        if isinstance(block.part, ThinkingPart) and block.signature:
            return _chunk(ThinkingPart(signature=block.signature, signed_by=NAME, index=block.index))
        if isinstance(block.part, ToolCallPart) and block.arguments:
            return _chunk(ToolCallPart(arguments=block.arguments, index=block.index))
        return None

    def _finish(self, body: dict[str, Any]) -> LLMResponse:
        delta = body.get("delta")
        source: dict[str, Any] = delta if isinstance(delta, dict) else {}
        choice = Choice(0, Message("assistant"))
        read_stop(choice, source)
        kept = {key: value for key, value in source.items() if key not in KNOWN and value is not None}
        kept.update(
            (key, value) for key, value in body.items() if key not in ("type", "delta", "usage") and value is not None
        )
        return LLMResponse(
            choices=[choice],
            usage=self._count(body.get("usage")),
            provider_metadata={NAME: kept} if kept else {},
        )

    def _count(self, usage: object) -> Usage | None:
        """The stream's whole usage so far: later events give some of the counts, as totals."""
        if not isinstance(usage, dict):
            return None
        for key, value in usage.items():
            if value is not None and not (value == 0 and self._usage.get(key)):
                self._usage[key] = value
        return decode_usage(self._usage)


class _OpenBlock:
    __slots__ = ("arguments", "index", "part", "signature")

    def __init__(self, part: Part, index: int) -> None:
        self.part = part
        self.index = index
        self.signature: str | None = None
        self.arguments = ""
        """A call's input as its start gave it; the whole input if no fragments follow."""


def _chunk(part: Part) -> LLMResponse:
    return LLMResponse("", "", None, [Choice(0, Message("assistant", [part]))])


def _index(body: dict[str, Any]) -> int:
    index = body.get("index")
    if not isinstance(index, int):
        raise DialectError("expected an integer", path="index")
    return index


# Writing.


# Looking without reading.
