"""Bounds many exchanges in time with one timer.

A timer for each would cost every request its making and its cancelling, though next to none ever fires.
"""

from __future__ import annotations

import asyncio
from math import inf

from ..wire.timers import CLOCK_STEP

__all__ = ["Deadlines"]


class Deadlines:
    """`enter` and `leave` bracket what is bounded; it is cancelled when its time is up."""

    __slots__ = ("_armed", "_due", "_loop", "_timer")

    def __init__(self) -> None:
        self._due: dict[asyncio.Task[object], float] = {}
        self._armed = inf
        self._timer: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def enter(self, task: asyncio.Task[object], when: float, loop: asyncio.AbstractEventLoop) -> None:
        """`when` in the loop's time."""
        self._due[task] = when
        if when < self._armed:
            self._loop = loop
            self._arm(loop, when)

    def has_ended(self, task: asyncio.Task[object]) -> bool:
        """Whether it has cancelled the task, which has not left yet; others may have cancelled it too."""
        return task not in self._due

    def leave(self, task: asyncio.Task[object]) -> None:
        self._due.pop(task, None)

    def _arm(self, loop: asyncio.AbstractEventLoop, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._armed = when
        self._timer = loop.call_at(when, self._end_what_is_due)

    def _end_what_is_due(self) -> None:
        loop = self._loop
        assert loop is not None
        now = loop.time() + CLOCK_STEP
        for task in [task for task, when in self._due.items() if when <= now]:
            del self._due[task]
            task.cancel()
        self._timer, self._armed = None, inf
        if self._due:
            self._arm(loop, min(self._due.values()))
