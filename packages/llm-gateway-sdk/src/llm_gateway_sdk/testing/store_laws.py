"""The laws that every store keeps, as tests. Subclass `StoreLaws`, say how a store is made, and pytest runs them all.

    class TestMyStoreLaws(StoreLaws):
        def make(self):
            store = MyStore()
            store.configure("my://localhost", {})
            return store

Each call of `make` gives another client of the same empty store, which `fresh` prepares before each test. Stores that
several processes can use name themselves for another process by `recipe`. Laws about what a store can't do skip.
Times are real: the laws wait for leases of a fraction of a second.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import random
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from ..store import (
    MAX_AMOUNT,
    Amount,
    Change,
    Conflict,
    CounterState,
    Entry,
    Granted,
    Lease,
    Rate,
    Refused,
    Store,
    StoreError,
    new_lease_id,
)
from .store_clients import BUDGET, Recipe, bounds, budget, open_store, spawn, wait_for_lines, wait_for_settlements

__all__ = ["Recipe", "StoreLaws", "open_store"]

STALL_ROUNDS = int(os.environ.get("STORE_LAWS_ROUNDS", "1"))
"""Rounds of random stalls, each with a seed."""


def lease(seconds: float = 30.0, note: str = "") -> Lease:
    return Lease(new_lease_id(), seconds, note)


async def settled_and_open(store: Store, key: str) -> tuple[int, int]:
    (state,) = await store.read([Entry(key, 0)])
    return state.settled, state.open


class StoreLaws:
    """Override `make`, and what else the store can do."""

    lease_seconds = 0.3
    """The lease of the tests that let one expire."""
    keeps_every_answer = True
    """Whether a restart loses nothing that was answered; False where another server takes over that may lack the last
    moments."""

    @pytest.fixture(autouse=True)
    def fresh(self) -> Any:
        """Override with a fixture that empties the store."""
        return None

    def make(self) -> Store:
        raise NotImplementedError

    def recipe(self) -> Recipe | None:
        """How another process opens the store; None where none can."""
        return None

    def restart(self) -> bool:
        """Ends the store's server by force and starts it again; False where there is none."""
        return False

    def pause(self, seconds: float) -> bool:
        """Stops the store's server for so long, and lets it go on; False where there is none."""
        return False

    def impatient_recipe(self) -> Recipe | None:
        """`recipe` of a client that gives a call up while the server is paused. Override where that is a setting."""
        return self.recipe()

    def step_clock(self, seconds: float) -> bool:
        """Moves the store's clock; False where that can't be done."""
        return False

    def run(self, scenario: Callable[[Store], Awaitable[None]]) -> None:
        async def main() -> None:
            async with self.client() as store:
                await scenario(store)

        asyncio.run(main())

    @asynccontextmanager
    async def client(self) -> AsyncIterator[Store]:
        store = self.make()
        try:
            yield store
        finally:
            await store.aclose()

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

    # Many at once.

    def test_64_clients_never_pass_any_level(self) -> None:
        """Every client reserves over three levels; at no time does settled + open pass a limit, and in the end the
        counters are the sum of what was settled."""
        levels = {"org": 4000, "team-0": 1500, "team-1": 1500, "team-2": 1500, "team-3": 1500}
        levels |= {f"key-{number}": 400 for number in range(16)}
        charged: dict[str, int] = dict.fromkeys(levels, 0)
        seen: list[str] = []

        async def one(store: Store, number: int) -> None:
            source = random.Random(number)
            keys = ("org", f"team-{number % 4}", f"key-{number % 16}")
            for _ in range(12):
                amount, held = source.randrange(1, 60), lease()
                answer = await store.reserve([Entry(key, amount, levels[key]) for key in keys], held)
                for state in answer.states:
                    if state.settled + state.open > levels[state.key]:
                        seen.append(f"{state}")
                if isinstance(answer, Granted):
                    await asyncio.sleep(0)
                    used = source.randrange(0, amount + 1)
                    await store.settle(held.id, [Amount(key, used) for key in keys])
                    for key in keys:
                        charged[key] += used

        async def scenario(store: Store) -> None:
            async with self.client() as other:
                clients = itertools.cycle([store, other] if store.shared else [store])
                await asyncio.gather(*(one(next(clients), number) for number in range(64)))
            states = await store.read([Entry(key, 0) for key in levels])
            assert {state.key: state.settled for state in states} == charged
            assert all(state.open == 0 for state in states)
            assert seen == []

        self.run(scenario)

    def test_64_clients_take_a_limit_to_its_last_unit(self) -> None:
        async def scenario(store: Store) -> None:
            answers = await asyncio.gather(
                *(store.reserve([Entry("a", 1, 40), Entry(f"k{number}", 1, 1)], lease()) for number in range(64))
            )
            assert sum(isinstance(answer, Granted) for answer in answers) == 40
            assert await settled_and_open(store, "a") == (0, 40)

        self.run(scenario)

    def test_the_ledger_adds_up_to_the_counter(self) -> None:
        async def scenario(store: Store) -> None:
            kept, lost, late = lease(note="kept"), lease(self.lease_seconds, "lost"), lease(self.lease_seconds, "late")
            for held in (kept, lost, late):
                await store.reserve([Entry("a", 60), Entry("b", 5)], held)
            await store.settle(kept.id, [Amount("a", 50)])
            await asyncio.sleep(self.lease_seconds + 0.1)
            await settled_and_open(store, "a")
            await store.settle(late.id, [Amount("a", 10), Amount("b", 7)])
            events = [event.event for event in await store.read_since("ledger")]
            assert [(event["kind"], event["note"]) for event in events if event["note"] == "kept"] == [
                ("settled", "kept")
            ]
            for key in ("a", "b"):
                settled, still_open = await settled_and_open(store, key)
                assert still_open == 0
                assert settled == sum(int(event["charges"].get(key, 0)) for event in events)

        self.run(scenario)

    def test_the_ledger_has_how_well_charges_are_known(self) -> None:
        """What an expiry charges is estimated until a settlement replaces it; a rate is not in the ledger."""

        async def scenario(store: Store) -> None:
            kept, late = lease(note="kept"), lease(self.lease_seconds, "late")
            rate = Rate.per(1000, 60)
            for held in (kept, late):
                await store.reserve([Entry("a", 60), Entry("b", 5), Entry("r", 5, rate=rate)], held)
            await store.settle(kept.id, [Amount("a", 50, 0, 7, 20), Amount("b", 5), Amount("r", 5, 0, 0, 5)])
            await asyncio.sleep(self.lease_seconds + 0.1)
            await settled_and_open(store, "a")
            expired = await self._marked(store)
            assert expired == {"a": (110, 7, 80), "b": (10, 0, 5)}
            await store.settle(late.id, [Amount("a", 60, 0, 10, 0), Amount("c", 4, 0, 0, 4), Amount("r", 9, 0, 0, 9)])
            await store.settle(new_lease_id(), [Amount("d", 3, 0, 1, 2)], reserved=False, note="unreserved")
            assert await self._marked(store) == {"a": (110, 17, 20), "b": (5, 0, 0), "c": (4, 0, 4), "d": (3, 1, 2)}

        self.run(scenario)

    async def _marked(self, store: Store) -> dict[str, tuple[int, ...]]:
        """By counter what is charged, partial and estimated."""
        sums: dict[str, list[int]] = {}
        for each in await store.read_since("ledger"):
            for place, name in enumerate(("charges", "partial", "estimated")):
                for key, amount in each.event.get(name, {}).items():
                    sums.setdefault(key, [0, 0, 0])[place] += amount
        return {key: tuple(found) for key, found in sums.items()}

    # Processes.

    def test_clients_that_are_killed_leave_exact_books(self, tmp_path: Path) -> None:
        """Processes that reserve and settle are killed at any moment. What they have written down beforehand, and what
        the store has, agree."""
        recipe = self.recipe()
        if recipe is None:
            pytest.skip("no other process can use this store")
        source = random.Random(7)
        files = []
        for round_number in range(3):
            children = []
            for number in range(2):
                files.append(tmp_path / f"{round_number}-{number}.jsonl")
                children.append(spawn(recipe, files[-1], self.lease_seconds * 2))
            wait_for_lines(files[-2:])
            time.sleep(source.random() / 2)
            for child in children:
                os.kill(child.pid, signal.SIGKILL)
                child.wait()

        self.run(lambda store: self._audit(store, files))

    def test_a_server_that_is_killed_leaves_exact_books(self, tmp_path: Path) -> None:
        """The server is killed and started again twice while processes reserve and settle, which go on by themselves.
        At the end they are killed too."""
        recipe = self.recipe()
        if recipe is None:
            pytest.skip("no other process can use this store")
        files = [tmp_path / f"{number}.jsonl" for number in range(2)]
        children = [spawn(recipe, file, self.lease_seconds * 2) for file in files]
        try:
            wait_for_lines(files)
            for _ in range(2):
                if not self.restart():
                    pytest.skip("this store has no server to restart")
                wait_for_settlements(files)
        finally:
            for child in children:
                child.kill()
                child.wait()

        self.run(lambda store: self._audit(store, files, exact=self.keeps_every_answer))

    @pytest.mark.parametrize("seed", range(STALL_ROUNDS))
    def test_clients_and_a_server_that_stall_leave_exact_books(self, tmp_path: Path, seed: int) -> None:
        """A process that is stopped goes on later as though nothing had happened: a client settles a lease that has
        ended meanwhile, a server runs commands that its clients have given up. In the end the clients are killed, some
        of them and the server while they are stopped."""
        recipe = self.impatient_recipe()
        if recipe is None:
            pytest.skip("no other process can use this store")
        source = random.Random(seed)
        files = [tmp_path / f"{number}.jsonl" for number in range(3)]
        children = [spawn(recipe, file, self.lease_seconds * 2) for file in files]
        try:
            wait_for_lines(files)
            for _ in range(2):
                seconds = self.lease_seconds * source.choice([0.5, 1, 3])
                stopped = source.sample(children, source.randrange(3))
                for child in stopped:
                    child.send_signal(signal.SIGSTOP)
                if not (source.random() < 0.7 and self.pause(seconds)):
                    time.sleep(seconds)
                for child in stopped:
                    child.send_signal(signal.SIGCONT)
                wait_for_settlements(files)
            for child in source.sample(children, 2):
                child.send_signal(signal.SIGSTOP)
            self.pause(self.lease_seconds * 2)
        finally:
            for child in children:
                child.kill()
                child.wait()

        self.run(lambda store: self._audit(store, files))

    async def _audit(self, store: Store, files: Sequence[Path], *, exact: bool = True) -> None:
        """What the killed processes have written down, and what the store has, agree."""
        state = await budget(store)
        assert state.settled + state.open <= BUDGET, f"more than the budget is spent: {state}"
        until = time.monotonic() + 30
        before = None
        # Two equal answers: a server that was stopped may still run what a killed client has sent.
        while (state.open or state != before) and time.monotonic() < until:
            await asyncio.sleep(self.lease_seconds / 2)
            before, state = state, await budget(store)
        assert state.open == 0, f"leases of killed clients do not end: {state}"
        least, most = bounds(files)
        assert state.settled <= min(most, BUDGET), f"more is charged than was reserved: {state}, at most {most}"
        assert least > 0
        assert state.settled > 0
        if exact:
            assert state.settled >= least, f"what was granted or settled is lost: {state}, at least {least}"
        ledger, cursor = 0, ""
        while events := await store.read_since("ledger", cursor):
            ledger += sum(int(event.event["charges"].get("budget", 0)) for event in events)
            cursor = events[-1].cursor
        assert state.settled == ledger, f"the ledger has {ledger}, the counter {state}"

    def test_what_was_answered_survives_a_restart(self) -> None:
        held, later = lease(60), lease(60)

        async def before(store: Store) -> None:
            await store.reserve([Entry("a", 60, 100)], held)
            await store.reserve([Entry("a", 20, 100)], later)
            await store.settle(held.id, [Amount("a", 50)])
            await store.put("doc/1", b"one")

        async def after(store: Store) -> None:
            for _ in range(2):
                await store.settle(held.id, [Amount("a", 50)])
            assert await settled_and_open(store, "a") == (50, 20)
            await store.settle(later.id, [Amount("a", 20)])
            assert await settled_and_open(store, "a") == (70, 0)
            document = await store.get("doc/1")
            assert document is not None
            assert document.value == b"one"

        self.run(before)
        if not self.restart():
            pytest.skip("this store has no server to restart")
        self.run(after)

    def test_a_client_goes_on_after_a_restart(self) -> None:
        async def scenario(store: Store) -> None:
            await store.put("doc/1", b"one")
            if not self.restart():
                pytest.skip("this store has no server to restart")
            for attempt in range(100):
                try:
                    await store.reserve([Entry("a", 1)], lease())
                    break
                except StoreError:
                    assert attempt < 99
                    await asyncio.sleep(0.1)
            assert (await settled_and_open(store, "a"))[1] >= 1

        self.run(scenario)

    # Documents.

    def test_documents_have_versions(self) -> None:
        async def scenario(store: Store) -> None:
            assert await store.get("k/a") is None
            first = await store.put("k/a", b"\x00one", expected=0)
            with pytest.raises(Conflict):
                await store.put("k/a", b"two", expected=0)
            second = await store.put("k/a", b"two", expected=first)
            assert second > first
            with pytest.raises(Conflict):
                await store.put("k/a", b"three", expected=first)
            with pytest.raises(Conflict):
                await store.delete("k/a", expected=first)
            document = await store.get("k/a")
            assert document is not None
            assert (document.value, document.version) == (b"two", second)
            assert await store.delete("k/a", expected=second)
            assert not await store.delete("k/a")
            assert await store.get("k/a") is None
            assert await store.put("k/a", b"again", expected=0) > second

        self.run(scenario)

    def test_of_many_writers_with_one_version_one_wins(self) -> None:
        async def scenario(store: Store) -> None:
            async def one(number: int) -> bool:
                try:
                    await store.put("k/a", str(number).encode(), expected=0)
                except Conflict:
                    return False
                return True

            assert sum(await asyncio.gather(*(one(number) for number in range(32)))) == 1

        self.run(scenario)

    def test_a_scan_gives_each_document_of_the_prefix_in_order(self) -> None:
        async def scenario(store: Store) -> None:
            keys = sorted(f"k/{number:03}" for number in range(25))
            for key in [*keys, "j/1", "k", "l/1", "k0"]:
                await store.put(key, key.encode())
            await store.delete("k/007")
            found: list[str] = []
            while page := await store.scan("k/", after=found[-1] if found else "", limit=10):
                found += [document.key for document in page]
                assert all(document.value == document.key.encode() for document in page)
            assert found == [key for key in keys if key != "k/007"]

        self.run(scenario)

    def test_changes_reach_other_clients(self) -> None:
        async def scenario(store: Store) -> None:
            await store.put("k/before", b"1")
            async with self.client() as other:
                reader = other if store.shared else store
                stream = reader.changes()
                first = await anext(stream)
                assert first == Change(await store.epoch(), None)
                began = time.monotonic()
                await store.put("k/a", b"1")
                await store.delete("k/before")
                seen: set[str] = set()
                epoch = first.epoch
                while not seen >= {"k/a", "k/before"}:
                    change = await asyncio.wait_for(anext(stream), 6)
                    assert change.epoch >= epoch
                    epoch = change.epoch
                    seen |= {"k/a", "k/before"} if change.keys is None else change.keys
                assert time.monotonic() - began < 5
                assert await store.epoch() == epoch
                await stream.aclose()  # type: ignore[attr-defined]

        self.run(scenario)

    # Records.

    def test_records_end_by_themselves_and_disturb_no_reader_of_documents(self) -> None:
        async def scenario(store: Store) -> None:
            epoch = await store.epoch()
            await store.keep({"r/a": b"\x00one", "r/b": b"two"}, 30.0)
            await store.keep({"r/short": b"gone soon"}, 0.05)
            await asyncio.sleep(0.1)
            assert await store.recall(["r/a", "r/b", "r/short", "r/none"]) == {"r/a": b"\x00one", "r/b": b"two"}
            await store.keep({"r/a": b"again"}, 30.0)
            assert await store.recall(["r/a"]) == {"r/a": b"again"}
            assert await store.forget(["r/a", "r/none", "r/short"]) == 1
            assert await store.recall(["r/a"]) == {}
            assert await store.recall([]) == {}
            assert await store.forget([]) == 0
            assert await store.epoch() == epoch
            assert await store.scan("r/") == []

        self.run(scenario)

    def test_records_are_shared_by_clients(self) -> None:
        async def scenario(store: Store) -> None:
            async with self.client() as other:
                reader = other if store.shared else store
                await store.keep({"r/a": b"1"}, 30.0)
                assert await reader.recall(["r/a"]) == {"r/a": b"1"}
                assert await reader.forget(["r/a"]) == 1
                assert await store.recall(["r/a"]) == {}

        self.run(scenario)

    # Logs.

    def test_a_log_is_read_in_order_from_a_cursor(self) -> None:
        async def scenario(store: Store) -> None:
            await store.append("audit", [{"n": 1, "text": "grün"}, {"n": 2}])
            await store.append("other", [{"n": 9}])
            first = await store.read_since("audit", limit=1)
            assert [event.event for event in first] == [{"n": 1, "text": "grün"}]
            assert abs(first[0].at - time.time()) < 60
            await store.append("audit", [{"n": 3}])
            rest = await store.read_since("audit", first[0].cursor)
            assert [event.event["n"] for event in rest] == [2, 3]
            assert await store.read_since("audit", rest[-1].cursor) == []

        self.run(scenario)

    def test_a_log_keeps_about_so_much(self) -> None:
        async def scenario(store: Store) -> None:
            for start in range(0, 600, 50):
                await store.append("audit", [{"n": start + number} for number in range(50)], keep=100)
            events = await store.read_since("audit")
            assert events[-1].event["n"] == 599
            assert 100 <= len(events) <= 400

        self.run(scenario)
