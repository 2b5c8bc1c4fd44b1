"""A worker's books: blocks, cancelled calls, leases that are kept open, and what comes back."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from llm_gateway_limits.blocks import BlockSettings
from llm_gateway_limits.books import Books, Hold
from llm_gateway_limits.journal import Journal

from llm_gateway.stores.memory import MemoryStore
from llm_gateway_sdk import Entry, Rate, Refused, Store

ENTRIES = (
    Entry("cost", 300, 10**9),
    Entry("rate", 1, rate=Rate.per(10**6, 60)),
    Entry("places", 1, 100, on_expiry="release"),
)


def books(store: Store, **options: Any) -> Books:
    return Books(store, Journal(None), blocks=BlockSettings(share=0.1, seconds=60), **options)


async def open_of(store: Store) -> list[tuple[int, int]]:
    return [(state.settled, state.open) for state in await store.read([ENTRIES[0], ENTRIES[2]])]


def test_blocks_give_back_what_they_do_not_need() -> None:
    async def main() -> None:
        store = MemoryStore()
        mine = books(store)
        for _ in range(1000):
            hold = await mine.reserve(ENTRIES)
            assert isinstance(hold, Hold)
            await mine.settle(hold, [100, 1, 0])
        assert mine.figures.from_blocks > 800
        assert mine.in_blocks <= 1
        await mine.close()
        assert await open_of(store) == [(100_000, 0), (0, 0)]

    asyncio.run(main())


def test_two_workers_share_a_limit_to_its_last_unit() -> None:
    async def main() -> None:
        store = MemoryStore()
        workers, granted = [books(store), books(store)], 0
        for number in range(700):
            hold = await workers[number % 2].reserve([Entry("a", 1, 500)])
            if isinstance(hold, Refused):
                continue
            granted += 1
            await workers[number % 2].settle(hold, [1])
        for worker in workers:
            await worker.close()
        (state,) = await store.read([Entry("a", 0, 500)])
        assert state.settled == granted == 500
        assert state.open == 0

    asyncio.run(main())


def test_a_call_that_is_cancelled_takes_nothing() -> None:
    class Slow(MemoryStore):
        async def reserve(self, *args: Any, **options: Any) -> Any:
            answer = await super().reserve(*args, **options)
            await asyncio.sleep(1)
            return answer

    async def main() -> None:
        store = Slow()
        mine = books(store)
        task = asyncio.create_task(mine.reserve(ENTRIES))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await open_of(store))[0] == (0, 300)
        await mine.keep()
        assert await open_of(store) == [(0, 0), (0, 0)]

    asyncio.run(main())


def test_a_long_request_keeps_its_lease() -> None:
    async def main() -> None:
        store = MemoryStore()
        mine = books(store, lease_seconds=0.3)
        hold = await mine.reserve(ENTRIES)
        assert isinstance(hold, Hold)
        for _ in range(8):
            await asyncio.sleep(0.08)
            await mine.keep()
        assert await open_of(store) == [(0, 300), (0, 1)]
        await mine.settle(hold, [7, 1, 0])
        assert await open_of(store) == [(7, 0), (0, 0)]

    asyncio.run(main())


@pytest.mark.parametrize("lost", [False, True], ids=["was away", "has lost the lease"])
def test_the_ledger_has_what_was_spent_while_the_store_was_away_or_lost_it(lost: bool) -> None:
    async def main() -> None:
        before, store = MemoryStore(), MemoryStore()
        mine = books(before if lost else store, ledger=True)
        if lost:
            held = await mine.reserve(ENTRIES, note="req_1", alone=True)
            assert isinstance(held, Hold)
            mine.store = store
        else:
            held = mine.without_store(ENTRIES, note="req_1")
        await mine.settle(held, [40, 1, 0])

        (event,) = [event.event for event in await store.read_since("ledger")]
        assert event["note"] == "req_1"
        assert event["charges"] == {ENTRIES[0].key: 40, ENTRIES[1].key: 1}

    asyncio.run(main())


def test_a_block_that_comes_when_its_counters_were_forgotten_is_given_back_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("llm_gateway_limits.books._COMBINATIONS", 1)

    class Slow(MemoryStore):
        pause = 0.0

        async def reserve(self, *args: Any, **options: Any) -> Any:
            await asyncio.sleep(self.pause)
            return await super().reserve(*args, **options)

    async def main() -> None:
        store = Slow()
        mine = books(store)
        first = await mine.reserve([Entry("a", 1, 1000)])
        store.pause = 0.05
        growing = asyncio.create_task(mine.reserve([Entry("a", 1, 1000)]))
        await asyncio.sleep(0)
        others = [await mine.reserve([Entry("b", 1, 1000)])]  # of "a" nothing is remembered any more
        others += [await growing, await mine.reserve([Entry("a", 1, 1000)]), await mine.reserve([Entry("a", 1, 1000)])]
        for hold in (first, *others):
            assert isinstance(hold, Hold)
            await mine.settle(hold, [1])
        await mine.close()
        states = await store.read([Entry("a", 0), Entry("b", 0)])
        assert [(state.settled, state.open) for state in states] == [(4, 0), (1, 0)]

    asyncio.run(main())
