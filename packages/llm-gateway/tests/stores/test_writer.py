"""Steps in one thread: many in one transaction, each undone alone where it fails."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from llm_gateway.stores.writer import Writer


class Notes:
    """A memory of the number in the file."""

    def __init__(self) -> None:
        self.connection: sqlite3.Connection | None = None
        self.number: int | None = None
        self.transactions = 0

    def begin(self, connection: sqlite3.Connection) -> None:
        self.connection, self.transactions = connection, self.transactions + 1
        if self.number is None:
            (self.number,) = connection.execute("SELECT number FROM one").fetchone()

    def flush(self) -> None:
        if self.connection is not None and self.number is not None:
            self.connection.execute("UPDATE one SET number = ?", (self.number,))

    def forget(self) -> None:
        self.number = None

    def add(self, amount: int, *, fails: bool = False) -> Callable[[sqlite3.Connection], int]:
        def step(connection: sqlite3.Connection) -> int:
            if self.number is None:
                (self.number,) = connection.execute("SELECT number FROM one").fetchone()
            self.number += amount
            if fails:
                raise LookupError("no")
            return self.number

        return step


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "one.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE one (number INTEGER)")
        connection.execute("INSERT INTO one VALUES (0)")
    return path


def number_in(file: Path) -> int:
    with sqlite3.connect(file) as connection:
        found: int = connection.execute("SELECT number FROM one").fetchone()[0]
        return found


def writer(file: Path, notes: Notes) -> Writer:
    return Writer(lambda: sqlite3.connect(file, isolation_level=None), notes, name="test")


def test_steps_of_one_turn_are_one_transaction(file: Path) -> None:
    async def main() -> None:
        notes = Notes()
        mine = writer(file, notes)
        assert await asyncio.gather(*(mine.run(notes.add(1), deadline=5) for _ in range(50))) == list(range(1, 51))
        assert notes.transactions <= 3
        await mine.aclose()

    asyncio.run(main())
    assert number_in(file) == 50


@pytest.mark.parametrize(
    "failing", [{0}, {3}, {9}, {2, 5, 6}, set(range(10))], ids=["first", "one", "last", "three", "all"]
)
def test_a_step_that_fails_is_undone_alone(file: Path, failing: set[int]) -> None:
    async def main() -> list[Any]:
        notes = Notes()
        mine = writer(file, notes)
        steps = [mine.run(notes.add(1 << place, fails=place in failing), deadline=5) for place in range(10)]
        found = await asyncio.gather(*steps, return_exceptions=True)
        await mine.aclose()
        return found

    found = asyncio.run(main())
    assert [isinstance(each, LookupError) for each in found] == [place in failing for place in range(10)]
    assert number_in(file) == sum(1 << place for place in range(10) if place not in failing)


def test_a_writer_goes_on_in_another_event_loop(file: Path) -> None:
    notes = Notes()
    mine = writer(file, notes)

    async def leave() -> None:
        task = asyncio.ensure_future(mine.run(notes.add(1), deadline=5))
        await asyncio.sleep(0)
        task.cancel()  # the loop ends before it hands over

    async def use() -> int:
        found = await mine.run(notes.add(1), deadline=5)
        await mine.aclose()
        return found

    asyncio.run(leave())
    assert asyncio.run(use()) >= 1
