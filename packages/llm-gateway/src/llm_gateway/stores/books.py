"""The accounting of a store over any tables: what a reservation, a settlement and an expiry do to counters.

The one implementation of the stores in memory and in SQLite; the script of the Redis store does the same.
Synchronous and without a clock: the caller runs one step at a time, in a transaction of the tables.

A lease goes through these states:

    (none) --reserve--> open --settle--> settled --(SETTLED_MS later)--> (none)
                         |                  ^
                         +--expiry--> expired --settle--> (replaces what the expiry charged)
    (none) --settle--> settled    charged all the same: the reservation was lost, or never made

A settled lease is remembered for a short time only. An id begins with the time of its making, so a settlement of an
unknown lease that is older than that is a repetition, and one that is younger is of a reservation that was lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from llm_gateway_sdk.store import (
    MAX_AMOUNT,
    Amount,
    CounterState,
    Entry,
    Granted,
    Lease,
    Refused,
    StoreError,
)

from .records import Counter, Held, LeaseRecord

__all__ = ["LEDGER", "Books", "Tables", "check_amounts"]

LEDGER = "ledger"
SETTLED_MS = 10 * 60_000
"""How long a settled lease is remembered."""
EXPIRED_MS = 7 * 86_400_000
"""How long an expired one is, and one that was spent without a reservation."""
GRACE_MS = 86_400_000
"""How long a counter outlives its window."""
_SWEEP = 1000
"""Most leases that expire in one step."""
_PURGE_EVERY = 256


class Tables(Protocol):
    """Where the records are, within one transaction."""

    def counter(self, domain: str, key: str) -> Counter | None: ...
    def put_counter(self, domain: str, key: str, counter: Counter) -> None: ...
    def lease(self, domain: str, lease_id: str) -> LeaseRecord | None: ...
    def put_lease(self, domain: str, lease_id: str, record: LeaseRecord) -> None: ...
    def due(self, domain: str, now: int, limit: int) -> list[str]:
        """Open leases that end at `now` or before."""
        ...

    def add_event(self, domain: str, log: str, at: int, event: dict[str, Any], keep: int) -> None: ...
    def purge(self, now: int) -> None:
        """Removes what may be forgotten, as much as is quick."""
        ...


@dataclass(slots=True)
class Marks:
    """How much of the charges of one event is not exact, by counter."""

    partial: dict[str, int] = field(default_factory=dict)
    estimated: dict[str, int] = field(default_factory=dict)

    def add(self, key: str, amount: Amount | None, *, expired: int = 0) -> None:
        """`expired` is what the lease's expiry has charged, as an estimate, which this amount replaces."""
        self.partial[key] = 0 if amount is None else amount.partial
        self.estimated[key] = (0 if amount is None else amount.estimated) - expired


