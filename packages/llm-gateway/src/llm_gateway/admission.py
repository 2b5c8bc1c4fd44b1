"""Bounded concurrency with a bounded queue: what is beyond both is refused before memory is spent on it."""

from __future__ import annotations

import asyncio
from collections import deque

from llm_gateway_sdk import Overloaded

__all__ = ["Admission"]


class Admission:
    """`acquire` and `release` bracket a request. First come, first served.

    What is counted are requests, or the bytes of their bodies, so that a request takes as many places as it has bytes.
    One that has more than there are places gets them when no other has any.
    """

    def __init__(self, *, concurrent: int, queued: int, timeout: float, what: str = "requests") -> None:
        """Of `what` there may be `concurrent` at once, and `queued` may wait, each for `timeout` seconds."""
        self._waiting: deque[tuple[asyncio.Future[None], int]] = deque()
        self.in_flight = 0
        self.queued = 0
        self.refused = 0
        self._what = what
        self.limit(concurrent=concurrent, queued=queued, timeout=timeout)

    def limit(self, *, concurrent: int, queued: int, timeout: float) -> None:
        """Other bounds from now on."""
        self._concurrent = concurrent
        self._queued = queued
        self._timeout = timeout
        self._admit()

    @property
    def full(self) -> bool:
        """Neither a place nor room in the queue."""
        return self.in_flight >= self._concurrent and self.queued >= self._queued

    def try_acquire(self, places: int = 1) -> bool:
        if self._waiting or (self.in_flight + places > self._concurrent and self.in_flight):
            return False
        self.in_flight += places
        return True

    async def acquire(self, places: int = 1) -> None:
        """Waits for them. Raises Overloaded where the queue is full or the wait too long."""
        if self.try_acquire(places):
            return
        if self.queued + places > self._queued and (self._waiting or not self._queued):
            self.refused += 1
            raise Overloaded(f"The gateway is at its limit of {self._what}.", retry_after=1.0)
        loop = asyncio.get_running_loop()
        granted: asyncio.Future[None] = loop.create_future()
        waiting = granted, places
        self._waiting.append(waiting)
        self.queued += places
        timer = loop.call_later(self._timeout, _expire, granted)
        try:
            await granted
        except BaseException:
            if waiting in self._waiting:
                self._waiting.remove(waiting)
                self.queued -= places
                self._admit()
            elif granted.done() and not granted.cancelled() and granted.exception() is None:
                self.release(places)  # they were given just as the client left
            raise
        finally:
            timer.cancel()

    def release(self, places: int = 1) -> None:
        self.in_flight -= places
        if self._waiting:
            self._admit()

    def _admit(self) -> None:
        """Gives what is free to those who have waited longest."""
        while self._waiting:
            granted, places = self._waiting[0]
            if not granted.done():
                if self.in_flight + places > self._concurrent and self.in_flight:
                    return
                self.in_flight += places
                granted.set_result(None)
            self._waiting.popleft()
            self.queued -= places


def _expire(granted: asyncio.Future[None]) -> None:
    if not granted.done():
        granted.set_exception(
            Overloaded("The gateway is at its limit; no other request ended in time.", retry_after=2.0)
        )
