"""One worker's copies of keys: bounded, never written back, dropped when the store reports a change.

What is held may be used while the connection to the store's changes is alive, because every change of a key drops its
copy. When the connection is lost nothing is known to be current any more: copies are then read anew one by one, and
used for a stated time as long as the store can't be reached.

A credential that was compared with its key and found right is remembered by its SHA-256 hash next to the copy, so that
the next request with it costs one hash and one look-up. It is right for as long as the copy is current.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections import OrderedDict
from collections.abc import Callable

from llm_gateway_sdk import Principal, Store, StoreError
from llm_gateway_sdk.background import end_tasks

from .keyring import PREFIX
from .keys import KeyRecord

__all__ = ["KeyCache"]

log = logging.getLogger("llm_gateway.plugins.virtual_keys")

_RETRY_SECONDS = 1.0
_MISSING_SECONDS = 5.0
"""How long an id without a key is remembered, while changes arrive."""


class _Copy:
    __slots__ = ("current", "holder", "key_id", "read", "record", "right")

    def __init__(self, key_id: str, record: KeyRecord | None, read: float) -> None:
        self.key_id = key_id
        self.record = record
        self.read = read
        self.current = True
        self.right = b""
        """The hash of the credential that was found right; empty before there was one."""
        self.holder: Principal | None = None


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
        self._right: dict[bytes, _Copy] = {}
        """The copies by the hash of the credential that was found right."""
        self._watcher: asyncio.Task[None] | None = None
        self._watching = False
        self._changes = 0
        """Counts notices, so that a copy read while one arrived is not taken for current."""
        self.hits = self.reads = self.stale_uses = 0

    def holder_of(self, credential: str, now: float) -> Principal | None:
        """Whose credential it is, where it was found right before and nothing has changed since; else None, and it has
        to be compared. `now` is seconds since the epoch."""
        copy = self._right.get(_hash(credential))
        if copy is None or not copy.current or not self._watching:
            return None
        if copy.record is None or not copy.record.usable(now):
            return None
        self.hits += 1
        self._copies.move_to_end(copy.key_id)
        return copy.holder

    def remember(self, credential: str, record: KeyRecord, holder: Principal) -> None:
        """That `credential` is the present secret of `record`, as `find` has returned it."""
        copy = self._copies.get(record.id)
        if copy is None or copy.record is not record:
            return
        self._right.pop(copy.right, None)
        copy.right, copy.holder = _hash(credential), holder
        self._right[copy.right] = copy

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
        fresh = _Copy(key_id, record, self._clock())
        fresh.current = seen == self._changes
        self._drop(self._copies.pop(key_id, None))
        self._copies[key_id] = fresh
        while len(self._copies) > self._size:
            self._drop(self._copies.popitem(last=False)[1])
        return record

    def _drop(self, copy: _Copy | None) -> None:
        if copy is not None:
            self._right.pop(copy.right, None)

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
            await end_tasks(watcher)


def _hash(credential: str) -> bytes:
    return hashlib.sha256(credential.encode("utf-8", "surrogateescape")).digest()
