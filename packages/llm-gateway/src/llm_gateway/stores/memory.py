"""`memory:`, a store in the memory of one process: for tests and for a gateway of one process that may forget."""

from __future__ import annotations

import asyncio
import bisect
import heapq
import os
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from itertools import count, islice
from typing import Any

from llm_gateway_sdk.store import (
    Amount,
    Change,
    Conflict,
    CounterState,
    Document,
    Entry,
    Granted,
    Lease,
    LogEvent,
    Refused,
    Store,
)

from .books import Books
from .expiring import ExpiringRecords
from .records import Counter, LeaseRecord

__all__ = ["MemoryStore"]

_LOOKED_AT = 2000
"""Counters that one step looks at, whether they may be removed."""


class MemoryStore(Store):
    """Counts in this process alone, and forgets everything when the process ends."""

    name = "memory"
    example = "memory:"
    shared = False

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._latest = 0
        self._tables = _MemoryTables()
        self._books = Books(self._tables)
        self._documents = _Documents()
        self._records = ExpiringRecords()

    def configure(self, url: str, config: Mapping[str, Any], *, directory: str | os.PathLike[str] = ".") -> None:
        if url.rstrip("/") != "memory:":
            raise ValueError('the store in memory has no address: write "memory:"')

    async def check(self) -> list[str]:
        return ["everything is forgotten when the process ends"]

    def _now(self) -> int:
        self._latest = max(self._latest, int(self._clock() * 1000))
        return self._latest

    async def reserve(self, entries: Sequence[Entry], lease: Lease, *, domain: str = "") -> Granted | Refused:
        return self._books.reserve(domain, entries, lease, self._now())

    async def settle(
        self, lease_id: str, actual: Sequence[Amount], *, domain: str = "", reserved: bool = True, note: str = ""
    ) -> None:
        self._books.settle(domain, lease_id, actual, self._now(), reserved=reserved, note=note)

    async def extend(self, lease_ids: Sequence[str], seconds: float, *, domain: str = "") -> frozenset[str]:
        return self._books.extend(domain, lease_ids, seconds, self._now())

    async def read(self, entries: Sequence[Entry], *, domain: str = "") -> tuple[CounterState, ...]:
        return self._books.read(domain, entries, self._now())

    async def get(self, key: str) -> Document | None:
        return self._documents.get(key)

    async def put(self, key: str, value: bytes, *, expected: int | None = None) -> int:
        return self._documents.put(key, value, expected)

    async def delete(self, key: str, *, expected: int | None = None) -> bool:
        return self._documents.delete(key, expected)

    async def scan(self, prefix: str, *, after: str = "", limit: int = 1000) -> list[Document]:
        return self._documents.scan(prefix, after, limit)

    async def epoch(self) -> int:
        return self._documents.epoch

    async def changes(self) -> AsyncIterator[Change]:
        seen = self._documents.epoch
        yield Change(seen, None)
        while True:
            await self._documents.changed_since(seen)
            epoch, keys = self._documents.epoch, self._documents.keys_since(seen)
            seen = epoch
            yield Change(epoch, keys)

    async def keep(self, records: Mapping[str, bytes], seconds: float) -> None:
        self._records.keep(records, self._now() + round(seconds * 1000), self._now())

    async def recall(self, keys: Sequence[str]) -> dict[str, bytes]:
        return self._records.recall(keys, self._now())

    async def forget(self, keys: Sequence[str]) -> int:
        return self._records.forget(keys, self._now())

    async def append(
        self, log: str, events: Sequence[Mapping[str, Any]], *, keep: int = 100_000, domain: str = ""
    ) -> None:
        now = self._now()
        for event in events:
            self._tables.add_event(domain, log, now, dict(event), keep)

    async def read_since(self, log: str, cursor: str = "", *, limit: int = 1000, domain: str = "") -> list[LogEvent]:
        return self._tables.events(domain, log, int(cursor or 0), limit)


