"""The store in a SQLite file keeps the laws of stores, over several processes too."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
import time
from pathlib import Path
from typing import Any

import pytest

from llm_gateway.stores.sqlite import SQLiteStore
from llm_gateway_sdk.store import Amount, Entry, Granted, Lease, Store, StoreUnavailable, new_lease_id
from llm_gateway_sdk.testing.store_laws import Recipe, StoreLaws


class TestSQLiteStoreLaws(StoreLaws):
    offset: float
    path: Path

    @pytest.fixture(autouse=True)
    def fresh(self, tmp_path: Path) -> Any:
        self.offset = 0.0
        self.path = tmp_path / "state.db"

    def make(self) -> Store:
        store = SQLiteStore(lambda: time.time() + self.offset)
        store.configure(f"sqlite:{self.path}", {"deadline": 5000})
        return store

    def recipe(self) -> Recipe | None:
        return "llm_gateway.stores.sqlite:SQLiteStore", f"sqlite:{self.path}", {"deadline": 5000}

    def restart(self) -> bool:
        return True  # every client is one

    def step_clock(self, seconds: float) -> bool:
        self.offset += seconds
        return True


def make(path: Path, **config: Any) -> SQLiteStore:
    store = SQLiteStore()
    store.configure(f"sqlite:{path}", config)
    return store


def test_nothing_is_written_before_the_first_use_and_the_file_is_private(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    store = make(path)
    assert not path.exists()

    async def use() -> None:
        await store.epoch()
        await store.aclose()

    asyncio.run(use())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_relative_path_is_below_the_given_folder(tmp_path: Path) -> None:
    store = SQLiteStore()
    store.configure("sqlite:./state.db", {}, directory=tmp_path)

    async def use() -> None:
        await store.epoch()
        await store.aclose()

    asyncio.run(use())
    assert (tmp_path / "state.db").exists()


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("sqlite:", "path of a file"),
        ("sqlite://host/state.db", "path of a file"),
        ("sqlite::memory:", "memory"),
        ("sqlite:state.db?mode=ro", "only the path"),
        ("sqlite:/nowhere/at/all/state.db", "there is no folder"),
        ("sqlite:.", "is a folder"),
        ("sqlite:///./state.db", 'write "sqlite:./state.db"'),
    ],
)
def test_what_is_not_a_path_is_refused(url: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SQLiteStore().configure(url, {})


def test_a_file_that_another_process_holds_is_unavailable_within_the_deadline(tmp_path: Path) -> None:
    path = tmp_path / "state.db"

    async def use() -> None:
        store = make(path, deadline=200)
        await store.epoch()
        blocker = sqlite3.connect(path, isolation_level=None)
        blocker.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        held = Lease(new_lease_id(), 30)
        with pytest.raises(StoreUnavailable):
            await store.reserve([Entry("a", 1)], held)
        assert time.monotonic() - began < 1
        blocker.execute("ROLLBACK")
        blocker.close()
        await asyncio.sleep(0.3)
        await store.settle(held.id, [Amount("a", 1)])
        assert [(state.settled, state.open) for state in await store.read([Entry("a", 0)])] == [(1, 0)]
        await store.aclose()

    asyncio.run(use())


def test_a_file_that_is_not_a_database_is_unavailable(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    path.write_bytes(os.urandom(4096))

    async def use() -> None:
        store = make(path)
        with pytest.raises(StoreUnavailable, match="not a database"):
            await store.epoch()
        await store.aclose()

    asyncio.run(use())


def test_concurrent_calls_share_transactions(tmp_path: Path) -> None:
    """What waits is committed together: 200 calls at once take far fewer commits."""

    async def use() -> None:
        store = make(tmp_path / "state.db")
        await store.epoch()
        answers = await asyncio.gather(*(store.reserve([Entry("a", 1)], Lease(new_lease_id(), 30)) for _ in range(200)))
        assert all(isinstance(answer, Granted) for answer in answers)
        assert max(answer.states[0].open for answer in answers) == 200
        await store.aclose()

    asyncio.run(use())
