"""The connections to one origin: the newest idle one first, old ones closed, waiting in turn above a bound."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from contextlib import suppress
from math import inf

from llm_gateway_sdk.errors import ModelConnectionError, ModelTimeout

from ...wire.batched_writes import Writes
from .connection import Connection
from .dial import Dialer
from .settings import TransportSettings

__all__ = ["Pool"]


class Pool:
    """Counts *slots*: a connection has one from before it is opened until it is discarded."""

    def __init__(self, dialer: Dialer, settings: TransportSettings, loop: asyncio.AbstractEventLoop) -> None:
        self.dialer = dialer
        self._settings = settings
        self._loop = loop
        self.writes = Writes(loop)
        self._bound = inf if settings.max_connections is None else settings.max_connections
        self._slots = 0
        self._connections: set[Connection] = set()
        """Until their transports are closed, which is later than their slots are free."""
        self._idle: dict[Connection, None] = {}
        """In the order in which they became idle."""
        self._waiting: OrderedDict[asyncio.Future[Connection | None], None] = OrderedDict()
        """Each gets a connection, or None: a slot to open one in."""
        self._sweep: asyncio.TimerHandle | None = None
        self._closed = False
        self._emptied = asyncio.Event()

    @property
    def size(self) -> int:
        """Connections in use, idle, or being opened."""
        return self._slots

    @property
    def idle(self) -> int:
        return len(self._idle)

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def take(self) -> Connection | None:
        """The connection used last, which is the least likely to have been closed by its server."""
        idle = self._idle
        while idle:
            connection = idle.popitem()[0]
            if connection.usable and self._loop.time() - connection.idle_since < self._settings.idle_timeout:
                return connection
            connection.abort()
        return None

    async def open(self, connect_timeout: float, expires: float, reason: str, *, fresh: bool = False) -> Connection:
        """A new connection; above the bound the next that gets free, unless it has to be a `fresh` one.

        Raises ModelConnectionError, ModelTimeout("connect"), or ModelTimeout(reason) once `expires` has passed.
        """
        if self._closed:
            raise _closed()
        if self._slots < self._bound:
            self._slots += 1
        else:
            free = await self._wait(expires, reason)
            if free is not None and not fresh:
                return free
            if free is not None:
                self._keep_slot_of(free)
        return await self._open_in_slot(connect_timeout, expires, reason)

    def release(self, connection: Connection) -> None:
        while self._waiting:
            waiter, _ = self._waiting.popitem(last=False)
            if not waiter.done():
                waiter.set_result(connection)
                return
        connection.idle_since = self._loop.time()
        self._idle[connection] = None
        if self._sweep is None:
            self._sweep = self._loop.call_later(self._settings.idle_timeout, self._close_old)

    def discard(self, connection: Connection) -> None:
        self._idle.pop(connection, None)
        if connection.owned:
            connection.owned = False
            self._free_slot()

    def forget(self, connection: Connection) -> None:
        self._connections.discard(connection)
        if self._closed and not self._connections:
            self._emptied.set()

    async def aclose(self) -> None:
        """Replies that are still arriving break off."""
        self._closed = True
        if self._sweep is not None:
            self._sweep.cancel()
        while self._waiting:
            waiter, _ = self._waiting.popitem(last=False)
            if not waiter.done():
                waiter.set_exception(_closed())
        for connection in list(self._connections):
            connection.break_off(_closed())
        if self._connections:
            with suppress(TimeoutError):
                async with asyncio.timeout(1):
                    await self._emptied.wait()

    async def _wait(self, expires: float, reason: str) -> Connection | None:
        while True:
            waiter: asyncio.Future[Connection | None] = self._loop.create_future()
            self._waiting[waiter] = None
            try:
                async with asyncio.timeout_at(None if expires == inf else expires):
                    free = await waiter
            except BaseException as error:
                self._waiting.pop(waiter, None)
                self._give_back(waiter)
                if isinstance(error, TimeoutError):
                    text = "No connection to the model's provider became free in time."
                    raise ModelTimeout(reason, text, sent=False) from None
                raise
            if free is None or free.usable:
                return free
            # It was lost on the way to us, and its slot is free again.
            if self._slots < self._bound:
                self._slots += 1
                return None

    def _give_back(self, waiter: asyncio.Future[Connection | None]) -> None:
        """The waiter was served in the same moment in which it gave up."""
        if not waiter.done() or waiter.cancelled() or waiter.exception() is not None:
            return
        connection = waiter.result()
        if connection is None:
            self._free_slot()
        elif connection.usable:
            self.release(connection)

    async def _open_in_slot(self, connect_timeout: float, expires: float, reason: str) -> Connection:
        connect_until = self._loop.time() + connect_timeout
        try:
            async with asyncio.timeout_at(min(connect_until, expires)):
                connection = await self.dialer.dial(self._make_connection)
            if self._closed or not connection.usable:
                connection.abort()
                raise _closed() if self._closed else ModelConnectionError("The connection was closed at once.")
        except BaseException as error:
            self._free_slot()
            if isinstance(error, TimeoutError):
                raise ModelTimeout("connect" if connect_until < expires else reason, sent=False) from error
            raise
        connection.owned = True
        self._connections.add(connection)
        return connection

    def _make_connection(self) -> Connection:
        return Connection(self, self._loop, self._settings)

    def _keep_slot_of(self, connection: Connection) -> None:
        connection.owned = False
        connection.abort()

    def _free_slot(self) -> None:
        self._slots -= 1
        while self._waiting and self._slots < self._bound:
            waiter, _ = self._waiting.popitem(last=False)
            if not waiter.done():
                self._slots += 1
                waiter.set_result(None)
                return

    def _close_old(self) -> None:
        self._sweep = None
        limit = self._loop.time() - self._settings.idle_timeout
        for connection in list(self._idle):
            if connection.idle_since > limit:
                break
            connection.abort()
        oldest = next(iter(self._idle), None)
        if oldest is not None:
            self._sweep = self._loop.call_at(oldest.idle_since + self._settings.idle_timeout, self._close_old)


def _closed() -> ModelConnectionError:
    return ModelConnectionError("The HTTP client is closed.")
