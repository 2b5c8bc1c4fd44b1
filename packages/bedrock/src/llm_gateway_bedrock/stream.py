"""ConverseStream ↔ chunks: a binary event stream whose usage comes after its `messageStop`.

`messageStart`, then per block `contentBlockStart` (only for tools and images), `contentBlockDelta`…,
`contentBlockStop`; `messageStop`, `metadata`. Exceptions are messages of the stream and end it.
"""

from __future__ import annotations

from typing import Any

from llm_gateway_sdk import (
    UNSIGNED,
    Choice,
    DialectError,
    LLMResponse,
    Message,
    Mint,
    OpaquePart,
    Part,
    StreamDecoder,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    unwrap_signature,
)
from llm_gateway_sdk.dialects.answer import broken_output
from llm_gateway_sdk.wire import json

from .errors import read_exception
from .eventstream import EventStreamDecoder, EventStreamError, EventStreamMessage
from .parts import NAME, decode_citation, read_blob
from .response import decode_usage, read_metadata, read_stop

__all__ = ["Decoder"]


class Decoder(StreamDecoder):
    def __init__(self, mint: Mint) -> None:
        self.finished = False
        self._messages = EventStreamDecoder()
        self._indices: dict[int, int] = {}
        """Block number → index, by first appearance."""
        self._opaque: set[int] = set()
        self._stopped = False
        self._failed = False

    def feed(self, data: bytes) -> list[LLMResponse]:
        try:
            messages = self._messages.feed(data)
        except EventStreamError as error:
            raise DialectError(str(error)) from None
        chunks = []
        for message in messages:
            chunk = self._read(message)
            if chunk is not None:
                chunks.append(chunk)
        return chunks

    def close(self) -> list[LLMResponse]:
        if self._stopped and not self.finished and not self._failed and not self._messages.pending:
            # Some servers send no metadata.
            self.finished = True
            return [LLMResponse(final=True)]
        return []

    def _read(self, message: EventStreamMessage) -> LLMResponse | None:
        headers = message.headers
        kind = headers.get(":message-type", "event")
        if kind == "exception":
            self._failed = True
            return LLMResponse(error=read_exception(str(headers.get(":exception-type", "")), message.payload))
        if kind == "error":
            self._failed = True
            text = headers.get(":error-message")
            code = str(headers.get(":error-code", ""))
            return LLMResponse(error=read_exception(code, message.payload, str(text) if text else None))
        try:
            event = json.loads(message.payload) if message.payload else {}
        except ValueError as error:
            raise DialectError(f"an event is not valid JSON: {error}") from None
        if not isinstance(event, dict):
            raise DialectError("expected a JSON object in the event")
        name = headers.get(":event-type")
        match name:
            case "contentBlockDelta":
                return self._delta(event)
            case "contentBlockStart":
                return self._start(event)
            case "contentBlockStop":
                return None
            case "messageStart":
                return LLMResponse(choices=[Choice()])
            case "messageStop":
                self._stopped = True
                choice = Choice()
                read_stop(choice, event)
                broken = broken_output(choice.raw_finish_reason) if choice.finish_reason == "error" else None
                return LLMResponse(choices=[choice], error=broken)
            case "metadata":
                self.finished = self._stopped
                response = LLMResponse(usage=decode_usage(event.get("usage")), final=self._stopped)
                read_metadata(response, event)
                return response
            case _ if isinstance(name, str) and name.endswith("Exception"):
                self._failed = True
                return LLMResponse(error=read_exception(name, message.payload))
        event.pop("p", None)
        return LLMResponse(provider_deltas=[(NAME, {"event": name, **event})])

    def _index(self, event: dict[str, Any]) -> int:
        number = event.get("contentBlockIndex", 0)
        if not isinstance(number, int) or isinstance(number, bool):
            raise DialectError("expected a number", path="contentBlockIndex")
        return self._indices.setdefault(number, len(self._indices))

    def _start(self, event: dict[str, Any]) -> LLMResponse | None:
        index = self._index(event)
        start = event.get("start")
        if not isinstance(start, dict) or not start:
            return None
        call = start.get("toolUse")
        if not isinstance(call, dict) or call.get("type") == "server_tool_use":
            self._opaque.add(index)
            return _chunk(OpaquePart(NAME, start, index=index))
        part = ToolCallPart(str(call.get("toolUseId", "")), str(call.get("name", "")), index=index)
        if rest := {key: value for key, value in call.items() if key not in ("toolUseId", "name")}:
            part.provider_metadata = {NAME: rest}
        return _chunk(part)

    def _delta(self, event: dict[str, Any]) -> LLMResponse | None:
        index = self._index(event)
        delta = event.get("delta")
        if not isinstance(delta, dict):
            return None
        if index in self._opaque:
            return _chunk(OpaquePart(NAME, deltas=[delta], index=index))
        text = delta.get("text")
        if isinstance(text, str):
            return _chunk(TextPart(text, index=index)) if text else None
        for key, value in delta.items():
            if key == "toolUse" and isinstance(value, dict):
                piece = value.get("input")
                return _chunk(ToolCallPart(arguments=piece if isinstance(piece, str) else "", index=index))
            if key == "reasoningContent" and isinstance(value, dict):
                return _chunk(_thought(value, index))
            if key == "citation" and isinstance(value, dict):
                part = TextPart("", [decode_citation(value)], index=index, provider_metadata={NAME: {"_cited": True}})
                return _chunk(part)
        self._opaque.add(index)
        return _chunk(OpaquePart(NAME, {}, [delta], index=index))


def _thought(value: dict[str, Any], index: int) -> ThinkingPart:
    part = ThinkingPart(signed_by=NAME, index=index)
    text, signature, redacted = value.get("text"), value.get("signature"), value.get("redactedContent")
    if isinstance(text, str):
        part.text = text
    if isinstance(signature, str):
        proof, part.signed_by = unwrap_signature(signature, NAME)
        part.signature = None if part.signed_by == UNSIGNED else proof
    if isinstance(redacted, str):
        part.redacted, part.signed_by = read_blob(redacted)
    return part


def _chunk(part: Part) -> LLMResponse:
    return LLMResponse(choices=[Choice(0, Message("assistant", [part]))])
