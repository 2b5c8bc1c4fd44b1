"""What applies to a request, and what the states of its counters mean."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from llm_gateway_sdk import CounterState

sys.path.insert(0, str(Path(__file__).parent))

from limits_case import Case
from llm_gateway_limits.applied import refusing, shown_of, wait_of

DAY = {"name": "day", "per": ["key"], "tokens": 1000, "window": {"calendar": "day"}}
RATE = {"name": "rate", "per": ["key"], "requests": 10, "window": "1m", "onExceed": "queue", "queueTimeout": 5000}
PLACES = {"name": "places", "per": ["key"], "concurrent": 2, "onExceed": "queue", "queueTimeout": 5000}


def state(**more: object) -> CounterState:
    return CounterState("key", **{"limit": 1000, "settled": 0, "open": 0, **more})  # type: ignore[arg-type]


def test_a_limit_reserves_what_the_request_may_take() -> None:
    _, spending = Case(DAY, RATE).asked()

    assert {each.rule.name: each.amount for each in spending.applied} == {"day": 150, "rate": 1}


def test_a_top_up_is_not_enforced_where_debt_is_allowed() -> None:
    _, spending = Case({**DAY, "overdraft": "allow"}).asked()
    (first,) = spending.applied

    assert first.entry.enforce
    assert not replace(first, tops_up=True).entry.enforce


def test_what_is_shown_is_in_the_units_of_the_measure() -> None:
    _, spending = Case(DAY).asked()
    (shown,) = shown_of([each.term for each in spending.applied], [state(settled=400)])

    assert (shown.limit, shown.remaining) == (1000, 600)
    assert shown_of([each.term for each in spending.applied], [state(limit=None)]) == []


def test_of_several_that_refused_the_one_that_time_does_not_help_is_reported() -> None:
    _, spending = Case(RATE, DAY).asked()
    names = [each.rule.name for each in spending.applied]
    states = [state(refused=True, retry_after=1.0), state(refused=True)]

    assert names[refusing(spending.applied, states)] == "day"


@pytest.mark.parametrize(
    ("limit", "found", "seconds"),
    [
        (RATE, state(refused=True, retry_after=2.5), 2.5),
        (PLACES, state(refused=True), 0.05),
        (RATE, state(refused=True, retry_after=None), None),
        (DAY, state(refused=True), None),
        (DAY, state(), 0.0),
    ],
)
def test_how_long_it_takes_until_a_limit_lets_through(
    limit: dict[str, object], found: CounterState, seconds: float | None
) -> None:
    _, spending = Case(limit).asked()

    assert wait_of(spending.applied, [found]) == seconds
