"""Reserves and settles for one worker: from a block in memory where there is one, else in the store.

Whatever happens, what was reserved is settled or left to its lease: a call whose outcome is unknown is cancelled
through the journal, and the store forgets nothing that way, for cancelling is settling with nothing.
"""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace

from llm_gateway_sdk import (
    MAX_AMOUNT,
    Amount,
    CounterState,
    Entry,
    Granted,
    Lease,
    Refused,
    Store,
    StoreError,
    StoreUnavailable,
    new_lease_id,
)

from .blocks import Block, BlockSettings, Demand
from .journal import Journal, Settlement
from .marks import EXACT, Known

__all__ = ["Books", "Hold"]

log = logging.getLogger("llm_gateway.plugins.limits")

_COMBINATIONS = 10_000
"""Combinations of counters that a worker remembers."""


@dataclass(slots=True)
class Hold:
    """What one request holds."""

    lease_id: str
    amounts: Sequence[int]
    """What is reserved of each counter."""
    entries: tuple[Entry, ...] = ()
    """The counters; empty for what is part of a block."""
    states: tuple[CounterState, ...] = ()
    block: Block | None = None
    reserved: bool = True
    """False: the store could not be asked, and the request went on all the same."""
    settled: bool = False
    note: str = ""
    """For the ledger, where the store has lost the lease or never knew it."""


@dataclass(slots=True)
class Figures:
    """Counts for the metrics page."""

    store_calls: int = 0
    from_blocks: int = 0
    store_failures: int = 0


