"""Laws of a store that many use at once: in one process, in several, and in some that are killed."""

from __future__ import annotations

import asyncio
import itertools
import os
import random
import signal
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from ..store import (
    Amount,
    Entry,
    Granted,
    Rate,
    Store,
    StoreError,
    new_lease_id,
)
from .store_clients import BUDGET, bounds, budget, spawn, wait_for_lines, wait_for_settlements
from .store_under_test import StoreUnderTest, lease, settled_and_open

__all__ = ["ConcurrencyLaws"]

STALL_ROUNDS = int(os.environ.get("STORE_LAWS_ROUNDS", "1"))
"""Rounds of random stalls, each with a seed."""


class ConcurrencyLaws(StoreUnderTest):
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
