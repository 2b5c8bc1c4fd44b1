"""Bounds what a provider's reply may cost: bytes of one event, and work done in one turn of the event loop.

A provider may send little that becomes much: a compressed stream, or one empty event after another. Whatever is done
with the bytes is done for one piece at a time, and other requests have their turn in between.
"""

from __future__ import annotations

from collections.abc import Iterator

from llm_gateway_sdk import ModelProtocolError

__all__ = ["HEAVY_BYTES", "PIECE_BYTES", "WATCHED_BYTES", "EventBound", "pieces", "too_large"]

PIECE_BYTES = 16 * 1024
"""Of the worst bytes there are (empty events), so many take a few milliseconds."""
WATCHED_BYTES = 4 * 1024
"""The same where plugins look at what comes."""
HEAVY_BYTES = 128 * 1024
"""One event of this length is decoded aside."""


def pieces(data: bytes, size: int = PIECE_BYTES) -> Iterator[bytes]:
    """`data` cut into pieces of bounded work."""
    for start in range(0, len(data), size):
        yield data[start : start + size]


def too_large(limit: int) -> ModelProtocolError:
    return ModelProtocolError(f"The reply is larger than the {limit} bytes that are accepted.")


class EventBound:
    """The bound on one event of a stream that is decoded: the decoder keeps an unfinished event until it ends."""

    __slots__ = ("_last", "_limit", "open")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.open = 0
        """Bytes of the event that is not ended yet."""
        self._last = b""

    def check(self, data: bytes) -> None:
        """`data` is what came next. Raises ModelProtocolError where the event that is open now is larger than the
        limit."""
        if data.endswith(b"\n\n"):
            self.open, self._last = 0, b""
            return
        seam = self._last + data
        end = max(seam.rfind(b"\n\n"), seam.rfind(b"\r\n\r\n"), seam.rfind(b"\r\r"))
        self.open = len(seam) - end if end >= 0 else self.open + len(data)
        self._last = seam[-3:]
        if self.open > self._limit:
            raise ModelProtocolError(f"A stream event is larger than the {self._limit} bytes that are accepted.")
