"""How fast a request must arrive.

A head must be whole within `header_timeout` of its first byte. A body must go on: after a silence of `header_timeout`
it is given up, and so it is where less than `SLOWEST` bytes per second came within the last such time. Only what came
recently counts: who has sent much may not hold on to it by sending drops from then on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from ...wire.timers import CLOCK_STEP

__all__ = ["SLOWEST", "Pace"]

SLOWEST = 1024
"""Bytes per second of a body below which its sender is not uploading but holding on."""


class _Limits(Protocol):
    @property
    def header_timeout(self) -> float: ...


class _Door(Protocol):
    loop: asyncio.AbstractEventLoop

    @property
    def limits(self) -> _Limits: ...


class Pace:
    """Of one connection. `head` and `body` are called after each piece that came, with what to call when it is too
    slow; `end` when the request is whole."""

    __slots__ = ("_began", "_door", "_in_body", "_last", "_seen", "_timer", "_too_slow", "_window_bytes", "reading")

    def __init__(self, door: _Door) -> None:
        self._door = door
        self.reading = False
        """A request has begun and is not whole."""
        self._in_body = False
        self._began = self._last = 0.0
        """The beginning of the head or of the body's present window; the last piece."""
        self._seen = self._window_bytes = 0
        """Bytes of the body so far, and at the beginning of the window."""
        self._timer: asyncio.TimerHandle | None = None
        self._too_slow: Callable[[], None] = _ignore

    def head(self, too_slow: Callable[[], None]) -> None:
        if not self.reading or self._in_body:
            self._begin(too_slow, in_body=False)

    def body(self, arrived: int, too_slow: Callable[[], None]) -> None:
        """`arrived`: bytes of the body so far."""
        if not self.reading or not self._in_body or arrived < self._seen:
            self._begin(too_slow, in_body=True)
            self._window_bytes = arrived
        if arrived > self._seen:
            self._last = self._door.loop.time()
        self._seen = arrived

    def end(self) -> None:
        self.reading = False
        self._seen = self._window_bytes = 0
        self._too_slow = _ignore
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def hold(self) -> None:
        """Reading pauses: the client is not to blame for what does not come."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def go_on(self) -> None:
        if self.reading and self._timer is None:
            self._began = self._last = self._door.loop.time()
            self._window_bytes = self._seen
            self._arm(self._door.limits.header_timeout)

    def _begin(self, too_slow: Callable[[], None], *, in_body: bool) -> None:
        self._too_slow = too_slow
        self._in_body = in_body
        self.reading = True
        self._began = self._last = self._door.loop.time()
        self._seen = self._window_bytes = 0
        if self._timer is None:
            self._arm(self._door.limits.header_timeout)

    def _arm(self, seconds: float) -> None:
        self._timer = self._door.loop.call_later(seconds, self._check)

    def _check(self) -> None:
        self._timer = None
        if not self.reading:
            return
        now, patience = self._door.loop.time(), self._door.limits.header_timeout
        if now + CLOCK_STEP >= self._began + patience:
            elapsed = now - self._began
            if not self._in_body or self._seen - self._window_bytes < SLOWEST * elapsed:
                self._too_slow()
                return
            self._began, self._window_bytes = now, self._seen
        due = self._began + patience
        if self._in_body:
            due = min(due, self._last + patience)
            if now + CLOCK_STEP >= due:
                self._too_slow()
                return
        self._arm(due - now)


def _ignore() -> None:
    """Nothing is being read."""
