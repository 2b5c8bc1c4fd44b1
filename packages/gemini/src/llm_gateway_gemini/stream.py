"""Streams of `GenerateContentResponse`s: server-sent events, or one JSON array where `alt=sse` is not asked for.

Each event is a response that holds what is new. There is no terminal event: the one with a `finishReason` comes last or
nearly so, and the end of the bytes is the end of the reply.
"""

from __future__ import annotations

from llm_gateway_sdk import (
    DialectError,
    LLMResponse,
    Mint,
    StreamDecoder,
)
from llm_gateway_sdk.dialects.bare_errors import error_data, named_error
from llm_gateway_sdk.wire import json
from llm_gateway_sdk.wire.sse import EventSplitter, SSEError, parse_event

from .arrays import ArraySplitter
from .errors import read_error
from .response import ReplyReader

__all__ = ["Decoder"]


class Decoder(StreamDecoder):
    """Reads both forms; the first byte that is not a white space reports which it is."""

    def __init__(self, mint: Mint) -> None:
        self.finished = False
        self._reader = ReplyReader(mint, joined=True)
        self._events = EventSplitter()
        self._array: ArraySplitter | None = None
        self._known = False
        self._failed = False

    def feed(self, data: bytes) -> list[LLMResponse]:
        if not self._known:
            head = data.lstrip(b" \t\r\n\xef\xbb\xbf")
            if not head:
                return []
            self._known = True
            if head[:1] in (b"[", b"{"):
                # A lone object is an error that came in place of a stream.
                self._array = ArraySplitter()
        if self._array is not None:
            return [self._read(item) for item in self._array.feed(data)]
        try:
            events = self._events.feed(data)
        except SSEError as error:
            raise DialectError(str(error)) from None
        return self._read_events(events)

    def close(self) -> list[LLMResponse]:
        chunks = [] if self._array is not None else self._read_events(self._events.close())
        if self.finished and not self._failed:
            chunks.append(LLMResponse(final=True))
        return chunks

    def _read_events(self, events: list[bytes]) -> list[LLMResponse]:
        chunks = []
        for raw in events:
            event = parse_event(raw)
            if event is not None and event.data.strip():
                chunks.append(self._read(event.data))
            elif raw.lstrip()[:1] in (b"{", b"["):
                # Errors in mid-stream come as bare JSON.
                chunks.extend(self._read(item) for item in ArraySplitter().feed(raw))
            elif event is None and not self.finished and (failure := error_data(raw)) is not None:
                chunks.append(self._read(failure))
        return chunks

    def _read(self, data: bytes) -> LLMResponse:
        try:
            body = json.loads(data)
        except ValueError as error:
            raise DialectError(f"an event is not valid JSON: {error}") from None
        if not isinstance(body, dict):
            raise DialectError("expected a JSON object in the event")
        failure = named_error(body)
        if failure is not None:
            self._failed = True
            self.finished = False
            return LLMResponse(error=read_error(failure))
        chunk = self._reader.read(body)
        self.finished = self._reader.ended
        return chunk


# Byte tests on events that pass through.
