"""Whose turn it is to change a record: one after the other, over all gateways of a store.

Records have no versions, so that two that read, change and write the same one at the same time would lose a change. A
document of the store, which has a version, names the holder. The holder writes a time by which others may take it
over, for a gateway may be killed in between.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from llm_gateway_sdk import Conflict, Store
from llm_gateway_sdk.store import StoreUnavailable

__all__ = ["Turns"]

_HELD_SECONDS = 10.0
"""Seconds after which the holder of a turn is taken to be gone."""
_PATIENCE_SECONDS = 15.0
_PAUSE_SECONDS = 0.01


class Turns:
    def __init__(self, store: Callable[[], Store]) -> None:
        self._store = store
        self._here: dict[str, asyncio.Lock] = {}
        """Those of this process wait here, so that one of them at a time asks the store."""

    @asynccontextmanager
    async def turn(self, key: str) -> AsyncIterator[None]:
        """Holds the turn for `key`. Raises StoreUnavailable where others do not let go of it."""
        lock = self._here.setdefault(key, asyncio.Lock())
        try:
            async with lock:
                version = await self._take(key)
                try:
                    yield
                finally:
                    await self._give_back(key, version)
        finally:
            if not lock.locked():
                self._here.pop(key, None)

    async def _take(self, key: str) -> int:
        """The version of the document that names this holder."""
        store, until = self._store(), time.monotonic() + _PATIENCE_SECONDS
        while True:
            held = await store.get(key)
            if held is None or _end_of(held.value) <= time.time():
                end = repr(time.time() + _HELD_SECONDS).encode()
                try:
                    return await store.put(key, end, expected=0 if held is None else held.version)
                except Conflict:
                    pass  # another was faster
            if time.monotonic() >= until:
                raise StoreUnavailable("another gateway holds the lock on the record")
            await asyncio.sleep(_PAUSE_SECONDS * random.uniform(0.5, 2.0))

    async def _give_back(self, key: str, version: int) -> None:
        try:
            await self._store().delete(key, expected=version)
        except Conflict:
            pass  # it took so long that another has taken over


def _end_of(value: bytes) -> float:
    try:
        return float(value)
    except ValueError:
        return 0.0
