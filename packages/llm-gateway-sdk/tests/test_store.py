"""The values of the store's contract: rates that count exactly, what is left, and lease ids."""

from __future__ import annotations

import asyncio
import time
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway_sdk.store import MAX_AMOUNT, CounterState, Rate, Store, StoreError, new_lease_id, scheme_of


@given(st.integers(1, 10**12), st.integers(1, 10**10), st.none() | st.integers(1, 10**12))
def test_a_rate_is_exact_to_the_tick_and_countable(limit: int, period_ms: int, burst: int | None) -> None:
    try:
        rate = Rate.per(limit, period_ms / 1000, burst=burst)
    except ValueError:
        assert max(limit, burst or limit) * max(1, period_ms // 60_000) > MAX_AMOUNT or period_ms % 60_000
        return

    assert Fraction(rate.limit, rate.ticks * rate.tick_ms) == Fraction(limit, period_ms)
    assert max(rate.limit, rate.burst) * rate.ticks <= MAX_AMOUNT
    assert rate.burst == (burst or limit)


def test_a_rate_has_the_finest_tick_that_can_be_counted() -> None:
    assert Rate.per(10, 60).tick_ms == 1
    assert Rate.per(10**9, 86400 * 30).tick_ms == 1000


@pytest.mark.parametrize(("limit", "period"), [(0, 60), (-1, 60), (1, 0), (1, 0.0004)])
def test_a_rate_without_units_or_time_is_refused(limit: int, period: float) -> None:
    with pytest.raises(ValueError, match="positive limit"):
        Rate.per(limit, period)


def test_a_rate_too_large_to_count_is_refused() -> None:
    with pytest.raises(ValueError, match="more than a store can count exactly"):
        Rate.per(MAX_AMOUNT, 3600)


@pytest.mark.parametrize(
    ("settled", "open_", "limit", "left"), [(3, 4, 10, 3), (10, 0, 10, 0), (12, 5, 10, 0), (5, 5, None, None)]
)
def test_what_is_left_is_never_negative(settled: int, open_: int, limit: int | None, left: int | None) -> None:
    assert CounterState("a", settled, open_, limit).remaining == left


def test_lease_ids_begin_with_their_time_and_never_repeat() -> None:
    ids = [new_lease_id() for _ in range(1000)]

    assert len(set(ids)) == 1000
    assert abs(int(ids[0].partition("-")[0], 16) / 1000 - time.time()) < 60
    assert {len(each) for each in ids} == {32}


@pytest.mark.parametrize(("url", "scheme"), [("redis://h/0", "redis"), ("SQLITE:./a.db", "sqlite")])
def test_a_stores_url_has_a_scheme(url: str, scheme: str) -> None:
    assert scheme_of(url) == scheme


def test_a_path_is_not_a_stores_url() -> None:
    with pytest.raises(ValueError, match=r"sqlite:\./state\.db"):
        scheme_of("./state.db")


def test_a_store_without_records_reports_that_it_has_none() -> None:
    class Bare(Store):
        name = "bare"
        configure = check = reserve = settle = extend = read = get = put = None  # type: ignore[assignment]
        delete = scan = changes = epoch = append = read_since = None  # type: ignore[assignment]

    calls: list[Any] = [Bare().keep({}, 1), Bare().recall([]), Bare().forget([])]
    for call in calls:
        with pytest.raises(StoreError, match="the store 'bare' keeps no records"):
            asyncio.run(call)
    asyncio.run(Bare().aclose())
