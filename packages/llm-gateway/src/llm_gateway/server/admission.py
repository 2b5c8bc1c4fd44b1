"""Bounded concurrency with a bounded queue: what is beyond both is refused before memory is spent on it."""

from __future__ import annotations

import asyncio
from collections import deque

from llm_gateway_sdk import Overloaded

__all__ = ["Admission"]


class Admission:
    """`acquire` and `release` bracket a request. First come, first served."""

    def __init__(self, *, concurrent: int, queued: int, timeout: float) -> None:
        self.limit(concurrent=concurrent, queued=queued, timeout=timeout)
        self._waiting: deque[asyncio.Future[None]] = deque()
        self.in_flight = 0
        self.refused = 0

    def limit(self, *, concurrent: int, queued: int, timeout: float) -> None:
        """Other bounds from now on."""
        self._concurrent = concurrent
        self._queued = queued
        self._timeout = timeout

    @property
    def queued(self) -> int:
        return len(self._waiting)

    @property
    def full(self) -> bool:
        """Neither a place nor room in the queue."""
        return self.in_flight >= self._concurrent and len(self._waiting) >= self._queued

    def try_acquire(self) -> bool:
        if self.in_flight < self._concurrent and not self._waiting:
            self.in_flight += 1
            return True
        return False

    async def acquire(self) -> None:
        """Waits for a place. Raises Overloaded where the queue is full or the wait too long."""
        if self.try_acquire():
            return
        if len(self._waiting) >= self._queued:
            self.refused += 1
            raise Overloaded("The gateway is at its limit of requests.", retry_after=1.0)
        loop = asyncio.get_running_loop()
        place: asyncio.Future[None] = loop.create_future()
        self._waiting.append(place)
        timer = loop.call_later(self._timeout, _expire, place)
        try:
            await place
        except BaseException:
            if place.done() and not place.cancelled() and place.exception() is None:
                self.release()  # the place was given just as the client left
            else:
                try:
                    self._waiting.remove(place)
                except ValueError:
                    pass
            raise
        finally:
            timer.cancel()

    def release(self) -> None:
        while self._waiting:
            place = self._waiting.popleft()
            if not place.done():
                place.set_result(None)  # the place goes over, the count stays
                return
        self.in_flight -= 1


def _expire(place: asyncio.Future[None]) -> None:
    if not place.done():
        place.set_exception(Overloaded("The gateway is at its limit; no other request ended in time.", retry_after=2.0))
