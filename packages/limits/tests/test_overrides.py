"""Overrides that are made at run time: whom they are for, when they end, and how workers learn of them."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from llm_gateway_limits.overrides import LiveRules, OverrideBook, UnknownOverride
from llm_gateway_limits.rules import Rule, compile_rules

from llm_gateway.stores.memory import MemoryStore
from llm_gateway_sdk import Conflict

LIMITS = [
    {
        "name": "team", "per": ["team"], "cost": "10 USD", "window": {"calendar": "month"},
        "overrides": [{"team": "research", "cost": "50 USD"}],
    },
    {"name": "rate", "requests": 10, "window": "1m"},
    {"name": "huge", "cost": "100000000 USD", "window": "lifetime"},
]  # fmt: skip
DOLLAR = 10**9


def limit_of(rule: Rule, **subject: str) -> int | None:
    return rule.limit(tuple(subject.items()), time.time())


async def make(store: MemoryStore, rule: Rule, **wanted: Any) -> str:
    return (await OverrideBook(store).create(rule, wanted, by="ann", source="127.0.0.1")).id


def test_an_override_counts_before_the_configuration_until_it_ends() -> None:
    async def main() -> None:
        store, rules = MemoryStore(), compile_rules(LIMITS)
        live = LiveRules(rules, store)
        await make(store, rules[0], subject={"team": "research"}, amount="70 USD")
        await make(store, rules[0], subject={"team": "data"}, amount=None, until=time.time() + 0.3)
        await live.load()
        team = live.rules[0]
        assert limit_of(team, team="research") == 70 * DOLLAR
        assert limit_of(team, team="data") is None
        assert limit_of(team, team="other") == 10 * DOLLAR
        await asyncio.sleep(0.35)
        assert limit_of(team, team="data") == 10 * DOLLAR, "it ends by itself, with no reading of the store"
        assert team.key((("team", "data"),), "x") == rules[0].key((("team", "data"),), "x"), "the counter is the same"

    asyncio.run(main())


def test_the_last_override_that_was_made_counts() -> None:
    async def main() -> None:
        store, rules = MemoryStore(), compile_rules(LIMITS)
        live = LiveRules(rules, store)
        await make(store, rules[1], amount="20")
        await make(store, rules[1], amount="30")
        await live.load()
        assert limit_of(live.rules[1]) == 30

    asyncio.run(main())


def test_workers_follow_the_store() -> None:
    async def main() -> None:
        store, rules = MemoryStore(), compile_rules(LIMITS)
        live = LiveRules(rules, store)
        live.start()

        async def becomes(amount: int) -> None:
            for _ in range(300):
                if limit_of(live.rules[1]) == amount:
                    return
                await asyncio.sleep(0.01)
            raise AssertionError(f"the limit is {limit_of(live.rules[1])}")

        made = await make(store, rules[1], amount="3")
        await becomes(3)
        await OverrideBook(store).delete(made, expected=None, by="ann", source="")
        await becomes(10)
        await live.close()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("position", "wanted"),
    [
        (0, {"subject": {"user": "ann"}, "amount": "5 USD"}),
        (0, {"subject": {"team": "data"}, "amount": "much"}),
        (0, {"subject": {"team": "data"}, "amount": "9e9 USD"}),
        (1, {"amount": "1.5"}),
    ],
)
def test_what_does_not_fit_the_limit_is_refused(position: int, wanted: dict[str, Any]) -> None:
    async def main() -> None:
        store, rules = MemoryStore(), compile_rules(LIMITS)
        with pytest.raises(ValueError):
            await make(store, rules[position], **wanted)
        assert await store.scan("limits/overrides/") == []

    asyncio.run(main())


def test_an_override_that_the_limit_has_outgrown_is_left_out() -> None:
    async def main() -> None:
        store, rules = MemoryStore(), compile_rules(LIMITS)
        await make(store, rules[0], subject={"team": "data"}, amount="5 USD")
        live = LiveRules(compile_rules([{**LIMITS[0], "per": ["user"], "overrides": []}]), store)
        await live.load()
        assert limit_of(live.rules[0], user="x") == 10 * DOLLAR

    asyncio.run(main())


def test_changes_are_in_the_audit_log_and_go_by_version() -> None:
    async def main() -> None:
        store, rules = MemoryStore(), compile_rules(LIMITS)
        book = OverrideBook(store)
        made = await make(store, rules[2], amount="200000000 USD", reason="fair")
        _, version = await book.get(made)
        with pytest.raises(Conflict):
            await book.delete(made, expected=version + 1, by="bob", source="")
        await book.delete(made, expected=version, by="bob", source="")
        with pytest.raises(UnknownOverride):
            await book.get(made)
        events = [each.event for each in await store.read_since("audit")]
        assert [(each["action"], each["by"]) for each in events] == [
            ("override.create", "ann"), ("override.delete", "bob"),
        ]  # fmt: skip
        assert events[0]["after"]["reason"] == events[1]["before"]["reason"] == "fair"

    asyncio.run(main())
