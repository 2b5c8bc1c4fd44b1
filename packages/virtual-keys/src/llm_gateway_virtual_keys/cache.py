"""One worker's copies of keys: bounded, never written back, dropped when the store says that something changed.

What is held may be used while the connection to the store's changes is alive, because every change of a key drops its
copy. When the connection is lost nothing is known to be current any more: copies are then read anew one by one, and
used for a stated time as long as the store can't be reached.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable

from llm_gateway_sdk import Store, StoreError

from .keyring import PREFIX
from .keys import KeyRecord

__all__ = ["KeyCache"]

log = logging.getLogger("llm_gateway.plugins.virtual_keys")

_RETRY_SECONDS = 1.0
_MISSING_SECONDS = 5.0
"""How long an id without a key is remembered, while changes arrive."""


class _Copy:
    __slots__ = ("current", "read", "record")

    def __init__(self, record: KeyRecord | None, read: float) -> None:
        self.record = record
        self.read = read
        self.current = True


class KeyCache:
    """Finds keys by id. Raises StoreError from `find` where the store is away and no copy may be used."""

    def __init__(
        self,
        store: Store,
        *,
        size: int = 10_000,
        stale_seconds: float = 300.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._size = size
        self._stale = stale_seconds
        self._clock = clock
        self._copies: OrderedDict[str, _Copy] = OrderedDict()
        self._watcher: asyncio.Task[None] | None = None
        self._watching = False
        self._changes = 0
        """Counts notices, so that a copy read while one arrived is not taken for current."""
        self.hits = self.reads = self.stale_uses = 0

    async def find(self, key_id: str) -> KeyRecord | None:
        if self._watcher is None or self._watcher.done():
            self._watcher = asyncio.get_running_loop().create_task(self._watch())
        copy = self._copies.get(key_id)
        usable = copy is not None and copy.current and self._watching
        if copy is not None and usable and (copy.record is not None or self._clock() - copy.read < _MISSING_SECONDS):
            self.hits += 1
            self._copies.move_to_end(key_id)
            return copy.record
        return await self._read(key_id, copy)

    async def _read(self, key_id: str, copy: _Copy | None) -> KeyRecord | None:
        seen = self._changes
        try:
            self.reads += 1
            document = await self._store.get(PREFIX + key_id)
        except StoreError:
            if copy is not None and copy.record is not None and self._clock() - copy.read < self._stale:
                self.stale_uses += 1
                return copy.record
            raise
        record = None if document is None else KeyRecord.decode(document.value)
        fresh = _Copy(record, self._clock())
        fresh.current = seen == self._changes
        self._copies[key_id] = fresh
        self._copies.move_to_end(key_id)
        while len(self._copies) > self._size:
            self._copies.popitem(last=False)
        return record

    async def _watch(self) -> None:
        while True:
            try:
                async for change in self._store.changes():
                    self._watching = True
                    self._forget(change.keys)
            except asyncio.CancelledError:
                raise
            except StoreError:
                pass
            except Exception:
                log.exception("the store's changes can't be followed; keys are read anew for every request")
            self._watching = False
            self._forget(None)
            await asyncio.sleep(_RETRY_SECONDS)

    def _forget(self, keys: frozenset[str] | None) -> None:
        self._changes += 1
        ids = (
            list(self._copies) if keys is None else [key.removeprefix(PREFIX) for key in keys if key.startswith(PREFIX)]
        )
        for key_id in ids:
            copy = self._copies.get(key_id)
            if copy is not None:
                copy.current = False

    async def close(self) -> None:
        watcher, self._watcher = self._watcher, None
        if watcher is not None:
            watcher.cancel()
            await asyncio.gather(watcher, return_exceptions=True)
