"""The accounting over two kinds of tables: the same answers, whatever the order, and the states of a lease."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_gateway.stores.books import EXPIRED_MS, SETTLED_MS, Books, check_amounts
from llm_gateway.stores.memory import _MemoryTables
from llm_gateway.stores.records import Counter
from llm_gateway.stores.sqlite_tables import SCHEMA, SQLiteTables
from llm_gateway_sdk.store import MAX_AMOUNT, Amount, Entry, Granted, Lease, Rate, Refused, StoreError

NOW = 1_800_000_000_000
MINUTE = Rate.per(10, 60)


def sqlite_tables() -> SQLiteTables:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.executescript(SCHEMA)
    return SQLiteTables(connection)


KINDS: dict[str, Callable[[], Any]] = {"memory": _MemoryTables, "sqlite": sqlite_tables}


@pytest.fixture(params=KINDS)
def tables(request: pytest.FixtureRequest) -> Any:
    return KINDS[request.param]()


def name(number: int, now: int = NOW) -> str:
    return f"{now:011x}-{number}"


def counted(books: Books, key: str = "a", now: int = NOW) -> tuple[int, int]:
    (state,) = books.read("", [Entry(key, 0)], now)
    return state.settled, state.open


def test_a_reservation_that_is_repeated_takes_nothing_more(tables: Any) -> None:
    books, lease = Books(tables), Lease(name(1), 30)
    first = books.reserve("", [Entry("a", 60, 100)], lease, NOW)
    again = books.reserve("", [Entry("a", 60, 100)], lease, NOW + 5)

    assert isinstance(first, Granted)
    assert isinstance(again, Granted)
    assert first.expires == again.expires
    assert counted(books) == (0, 60)


def test_all_entries_are_taken_or_none(tables: Any) -> None:
    books = Books(tables)
    refused = books.reserve("", [Entry("a", 1, 10), Entry("b", 11, 10)], Lease(name(1), 30), NOW)

    assert isinstance(refused, Refused)
    assert [state.refused for state in refused.states] == [False, True]
    assert counted(books) == (0, 0)


def test_a_shadow_limit_is_exceeded_and_refuses_nothing(tables: Any) -> None:
    granted = Books(tables).reserve("", [Entry("a", 11, 10, enforce=False)], Lease(name(1), 30), NOW)

    assert isinstance(granted, Granted)
    assert granted.states[0].exceeded
    assert not granted.states[0].refused


@pytest.mark.parametrize(("on_expiry", "charged"), [("charge", 60), ("release", 0)])
def test_a_late_settlement_replaces_what_the_expiry_charged(tables: Any, on_expiry: Any, charged: int) -> None:
    books, late = Books(tables), NOW + 31_000
    books.reserve("", [Entry("a", 60, 100, on_expiry=on_expiry)], Lease(name(1), 30, "note"), NOW)
    assert counted(books, now=late) == (charged, 0)

    books.settle("", name(1), [Amount("a", 25)], late)
    books.settle("", name(1), [Amount("a", 99)], late)

    assert counted(books, now=late) == (25, 0)
    events = [event.event for event in tables.events("", "ledger", 0, 100)]
    assert sum(event["charges"].get("a", 0) for event in events) == 25, "the ledger sums to the counter"
    assert [event["kind"] for event in events][-1] == "corrected"


def test_a_settled_lease_reserves_nothing_and_can_not_be_extended(tables: Any) -> None:
    books = Books(tables)
    books.settle("", name(1), [], NOW)

    with pytest.raises(StoreError, match="has ended"):
        books.reserve("", [Entry("a", 1)], Lease(name(1), 30), NOW)
    assert books.extend("", [name(1), name(2)], 60, NOW) == frozenset()


def test_an_extension_never_shortens_a_lease(tables: Any) -> None:
    books = Books(tables)
    books.reserve("", [Entry("a", 1)], Lease(name(1), 30), NOW)

    assert books.extend("", [name(1)], 1, NOW) == {name(1)}
    assert counted(books, now=NOW + 29_999) == (0, 1)
    assert books.extend("", [name(1)], 60, NOW + 29_999) == {name(1)}
    assert counted(books, now=NOW + 89_998) == (0, 1)
    assert books.extend("", [name(1)], 60, NOW + 90_000) == frozenset()


@pytest.mark.parametrize(
    ("age", "reserved", "charged"),
    [(0, True, 5), (SETTLED_MS, True, 5), (SETTLED_MS + 1, True, 0), (SETTLED_MS + 1, False, 5)],
)
def test_an_unknown_lease_is_charged_unless_it_is_a_repetition(
    tables: Any, age: int, reserved: bool, charged: int
) -> None:
    books = Books(tables)
    books.settle("", name(1, NOW - age), [Amount("a", 5)], NOW, reserved=reserved)

    assert counted(books) == (charged, 0)


def test_what_was_spent_without_a_reservation_is_remembered_for_long(tables: Any) -> None:
    books = Books(tables)
    for when in (NOW, NOW + SETTLED_MS + 1, NOW + EXPIRED_MS - 1):
        books.settle("", name(1), [Amount("a", 5)], when, reserved=False)
        tables.purge(when)

    assert counted(books) == (5, 0)


def test_a_purge_looks_at_some_counters_and_the_next_ones_at_the_others(tables: Any) -> None:
    """With a hundred thousand keys a look at all counters would take longer than all that lies between two purges."""
    keys = [f"k{number:04}" for number in range(5000)]
    for key in keys:
        tables.put_counter("", key, Counter(settled=1, forget=NOW))
    tables.put_counter("", "lasting", Counter(settled=1))

    left = []
    for _ in range(4):
        tables.purge(NOW + 1)
        left.append(sum(tables.counter("", key) is not None for key in keys))
    assert left[0] >= 2900
    assert left[-1] == 0
    assert tables.counter("", "lasting") is not None


def test_a_rate_lets_its_burst_through_and_names_the_moment_of_the_next(tables: Any) -> None:
    books = Books(tables)
    assert all(
        isinstance(books.reserve("", [Entry("r", 1, rate=MINUTE)], Lease(name(each), 30), NOW), Granted)
        for each in range(10)
    )
    refused = books.reserve("", [Entry("r", 1, rate=MINUTE)], Lease(name(10), 30), NOW)

    assert isinstance(refused, Refused)
    assert refused.states[0].retry_after == 6.0
    assert isinstance(books.reserve("", [Entry("r", 1, rate=MINUTE)], Lease(name(11), 30), NOW + 6000), Granted)


def test_an_amount_beyond_the_burst_never_fits(tables: Any) -> None:
    refused = Books(tables).reserve("", [Entry("r", 11, rate=MINUTE)], Lease(name(1), 30), NOW)

    assert isinstance(refused, Refused)
    assert refused.states[0].retry_after is None


@pytest.mark.parametrize("entries", [[Entry("a", 1), Entry("a", 2)], [Entry("a", -1)], [Amount("a", MAX_AMOUNT + 1)]])
def test_amounts_that_can_not_be_counted_are_refused(entries: Any) -> None:
    with pytest.raises(ValueError, match=r"named twice|not between"):
        check_amounts(entries)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["reserve", "settle", "extend", "read"]),
        st.integers(0, 3),
        st.integers(0, 12),
        st.sampled_from(["charge", "release"]),
        st.integers(0, 40_000),
    ),
    max_size=25,
)


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_both_kinds_of_tables_give_the_same_answers(steps: Any) -> None:
    def answers(tables: Any) -> list[Any]:
        books, now = Books(tables), NOW
        given_: list[Any] = []
        for what, number, amount, on_expiry, passed in steps:
            now += passed
            entries = [
                Entry("a", amount, 20, on_expiry=on_expiry),
                Entry("r", amount, rate=MINUTE, on_expiry=on_expiry),
            ]
            try:
                if what == "reserve":
                    given_.append(books.reserve("d", entries, Lease(name(number), 30, "n"), now))
                elif what == "settle":
                    given_.append(
                        books.settle("d", name(number), [Amount("a", amount), Amount("r", amount)], now, note="n")
                    )
                elif what == "extend":
                    given_.append(books.extend("d", [name(number)], 20, now))
                given_.append(books.read("d", entries, now))
            except StoreError as error:
                given_.append(str(error))
        return [given_, [event.event for event in tables.events("d", "ledger", 0, 1000)]]

    memory, sqlite_ = answers(_MemoryTables()), answers(sqlite_tables())

    assert memory == sqlite_
    settled = 0
    for state in memory[0]:
        if isinstance(state, tuple):
            settled = state[0].settled
    assert sum(event["charges"].get("a", 0) for event in memory[1]) == settled