class Books:
    """The steps, each on its own tables' transaction. `now` is milliseconds since the epoch."""

    def __init__(self, tables: Tables, *, ledger_keep: int = 100_000) -> None:
        self._tables = tables
        self._ledger_keep = ledger_keep
        self._until_purge = _PURGE_EVERY
        self._swept = "", -1

    def reserve(self, domain: str, entries: Sequence[Entry], lease: Lease, now: int) -> Granted | Refused:
        check_amounts(entries)
        tables = self._tables
        known = tables.lease(domain, lease.id)
        if known is not None:
            if known.state != "open":
                raise StoreError(f"the lease {lease.id} has ended")
            return Granted(lease.id, known.expires / 1000, self.read(domain, entries, now))
        self._sweep(domain, now)
        counters = [self._counter(domain, entry, now) for entry in entries]
        before: list[CounterState | None] = [None] * len(entries)
        refused = False
        for position, (entry, counter) in enumerate(zip(entries, counters, strict=True)):
            if _exceeds(entry, counter):
                before[position] = _state(entry, counter, now)
                refused = refused or entry.enforce
        if refused:
            return Refused(tuple(_state(entry, counters[at], now) for at, entry in enumerate(entries)))
        states: list[CounterState] = []
        expires = now + round(lease.seconds * 1000)
        for position, (entry, counter) in enumerate(zip(entries, counters, strict=True)):
            if entry.rate is None:
                counter.open += entry.amount
                counter.forget = max(counter.forget, _forget(entry.ends, expires))
            else:
                counter.fill(entry.amount, now)
                counter.forget = max(counter.forget, now + counter.wait(counter.level, entry.rate, now) + GRACE_MS)
            tables.put_counter(domain, entry.key, counter)
            states.append(_state(entry, counter, now, before=before[position] or _FITTING))
        held = [Held.of(entry, now) for entry in entries]
        tables.put_lease(domain, lease.id, LeaseRecord("open", expires, held, lease.note))
        return Granted(lease.id, expires / 1000, tuple(states))

    def settle(
        self, domain: str, lease_id: str, actual: Sequence[Amount], now: int, *, reserved: bool = True, note: str = ""
    ) -> None:
        check_amounts(actual)
        tables = self._tables
        record = tables.lease(domain, lease_id)
        if record is not None and record.state == "settled":
            return
        if record is None and reserved and _age(lease_id, now) > SETTLED_MS:
            return
        amounts = {amount.key: amount for amount in actual}
        charges: dict[str, int] = {}
        marks = Marks()
        for held in record.held if record is not None else ():
            amount = amounts.pop(held.key, None)
            assert record is not None
            used = 0 if amount is None else amount.amount
            charges[held.key] = self._end(domain, held, used, now, was_open=record.state == "open")
            if held.rate is None:
                marks.add(held.key, amount, expired=used - charges[held.key])
        for amount in amounts.values():
            charges[amount.key] = self._charge(domain, amount, now)
            if charges[amount.key]:
                marks.add(amount.key, amount)
        long = not reserved or (record is not None and record.state == "expired")
        ended = LeaseRecord("settled", 0, forget=now + (EXPIRED_MS if long else SETTLED_MS))
        tables.put_lease(domain, lease_id, ended)
        kind = "corrected" if record is not None and record.state == "expired" else "settled"
        self._write(domain, lease_id, kind, charges, marks, record.note if record is not None else note, now)
        self._maybe_purge(now)

    def extend(self, domain: str, lease_ids: Sequence[str], seconds: float, now: int) -> frozenset[str]:
        open_ones = set()
        for lease_id in lease_ids:
            record = self._tables.lease(domain, lease_id)
            if record is not None and record.state == "open" and record.expires > now:
                record.expires = max(record.expires, now + round(seconds * 1000))
                self._tables.put_lease(domain, lease_id, record)
                open_ones.add(lease_id)
        return frozenset(open_ones)

    def read(self, domain: str, entries: Sequence[Entry], now: int) -> tuple[CounterState, ...]:
        self._sweep(domain, now)
        return tuple(_state(entry, self._counter(domain, entry, now), now) for entry in entries)

    def _counter(self, domain: str, entry: Entry, now: int) -> Counter:
        counter = self._tables.counter(domain, entry.key) or Counter()
        if entry.rate is not None:
            counter.drain(entry.rate, now)
        return counter

    def _end(self, domain: str, held: Held, used: int, now: int, *, was_open: bool) -> int:
        """Replaces what a lease holds of a counter by what was used. Returns what that adds to the sum."""
        counter = self._tables.counter(domain, held.key) or Counter()
        charged = 0 if was_open or not held.charge else held.amount
        if held.rate is None:
            if was_open:
                counter.open = max(0, counter.open - held.amount)
            counter.settled += used - charged
        else:
            counter.drain(held.rate, now)
            present = held.amount if was_open or held.charge else 0
            counter.fill(used - present, now, drained=held.drained(now))
        self._tables.put_counter(domain, held.key, counter)
        return 0 if held.rate is not None else used - charged

    def _charge(self, domain: str, amount: Amount, now: int) -> int:
        """Charges a counter of which the lease, as far as is known, holds nothing."""
        counter = self._tables.counter(domain, amount.key) or Counter(forget=_forget(amount.ends, now))
        if counter.ticks:
            counter.fill(amount.amount, now)
        else:
            counter.settled += amount.amount
        self._tables.put_counter(domain, amount.key, counter)
        return 0 if counter.ticks else amount.amount

    def _sweep(self, domain: str, now: int) -> None:
        """Ends the leases whose time has come. A lease that was made within the same millisecond has not ended yet."""
        if self._swept == (domain, now):
            return
        self._swept = domain, now
        for lease_id in self._tables.due(domain, now, _SWEEP):
            record = self._tables.lease(domain, lease_id)
            if record is None or record.state != "open":
                continue
            charges = {
                held.key: self._end(domain, held, held.amount if held.charge else 0, now, was_open=True)
                for held in record.held
            }
            record.state, record.forget = "expired", now + EXPIRED_MS
            self._tables.put_lease(domain, lease_id, record)
            self._write(domain, lease_id, "expired", charges, Marks(estimated=charges), record.note, now)
        self._maybe_purge(now)

    def _write(
        self, domain: str, lease_id: str, kind: str, charges: dict[str, int], marks: Marks, note: str, now: int
    ) -> None:
        if not note:
            return
        found = {"charges": charges, "partial": marks.partial, "estimated": marks.estimated}
        kept = {name: some for name, amounts in found.items() if (some := _without_zeros(amounts))}
        if kept or kind == "settled":
            event = {"kind": kind, "lease": lease_id, "note": note, "charges": {}, **kept}
            self._tables.add_event(domain, LEDGER, now, event, self._ledger_keep)

    def _maybe_purge(self, now: int) -> None:
        self._until_purge -= 1
        if self._until_purge <= 0:
            self._until_purge = _PURGE_EVERY
            self._tables.purge(now)


