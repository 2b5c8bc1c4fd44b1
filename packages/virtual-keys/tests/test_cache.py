"""One worker's copies of keys: current while changes arrive, bounded, and used for a while when the store is away."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from llm_gateway_virtual_keys import Keyring
from llm_gateway_virtual_keys.cache import KeyCache

from llm_gateway_sdk import StoreError

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def watched(cache: KeyCache, key_id: str) -> None:
    """Waits until the store's changes are followed."""
    for _ in range(200):
        await cache.find(key_id)
        if cache._watching:
            return
        await asyncio.sleep(0.01)
    raise AssertionError("the store's changes are not followed")


async def with_cache(
    store: Any, work: Callable[[KeyCache, Keyring, str, list[float]], Awaitable[None]], **options: Any
) -> None:
    now = [0.0]
    cache, keys = KeyCache(store, clock=lambda: now[0], **options), Keyring(store)
    minted = await keys.create("reports", team="data")
    try:
        await work(cache, keys, minted.record.id, now)
    finally:
        await cache.close()


async def test_a_key_is_read_once_while_nothing_changes(store: Any) -> None:
    async def work(cache: KeyCache, keys: Keyring, key_id: str, now: list[float]) -> None:
        await watched(cache, key_id)
        await cache.find(key_id)
        before = store.reads
        for _ in range(10):
            record = await cache.find(key_id)
            assert record is not None
            assert record.team == "data"
        assert (store.reads, cache.hits >= 10) == (before, True)

    await with_cache(store, work)


async def test_a_revoked_key_is_known_as_such_without_waiting(store: Any) -> None:
    async def work(cache: KeyCache, keys: Keyring, key_id: str, now: list[float]) -> None:
        await watched(cache, key_id)
        await keys.revoke(key_id)
        for _ in range(100):
            record = await cache.find(key_id)
            assert record is not None
            if not record.usable(0):
                return
            await asyncio.sleep(0.01)
        raise AssertionError("the change was not noticed")

    await with_cache(store, work)


async def test_an_id_without_a_key_is_remembered_for_seconds_only(store: Any) -> None:
    async def work(cache: KeyCache, keys: Keyring, key_id: str, now: list[float]) -> None:
        await watched(cache, key_id)
        assert await cache.find("absent") is None
        before = store.reads
        assert await cache.find("absent") is None
        assert store.reads == before
        now[0] = 5.0
        assert await cache.find("absent") is None
        assert store.reads == before + 1

    await with_cache(store, work)


async def test_a_copy_is_used_for_a_while_when_the_store_is_away(store: Any) -> None:
    async def work(cache: KeyCache, keys: Keyring, key_id: str, now: list[float]) -> None:
        await watched(cache, key_id)
        cache._watching = False  # the connection was lost
        store.away = True
        now[0] = 299.0
        assert await cache.find(key_id) is not None
        assert cache.stale_uses == 1
        with pytest.raises(StoreError):
            await cache.find("never seen")
        now[0] = 301.0
        with pytest.raises(StoreError):
            await cache.find(key_id)

    await with_cache(store, work, stale_seconds=300.0)


async def test_copies_are_bounded(store: Any) -> None:
    async def work(cache: KeyCache, keys: Keyring, key_id: str, now: list[float]) -> None:
        await watched(cache, key_id)
        for number in range(20):
            await cache.find(f"absent-{number}")
        assert len(cache._copies) <= 5

    await with_cache(store, work, size=5)


async def test_a_right_credential_is_known_until_its_key_changes(store: Any) -> None:
    async def work(cache: KeyCache, keys: Keyring, key_id: str, now: list[float]) -> None:
        await watched(cache, key_id)
        record = await cache.find(key_id)
        assert record is not None
        assert cache.holder_of("secret", 0) is None
        cache.remember("secret", record, record.principal())
        assert cache.holder_of("secret", 0) == record.principal()
        assert cache.holder_of("another", 0) is None
        await keys.update(key_id, {"team": "sales"})
        for _ in range(100):
            if cache.holder_of("secret", 0) is None:
                break
            await asyncio.sleep(0.01)
        assert cache.holder_of("secret", 0) is None
        await cache.find(key_id)
        assert cache.holder_of("secret", 0) is None, "it is compared with the key as it is now"
        assert not cache._right

    await with_cache(store, work)


async def test_a_right_credential_is_known_no_longer_than_its_key_is_valid(store: Any) -> None:
    async def work(cache: KeyCache, keys: Keyring, key_id: str, now: list[float]) -> None:
        await keys.update(key_id, {"expires": 100.0})
        await watched(cache, key_id)
        record = await cache.find(key_id)
        assert record is not None
        cache.remember("secret", record, record.principal())
        assert cache.holder_of("secret", 99.0) is not None
        assert cache.holder_of("secret", 100.0) is None
        cache._watching = False  # the connection was lost
        assert cache.holder_of("secret", 99.0) is None

    await with_cache(store, work)


async def test_right_credentials_are_forgotten_with_their_keys(store: Any) -> None:
    async def work(cache: KeyCache, keys: Keyring, key_id: str, now: list[float]) -> None:
        for number in range(20):
            minted = await keys.create(f"n{number}")
            record = await cache.find(minted.record.id)
            assert record is not None
            cache.remember(minted.key, record, record.principal())
        assert len(cache._copies) == len(cache._right) == 5

    await with_cache(store, work, size=5)