class _MemoryTables:
    def __init__(self) -> None:
        self._counters: dict[tuple[str, str], Counter] = {}
        self._leases: dict[tuple[str, str], LeaseRecord] = {}
        self._ends: dict[str, list[tuple[int, str]]] = {}
        self._forget: list[tuple[int, tuple[str, str]]] = []
        self._logs: dict[tuple[str, str], deque[LogEvent]] = {}
        self._numbers = count(1)
        self._unlooked: list[tuple[str, str]] = []
        """Counters at which purges have not looked yet."""

    def counter(self, domain: str, key: str) -> Counter | None:
        """A copy, as from any other tables: what is not put back has not changed."""
        found = self._counters.get((domain, key))
        if found is None:
            return None
        return Counter(found.settled, found.open, found.level, found.at, found.ticks, found.forget)

    def put_counter(self, domain: str, key: str, counter: Counter) -> None:
        self._counters[domain, key] = counter

    def lease(self, domain: str, lease_id: str) -> LeaseRecord | None:
        return self._leases.get((domain, lease_id))

    def put_lease(self, domain: str, lease_id: str, record: LeaseRecord) -> None:
        self._leases[domain, lease_id] = record
        if record.state == "open":
            heapq.heappush(self._ends.setdefault(domain, []), (record.expires, lease_id))
        else:
            heapq.heappush(self._forget, (record.forget, (domain, lease_id)))

    def due(self, domain: str, now: int, limit: int) -> list[str]:
        ends = self._ends.get(domain, [])
        found: list[str] = []
        while ends and ends[0][0] <= now and len(found) < limit:
            lease_id = heapq.heappop(ends)[1]
            record = self._leases.get((domain, lease_id))
            if record is not None and record.state == "open" and record.expires <= now:
                found.append(lease_id)
        return found

    def add_event(self, domain: str, log: str, at: int, event: dict[str, Any], keep: int) -> None:
        events = self._logs.setdefault((domain, log), deque())
        events.append(LogEvent(str(next(self._numbers)), at / 1000, event))
        while len(events) > keep:
            events.popleft()

    def events(self, domain: str, log: str, after: int, limit: int) -> list[LogEvent]:
        events = self._logs.get((domain, log), deque())
        return list(islice((event for event in events if int(event.cursor) > after), limit))

    def purge(self, now: int) -> None:
        while self._forget and self._forget[0][0] <= now:
            place = heapq.heappop(self._forget)[1]
            record = self._leases.get(place)
            if record is not None and record.state != "open" and record.forget <= now:
                del self._leases[place]
        if not self._unlooked:
            self._unlooked = list(self._counters)
        for place in self._unlooked[-_LOOKED_AT:]:
            counter = self._counters.get(place)
            if counter is None or counter.open:
                continue
            if 0 < counter.forget <= now or not (counter.settled or counter.level):
                del self._counters[place]
        del self._unlooked[-_LOOKED_AT:]


class _Documents:
    def __init__(self) -> None:
        self._values: dict[str, Document] = {}
        self._order: list[bytes] = []
        self._changed: deque[tuple[int, str]] = deque(maxlen=10_000)
        self._waiting: set[asyncio.Future[None]] = set()
        self.epoch = 0

    def get(self, key: str) -> Document | None:
        return self._values.get(key)

    def put(self, key: str, value: bytes, expected: int | None) -> int:
        present = self._checked(key, expected)
        version = self._change(key)
        if present is None:
            bisect.insort(self._order, key.encode())
        self._values[key] = Document(key, bytes(value), version)
        return version

    def delete(self, key: str, expected: int | None) -> bool:
        if self._checked(key, expected) is None:
            return False
        self._change(key)
        del self._values[key]
        self._order.remove(key.encode())
        return True

    def scan(self, prefix: str, after: str, limit: int) -> list[Document]:
        start = bisect.bisect_right(self._order, after.encode()) if after else 0
        start = max(start, bisect.bisect_left(self._order, prefix.encode()))
        found = []
        for key in islice(self._order, start, start + limit):
            if not key.startswith(prefix.encode()):
                break
            found.append(self._values[key.decode()])
        return found

    def keys_since(self, epoch: int) -> frozenset[str] | None:
        if self._changed and self._changed[0][0] > epoch + 1:
            return None
        return frozenset(key for number, key in self._changed if number > epoch)

    async def changed_since(self, epoch: int) -> None:
        while self.epoch == epoch:
            waiting = asyncio.get_running_loop().create_future()
            self._waiting.add(waiting)
            try:
                await waiting
            finally:
                self._waiting.discard(waiting)

    def _checked(self, key: str, expected: int | None) -> Document | None:
        present = self._values.get(key)
        if expected is not None and expected != (present.version if present else 0):
            raise Conflict(f"{key} has version {present.version if present else 0}, not {expected}")
        return present

    def _change(self, key: str) -> int:
        """Versions are epochs: they grow also where a deleted key is written again."""
        self.epoch += 1
        self._changed.append((self.epoch, key))
        for waiting in self._waiting:
            if not waiting.done():
                waiting.set_result(None)
        return self.epoch