def _without_zeros(amounts: dict[str, int]) -> dict[str, int]:
    return {key: amount for key, amount in amounts.items() if amount}


def check_amounts(entries: Sequence[Entry] | Sequence[Amount]) -> None:
    """Raises ValueError where a counter is named twice or an amount can't be counted."""
    if len({entry.key for entry in entries}) != len(entries):
        raise ValueError("a counter is named twice in one call")
    for entry in entries:
        if not 0 <= entry.amount <= MAX_AMOUNT:
            raise ValueError(f"the amount {entry.amount} of {entry.key} is not between 0 and 2**52")


def _exceeds(entry: Entry, counter: Counter) -> bool:
    """Whether the entry does not fit."""
    rate = entry.rate
    if rate is None:
        return entry.limit is not None and counter.settled + counter.open + entry.amount > entry.limit
    return counter.level + (entry.amount - rate.burst) * rate.ticks > 0


_FITTING = CounterState("", 0, 0, None)
"""Of a counter into which an entry did fit, all that matters afterwards."""


def _state(entry: Entry, counter: Counter, now: int, *, before: CounterState | None = None) -> CounterState:
    """The counter as this entry sees it. `before` is how it was when the entry was granted: a shadow limit that did
    not fit then did not fit."""
    rate = entry.rate
    if rate is None:
        exceeded = _exceeds(entry, counter) if before is None else before.exceeded
        return CounterState(entry.key, counter.settled, counter.open, entry.limit, exceeded, exceeded and entry.enforce)
    over = counter.level + (entry.amount - rate.burst) * rate.ticks
    exceeded = over > 0 if before is None else before.exceeded
    retry: float | None = None
    if before is not None:
        retry = before.retry_after
    elif exceeded and entry.amount <= rate.burst:
        retry = counter.wait(over, rate, now) / 1000
    return CounterState(
        entry.key,
        -(-counter.level // rate.ticks),
        0,
        rate.burst,
        exceeded,
        exceeded and entry.enforce,
        retry,
        counter.wait(counter.level, rate, now) / 1000,
    )


def _forget(ends: float, at_least: int) -> int:
    return 0 if ends <= 0 else max(round(ends * 1000), at_least) + GRACE_MS


def _age(lease_id: str, now: int) -> int:
    """How long ago the id was made; 0 where it does not show."""
    try:
        return now - int(lease_id.partition("-")[0], 16)
    except ValueError:
        return 0
