"""Whose files and batches are whose."""

from __future__ import annotations

import asyncio
import time

from llm_gateway.exchange.belongings import Belonging, Belongings
from llm_gateway.stores.memory import MemoryStore


def test_a_thing_is_found_by_its_owner_alone() -> None:
    async def run() -> None:
        store = MemoryStore()
        things = Belongings(lambda: store, "p")
        thing = Belonging("file-1", "gpt", {"id": "file-1"})
        assert await things.put("ann", "openai.file", thing)

        found = await things.find("ann", "openai.file", "file-1")
        assert found is not None
        assert (found.model, found.object, found.version) == ("gpt", {"id": "file-1"}, thing.version)
        assert await things.find("bob", "openai.file", "file-1") is None
        assert await things.find("ann", "anthropic.file", "file-1") is None
        assert await Belongings(lambda: store, "q").find("ann", "openai.file", "file-1") is None
        await things.remove("ann", "openai.file", "file-1")
        assert await things.find("ann", "openai.file", "file-1") is None

    asyncio.run(run())


def test_of_two_that_change_it_one_is_too_late() -> None:
    async def run() -> None:
        store = MemoryStore()
        things = Belongings(lambda: store, "p")
        await things.put("ann", "batch", Belonging("b", "gpt"))
        one, other = [await things.find("ann", "batch", "b") for _ in range(2)]
        assert one is not None
        assert other is not None

        one.shares = other.shares = [{"lines": 1}]
        assert [await things.put("ann", "batch", each) for each in (one, other)] == [True, False]

    asyncio.run(run())


def test_lists_have_the_newest_first_and_nothing_that_is_long_gone() -> None:
    async def run() -> None:
        store = MemoryStore()
        things, now = Belongings(lambda: store, "p"), time.time()
        for id_, age in (("old", 100 * 86_400), ("first", 20), ("second", 10)):
            await things.put("ann", "file", Belonging(id_, "gpt", created=now - age))

        assert [thing.id for thing in await things.all("ann", "file")] == ["second", "first"]
        assert await things.find("ann", "file", "old") is None

    asyncio.run(run())
