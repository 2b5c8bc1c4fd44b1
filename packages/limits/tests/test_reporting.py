"""Recorded requests against limits."""

from __future__ import annotations

from llm_gateway_limits.reporting import simulate
from llm_gateway_limits.rules import compile_rules


def test_a_rolling_window_drains_between_requests() -> None:
    rules = compile_rules([{"name": "rpm", "per": ["team"], "requests": 2, "window": "1m"}])
    records = [{"time": 1_700_000_000 + second, "team": "red"} for second in (0, 1, 2, 31, 32)]

    result = simulate(rules, reversed(records))["rpm"]

    assert (result.seen, result.refused) == (5, 2)
    assert result.by_subject == {"red": 2}


def test_a_request_that_one_limit_refuses_counts_in_none() -> None:
    rules = compile_rules(
        [
            {"name": "all", "requests": 3, "window": {"calendar": "day"}},
            {"name": "one", "per": ["user"], "cost": "1 USD", "window": {"calendar": "day"}},
        ]
    )
    records = [{"time": f"2026-11-28T10:00:0{n}Z", "user": "ann", "cost": 0.6} for n in range(3)]
    records += [{"time": "2026-11-28T11:00:00Z", "user": "bob", "cost": 0.6} for _ in range(2)]

    found = simulate(rules, records)

    assert (found["one"].refused, found["all"].refused) == (3, 0)
