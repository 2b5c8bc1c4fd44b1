"""Batches that wait: who may settle one."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from llm_gateway.exchange.batches.pending import PendingBatch, PendingBatches, principal_of, written_principal
from llm_gateway.stores.memory import MemoryStore
from llm_gateway_sdk import Principal, RequestContext


def batch(**more: Any) -> PendingBatch:
    return PendingBatch("b-1", "kind", "ann", "chat", "api", "b-1", "req_1", **more)


async def due(batches: PendingBatches, now: float) -> list[str]:
    return [each.id async for each in batches.due(now)]


def test_of_two_that_claim_a_batch_one_gets_it() -> None:
    async def run() -> None:
        store = MemoryStore()
        one, other = PendingBatches(lambda: store, "p"), PendingBatches(lambda: store, "p")
        await one.add(batch())
        first, second = await one.find("kind", "ann", "b-1"), await other.find("kind", "ann", "b-1")
        assert first is not None
        assert second is not None

        assert await one.claim(first, time.time() + 60)
        assert not await other.claim(second, time.time() + 60)
        assert await due(other, time.time()) == []
        assert await due(other, time.time() + 61) == ["b-1"], "a claim ends by itself"

    asyncio.run(run())


def test_who_was_overtaken_removes_nothing() -> None:
    async def run() -> None:
        store = MemoryStore()
        batches = PendingBatches(lambda: store, "p")
        await batches.add(batch())
        slow, quick = await batches.find("kind", "ann", "b-1"), await batches.find("kind", "ann", "b-1")
        assert slow is not None
        assert quick is not None
        await batches.claim(quick, 1.0)

        assert not await batches.remove(slow)
        assert await batches.remove(quick)
        assert await batches.find("kind", "ann", "b-1") is None

    asyncio.run(run())


def test_it_is_found_in_its_project_alone_and_when_it_is_due() -> None:
    async def run() -> None:
        store = MemoryStore()
        batches = PendingBatches(lambda: store, "p")
        await batches.add(batch(due=100.0))

        assert await due(batches, 99.0) == []
        assert await due(batches, 100.0) == ["b-1"]
        assert await due(PendingBatches(lambda: store, "q"), 100.0) == []

    asyncio.run(run())


def test_a_store_that_is_not_there_is_not_made() -> None:
    class Absent(MemoryStore):
        def exists(self) -> bool:
            return False

        async def scan(self, prefix: str, *, after: str = "", limit: int = 1000) -> list[Any]:
            raise AssertionError("opened")

    async def run() -> None:
        store = Absent()
        assert await due(PendingBatches(lambda: store, "p"), 0.0) == []
        batches = PendingBatches(lambda: store, "p")
        await batches.add(batch())
        with pytest.raises(AssertionError, match="opened"):
            await due(batches, 0.0)

    asyncio.run(run())


def test_a_principal_survives() -> None:
    ctx = RequestContext(request_id="r")
    assert written_principal(ctx) is None
    assert principal_of(None) is None
    ctx.principal = Principal("1", "ann", "keys", team="t", labels={"env": "prod"}, models=("a", "b"), expires=5.0)
    written = written_principal(ctx)
    assert written is not None

    assert principal_of({**written, "from_a_later_version": 1}) == ctx.principal
