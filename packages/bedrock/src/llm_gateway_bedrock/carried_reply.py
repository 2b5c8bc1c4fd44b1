"""A reply whose stream AWS's event stream carries, in the form that the dialect of its model reads.

A subclass defines what a message of the stream is in that form, and what a whole body is.
"""

from __future__ import annotations

from abc import abstractmethod

from llm_gateway_sdk import HTTPReply, ModelProtocolError
from llm_gateway_sdk.http import Room
from llm_gateway_sdk.reading import read_in_pieces

from .eventstream import EventStreamDecoder, EventStreamError, EventStreamMessage

__all__ = ["CarriedReply", "exception_of"]

_EVENT_STREAM = "application/vnd.amazon.eventstream"


class CarriedReply(HTTPReply):
    """An HTTPReply around the service's own. Its `content-type` is that of server-sent events where it is a stream."""

    def __init__(self, inner: HTTPReply) -> None:
        self._inner = inner
        self.status = inner.status
        self.headers = inner.headers
        self.resent = inner.resent
        self.kind = next((value for name, value in inner.headers if name == "content-type"), "")
        self._decoder: EventStreamDecoder | None = None
        if self.kind.startswith(_EVENT_STREAM):
            self._decoder = EventStreamDecoder()
            self.headers = [item for item in inner.headers if item[0] not in ("content-type", "content-length")]
            self.headers.append(("content-type", "text/event-stream"))

    @property
    def is_stream(self) -> bool:
        return self._decoder is not None

    @abstractmethod
    def part_of(self, message: EventStreamMessage) -> bytes:
        """A message as server-sent events, or a piece of them; empty where it means nothing. Raises
        ModelProtocolError."""

    def whole_of(self, body: bytes) -> bytes:
        """A body that is not a stream. May change `status`."""
        return body

    async def receive(self) -> bytes:
        """The next piece; empty at the end. Raises ModelProtocolError where the stream can't be read."""
        if self._decoder is None:
            return await self.receive_whole()
        while data := await self._inner.receive():
            try:
                messages = self._decoder.feed(data)
            except EventStreamError as error:
                raise ModelProtocolError(f"The provider's stream can't be read: {error}") from None
            if part := b"".join(map(self.part_of, messages)):
                return part
        return b""

    async def receive_whole(self) -> bytes:
        """The next piece of a body that is not a stream."""
        return await self._inner.receive()

    async def read(self, limit: int | None = None, room: Room | None = None) -> bytes:
        """All of it."""
        if self._decoder is None:
            return self.whole_of(await self._inner.read(limit, room))
        return await read_in_pieces(self.receive, limit, room)

    def expire_at(self, when: float, reason: str) -> None:
        self._inner.expire_at(when, reason)

    def close(self) -> None:
        self._inner.close()


def exception_of(message: EventStreamMessage) -> str | None:
    """The name of the exception that the message is, as the service spells it in a stream; None where it is none."""
    if message.headers.get(":message-type") not in ("exception", "error"):
        return None
    return str(message.headers.get(":exception-type") or message.headers.get(":error-code") or "")
