"""What a store keeps about one counter and one lease, and how a rate's bucket fills and drains. Pure integers.

Times are milliseconds since the epoch.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from llm_gateway_sdk.store import Entry, Rate

__all__ = ["Counter", "Held", "LeaseRecord"]

_MOST = 2**53 - 1
"""Largest level that every store can count."""


@dataclass(slots=True)
class Counter:
    """One counter: a sum of what was settled and what is open, or a rate's bucket."""

    settled: int = 0
    open: int = 0
    level: int = 0
    """Of a rate, in units x ticks."""
    at: int = 0
    """When the bucket last drained."""
    ticks: int = 0
    """The rate's period when the level was written; 0 for sums."""
    forget: int = 0
    """When the counter may be forgotten; 0 is never."""

    def drain(self, rate: Rate, now: int) -> None:
        """Takes out of the bucket what has drained by now. A clock that went backwards takes out nothing."""
        if self.ticks != rate.ticks:
            if self.ticks:
                self.level = -(-self.level * rate.ticks // self.ticks)
            else:
                self.at = now
            self.ticks = rate.ticks
        elapsed = (now - self.at) // rate.tick_ms
        if elapsed > 0:
            self.level = max(0, self.level - elapsed * rate.limit)
            self.at += elapsed * rate.tick_ms

    def wait(self, level: int, rate: Rate, now: int) -> int:
        """Milliseconds until `level` has drained; 0 where it is not positive."""
        if level <= 0:
            return 0
        return max(1, -(-level // rate.limit) * rate.tick_ms - (now - self.at))

    def fill(self, amount: int, now: int, *, drained: int = 0) -> None:
        """Puts `amount` units in, or takes a negative amount out, of which `drained` (in units x ticks) is gone
        already."""
        if amount >= 0:
            self.level = min(_MOST, self.level + amount * self.ticks)
        else:
            self.level = max(0, self.level - max(0, -amount * self.ticks - drained))


@dataclass(slots=True)
class Held:
    """What one lease holds of one counter."""

    key: str
    amount: int
    charge: bool
    """Charge it where the lease expires; else release it."""
    rate: Rate | None = None
    taken: int = 0
    """When it was put into a rate's bucket."""

    @staticmethod
    def of(entry: Entry, now: int) -> Held:
        return Held(entry.key, entry.amount, entry.on_expiry == "charge", entry.rate, now)

    def drained(self, now: int) -> int:
        """At most so much of it has left the bucket by itself: giving that back once more would be quota from
        nothing."""
        assert self.rate is not None
        return max(0, now - self.taken) // self.rate.tick_ms * self.rate.limit


@dataclass(slots=True)
class LeaseRecord:
    """One lease. When it has ended the record stays for a while, so that a second ending is known for what it is."""

    state: Literal["open", "expired", "settled"]
    expires: int
    held: list[Held] = field(default_factory=list)
    note: str = ""
    forget: int = 0
