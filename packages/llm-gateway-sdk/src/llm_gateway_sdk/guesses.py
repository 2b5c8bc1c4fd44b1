"""A limit on wrong credentials per address, for everything that asks for one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

__all__ = ["GuessLimit"]

WINDOW_SECONDS = 60.0


class GuessLimit:
    """Wrong credentials of one address within a minute: `allowed` are answered as wrong, those after them with 429.

    A right one always passes, for one bad client must not lock out the others of a shared address; credentials are
    therefore to be long and random.

    At most `addresses` are remembered. Where more guess, those that began first are forgotten. Safe in threads.
    """

    def __init__(
        self, allowed: int = 20, addresses: int = 10_000, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._allowed = allowed
        self._addresses = addresses
        self._clock = clock
        self._counts: dict[str, tuple[float, int]] = {}
        self._mutex = threading.Lock()

    def failed(self, address: str) -> bool:
        """Counts a wrong credential; whether it is one too many, to be answered with 429."""
        now = self._clock()
        with self._mutex:
            since, count = self._counts.pop(address, (now, 0))
            if now - since >= WINDOW_SECONDS:
                since, count = now, 0
            if len(self._counts) >= self._addresses:
                del self._counts[next(iter(self._counts))]
            self._counts[address] = (since, count + 1)
            return count + 1 > self._allowed
