"""How fast messages of a client are taken."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["MessagePace"]

_BURST_SECONDS = 5.0
"""A client may send as many at once as it may in this time."""


class MessagePace:
    """A bucket of messages that fills at `rate` per second. `clock` gives seconds."""

    __slots__ = ("_clock", "_filled", "_left", "_rate")

    def __init__(self, rate: float, clock: Callable[[], float]) -> None:
        self._rate = rate
        self._clock = clock
        self._left = rate * _BURST_SECONDS
        self._filled = clock()

    def count(self, number: int = 1) -> float:
        """Counts messages; seconds after which the next is to be taken."""
        if self._rate <= 0:
            return 0.0
        now = self._clock()
        self._left = min(self._rate * _BURST_SECONDS, self._left + (now - self._filled) * self._rate) - number
        self._filled = now
        return max(0.0, -self._left / self._rate)
