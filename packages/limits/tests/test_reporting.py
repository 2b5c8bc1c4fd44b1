"""Recorded requests against limits."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llm_gateway_limits.reporting import simulate
from llm_gateway_limits.rules import Asker, Rule, compile_rules

from llm_gateway.stores.memory import MemoryStore
from llm_gateway_sdk import Amount, Lease, Principal, Refused, new_lease_id

BEGIN = 1_790_000_000.0


def refused_by_a_store(rules: Sequence[Rule], records: Sequence[Mapping[str, Any]]) -> Counter[str]:
    """How often each limit refuses when the records are asked of a store, one after another."""
    found: Counter[str] = Counter()

    async def ask() -> None:
        now = BEGIN
        store = MemoryStore(lambda: now + 1e-4)  # it counts whole milliseconds
        for record in records:
            now = record["time"]
            principal = Principal("k", "k", "", record.get("user"), record.get("team"))
            asker = Asker(principal, "unknown", "default", record["model"], "", "generate")
            amounts = {"requests": 1, "tokens": record["input_tokens"], "inputTokens": record["input_tokens"]}
            asked = []
            for rule in rules:
                subject = rule.subject(asker) if rule.applies(asker) else None
                entry = rule.entry(subject, amounts[rule.measure], now) if subject is not None else None
                if entry is not None:
                    asked.append((rule, entry))
            lease = Lease(new_lease_id(), 60)
            answer = await store.reserve([entry for _, entry in asked], lease)
            found.update(rule.name for (rule, _), state in zip(asked, answer.states, strict=True) if state.exceeded)
            if not isinstance(answer, Refused):
                await store.settle(lease.id, [Amount(entry.key, entry.amount, entry.ends) for _, entry in asked])

    asyncio.run(ask())
    return found


RULES = compile_rules(
    [
        {"name": "rate", "per": ["team"], "requests": 3, "window": "3s"},
        {"name": "tokens", "per": ["user"], "tokens": 70, "window": "7s", "burst": 100},
        {"name": "day", "per": ["team", "model"], "inputTokens": 400, "window": {"calendar": "day"},
         "overrides": [{"team": "blue", "inputTokens": 150}]},
        {"name": "ever", "requests": 30, "window": "lifetime", "when": {"models": ["gpt*"]}},
        {"name": "watched", "per": ["user"], "requests": 2, "window": "1m", "mode": "shadow"},
    ]
)  # fmt: skip
RECORD = st.fixed_dictionaries(
    {
        "after": st.integers(0, 900) | st.integers(0, 40_000_000),
        "model": st.sampled_from(["gpt-a", "gpt-b", "claude"]),
        "input_tokens": st.integers(0, 120),
        "user": st.sampled_from(["ann", "bob", None]),
        "team": st.sampled_from(["red", "blue", None]),
    }
)


@given(steps=st.lists(RECORD, max_size=60))
def test_a_simulation_refuses_what_a_store_would(steps: list[dict[str, Any]]) -> None:
    records, moment = [], BEGIN * 1000
    for step in steps:
        moment += step["after"]
        records.append({**step, "time": moment / 1000})

    found = simulate(RULES, records)

    assert {name: each.refused for name, each in found.items() if each.refused} == refused_by_a_store(RULES, records)


@pytest.mark.parametrize("offset", [0, 0.1, 1e-3])
def test_what_fits_exactly_is_not_refused(offset: float) -> None:
    """Times are no whole seconds, and nothing of them is rounded into a refusal."""
    rules = compile_rules([{"name": "r", "requests": 70, "burst": 1, "window": "7s"}])
    records = [{"time": BEGIN + offset + number / 10} for number in range(300)]

    assert simulate(rules, records)["r"].refused == 0


def test_a_rolling_window_drains_between_requests() -> None:
    rules = compile_rules([{"name": "rpm", "per": ["team"], "requests": 2, "window": "1m"}])
    records = [{"time": 1_700_000_000 + second, "team": "red"} for second in (0, 1, 2, 31, 32)]

    result = simulate(rules, reversed(records))["rpm"]

    assert (result.seen, result.refused) == (5, 2)
    assert result.by_subject == {"red": 2}


def test_an_export_of_recorded_requests_is_played_as_it_is() -> None:
    """As the tracer's pages export it: the columns of its table, numbers with many digits as text."""
    row = {
        "ts": "2026-11-28 10:00:00.123456", "caller": "ann", "team": "red", "user_id": "u1", "labels": {"env": "prod"},
        "model_requested": "gpt-5", "client_ip": "192.0.2.1", "project": "default", "status": "ok",
        "input_tokens": 100, "output_tokens": 20, "cost_usd": "0.600000000",
    }  # fmt: skip
    rules = compile_rules(
        [
            {"name": "money", "per": ["team", "model"], "cost": "1 USD", "window": {"calendar": "day"}},
            {"name": "tokens", "per": ["user", "ip"], "tokens": 200, "window": "1m", "mode": "shadow"},
        ]
    )

    others = [{**row, "status": "refused"}, {**row, "cost_usd": None, "ts": "2026-11-29 00:00:00"}]
    found = simulate(rules, [row, row, *others])

    assert (found["money"].seen, found["money"].refused, found["money"].skipped) == (2, 1, 1)
    assert found["money"].by_subject == {"red, gpt-5": 1}
    assert (found["tokens"].seen, found["tokens"].refused) == (3, 1)


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
