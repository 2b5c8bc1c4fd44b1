"""A stream of lines, read: one JSON object each, until one has `done`."""

from __future__ import annotations

from llm_gateway_sdk import DialectError, ErrorInfo, LLMResponse, Mint, StreamDecoder, ThinkingPart, ToolCallPart
from llm_gateway_sdk.dialects.answer import finish_that_fits
from llm_gateway_sdk.dialects.fields import read_object

from .response import read_reply

__all__ = ["Decoder"]

_LONGEST = 64 * 1024 * 1024


class Decoder(StreamDecoder):
    """Thinking is part 0, text part 1, and each call a separate part: a line holds calls whole."""

    def __init__(self, mint: Mint) -> None:
        self._mint = mint
        self._rest: list[bytes] = []
        self._held = 0
        self._calls = 0
        self.finished = False

    def feed(self, data: bytes) -> list[LLMResponse]:
        head, newline, tail = data.rpartition(b"\n")
        if not newline:
            self._hold(data)
            return []
        whole = b"".join((*self._rest, head))
        self._rest, self._held = [], 0
        self._hold(tail)
        return [self._read(line) for line in whole.split(b"\n") if line.strip()]

    def close(self) -> list[LLMResponse]:
        return self.feed(b"\n")

    def _hold(self, data: bytes) -> None:
        """Raises DialectError for a line without an end."""
        self._held += len(data)
        if self._held > _LONGEST:
            raise DialectError(f"a line of the stream is longer than {_LONGEST} bytes")
        if data:
            self._rest.append(data)

    def _read(self, line: bytes) -> LLMResponse:
        body = read_object(line, "a line of the stream")
        if body.get("error") is not None:
            return LLMResponse(error=ErrorInfo(str(body["error"]), 502, "upstream"))
        chunk = read_reply(body, self._mint)
        for part in chunk.message.content:
            if isinstance(part, ToolCallPart):
                self._calls += 1
                part.index = 1 + self._calls
            else:
                part.index = 0 if isinstance(part, ThinkingPart) else 1
        if chunk.final:
            self.finished = True
            chunk.choices[0].finish_reason = finish_that_fits(chunk.finish_reason, calls=self._calls > 0)
        return chunk
