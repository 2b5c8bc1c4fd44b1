"""Where a reply leaves: what the exchange needs of a server, and keep-alives for streams that are silent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from ..wire.timers import CLOCK_STEP
from .long_replies import LongReply

__all__ = ["ByteSource", "Outlet", "PiecewiseSink", "Sink"]

Headers = list[tuple[bytes, bytes]]


class Sink(Protocol):
    """A server's side of one reply."""

    keeps_on: bool
    """Set by the exchange: the client's leaving does not cancel what is under way."""

    @property
    def disconnected(self) -> bool:
        """The client has left: what is written goes nowhere."""
        ...

    def hold(self, reply: LongReply) -> None:
        """The reply takes room while it is worked on, which a client that is waited for must not keep from others."""
        ...

    async def start(self, status: int, headers: Headers) -> None: ...

    async def write(self, data: bytes, *, more: bool) -> None:
        """Writes a piece of the body, waiting where the client does not keep up."""
        ...

    def send_whole(self, status: int, headers: Headers, lines: bytes, body: bytes) -> bool:
        """Writes a whole reply at once; False, and nothing done, where it can't. See `Cycle.send_whole`."""
        ...

    def write_now(self, data: bytes) -> bool:
        """Writes a piece in the middle of the body from a callback; False, and nothing done, where that would have to
        wait."""
        ...

    async def abort(self) -> None:
        """Breaks the connection off: the body can't be finished and must not look whole."""
        ...


class PiecewiseSink:
    """Base of a sink that does not write a whole reply at once, and does not wait for a client's connection itself."""

    __slots__ = ()

    def hold(self, reply: LongReply) -> None:
        return

    def send_whole(self, status: int, headers: Headers, lines: bytes, body: bytes) -> bool:
        return False


class ByteSource(Protocol):
    """What a client sends on a connection that goes on in another protocol than HTTP."""

    @property
    def going_away(self) -> asyncio.Event:
        """Set when the server begins to end."""
        ...

    async def read(self) -> bytes:
        """What has come since the last time; `b""` at the end."""
        ...


class Outlet:
    """One streamed reply on its way out. It is *opened* by its first bytes, content or keep-alive.

    Every write holds whole events, so a keep-alive between two writes is between two events.
    """

    __slots__ = (
        "_headers",
        "_interval",
        "_keep_alive",
        "_last_write",
        "_loop",
        "_sink",
        "_started",
        "_task",
        "_timer",
        "_writing",
        "opened",
    )

    def __init__(self, sink: Sink, headers: Callable[[], Headers], *, interval: float, keep_alive: bytes) -> None:
        self._sink = sink
        self._headers = headers
        self._interval = interval
        self._keep_alive = keep_alive
        self._loop = asyncio.get_running_loop()
        self._last_write = self._loop.time()
        self._writing = False
        self._task: asyncio.Task[None] | None = None
        self._started = False
        self.opened = False
        self._timer = self._loop.call_later(interval, self._tick) if interval > 0 else None

    async def write(self, data: bytes) -> None:
        if self._task is not None:
            await asyncio.wait((self._task,))
        self._writing = True
        await self._open()
        await self._sink.write(data, more=True)
        self._writing = False
        self._last_write = self._loop.time()

    def write_now(self, data: bytes, now: float | None = None) -> bool:
        """The same at once, in the middle of a stream, at the loop's time `now`; False where it would have to wait."""
        if self._task is not None or not self._started or not self._sink.write_now(data):
            return False
        self._last_write = self._loop.time() if now is None else now
        return True

    @property
    def started(self) -> bool:
        """Status and headers were handed to the server."""
        return self._started

    async def end(self, data: bytes = b"") -> None:
        self.stop()
        if self._task is not None:
            await asyncio.wait((self._task,))
        await self._open()
        await self._sink.write(data, more=False)

    def stop(self) -> None:
        """No more keep-alives."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tick(self) -> None:
        due = self._last_write + self._interval
        now = self._loop.time()
        if now + CLOCK_STEP >= due and not self._writing and self._task is None:
            self._last_write = now
            due = now + self._interval
            self.opened = True  # from now on no other status is possible, even before the task has run
            self._task = self._loop.create_task(self._send_keep_alive())
            self._task.add_done_callback(self._keep_alive_sent)
        self._timer = self._loop.call_at(max(due, now + self._interval / 4), self._tick)

    async def _send_keep_alive(self) -> None:
        await self._open()
        await self._sink.write(self._keep_alive, more=True)

    async def _open(self) -> None:
        if not self._started:
            headers = self._headers()
            self.opened = self._started = True
            await self._sink.start(200, headers)

    def _keep_alive_sent(self, task: asyncio.Task[None]) -> None:
        self._task = None
        if not task.cancelled():
            task.exception()  # a client that left is noticed by the next write
