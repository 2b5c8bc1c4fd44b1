"""Blocks taken out of shared counters in advance, from which a worker decides in memory.

A block is one lease over all counters of one combination of limits, as large as several requests. Because it is taken
*out* first, it adds no overrun: what can happen is that another worker is refused early, by at most what is in blocks.
A block takes no more than a share of what is left, so near a limit there are none and every request asks the store.

    take ---> the request's amounts leave the room of the block
    finish -> what was not used returns to the room; what was used adds up
    retired (too old, replaced, or the gateway ends) and no request open -> settled with what was used
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from llm_gateway_sdk import CounterState, Entry

from .marks import EXACT, Known

__all__ = ["Block", "BlockSettings", "Demand"]


@dataclass(frozen=True, slots=True)
class BlockSettings:
    share: float = 0.02
    """Most of what is left of each counter that one block takes."""
    seconds: float = 2.0
    """How long a block is used, and the time of demand that it is made for."""
    requests: int = 64
    """Most requests that a block is made for."""

    @property
    def enabled(self) -> bool:
        return self.share > 0 and self.requests > 1


@dataclass(slots=True)
class Block:
    lease_id: str
    keys: tuple[str, ...]
    size: tuple[int, ...]
    room: list[int]
    """What is left of it. Below 0 where requests used more than they had reserved."""
    until: float
    """When no further request may use it, by the monotonic clock."""
    released: tuple[bool, ...] = ()
    """Which counters get back what requests hold that have not ended when the block is settled: places of `concurrent`,
    and what `onCrash: release` is set for."""
    open: int = 0
    held: list[int] = field(default_factory=list)
    """What requests have reserved that are open."""
    doubts: dict[int, Known] = field(default_factory=dict)
    """How much of what was used is not exact, by the counter's position; of most counters nothing."""

    def take(self, amounts: Sequence[int], now: float) -> bool:
        """Whether the amounts were in it."""
        room = self.room
        if now >= self.until:
            return False
        for left, amount in zip(room, amounts, strict=True):
            if left < amount:
                return False
        held = self.held = self.held or [0] * len(room)
        for position, amount in enumerate(amounts):
            room[position] -= amount
            held[position] += amount
        self.open += 1
        return True

    def finish(self, reserved: Sequence[int], actual: Sequence[int], known: Sequence[Known] = ()) -> None:
        self.open -= 1
        for position, marks in enumerate(known):
            if marks != EXACT:
                partial, estimated = self.doubts.get(position, EXACT)
                self.doubts[position] = partial + marks[0], estimated + marks[1]
        room, held = self.room, self.held
        for position, had in enumerate(reserved):
            room[position] += had - actual[position]
            held[position] -= had

    @property
    def used(self) -> list[int]:
        """What requests used, and what those that are still open have reserved."""
        return [size - left for size, left in zip(self.size, self.room, strict=True)]

    @property
    def charged(self) -> list[tuple[int, Known]]:
        """What the block is settled with, and how well that is known: what requests hold that have not ended is an
        estimate."""
        used, held = self.used, self.held or [0] * len(self.room)
        released = self.released or (False,) * len(used)
        found = []
        for position, (had, out, gives) in enumerate(zip(used, held, released, strict=True)):
            partial, estimated = self.doubts.get(position, EXACT)
            found.append((had - out, (partial, estimated)) if gives else (had, (partial, estimated + out)))
        return found


@dataclass(slots=True)
class Demand:
    """What is known of one combination of counters: how often it is asked for, and what was left."""

    block: Block | None = None
    states: tuple[CounterState, ...] = ()
    last: float = 0.0
    """When it was asked for last, where there are no `times`."""
    times: deque[float] | None = None
    """When it was asked for, if more than once within the time that a block is for: most keys ask seldom."""
    growing: bool = False
    """A block is being taken."""

    def asked(self, now: float, settings: BlockSettings) -> None:
        """It is asked for now; once there are `times`, they are what is added to."""
        if self.last and now - self.last < settings.seconds:
            self.times = deque((self.last, now), maxlen=128)
        self.last = now

    def requests(self, entries: Sequence[Entry], settings: BlockSettings, now: float) -> int:
        """For how many requests like this one to reserve; 1 is none in advance."""
        if self.times is None:
            return 1
        recent = sum(1 for each in self.times if each > now - settings.seconds)
        most = min(settings.requests, recent)
        if most < 2 or self.growing or len(self.states) != len(entries) or not settings.enabled:
            return 1
        for entry, state in zip(entries, self.states, strict=True):
            if state.exceeded:
                return 1
            if state.remaining is not None and entry.amount > 0:
                most = min(most, int(state.remaining * settings.share) // entry.amount)
        return max(1, most)
