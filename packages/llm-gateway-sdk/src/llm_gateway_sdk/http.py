"""What an upstream HTTP client promises to providers. The gateway supplies it; harnesses supply a scripted one."""

from __future__ import annotations

from collections.abc import AsyncIterable, Awaitable, Callable, Sequence
from typing import Protocol, runtime_checkable

__all__ = [
    "UNASKED_BYTES",
    "ByteStream",
    "HTTPClient",
    "HTTPReply",
    "PreparedHead",
    "PreparingHTTPClient",
    "Room",
    "StreamingHTTPClient",
    "TunnellingHTTPClient",
]


Room = Callable[[int, float], Awaitable[None]]
"""Is awaited while a body is read that is longer than `UNASKED_BYTES`, before more of it is taken: with the bytes that
came since the last time, and with the end of the reply's time in the event loop's clock."""
UNASKED_BYTES = 1 << 20


class HTTPReply(Protocol):
    """A reply whose status and headers have come and whose body is still on its way.

    An engine's own class inherits from it, and has the methods with a body unless it knows better.
    """

    __slots__ = ()

    status: int
    """HTTP status."""
    headers: list[tuple[str, str]]
    """Names in lower case, in the order in which they came."""
    resent: bool = False
    """The request was sent a second time: its first connection, a reused one, closed before any byte of a reply."""

    async def receive(self) -> bytes:
        """The next bytes of the body, all that is there; `b""` at its end.

        Raises ModelConnectionError where the body breaks off, ModelTimeout where a limit set by `expire_at` passes.
        """
        ...

    async def receive_past(self, take: Callable[[bytes], bool]) -> bytes:
        """Like `receive`, for a reader who leaves what comes to `take` as long as that returns True.

        An engine with callbacks calls it from there with each piece, which wakes no reader, and returns the first
        piece that `take` leaves, or the end. Any other may return each piece.
        """
        return await self.receive()

    def keep_coding(self) -> None:
        """From here on the body comes in its content coding where that can't be undone, rather than as an error."""
        return

    async def read(self, limit: int | None = None, room: Room | None = None) -> bytes:
        """The rest of the body. Raises ModelProtocolError beyond `limit` bytes, and what `room` raises."""
        ...

    def expire_at(self, when: float, reason: str) -> None:
        """From `when` on (the event loop's clock) waiting ends in ModelTimeout(reason). Cheap: may be called per
        chunk."""
        ...

    def close(self) -> None:
        """Lets go of the reply; an unfinished body aborts its connection. May be called again."""
        ...


class HTTPClient(Protocol):
    """A pooled client without cookies, redirects or environment."""

    async def send(
        self,
        method: str,
        url: str,
        headers: Sequence[tuple[str, str]],
        body: bytes,
        *,
        connect_timeout: float = 5.0,
        expires: float | None = None,
        reason: str = "total",
    ) -> HTTPReply:
        """Sends one request and returns when status and headers have come.

        Raises ModelConnectionError, ModelTimeout, ModelProtocolError. Cancelling it, or closing the reply, closes the
        connection.
        """
        ...

    async def aclose(self) -> None:
        """Closes its connections."""


@runtime_checkable
class StreamingHTTPClient(Protocol):
    """A client that sends bodies while they arrive. One that does not gets them whole."""

    async def send_streamed(
        self,
        method: str,
        url: str,
        headers: Sequence[tuple[str, str]],
        body: AsyncIterable[bytes],
        length: int | None,
        *,
        connect_timeout: float = 5.0,
        expires: float | None = None,
        reason: str = "total",
    ) -> HTTPReply:
        """See HTTPClient.send. The body has `length` bytes, or is sent in chunks where that is None. What the body
        raises is raised; a reply that comes before its end ends it."""
        ...


class PreparedHead(Protocol):
    """A request of which all but one header and the body is known."""

    async def send(
        self,
        value: str,
        body: bytes,
        *,
        connect_timeout: float = 5.0,
        expires: float | None = None,
        reason: str = "total",
    ) -> HTTPReply:
        """See HTTPClient.send. `value` is that of the header that was left open; raises ValueError where it is not one
        that a header can have."""
        ...


@runtime_checkable
class PreparingHTTPClient(Protocol):
    """A client that writes the head of requests that are alike once for all of them."""

    def prepare_head(self, method: str, url: str, headers: Sequence[tuple[str, str]], varying: str) -> PreparedHead:
        """A request with these headers and one called `varying`. Raises ValueError for what can't be sent."""
        ...


class ByteStream(Protocol):
    """A connection to a server, with nothing of HTTP on it yet."""

    async def read(self) -> bytes:
        """What has come since the last time; `b""` at the end, also where the connection broke off."""
        ...

    async def write(self, data: bytes) -> None:
        """Waits where the server does not take what is sent. What is written to a connection that is closed is lost."""
        ...

    def close(self) -> None:
        """Ends the connection after what was written. May be called again."""
        ...

    def abort(self) -> None:
        """Ends it at once."""
        ...


@runtime_checkable
class TunnellingHTTPClient(Protocol):
    """A client that opens connections for other protocols than HTTP, such as WebSocket."""

    async def open_stream(self, url: str, *, connect_timeout: float = 5.0) -> ByteStream:
        """A new connection to the server of an `http` or `https` URL, with TLS and through the proxy as for its
        requests. Raises ModelConnectionError, ModelTimeout("connect")."""
        ...
