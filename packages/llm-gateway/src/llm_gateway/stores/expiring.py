"""Records in memory that end by themselves, within a bound on their bytes."""

from __future__ import annotations

import heapq
from collections import OrderedDict
from collections.abc import Mapping, Sequence

__all__ = ["ExpiringRecords"]

MAX_BYTES = 256 * 1024 * 1024
_OVERHEAD = 200
"""Bytes that a record takes next to its value, roughly."""


class ExpiringRecords:
    """Times are milliseconds. Where the records together exceed `max_bytes`, those that were written first go."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._max = max_bytes
        self._values: OrderedDict[str, tuple[int, bytes]] = OrderedDict()
        self._ends: list[tuple[int, str]] = []
        self._bytes = 0

    def keep(self, records: Mapping[str, bytes], ends: int, now: int) -> None:
        self._purge(now)
        for key, value in records.items():
            self._drop(key)
            self._values[key] = (ends, bytes(value))
            self._bytes += len(value) + len(key) + _OVERHEAD
            heapq.heappush(self._ends, (ends, key))
        while self._bytes > self._max and self._values:
            self._drop(next(iter(self._values)))
        if len(self._ends) > 2 * len(self._values) + 1000:
            self._ends = [(end, key) for key, (end, _) in self._values.items()]
            heapq.heapify(self._ends)

    def recall(self, keys: Sequence[str], now: int) -> dict[str, bytes]:
        found = {key: self._values[key] for key in keys if key in self._values}
        return {key: value for key, (ends, value) in found.items() if ends > now}

    def forget(self, keys: Sequence[str], now: int) -> int:
        self._purge(now)
        return sum(self._drop(key) for key in keys)

    def _drop(self, key: str) -> bool:
        gone = self._values.pop(key, None)
        if gone is not None:
            self._bytes -= len(gone[1]) + len(key) + _OVERHEAD
        return gone is not None

    def _purge(self, now: int) -> None:
        while self._ends and self._ends[0][0] <= now:
            ends, key = heapq.heappop(self._ends)
            if key in self._values and self._values[key][0] == ends:
                self._drop(key)