class Books:
    def __init__(
        self,
        store: Store,
        journal: Journal,
        *,
        blocks: BlockSettings,
        lease_seconds: float = 60.0,
        ledger: bool = False,
    ) -> None:
        self.store = store
        self.journal = journal
        self.figures = Figures()
        self._settings = blocks
        self._lease_seconds = lease_seconds
        self.ledger = ledger
        """Charges are written to the store's log."""
        self._demands: OrderedDict[tuple[str, ...], Demand] = OrderedDict()
        self._lent: dict[tuple[str, ...], Demand] = {}
        """Those that have a block, which are few of them."""
        self._retired: list[Block] = []
        self._open: dict[str, float] = {}
        """Leases with an open request, and when each must be extended, by the monotonic clock."""

    async def reserve(self, entries: Sequence[Entry], *, note: str = "", alone: bool = False) -> Hold | Refused:
        """What the request may spend. `alone`: without blocks. Raises StoreUnavailable."""
        if not alone:
            amounts = [entry.amount for entry in entries]
            demand = self.take(tuple(entry.key for entry in entries), amounts)
            if demand is not None and (block := demand.block) is not None:
                return Hold(block.lease_id, amounts, states=demand.states, block=block)
        return await self.reserve_in_store(entries, note=note, alone=alone)

    def take(self, keys: tuple[str, ...], amounts: Sequence[int]) -> Demand | None:
        """Takes what the request may spend out of a block, where one has it: its demand, else None, and the store has
        to be asked."""
        now, demands = time.monotonic(), self._demands
        demand = demands.get(keys)
        if demand is None:
            demand = self._demand(keys)
        else:
            demands.move_to_end(keys)
        if demand.times is None:
            demand.asked(now, self._settings)
        else:
            demand.times.append(now)
        block = demand.block
        if block is None or not block.take(amounts, now):
            return None
        self.figures.from_blocks += 1
        return demand

    async def reserve_in_store(
        self, entries: Sequence[Entry], *, note: str = "", alone: bool = False
    ) -> Hold | Refused:
        """The same for what no block has, or is not to be taken from one. Raises StoreUnavailable."""
        entries = tuple(entries)
        demand = self._demand(tuple(entry.key for entry in entries))
        count = 1 if alone else demand.requests(entries, self._settings, time.monotonic())
        if count > 1:
            demand.growing = True
            try:
                hold = await self._grow(entries, demand, count)
            finally:
                demand.growing = False
            if hold is not None:
                return hold
        return await self._exact(entries, demand, note)

    @property
    def to_be_settled(self) -> bool:
        """Whether a block is used up, and its last request has ended."""
        return bool(self._retired) and any(not block.open for block in self._retired)

    async def settle_retired(self) -> None:
        """Gives back at once what is left of blocks that are used up in one of their counters."""
        # They leave the list before anything is waited for: another request that ends must not find them in it.
        ended = [each for each in self._retired if not each.open]
        self._retired = [each for each in self._retired if each.open]
        for block in ended:
            await self._settle_block(block)

    async def settle(self, hold: Hold, actual: Sequence[int], known: Sequence[Known] = ()) -> None:
        """Ends a request's hold, with what it used of each entry, and for the ledger how well that is known. Never
        raises StoreUnavailable: then it is written down and sent later."""
        if hold.settled:
            return
        hold.settled = True
        if hold.block is not None:
            hold.block.finish(hold.amounts, actual, known)
            if self._retired:
                await self.settle_retired()
            return
        self._open.pop(hold.lease_id, None)
        marks = known or [EXACT] * len(actual)
        amounts = [
            Amount(entry.key, used, entry.ends, *mark)
            for entry, used, mark in zip(hold.entries, actual, marks, strict=True)
        ]
        await self._settle(Settlement(hold.lease_id, tuple(amounts), hold.reserved, hold.note))

    async def defer(self, hold: Hold, seconds: float) -> None:
        """Lets a hold outlive its request: from here on it is settled by its lease's id alone, by whatever process.
        Raises StoreUnavailable."""
        hold.settled = True
        self._open.pop(hold.lease_id, None)
        self.figures.store_calls += 1
        await self.store.extend([hold.lease_id], seconds)

    async def settle_deferred(self, lease_id: str, amounts: Sequence[Amount], *, reserved: bool, note: str) -> None:
        """Ends what `defer` has let go on, once: a second time it changes nothing."""
        self.figures.store_calls += 1
        await self.store.settle(lease_id, amounts, reserved=reserved, note=note if self.ledger else "")

    async def charge(self, what: Settlement) -> None:
        """Charges what was not reserved. Where the store is away it is written down and sent later."""
        self.figures.store_calls += 1
        await self._settle(what)

    def without_store(self, entries: Sequence[Entry], *, note: str = "") -> Hold:
        """A hold of a request that goes on though the store could not be asked."""
        amounts = [entry.amount for entry in entries]
        return Hold(new_lease_id(), amounts, tuple(entries), reserved=False, note=note if self.ledger else "")

    async def keep(self) -> None:
        """What has to be done every now and then: retire blocks, extend leases, send what waits."""
        now = time.monotonic()
        for keys, demand in list(self._lent.items()):
            if demand.block is None or now >= demand.block.until:
                self._retire(keys, demand)
        waiting = self._retired
        self._retired = [block for block in waiting if block.open]
        for block in waiting:
            if not block.open:
                await self._settle_block(block)
        await self._extend(now)
        if self.journal:
            await self.journal.replay(self.store)

    async def close(self) -> None:
        """Gives back what is in blocks."""
        for keys, demand in list(self._lent.items()):
            self._retire(keys, demand)
        for block in self._retired:
            await self._settle_block(block)
        self._retired = []
        if self.journal:
            await self.journal.replay(self.store)
        self.journal.close()

    @property
    def in_blocks(self) -> int:
        """Blocks in use."""
        return len(self._retired) + len(self._lent)

    def _demand(self, keys: tuple[str, ...]) -> Demand:
        demand = self._demands.get(keys)
        if demand is None:
            demand = self._demands[keys] = Demand()
            if len(self._demands) > _COMBINATIONS:
                self._retire(*self._demands.popitem(last=False))
        else:
            self._demands.move_to_end(keys)
        return demand

    def _retire(self, keys: tuple[str, ...], demand: Demand) -> None:
        """No further request is served from its block."""
        if demand.block is not None:
            self._retired.append(demand.block)
            demand.block = None
        if self._lent.get(keys) is demand:
            del self._lent[keys]

    async def _grow(self, entries: tuple[Entry, ...], demand: Demand, count: int) -> Hold | None:
        """A new block and this request's part of it; None where so much is not left."""
        many = [replace(entry, amount=entry.amount * count) for entry in entries]
        lease = Lease(new_lease_id(), self._lease_seconds, "block" if self.ledger else "")
        answer = await self._ask(many, lease)
        if isinstance(answer, Refused):
            demand.states = ()
            return None
        demand.states = answer.states
        keys = tuple(entry.key for entry in entries)
        self._retire(keys, self._lent.get(keys, demand))
        until = time.monotonic() + min(self._settings.seconds, self._lease_seconds / 2)
        sizes = [entry.amount for entry in many]
        released = tuple(entry.on_expiry == "release" for entry in entries)
        block = Block(lease.id, keys, tuple(sizes), sizes, until, released)
        demand.block, self._lent[keys] = block, demand
        self._open[lease.id] = time.monotonic() + self._lease_seconds / 3
        amounts = [entry.amount for entry in entries]
        block.take(amounts, 0.0)
        return Hold(lease.id, amounts, states=answer.states, block=block)

    async def _exact(self, entries: tuple[Entry, ...], demand: Demand, note: str) -> Hold | Refused:
        lease = Lease(new_lease_id(), self._lease_seconds, note if self.ledger else "")
        answer = await self._ask(entries, lease)
        if isinstance(answer, Refused):
            demand.states = ()
            return answer
        demand.states = answer.states
        self._open[lease.id] = time.monotonic() + self._lease_seconds / 3
        return Hold(lease.id, [entry.amount for entry in entries], entries, answer.states, note=lease.note)

    async def _ask(self, entries: Sequence[Entry], lease: Lease) -> Granted | Refused:
        self.figures.store_calls += 1
        try:
            answer = await self.store.reserve(entries, lease)
        except BaseException as error:
            # Whether it was reserved is unknown: take it back.
            self.journal.add(Settlement(lease.id, ()))
            if isinstance(error, StoreError):
                self.figures.store_failures += 1
            raise
        return answer

    async def _settle(self, what: Settlement) -> None:
        try:
            await self.store.settle(what.lease_id, what.amounts, reserved=what.reserved, note=what.note)
        except BaseException as error:
            self.journal.add(what)
            if not isinstance(error, StoreUnavailable):
                raise

    async def _settle_block(self, block: Block) -> None:
        self._open.pop(block.lease_id, None)
        charged = zip(block.keys, block.charged, strict=True)
        amounts = tuple(Amount(key, min(max(0, used), MAX_AMOUNT), 0.0, *known) for key, (used, known) in charged)
        await self._settle(Settlement(block.lease_id, amounts, note="block" if self.ledger else ""))

    async def _extend(self, now: float) -> None:
        due = [lease_id for lease_id, at in self._open.items() if now >= at]
        if not due:
            return
        try:
            await self.store.extend(due, self._lease_seconds)
        except StoreUnavailable:
            return  # tried again at the next time; a lease that ends is settled all the same
        for lease_id in due:
            if lease_id in self._open:
                self._open[lease_id] = now + self._lease_seconds / 3
