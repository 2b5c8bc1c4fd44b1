"""Laws of a store's rates: bursts, debt, and clocks that step back."""

from __future__ import annotations

import asyncio
import time

import pytest

from ..store import (
    Amount,
    Entry,
    Granted,
    Rate,
    Refused,
    Store,
)
from .store_under_test import StoreUnderTest, lease, settled_and_open

__all__ = ["RateLaws"]


class RateLaws(StoreUnderTest):
    # Rates.

    def test_a_rate_lets_its_burst_through_and_gives_the_time_of_the_next(self) -> None:
        async def scenario(store: Store) -> None:
            entry = Entry("r", 1, rate=Rate.per(7, 0.7))
            started = time.monotonic()
            answers = [await store.reserve([entry], lease()) for _ in range(7)]
            spent = time.monotonic() - started
            assert all(isinstance(answer, Granted) for answer in answers)
            if spent > 0.08:
                pytest.skip("the machine is too slow to see the edge")
            refused = await store.reserve([entry], lease())
            assert isinstance(refused, Refused)
            wait = refused.states[0].retry_after
            assert wait is not None
            assert 0 < wait <= 0.1
            await asyncio.sleep(wait + 0.005)
            assert isinstance(await store.reserve([entry], lease()), Granted)

        self.run(scenario)

    def test_what_is_larger_than_the_burst_never_fits(self) -> None:
        async def scenario(store: Store) -> None:
            refused = await store.reserve([Entry("r", 11, rate=Rate.per(10, 1))], lease())
            assert isinstance(refused, Refused)
            assert refused.states[0].retry_after is None

        self.run(scenario)

    def test_a_rate_gets_back_what_was_not_used(self) -> None:
        async def scenario(store: Store) -> None:
            rate, held = Rate.per(10_000, 3600), lease()
            await store.reserve([Entry("r", 10_000, rate=rate)], held)
            await store.settle(held.id, [Amount("r", 1000)])
            (state,) = await store.read([Entry("r", 0, rate=rate)])
            assert 990 <= state.settled <= 1000
            assert state.limit == 10_000

        self.run(scenario)

    def test_a_rate_keeps_debt(self) -> None:
        async def scenario(store: Store) -> None:
            rate, held = Rate.per(1000, 3600), lease()
            await store.reserve([Entry("r", 1000, rate=rate)], held)
            await store.settle(held.id, [Amount("r", 3000)])
            refused = await store.reserve([Entry("r", 1000, rate=rate)], lease())
            assert isinstance(refused, Refused)
            wait = refused.states[0].retry_after
            assert wait is not None
            assert 10_700 < wait <= 10_800

        self.run(scenario)

    def test_giving_back_what_has_drained_gives_nothing(self) -> None:
        async def scenario(store: Store) -> None:
            rate, held = Rate.per(10, 0.2), lease()
            await store.reserve([Entry("r", 10, rate=rate)], held)
            await asyncio.sleep(0.25)
            slow = Rate.per(10, 0.2)
            assert isinstance(await store.reserve([Entry("r", 10, rate=slow)], lease()), Granted)
            await store.settle(held.id, [])
            refused = await store.reserve([Entry("r", 10, rate=slow)], lease())
            assert isinstance(refused, Refused)

        self.run(scenario)

    def test_a_clock_that_steps_back_gives_nothing_back(self) -> None:
        if not self.step_clock(0):
            pytest.skip("this store's clock can't be moved")

        async def scenario(store: Store) -> None:
            rate = Rate.per(10, 3600)
            held = lease(100)
            await store.reserve([Entry("r", 10, rate=rate), Entry("a", 100, 100)], held)
            self.step_clock(-3600)
            assert isinstance(await store.reserve([Entry("r", 1, rate=rate)], lease()), Refused)
            assert isinstance(await store.reserve([Entry("a", 1, 100)], lease()), Refused)
            self.step_clock(+3600)
            assert isinstance(await store.reserve([Entry("r", 1, rate=rate)], lease()), Refused)
            self.step_clock(+200)
            assert await settled_and_open(store, "a") == (100, 0)

        self.run(scenario)
