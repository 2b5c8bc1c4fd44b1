"""Laws of a store's counters: what is reserved, settled, and left to its lease."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from ..store import (
    MAX_AMOUNT,
    Amount,
    CounterState,
    Entry,
    Granted,
    Rate,
    Refused,
    Store,
    StoreError,
    new_lease_id,
)
from .store_under_test import StoreUnderTest, lease, settled_and_open

__all__ = ["CounterLaws"]


class CounterLaws(StoreUnderTest):
    # Sums.

    def test_a_reservation_is_open_until_it_is_settled(self) -> None:
        async def scenario(store: Store) -> None:
            held = lease()
            granted = await store.reserve([Entry("a", 60, 100)], held)
            assert isinstance(granted, Granted)
            assert granted.lease_id == held.id
            assert granted.states == (CounterState("a", 0, 60, 100),)
            assert granted.states[0].remaining == 40
            await store.settle(held.id, [Amount("a", 25)])
            assert await settled_and_open(store, "a") == (25, 0)

        self.run(scenario)

    def test_a_limit_is_reached_exactly_and_not_passed(self) -> None:
        async def scenario(store: Store) -> None:
            assert isinstance(await store.reserve([Entry("a", 100, 100)], lease()), Granted)
            refused = await store.reserve([Entry("a", 1, 100)], lease())
            assert isinstance(refused, Refused)
            assert refused.states[0].refused
            assert refused.states[0].retry_after is None
            assert isinstance(await store.reserve([Entry("a", 0, 100)], lease()), Granted)

        self.run(scenario)

    def test_a_refused_reservation_takes_nothing_from_any_counter(self) -> None:
        async def scenario(store: Store) -> None:
            per_minute = Rate.per(10, 60)
            entries = [Entry("org", 5, 100), Entry("rate", 5, rate=per_minute), Entry("key", 5, 4), Entry("x", 5)]
            refused = await store.reserve(entries, lease())
            assert isinstance(refused, Refused)
            assert [state.refused for state in refused.states] == [False, False, True, False]
            states = await store.read([Entry("org", 0), Entry("rate", 0, rate=per_minute), Entry("key", 0)])
            assert [(state.settled, state.open) for state in states] == [(0, 0)] * 3

        self.run(scenario)

    def test_a_shadow_limit_counts_and_refuses_nothing(self) -> None:
        async def scenario(store: Store) -> None:
            granted = await store.reserve([Entry("a", 7, 5, enforce=False)], lease())
            assert isinstance(granted, Granted)
            assert granted.states[0].exceeded
            assert not granted.states[0].refused
            assert granted.states[0].open == 7

        self.run(scenario)

    def test_debt_stays_in_the_counter(self) -> None:
        async def scenario(store: Store) -> None:
            held = lease()
            await store.reserve([Entry("a", 90, 100)], held)
            await store.settle(held.id, [Amount("a", 150)])
            (state,) = await store.read([Entry("a", 0, 100)])
            assert (state.settled, state.open, state.remaining) == (150, 0, 0)
            assert isinstance(await store.reserve([Entry("a", 1, 100)], lease()), Refused)
            assert isinstance(await store.reserve([Entry("a", 10, 160)], lease()), Granted)

        self.run(scenario)

    def test_what_was_reserved_twice_under_one_id_counts_once(self) -> None:
        async def scenario(store: Store) -> None:
            held = lease()
            for _ in range(3):
                assert isinstance(await store.reserve([Entry("a", 60, 100)], held), Granted)
            assert await settled_and_open(store, "a") == (0, 60)

        self.run(scenario)

    def test_settling_twice_charges_once(self) -> None:
        async def scenario(store: Store) -> None:
            held = lease()
            await store.reserve([Entry("a", 60, 100)], held)
            for amount in (30, 30, 99):
                await store.settle(held.id, [Amount("a", amount)])
            assert await settled_and_open(store, "a") == (30, 0)

        self.run(scenario)

    def test_a_reservation_that_arrives_after_its_settlement_takes_nothing(self) -> None:
        async def scenario(store: Store) -> None:
            held = lease()
            await store.settle(held.id, [])
            with pytest.raises(StoreError):
                await store.reserve([Entry("a", 60, 100)], held)
            assert await settled_and_open(store, "a") == (0, 0)

        self.run(scenario)

    def test_counters_that_a_settlement_does_not_name_are_given_back(self) -> None:
        async def scenario(store: Store) -> None:
            held = lease()
            await store.reserve([Entry("a", 60, 100), Entry("b", 1, 1)], held)
            await store.settle(held.id, [Amount("a", 10)])
            assert await settled_and_open(store, "a") == (10, 0)
            assert await settled_and_open(store, "b") == (0, 0)

        self.run(scenario)

    def test_a_settlement_of_a_lost_reservation_is_charged(self) -> None:
        async def scenario(store: Store) -> None:
            held = lease()
            await store.settle(held.id, [Amount("a", 10)])
            await store.settle(held.id, [Amount("a", 10)])
            assert await settled_and_open(store, "a") == (10, 0)

        self.run(scenario)

    def test_what_was_spent_without_a_reservation_is_charged_once_however_old(self) -> None:
        async def scenario(store: Store) -> None:
            old = f"{int(time.time() * 1000) - 5 * 86_400_000:011x}-00000000000000000000"
            await store.settle(old, [Amount("a", 10)])
            assert await settled_and_open(store, "a") == (0, 0)
            for _ in range(2):
                await store.settle(old, [Amount("a", 10)], reserved=False)
            assert await settled_and_open(store, "a") == (10, 0)

        self.run(scenario)

    def test_amounts_are_exact_up_to_the_largest(self) -> None:
        async def scenario(store: Store) -> None:
            first, second = lease(), lease()
            await store.reserve([Entry("a", MAX_AMOUNT - 1, MAX_AMOUNT)], first)
            assert isinstance(await store.reserve([Entry("a", 2, MAX_AMOUNT)], lease()), Refused)
            assert isinstance(await store.reserve([Entry("a", 1, MAX_AMOUNT)], second), Granted)
            await store.settle(first.id, [Amount("a", MAX_AMOUNT - 3)])
            assert await settled_and_open(store, "a") == (MAX_AMOUNT - 3, 1)

        self.run(scenario)

    def test_amounts_that_can_not_be_counted_are_refused_by_name(self) -> None:
        async def scenario(store: Store) -> None:
            for amount in (-1, MAX_AMOUNT + 1):
                with pytest.raises(ValueError, match="key-7"):
                    await store.reserve([Entry("key-7", amount)], lease())
            with pytest.raises(ValueError, match="twice"):
                await store.reserve([Entry("a", 1), Entry("a", 1)], lease())

        self.run(scenario)

    def test_domains_do_not_share_counters(self) -> None:
        async def scenario(store: Store) -> None:
            held = lease()
            await store.reserve([Entry("a", 5)], held, domain="one")
            assert await settled_and_open(store, "a") == (0, 0)
            await store.settle(held.id, [Amount("a", 5)], domain="one")
            (state,) = await store.read([Entry("a", 0)], domain="one")
            assert (state.settled, state.open) == (5, 0)

        self.run(scenario)

    # Leases.

    @pytest.mark.parametrize(("word", "charged"), [("charge", 60), ("release", 0)])
    def test_a_lease_ends_by_the_word_of_its_entry(self, word: Any, charged: int) -> None:
        async def scenario(store: Store) -> None:
            await store.reserve([Entry("a", 60, 100, on_expiry=word)], lease(self.lease_seconds))
            assert await settled_and_open(store, "a") == (0, 60)
            await asyncio.sleep(self.lease_seconds + 0.1)
            assert await settled_and_open(store, "a") == (charged, 0)

        self.run(scenario)

    @pytest.mark.parametrize("word", ["charge", "release"])
    def test_a_settlement_after_the_expiry_still_charges_what_was_used(self, word: Any) -> None:
        async def scenario(store: Store) -> None:
            held = lease(self.lease_seconds)
            await store.reserve([Entry("a", 60, 100, on_expiry=word)], held)
            await asyncio.sleep(self.lease_seconds + 0.1)
            await settled_and_open(store, "a")
            for _ in range(2):
                await store.settle(held.id, [Amount("a", 45)])
            assert await settled_and_open(store, "a") == (45, 0)

        self.run(scenario)

    def test_an_extended_lease_lasts(self) -> None:
        async def scenario(store: Store) -> None:
            held, gone = lease(self.lease_seconds), lease(self.lease_seconds)
            await store.reserve([Entry("a", 60, 100)], held)
            await store.settle(gone.id, [])
            assert await store.extend([held.id, gone.id, new_lease_id()], 30) == {held.id}
            await asyncio.sleep(self.lease_seconds + 0.1)
            assert await settled_and_open(store, "a") == (0, 60)

        self.run(scenario)

    def test_a_leaked_place_heals(self) -> None:
        """Concurrency is a sum whose places are released."""

        async def scenario(store: Store) -> None:
            place = Entry("places", 1, 1, on_expiry="release")
            assert isinstance(await store.reserve([place], lease(self.lease_seconds)), Granted)
            assert isinstance(await store.reserve([place], lease()), Refused)
            await asyncio.sleep(self.lease_seconds + 0.1)
            held = lease()
            assert isinstance(await store.reserve([place], held), Granted)
            await store.settle(held.id, [])
            assert isinstance(await store.reserve([place], lease()), Granted)

        self.run(scenario)
