"""One after the other, over processes that share a store."""

import asyncio
import time

import pytest

from llm_gateway.memory import turns as module
from llm_gateway.memory.shelf import Bounds, Conversation, Shelf
from llm_gateway.memory.turns import Turns
from llm_gateway.stores.memory import MemoryStore
from llm_gateway_sdk.store import StoreUnavailable


def test_gateways_that_share_a_store_lose_no_item_of_a_conversation():
    async def main():
        store = MemoryStore()
        gateways = [Shelf(lambda: store, "p", seconds=60, bounds=Bounds(record=100_000)) for _ in range(4)]
        await gateways[0].keep_conversation("ann", Conversation("conv_1", 0))
        recall = store.recall

        async def slowly(keys):
            found = await recall(keys)
            await asyncio.sleep(0.001)  # so that others come between reading and writing
            return found

        store.recall = slowly
        added = [(place, number) for place in range(4) for number in range(10)]
        await asyncio.gather(*(gateways[item[0]].add_items("ann", "conv_1", [item]) for item in added))
        found = await gateways[0].conversation("ann", "conv_1")
        assert sorted(map(tuple, found.items)) == added
        assert await store.scan("responses/p/ann/turn/") == [], "no holder is left"

    asyncio.run(main())


def test_a_turn_of_a_gateway_that_was_killed_is_taken_over():
    async def main():
        store = MemoryStore()
        await store.put("k", repr(time.time() + 0.1).encode())
        began = time.monotonic()
        async with Turns(lambda: store).turn("k"):
            return time.monotonic() - began

    assert 0.05 < asyncio.run(main()) < 5


def test_who_took_too_long_does_not_end_the_turn_of_another():
    async def main():
        store = MemoryStore()
        async with Turns(lambda: store).turn("k"):
            await store.put("k", b"1e12")
        assert (await store.get("k")).value == b"1e12"

    asyncio.run(main())


def test_patience_ends(monkeypatch):
    monkeypatch.setattr(module, "_PATIENCE_SECONDS", 0.05)

    async def main():
        store = MemoryStore()
        await store.put("k", b"1e12")
        async with Turns(lambda: store).turn("k"):
            raise AssertionError("another holds it")

    with pytest.raises(StoreUnavailable):
        asyncio.run(main())


def test_what_fails_within_a_turn_gives_it_back():
    async def main():
        store = MemoryStore()
        each = Turns(lambda: store)
        with pytest.raises(ValueError, match="within"):
            async with each.turn("k"):
                raise ValueError("within")
        async with each.turn("k"):
            pass

    asyncio.run(main())
