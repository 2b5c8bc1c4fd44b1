"""Closes a connection on which nothing has been asked for a while.

The timer outlives requests, which would pay for its making and its cancelling: one that finds a later idle time goes on
to its end.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

from ...wire.timers import CLOCK_STEP

__all__ = ["IdleTimer"]


class _Limits(Protocol):
    @property
    def idle_timeout(self) -> float: ...


class _Door(Protocol):
    loop: asyncio.AbstractEventLoop

    @property
    def limits(self) -> _Limits: ...


class _Connection(Protocol):
    def close_if_idle(self) -> None:
        """Does nothing where something is asked or answered."""
        ...


class IdleTimer:
    """Of one connection. `end` parts the two."""

    __slots__ = ("_connection", "_door", "_since", "_timer")

    def __init__(self, door: _Door, connection: _Connection) -> None:
        self._door = door
        self._connection: _Connection | None = connection
        self._since = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """The connection is idle from now on."""
        self._since = self._door.loop.time()
        if self._timer is None:
            self._timer = self._door.loop.call_later(self._door.limits.idle_timeout, self._check)

    def end(self) -> None:
        self._connection = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _check(self) -> None:
        self._timer = None
        connection = self._connection
        if connection is None:
            return
        left = self._since + self._door.limits.idle_timeout - self._door.loop.time()
        if left > CLOCK_STEP:
            self._timer = self._door.loop.call_later(left, self._check)
        else:
            connection.close_if_idle()
