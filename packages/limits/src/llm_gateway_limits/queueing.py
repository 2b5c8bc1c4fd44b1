"""Fair share: requests that a limit can't take yet wait in turn, by weight, instead of being refused.

Each waiting principal has a virtual time that advances by 1/weight with each of its turns; who is furthest behind is
next (start-time fair queueing). One request at a time tries, the others sleep: none can overtake.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from .rules import Asker

__all__ = ["FairQueue", "weight_of"]


def weight_of(asker: Asker, weights: Mapping[str, float]) -> tuple[str, float]:
    """Who waits, and with which weight: the team's, else the user's, else the key's own."""
    for dimension in ("team", "user", "key"):
        value = asker.value(dimension)
        if value is not None and value in weights:
            return f"{dimension}={value}", float(weights[value])
    return f"key={asker.value('key')}", 1.0


class FairQueue:
    """One per limit and subject. `turn` is held while a request tries to reserve."""

    def __init__(self) -> None:
        self._waiting: dict[str, deque[asyncio.Future[None]]] = defaultdict(deque)
        self._times: dict[str, float] = {}
        self._now = 0.0
        self._busy = False

    @property
    def idle(self) -> bool:
        """Nothing waits and nothing tries."""
        return not self._busy and not any(self._waiting.values())

    @asynccontextmanager
    async def turn(self, who: str, *, weight: float = 1.0) -> AsyncIterator[None]:
        """Waits until it is the turn of `who`."""
        if self._busy or any(self._waiting.values()):
            mine = asyncio.get_running_loop().create_future()
            self._waiting[who].append(mine)
            self._times.setdefault(who, self._now)
            try:
                await mine
            except asyncio.CancelledError:
                if mine.done() and not mine.cancelled():
                    self._busy = False
                    self._next()
                else:
                    self._waiting[who].remove(mine)
                raise
        self._busy = True
        self._now = max(self._now, self._times.get(who, self._now))
        self._times[who] = max(self._times.get(who, 0.0), self._now) + 1 / max(weight, 1e-6)
        try:
            yield
        finally:
            self._busy = False
            self._next()

    def _next(self) -> None:
        candidates = [who for who, waiting in self._waiting.items() if waiting]
        if not candidates:
            self._waiting.clear()
            self._times = {who: at for who, at in self._times.items() if at > self._now}
            return
        who = min(candidates, key=lambda each: self._times.get(each, 0.0))
        waiting = self._waiting[who]
        while waiting:
            first = waiting.popleft()
            if not first.done():
                self._busy = True  # reserved for the one that is woken
                first.set_result(None)
                return
        self._next()
