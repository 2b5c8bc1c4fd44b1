"""How a request is refused, so that official SDKs wait and try again, or give up at once."""

from __future__ import annotations

from typing import Any

import pytest
from llm_gateway_limits.refusals import refusal_of, store_down, tightest
from llm_gateway_limits.rules import Rule, compile_rules

from llm_gateway_sdk import CounterState

RULES = {
    rule.name: rule
    for rule in compile_rules(
        [
            {"name": "rate", "requests": 10, "window": "1m"},
            {"name": "at once", "concurrent": 2},
            {"name": "month", "tokens": 1000, "window": {"calendar": "month"}},
            {"name": "ever", "cost": "10 USD", "window": "lifetime"},
        ]
    )
}


def state(name: str, *, settled: int = 0, open: int = 0, retry_after: float | None = None) -> CounterState:
    rule = RULES[name]
    return CounterState(name, settled, open, rule.amount // rule.scale, True, True, retry_after)


def refused(name: str, amount: int = 1, whom: str = "", **counted: Any) -> tuple[str, int, str | None, float | None]:
    error = refusal_of(RULES[name], state(name, **counted), amount, whom=whom, resets_after=None)
    info = error.info()
    assert error.limit == name
    return error.message, error.status, info.code, error.retry_after


def test_a_rate_reports_when_to_come_back() -> None:
    assert refused("rate", settled=10, retry_after=4.2, whom="team data") == (
        "The limit 'rate' for team data is reached: 10 requests per 60 s. Try again in 5 s.",
        429, "rate_limit_exceeded", 4.2,
    )  # fmt: skip


def test_a_request_that_never_fits_gets_no_time_to_wait() -> None:
    message, status, code, retry_after = refused("rate", 20)

    assert "allows 10 requests at once, and this request may take 20 requests" in message
    assert (status, code, retry_after) == (429, "rate_limit_exceeded", None)


def test_a_time_to_wait_is_never_zero() -> None:
    assert refused("rate", settled=10, retry_after=0.0)[3] == 0.001
    assert "Try again in 1 s" in refused("rate", settled=10, retry_after=0.0)[0]


def test_requests_at_once_come_free_in_a_moment() -> None:
    assert refused("at once", open=2)[2:] == ("rate_limit_exceeded", 1.0)


def test_a_spent_budget_is_the_end() -> None:
    message, status, code, retry_after = refused("month", 200, settled=900)

    assert "has 100 tokens of 1,000 tokens left this month, and this request may take 200 tokens." in message
    assert (status, code, retry_after) == (429, "insufficient_quota", None)
    assert " left, and this request" in refused("ever", 10**10, settled=1)[0]


@pytest.mark.parametrize(("settled", "open"), [(1000, 0), (1200, 0), (900, 150)])
def test_what_is_used_up_is_reported_so(settled: int, open: int) -> None:
    message, _, code, _ = refused("month", 200, settled=settled, open=open)

    assert message.endswith("is used up this month: all of 1,000 tokens.")
    assert code == "insufficient_quota"


def test_a_budget_that_running_requests_hold_may_come_back() -> None:
    message, _, code, retry_after = refused("month", 200, settled=500, open=400)

    assert "reserved by requests that are running" in message
    assert (code, retry_after) == ("rate_limit_exceeded", 1.0)


def test_a_store_that_is_away_is_not_the_clients_fault() -> None:
    error = store_down("rate")

    assert (error.status, error.info().code, error.retry_after, error.limit) == (503, "limits_unavailable", 2.0, "rate")


@pytest.mark.parametrize(
    ("names", "times", "resets", "reported"),
    [
        (["rate", "at once"], [5.0, None], [None, None], "rate"),
        (["rate", "month"], [5.0, None], [None, 86_400.0], "month"),
        (["month", "ever"], [None, None], [86_400.0, None], "ever"),
        (["rate", "rate"], [5.0, 5.0], [None, None], "rate"),
    ],
)
def test_the_limit_that_holds_longest_is_reported(
    names: list[str], times: list[float | None], resets: list[float | None], reported: str
) -> None:
    rules: list[Rule] = [RULES[name] for name in names]
    states = [state(name, retry_after=time) for name, time in zip(names, times, strict=True)]

    position = tightest(rules, states, resets)
    assert names[position] == reported
    assert position == names.index(reported), "of equals the first"


def test_only_limits_that_refused_are_reported() -> None:
    passed = CounterState("ever", 0, 0, 10)

    assert tightest([RULES["ever"], RULES["rate"]], [passed, state("rate", retry_after=1.0)], [None, None]) == 1
