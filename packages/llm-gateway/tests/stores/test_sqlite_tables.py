"""What is remembered of counters and leases is written at a transaction's end, and forgotten where it may be wrong."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from llm_gateway.stores.records import Counter, Held, LeaseRecord
from llm_gateway.stores.sqlite_tables import SCHEMA, SQLiteTables


class Connection:
    def __init__(self, path: Path) -> None:
        self.db = sqlite3.connect(path, isolation_level=None)
        self.db.execute("PRAGMA journal_mode=WAL")
        self.db.executescript(SCHEMA)
        self.tables = SQLiteTables(self.db)
        self.statements: list[str] = []
        self.db.set_trace_callback(self.statements.append)

    def begin(self) -> None:
        self.db.execute("BEGIN IMMEDIATE")
        self.tables.begin()

    def end(self) -> None:
        self.tables.flush()
        self.db.execute("COMMIT")
        self.statements.clear()

    def spend(self, key: str, amount: int) -> None:
        counter = self.tables.counter("", key) or Counter()
        counter.settled += amount
        self.tables.put_counter("", key, counter)

    def settled(self, key: str) -> int:
        counter = self.tables.counter("", key)
        return 0 if counter is None else counter.settled

    def count(self, word: str) -> int:
        return sum(statement.startswith(word) for statement in self.statements)


@pytest.fixture
def two(tmp_path: Path) -> Iterator[tuple[Connection, Connection]]:
    pair = Connection(tmp_path / "state.db"), Connection(tmp_path / "state.db")
    yield pair
    for each in pair:
        each.db.close()


def test_a_counter_is_read_once_and_written_once_in_a_transaction(two: tuple[Connection, Connection]) -> None:
    one, _ = two
    one.begin()
    for _ in range(50):
        one.spend("a", 1)
    one.tables.flush()
    assert (one.count("SELECT"), one.count("INSERT OR REPLACE INTO counters")) == (1, 1)
    one.end()
    one.begin()
    one.spend("a", 1)
    assert one.count("SELECT") == 0, "it is remembered from the transaction before"
    one.end()


def test_what_another_connection_has_written_is_seen(two: tuple[Connection, Connection]) -> None:
    for round_ in range(5):
        for each in two:
            each.begin()
            each.spend("a", 1)
            each.end()
        for each in two:
            each.begin()
            assert each.settled("a") == 2 * round_ + 2
            each.end()


def test_what_was_undone_is_forgotten(two: tuple[Connection, Connection]) -> None:
    one, other = two
    one.begin()
    one.spend("a", 1)
    one.end()
    one.begin()
    one.spend("a", 10)
    one.tables.put_lease("", "l", LeaseRecord("open", 5, [Held("a", 1, True)]))
    one.tables.due("", 0, 10)
    one.db.execute("ROLLBACK")
    one.tables.forget_all()
    for each in (one, other):
        each.begin()
        assert (each.settled("a"), each.tables.lease("", "l")) == (1, None)
        each.end()


def test_leases_that_are_due_are_found_before_they_are_written(two: tuple[Connection, Connection]) -> None:
    one, other = two
    one.begin()
    for number in range(3):
        one.tables.put_lease("", f"l{number}", LeaseRecord("open", number, [Held("a", 1, True)], note="n"))
    assert one.tables.due("", 1, 10) == ["l0", "l1"]
    one.tables.put_lease("", "l0", LeaseRecord("settled", 0, forget=9))
    assert one.tables.due("", 1, 10) == ["l1"]
    one.end()
    other.begin()
    found = other.tables.lease("", "l1")
    assert found == LeaseRecord("open", 1, [Held("a", 1, True)], "n")
    other.end()


def test_counters_are_fetched_together(two: tuple[Connection, Connection]) -> None:
    one, _ = two
    one.begin()
    one.spend("a", 3)
    one.spend("b", 4)
    one.end()
    one.tables.forget_all()
    one.begin()
    one.tables.fetch([("", "a"), ("", "b"), ("", "absent")])
    assert [one.settled(key) for key in ("a", "b", "absent")] == [3, 4, 0]
    assert one.count("SELECT") == 1
    one.end()


def test_time_never_goes_back_for_any_connection(two: tuple[Connection, Connection]) -> None:
    seen = []
    for each, clock in zip((*two, *two), (1000, 900, 1100, 1050), strict=True):
        each.begin()
        seen.append(each.tables.now(clock))
        each.end()
    assert seen == [1000, 1000, 1100, 1100]


def test_many_rows_are_written_with_few_statements(two: tuple[Connection, Connection]) -> None:
    one, other = two
    one.begin()
    for number in range(200):
        one.spend(f"c{number}", number)
        one.tables.put_lease("", f"l{number}", LeaseRecord("open", 1000 + number, [Held("a", number, charge=True)]))
    one.tables.flush()
    assert one.count("INSERT OR REPLACE INTO counters") == one.count("INSERT OR REPLACE INTO leases") == 4
    one.end()
    other.begin()
    assert [other.settled(f"c{number}") for number in range(200)] == list(range(200))
    other.tables.fetch_leases([("", f"l{number}") for number in range(201)])
    found = [other.tables.lease("", f"l{number}") for number in range(201)]
    assert [each.held[0].amount for each in found if each is not None] == list(range(200))
    assert other.count("SELECT l.domain") == 1
    other.end()


def test_documents_are_read_together(two: tuple[Connection, Connection]) -> None:
    one, _ = two
    one.begin()
    one.tables.put("a", b"1", None)
    one.tables.put("b", b"2", None)
    one.tables.put("b", None, None)
    one.tables.put("c", b"3", None)
    assert {key: each.value for key, each in one.tables.get_all(["a", "b", "c", "d"]).items()} == {"a": b"1", "c": b"3"}
    assert one.tables.get_all(["b"]) == {}
    one.end()
