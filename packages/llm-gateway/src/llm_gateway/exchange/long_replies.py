"""Bounds the memory of long replies while they are read and worked on.

A reply that is decoded, looked at by plugins or translated is in memory as a whole, several times over. Many that come
at one moment would fill the memory, and reading all of them at once would hold up everyone else. So they take turns by
bytes: a reply that is longer than `LONG_REPLY` takes room before more of it is read, and where there is none it is left
with its provider, whom the connection holds back.

What never happens is that all wait for each other. Room goes to the reply that came first, and one that can't be given
any, because all that hold some are half read, goes beyond the bound: one at a time, and another one whenever nothing
was given back for `PATIENCE_SECONDS`, for a provider may stop in the middle and a plugin may wait for something.

A client that does not read keeps none of it: while it is waited for, what its reply holds counts for the slow readers
(`server/slow_readers.py`).
"""

from __future__ import annotations

import asyncio
from heapq import heappop, heappush
from itertools import count

from llm_gateway_sdk import Overloaded

__all__ = ["LONG_REPLY", "PATIENCE_SECONDS", "LongReplies", "LongReply"]

LONG_REPLY = 1 << 20
"""Bytes up to which a reply, or one event of a stream, takes no room."""
PATIENCE_SECONDS = 5.0
_STEP = 4 << 20
"""Room is given in steps: replies that are read at the same time have some until they are whole."""


class LongReplies:
    """The room of one process. `limit` may change while it is in use."""

    def __init__(self, limit: int = 128 << 20) -> None:
        self.limit = limit
        self.held = 0
        """Bytes that were given and have not come back."""
        self._numbers = count()
        self._waiting: list[tuple[int, int, int, LongReply, asyncio.Future[None]]] = []
        """A heap, the reply that came first in front: its number, that of the wait, and how much it waits for."""
        self._beyond: set[LongReply] = set()
        """Those that need not wait."""
        self._timer: asyncio.TimerHandle | None = None

    @property
    def waiting(self) -> int:
        """Replies that wait for room."""
        return sum(not future.done() for _, _, _, _, future in self._waiting)

    def open(self) -> LongReply:
        return LongReply(self, next(self._numbers))

    async def give(self, reply: LongReply, size: int, until: float) -> None:
        """Waits for room at most until then, by the loop's clock. Raises Overloaded."""
        if reply in self._beyond or (not self._waiting and self.held + size <= self.limit):
            self._give(reply, size)
            return
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        heappush(self._waiting, (reply.number, next(self._numbers), size, reply, future))
        self._give_on()
        timer = loop.call_at(min(until, loop.time() + _LONGEST_WAIT), _expire, future)
        try:
            await future
        finally:
            timer.cancel()
            self._give_on()  # it may have been the one whose turn was next

    def _give(self, reply: LongReply, size: int) -> None:
        self.held += size
        reply.given += size

    def take_back(self, size: int) -> None:
        self.held -= size
        self._give_on()
        self._be_patient(anew=True)

    def end_beyond(self, reply: LongReply) -> None:
        self._beyond.discard(reply)

    def _give_on(self) -> None:
        waiting = self._waiting
        while waiting:
            _, _, size, reply, future = waiting[0]
            if not future.done():
                if self.held + size > self.limit and reply not in self._beyond:
                    if self._beyond:
                        break
                    self._beyond.add(reply)
                self._give(reply, size)
                future.set_result(None)
            heappop(waiting)
        self._be_patient(anew=False)

    def _be_patient(self, *, anew: bool) -> None:
        if self._timer is not None and (anew or not self._waiting):
            self._timer.cancel()
            self._timer = None
        if self._waiting and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(PATIENCE_SECONDS, self._lose_patience)

    def _lose_patience(self) -> None:
        self._timer = None
        late = [entry for entry in self._waiting if not entry[-1].done() and entry[-2] not in self._beyond]
        if late:
            self._beyond.add(min(late)[-2])
        self._give_on()


class LongReply:
    """What one request holds of it: of one reply, or of several that make one. Others may be waiting for it, so that it
    is closed in any case."""

    __slots__ = ("_asked", "_is_left", "_owner", "_size", "given", "number")

    def __init__(self, owner: LongReplies, number: int) -> None:
        self._owner = owner
        self.number = number
        self.given = 0
        """Bytes of room that it has."""
        self._size = 0
        """Bytes that were read."""
        self._asked = 0
        """Bytes of room that it has or waits for."""
        self._is_left = False

    async def take(self, size: int, until: float) -> None:
        """Room for so many more bytes; waits for it until then at most. Raises Overloaded."""
        self._size += size
        missing = self._size - self._asked
        if missing <= 0:
            return
        missing = -(-missing // _STEP) * _STEP
        self._asked += missing
        await self._owner.give(self, missing, until)

    def leave(self) -> int:
        """The client is waited for: the bytes that count as its own from now on."""
        if not self._is_left:
            self._is_left = True
            self._owner.end_beyond(self)
            self._owner.take_back(self.given)
        return self.given

    def go_on(self) -> None:
        """It has read, and what is held is worked on again."""
        if self._is_left:
            self._is_left = False
            self._owner.held += self.given

    def close(self) -> None:
        """Gives all of it back. May be called again, and more may be taken after it."""
        given, self.given, self._asked, self._size = self.given, 0, 0, 0
        self._owner.end_beyond(self)
        if self._is_left:
            self._is_left = False
        elif given:
            self._owner.take_back(given)


def _expire(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_exception(
            Overloaded("The gateway is at its limit of long replies; no other one ended in time.", retry_after=2.0)
        )


_LONGEST_WAIT = 86_400.0
"""Timers of the event loop can't be at infinity."""
