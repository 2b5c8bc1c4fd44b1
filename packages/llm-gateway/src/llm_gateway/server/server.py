"""The gateway's own HTTP server: listens, and ends without cutting off what it began.

The first `stop` drains. Listening ends, idle connections are closed, requests in flight have `drain_seconds` to end;
those that need longer are cancelled with the reason, so that their clients get an error in place of a broken
connection. The second `stop` breaks everything off.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Sequence

from ..exchange.ending import EndReason
from .accepting import Acceptor
from .http1.connection import HTTPConnection
from .http1.door import Door

__all__ = ["Server"]

log = logging.getLogger("llm_gateway.server")

_LAST_WORD_SECONDS = 2.0
"""How long a request that is cancelled at the end of a drain has for its error."""
_POLL_SECONDS = 0.05


class Server:
    """`on_stop` is called with the first signal."""

    def __init__(
        self,
        door: Door,
        sockets: Sequence[socket.socket],
        *,
        drain_seconds: float,
        shared: bool = False,
        on_stop: Callable[[], None] | None = None,
    ) -> None:
        self.door = door
        self.sockets = list(sockets)
        self._drain_seconds = drain_seconds
        self._on_stop = on_stop
        self._acceptor = Acceptor(door.loop, self.sockets, self._make_connection, shared=shared)
        self._stopped = asyncio.Event()
        self._forced = asyncio.Event()
        self.cut = 0
        """Requests that were cancelled, for the time to drain was over or a second signal came."""
        self.abandoned = 0
        """Requests that did not end when they were cancelled."""

    def addresses(self) -> list[tuple[str, int]]:
        """Where it listens: (host, port)."""
        return [listener.getsockname()[:2] for listener in self.sockets]

    def start(self) -> None:
        self._acceptor.start()

    def stop(self) -> None:
        """The first time it drains, the second time it ends at once."""
        if self._stopped.is_set():
            self._forced.set()
            return
        if self._on_stop is not None:
            self._on_stop()
        self._stopped.set()

    @property
    def is_forced(self) -> bool:
        return self._forced.is_set()

    async def serve(self) -> None:
        """After `start`, until it is stopped; returns when the last connection is closed."""
        try:
            await self._stopped.wait()
        finally:
            await self.close(self._drain_seconds)

    async def close(self, drain_seconds: float) -> None:
        door = self.door
        door.draining = True
        await self._acceptor.close()
        for connection in list(door.connections):
            connection.shutdown()
        if not await self._wait(drain_seconds, lambda: not (door.connections or door.tasks), interruptible=True):
            await self._cut()
        for connection in list(door.connections):
            connection.abort()
        door.close()
        await asyncio.sleep(0)

    async def _cut(self) -> None:
        """Cancels what is left. Requests answer with an error, except where it must end at once."""
        door = self.door
        tasks = list(door.tasks)
        self.cut += len(tasks)
        if self.is_forced:
            for connection in list(door.connections):
                connection.abort()
        elif tasks:
            log.warning("the time to drain is over: %d requests are cut off", len(tasks))
        for task in tasks:
            task.cancel(EndReason.SHUTDOWN)
        await self._wait(_LAST_WORD_SECONDS, lambda: not door.tasks)
        for connection in list(door.connections):
            connection.shutdown()
        await self._wait(_LAST_WORD_SECONDS / 4, lambda: not door.connections)
        self.abandoned = len(door.tasks)
        if self.abandoned:
            log.error("%d requests did not end when they were cancelled; they are abandoned", self.abandoned)

    async def _wait(self, seconds: float, condition: Callable[[], bool], *, interruptible: bool = False) -> bool:
        """Whether it became true in time. A second signal ends the wait."""
        loop = self.door.loop
        until = loop.time() + seconds
        while not condition():
            left = until - loop.time()
            if left <= 0 or (interruptible and self.is_forced):
                return False
            await asyncio.sleep(min(_POLL_SECONDS, left))
        return True

    def _make_connection(self) -> asyncio.Protocol:
        return HTTPConnection(self.door)
