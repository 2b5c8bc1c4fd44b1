"""The plugin as a client of a whole gateway meets it."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
import yaml

from llm_gateway.stores.memory import MemoryStore
from llm_gateway.testing import GatewayClient
from llm_gateway_sdk import (
    Entry,
    Granted,
    Lease,
    Plugin,
    Principal,
    Refused,
    RequestContext,
    StoreUnavailable,
    plugin_metadata,
)

PRICES = {"input": 1, "output": 10}


@plugin_metadata(name="who")
class Who(Plugin):
    """Takes the principal from a header: `id` or `id/team`."""

    authenticates = True

    async def before_model(self, ctx: RequestContext) -> None:
        name, _, team = ctx.headers.get("x-who", "").partition("/")
        if name:
            ctx.principal = Principal(name, name, "who", user=name, team=team or None, labels={"env": "prod"})


class Shaky(MemoryStore):
    """A store that can be away."""

    name = "shaky"
    away = False

    def configure(self, url: str, config: Any, *, directory: Any = ".") -> None:
        type(self).away = False

    async def reserve(self, entries: Any, lease: Lease, *, domain: str = "") -> Granted | Refused:
        if self.away:
            raise StoreUnavailable("away")
        return await super().reserve(entries, lease, domain=domain)

    async def settle(self, *args: Any, **options: Any) -> None:
        if self.away:
            raise StoreUnavailable("away")
        await super().settle(*args, **options)


@contextmanager
def serve(
    *limits: dict[str, Any],
    auth: bool = True,
    models: Any = None,
    store: str = "memory:",
    others: Sequence[dict[str, Any]] = (),
    **config: Any,
) -> Iterator[GatewayClient]:
    plugins: list[dict[str, Any]] = [{"name": "who", "type": "who"}] if auth else []
    plugins += others
    settings = {"limits": list(limits), **config} if limits else config
    plugins.append({"name": "limits", "type": "limits", "config": settings})
    text = {
        "store": {"url": store},
        "models": models
        or [{"name": "model", "isDefault": True, "provider": {"type": "echo"}, "metadata": {"prices": PRICES}}],
        "plugins": plugins,
    }
    with GatewayClient(yaml.safe_dump(text), extensions=[Who, Shaky], environ={}) as client:
        yield client


def counted(client: GatewayClient, prefix: str) -> tuple[int, int]:
    """Settled and open of the counters whose name begins so."""
    tables = plugin_of(client)._books.store._tables
    found = [counter for (_, key), counter in tables._counters.items() if key.startswith(prefix)]
    return sum(each.settled for each in found), sum(each.open for each in found)


def plugin_of(client: GatewayClient) -> Any:
    mounted = client.gateway.projects["default"].scope.chain.plugins
    return next(each.plugin for each in mounted if each.name == "limits")


def ask(client: GatewayClient, who: str = "ann/red", **fields: Any) -> Any:
    return client.chat("Hello there", headers={"x-who": who}, max_tokens=10, **fields)


# Rates.


def test_a_rate_refuses_with_the_time_to_come_back() -> None:
    with serve({"name": "few", "per": ["key"], "requests": 2, "window": "1h"}) as client:
        assert [ask(client).status for _ in range(3)] == [200, 200, 429]
        refused = ask(client)
        assert refused.json()["error"]["code"] == "rate_limit_exceeded"
        assert "few" in refused.json()["error"]["message"]
        assert 1790 <= float(refused.headers["retry-after"]) <= 1800
        assert refused.headers["x-llm-gateway-limit"] == "few"
        assert ask(client, "bob/red").status == 200, "another key has a counter of its own"


def test_a_refused_request_does_not_count() -> None:
    limits = (
        {"name": "all", "requests": 10, "window": "1h"},
        {"name": "few", "per": ["key"], "requests": 1, "window": "1h"},
    )
    with serve(*limits) as client:
        statuses = [ask(client).status for _ in range(4)]
        answer = ask(client, "bob")
        assert statuses == [200, 429, 429, 429]
        assert answer.status == 200
        assert answer.headers["x-ratelimit-remaining-requests"] == "0"
        assert plugin_of(client).metrics()["refused_total"] == 3


def test_tokens_are_reserved_at_most_and_settled_as_used() -> None:
    with serve({"name": "tokens", "tokens": 100_000, "window": {"calendar": "day"}}) as client:
        answer = ask(client)
        usage = answer.json()["usage"]
        assert counted(client, "tokens|") == (usage["total_tokens"], 0)


@pytest.mark.parametrize("stream", [False, True])
def test_a_budget_is_charged_to_the_nano_dollar(stream: bool) -> None:
    limit = {"name": "budget", "per": ["team"], "cost": "1 USD", "window": {"calendar": "month"}}
    with serve(limit) as client:
        answer = ask(client, stream=stream)
        assert answer.status == 200
        metrics = answer.context.metrics
        cost = metrics.input_tokens * 1000 + metrics.output_tokens * 10_000
        assert cost > 0
        assert counted(client, "budget|cost|") == (cost, 0)


def test_a_spent_budget_is_refused_with_the_vendors_quota_code_and_no_retry() -> None:
    limit = {"name": "budget", "per": ["team"], "cost": "0.0001 USD", "window": {"calendar": "month"}}
    with serve(limit) as client:
        refused = ask(client, max_completion_tokens=500)
        assert refused.status == 429
        assert refused.json()["error"]["code"] == "insufficient_quota"
        assert refused.json()["error"]["type"] == "insufficient_quota"
        assert "retry-after" not in refused.headers
        assert refused.headers["x-should-retry"] == "false"
        anthropic = client.message("Hello", headers={"x-who": "ann/red"}, max_tokens=500)
        assert anthropic.status == 429
        assert anthropic.json()["error"]["type"] == "rate_limit_error"


def test_a_failed_call_costs_a_request_and_no_tokens() -> None:
    limits = [
        {"name": "requests", "requests": 10, "window": {"calendar": "day"}},
        {"name": "tokens", "tokens": 1_000_000, "window": {"calendar": "day"}},
    ]
    with serve(*limits) as client:
        assert client.chat("fail 500", headers={"x-who": "ann"}).status >= 500
        assert counted(client, "requests|") == (1, 0)
        assert counted(client, "tokens|") == (0, 0)


def test_concurrent_requests_give_their_place_back() -> None:
    with serve({"name": "places", "per": ["key"], "concurrent": 1}) as client:
        assert [ask(client).status for _ in range(3)] == [200, 200, 200]
        assert counted(client, "places|") == (0, 0)


def test_concurrent_requests_above_the_limit_are_refused() -> None:
    models = [{"name": "model", "isDefault": True, "provider": {"type": "echo", "config": {"delay": "300ms"}}}]
    with serve({"name": "places", "concurrent": 2}, models=models) as client:
        body = {"model": "model", "messages": [{"role": "user", "content": "Hello"}]}
        headers = {"x-who": "ann"}

        async def many() -> list[int]:
            data = yaml.safe_dump(body)
            import json

            data = json.dumps(body).encode()
            answers = await asyncio.gather(
                *(client._ask("POST", "/v1/chat/completions", data, dict(headers)) for _ in range(5))
            )
            return sorted(answer.status for answer in answers)

        assert client._run(many()) == [200, 200, 429, 429, 429]
        assert counted(client, "places|") == (0, 0)


# Whom it is for.


def test_a_limit_per_team_does_not_apply_to_a_key_without_a_team() -> None:
    limit = {"name": "team", "per": ["team"], "requests": 1, "window": "1h"}
    with serve(limit) as client:
        assert [ask(client, "ann").status for _ in range(3)] == [200] * 3
        assert [ask(client, "ann/red").status, ask(client, "bob/red").status] == [200, 429]
    with serve({**limit, "missing": "refuse"}) as client:
        assert ask(client, "ann").status == 403


def test_anonymous_callers_count_by_address() -> None:
    with serve({"name": "few", "per": ["key"], "requests": 1, "window": "1h"}, auth=False) as client:
        assert [client.chat().status for _ in range(2)] == [200, 429]


def test_overrides_and_conditions() -> None:
    limit = {
        "name": "team", "per": ["team"], "requests": 1, "window": "1h",
        "overrides": [{"team": "red", "requests": 3}, {"team": "ops", "unlimited": True}],
        "when": {"labels": {"env": "prod"}, "models": ["mod*"]},
    }  # fmt: skip
    with serve(limit) as client:
        assert [ask(client, "a/blue").status for _ in range(2)] == [200, 429]
        assert [ask(client, "a/red").status for _ in range(4)] == [200, 200, 200, 429]
        assert [ask(client, "a/ops").status for _ in range(4)] == [200] * 4
        assert [ask(client, "b/blue", model="other").status for _ in range(2)] == [200, 200]


def test_a_shadow_limit_reports_and_never_refuses() -> None:
    with serve({"name": "shadow", "requests": 1, "window": "1h", "mode": "shadow"}) as client:
        answers = [ask(client) for _ in range(3)]
        assert [answer.status for answer in answers] == [200] * 3
        assert "ratelimit" not in answers[-1].headers
        assert plugin_of(client).metrics()["shadow_total"] == 2


def test_keys_of_the_simplest_authentication_count_apart() -> None:
    text = {
        "models": [{"name": "model", "isDefault": True, "provider": {"type": "echo"}}],
        "store": {"url": "memory:"},
        "plugins": [
            {"name": "auth", "type": "basic-apikey-auth", "config": {"apikeys": [
                {"name": "ann", "key": "key-of-ann-1234"}, {"name": "bob", "key": "key-of-bob-1234"},
            ]}},
            {"name": "limits", "type": "limits", "config": {"limits": [
                {"name": "few", "per": ["key"], "requests": 1, "window": "1h"},
            ]}},
        ],
    }  # fmt: skip
    with GatewayClient(yaml.safe_dump(text), environ={}) as client:
        keys = ["key-of-ann-1234", "key-of-ann-1234", "key-of-bob-1234", "wrong"]
        statuses = [client.chat(headers={"authorization": f"Bearer {key}"}).status for key in keys]
        assert statuses == [200, 429, 200, 401]


# Prices.


def test_a_model_without_a_price_is_refused_under_a_cost_limit_and_named() -> None:
    models = [{"name": "model", "isDefault": True, "provider": {"type": "echo"}}]
    limit = {"name": "budget", "cost": "1 USD", "window": "lifetime"}
    with serve(limit, models=models) as client:
        refused = ask(client)
        assert refused.status == 403
        assert "'model' has no price" in refused.json()["error"]["message"]
        assert refused.headers["x-should-retry"] == "false"
    with serve({**limit, "unknownPrice": "free"}, models=models) as client:
        assert ask(client).status == 200
        assert counted(client, "budget|") == (0, 0)
    priced = {"name": "other", "provider": {"type": "echo"}, "prices": PRICES}
    with serve({**limit, "unknownPrice": "estimate"}, models=[*models, priced]) as client:
        assert ask(client).status == 200
        assert counted(client, "budget|")[0] > 0


def test_a_dearer_model_is_topped_up_and_charged_at_its_price() -> None:
    models = [
        {"name": "cheap", "isDefault": True, "provider": {"type": "echo"}, "metadata": {"prices": PRICES}},
        {"name": "dear", "provider": {"type": "echo"}, "metadata": {"prices": {"input": 100, "output": 1000}}},
    ]
    limits = {"name": "budget", "cost": "1 USD", "window": "lifetime"}
    text = {
        "store": {"url": "memory:"},
        "models": models,
        "plugins": [
            {"name": "who", "type": "who"},
            {"name": "router", "type": "model-router", "config": {"model": "dear"}},
            {"name": "limits", "type": "limits", "config": {"limits": [limits]}},
        ],
    }
    with GatewayClient(yaml.safe_dump(text), extensions=[Who], environ={}) as client:
        answer = ask(client, model="cheap")
        assert answer.status == 200
        metrics = answer.context.metrics
        assert counted(client, "budget|") == (metrics.input_tokens * 100_000 + metrics.output_tokens * 1_000_000, 0)
        refused = ask(client, model="cheap", max_completion_tokens=2000)
        assert refused.status == 429
        assert counted(client, "budget|")[1] == 0


@pytest.mark.parametrize(("overdraft", "statuses"), [("refuse", [429, 429]), ("allow", [200, 429])])
def test_a_dearer_fallback_is_refused_or_leaves_debt(overdraft: str, statuses: list[int]) -> None:
    models = [
        {"name": "cheap", "isDefault": True, "provider": {"type": "echo"}, "metadata": {"prices": PRICES}},
        {"name": "dear", "provider": {"type": "echo"}, "metadata": {"prices": {"input": 100, "output": 1000}}},
    ]
    limit = {"name": "budget", "cost": "0.01 USD", "window": "lifetime", "overdraft": overdraft}
    text = {
        "store": {"url": "memory:"},
        "models": models,
        "plugins": [{"name": "router", "type": "model-router", "config": {"model": "dear"}}],
        "limits": [limit],
    }
    with GatewayClient(yaml.safe_dump(text), environ={}) as client:
        question = "word " * 40
        answers = [client.chat(question, model="cheap", max_tokens=60) for _ in range(2)]
        assert [answer.status for answer in answers] == statuses
        spent, still_open = counted(client, "budget|")
        assert still_open == 0
        assert (spent > 10_000_000) == (overdraft == "allow")


class Watched(MemoryStore):
    """Remembers how full the counter was after each step."""

    name = "watched"
    fullest = 0

    def configure(self, url: str, config: Any, *, directory: Any = ".") -> None:
        type(self).fullest = 0

    async def settle(self, *args: Any, **options: Any) -> None:
        await super().settle(*args, **options)
        (state,) = await self.read([Entry("budget|cost|lifetime||", 0)])
        type(self).fullest = max(self.fullest, state.settled + state.open)


def test_what_is_settled_and_open_never_passes_a_limit_between_two_steps() -> None:
    """A request that holds two reservations settles them one after the other."""
    budget = 5_000_000  # nano-dollars: enough for the dear model's ceiling once
    models = [
        {"name": "cheap", "isDefault": True, "provider": {"type": "echo"}, "metadata": {"prices": PRICES}},
        {"name": "dear", "provider": {"type": "echo"}, "metadata": {"prices": {"input": 10, "output": 100}}},
    ]
    text = {
        "store": {"url": "watched:"},
        "models": models,
        "plugins": [
            {"name": "router", "type": "model-router", "config": {"model": "dear"}},
            {
                "name": "limits",
                "type": "limits",
                "config": {"limits": [{"name": "budget", "cost": f"{budget / 1e9} USD", "window": "lifetime"}]},
            },
        ],
    }
    with GatewayClient(yaml.safe_dump(text), extensions=[Watched], environ={}) as client:
        answer = client.chat("word " * 38, model="cheap", max_tokens=40)
        assert answer.status == 200
        metrics = answer.context.metrics
        spent = metrics.input_tokens * 10_000 + metrics.output_tokens * 100_000
        assert counted(client, "budget|") == (spent, 0)
        assert 2 * spent > budget, "counted twice for a moment it would pass"
        assert spent <= Watched.fullest <= budget


# What clients see.


def test_headers_are_in_the_words_of_the_clients_api() -> None:
    limits = [
        {"name": "rpm", "per": ["key"], "requests": 10, "window": "1m"},
        {"name": "tpm", "per": ["key"], "tokens": 50_000, "window": "1m"},
    ]
    with serve(*limits) as client:
        openai = ask(client).headers
        assert openai["x-ratelimit-limit-requests"] == "10"
        assert openai["x-ratelimit-remaining-requests"] == "9"
        assert openai["x-ratelimit-reset-requests"] == "6s"
        assert openai["x-ratelimit-limit-tokens"] == "50000"
        assert openai["ratelimit-policy"] == '"rpm";q=10;w=60'
        assert openai["ratelimit"] == '"rpm";r=9;t=6'
        anthropic = client.message("Hello", headers={"x-who": "bob"}, max_tokens=10).headers
        assert anthropic["anthropic-ratelimit-requests-remaining"] == "9"
        assert anthropic["anthropic-ratelimit-requests-reset"].endswith("Z")
        assert "x-ratelimit-limit-requests" not in anthropic


def test_a_limit_that_is_nearly_reached_warns() -> None:
    with serve({"name": "few", "requests": 10, "window": "1h", "warnAt": [80]}) as client:
        warnings = [ask(client).headers.get("x-llm-gateway-limit-warning") for _ in range(9)]
        assert warnings[:7] == [None] * 7
        assert warnings[7:] == ['"few";used=80', '"few";used=90']


# The store.


@pytest.mark.parametrize(("word", "status"), [("deny", 503), ("lease", 503), ("allow", 200)])
def test_a_store_that_is_away(word: str, status: int) -> None:
    limit = {"name": "few", "requests": 100, "window": {"calendar": "day"}, "onStoreDown": word}
    with serve(limit, store="shaky:") as client:
        assert ask(client).status == 200
        Shaky.away = True
        began = time.monotonic()
        answer = ask(client)
        assert time.monotonic() - began < 1
        assert answer.status == status
        if status == 503:
            assert answer.headers["retry-after"] == "2"
        Shaky.away = False
        client._run(asyncio.sleep(0.7))
        assert counted(client, "few|") == ({503: 1, 200: 2}[status], 0), "what went on is counted when it is back"


def test_many_requests_are_decided_in_memory_and_counted_exactly() -> None:
    limit = {"name": "many", "requests": 10_000, "window": {"calendar": "day"}}
    with serve(limit, blocks={"share": 0.05, "duration": "10s"}) as client:
        assert [ask(client).status for _ in range(100)] == [200] * 100
        figures = plugin_of(client)._books.figures
        assert figures.store_calls <= 20
        assert figures.from_blocks >= 80
        plugin = plugin_of(client)
        client._run(plugin._books.close())
        assert counted(client, "many|") == (100, 0)


TWO_MODELS = [
    {"name": name, "isDefault": name == "model", "aliases": [f"{name}-latest"], "provider": {"type": "echo"},
     "metadata": {"prices": {kind: price * factor for kind, price in PRICES.items()}}}
    for name, factor in (("model", 1), ("dear", 7))
]  # fmt: skip


def after_many_kinds(
    blocks: dict[str, Any], others: Sequence[dict[str, Any]]
) -> tuple[list[int], dict[str, tuple[int, int]], int]:
    """The statuses of requests of all kinds, what the counters have afterwards, and how many a block has served."""
    day = {"window": {"calendar": "day"}}
    limits = [
        {"name": "a", "per": ["key"], "requests": 10_000, **day}, {"name": "b", "per": ["team"], "tokens": "1G", **day},
        {"name": "c", "cost": "9000 USD", **day}, {"name": "d", "concurrent": 1000, "per": ["key"]},
        {"name": "e", "outputTokens": 10**8, "mode": "shadow", **day}, {"name": "f", "cost": "9_000_000 USD", **day},
        {"name": "g", "inputTokens": 10**8, "per": ["user"], **day},
    ]  # fmt: skip
    chance, statuses = random.Random(7), []
    with serve(*limits, models=TWO_MODELS, others=others, blocks=blocks) as client:
        for _ in range(150):
            fields: dict[str, Any] = {"model": chance.choice(["model", "model", "dear", "model-latest", "nothing"])}
            if chance.random() < 0.3:
                fields["stream"] = True
            if chance.random() < 0.3:
                fields["max_tokens"] = chance.choice([1, 500])
            text, who = "word " * chance.randint(1, 60), chance.choice(["ann/red", "bob/red"])
            statuses.append(client.chat(text, headers={"x-who": who}, **fields).status)
        plugin = plugin_of(client)
        served = plugin._books.figures.from_blocks
        client._run(plugin._books.close())
        return statuses, {name: counted(client, f"{name}|") for name in "abcdefg"}, served


@pytest.mark.parametrize("routed", [False, True])
def test_what_a_block_serves_is_charged_as_what_the_store_serves(routed: bool) -> None:
    others = [{"name": "router", "type": "model-router", "config": {"model": "dear"}}] if routed else []
    settings: list[dict[str, Any]] = [{"share": 0}, {"share": 0.1, "duration": "60s"}]
    exact, in_blocks = (after_many_kinds(each, others) for each in settings)

    assert exact[2] == 0
    assert in_blocks[2] > 80
    assert exact[:2] == in_blocks[:2]
    assert all(settled > 0 and not reserved for name, (settled, reserved) in exact[1].items() if name != "d")


def test_near_a_limit_no_blocks_are_taken_and_the_last_unit_is_given() -> None:
    limit = {"name": "few", "requests": 120, "window": {"calendar": "day"}}
    with serve(limit, blocks={"share": 0.1, "duration": "10s"}) as client:
        statuses = [ask(client).status for _ in range(130)]
        assert statuses == [200] * 120 + [429] * 10


def test_refusals_are_explained_in_the_log() -> None:
    limit = {"name": "few", "per": ["key"], "requests": 1, "window": "1h"}
    with serve(limit) as client:
        ask(client)
        refused = ask(client)
        client._run(asyncio.sleep(0.7))
        events = client._run(plugin_of(client)._books.store.read_since("limits"))
        (event,) = [each.event for each in events]
        assert event["kind"] == "refused"
        assert event["limit"] == "few"
        assert event["subject"] == {"key": "who:ann"}
        assert event["request"] == refused.context.request_id
        assert event["place"] == "limits[0]"


def test_queued_requests_wait_for_their_turn() -> None:
    limit = {"name": "slow", "requests": 2, "window": "1s", "burst": 1, "onExceed": "queue"}
    with serve(limit) as client:
        began = time.monotonic()
        replies = [ask(client, who="ann/red") for _ in range(3)]
        assert [reply.status for reply in replies] == [200] * 3
        assert 0.9 < time.monotonic() - began < 3
        assert "limits.queue" not in replies[0].context.timings
        assert 0.3 < replies[2].context.timings["limits.queue"] < 2
        assert plugin_of(client).metrics()["queued_total"] == 2
    with serve({**limit, "queueTimeout": "100ms"}) as client:
        assert [ask(client).status for _ in range(2)] == [200, 429]


# Mistakes.


@pytest.mark.parametrize(
    ("limit", "message"),
    [
        ({"name": "a"}, "exactly one of"),
        ({"name": "a", "requests": 1, "tokens": 1, "window": "1m"}, "exactly one of"),
        ({"name": "a", "requests": 1}, '"window" is missing'),
        ({"name": "a", "requests": 1, "window": "soon"}, "expected 10s"),
        ({"name": "a", "requests": "many", "window": "1m"}, "limits[0].requests: expected a number"),
        ({"name": "a", "cost": "5 EUR", "window": "1m"}, "limits[0].cost: expected an amount of money"),
        ({"name": "a", "cost": "1e30 USD", "window": "1d"}, "more than a store can count"),
        (
            {"name": "a", "requests": 1, "window": {"calendar": "month", "timeZone": "Mars/Base"}},
            'no time zone "Mars/Base"',
        ),
        ({"name": "a", "requests": 1, "window": "1m", "per": ["teams"]}, "per"),
        ({"name": "a", "requests": 1, "window": "1m", "overrides": [{"team": "x", "requests": 2}]}, "not per team"),
    ],
)
def test_mistakes_are_found_at_the_start(limit: dict[str, Any], message: str) -> None:
    from llm_gateway_sdk import ConfigError

    with pytest.raises(ConfigError) as error, serve(limit):
        pass
    assert any(message in problem.message or message in str(problem) for problem in error.value.problems), str(
        error.value
    )


def test_entry_names_are_stable_when_the_amount_is_edited() -> None:
    from llm_gateway_limits.rules import compile_rules

    first, second = (
        compile_rules([{"name": "a", "requests": amount, "window": "1m", "per": ["team"]}])[0] for amount in (5, 50)
    )
    entries = [rule.entry([("team", "red|x")], 1, 0.0) for rule in (first, second)]
    assert all(isinstance(entry, Entry) for entry in entries)
    assert entries[0].key == entries[1].key == "a|requests|60s|team=red%7Cx|"  # type: ignore[union-attr]


def test_what_was_used_is_added_up_without_any_limit() -> None:
    with serve(usage="day") as client:
        assert client.chat("Hello", headers={"x-who": "ann/red"}, max_tokens=10).status == 200
        assert client.chat("Hello", headers={"x-who": "bob/blue"}, max_tokens=10, stream=True).status == 200
        plugin = plugin_of(client)

        async def read() -> list[dict[str, Any]]:
            await plugin._usage_book.flush()
            rows: list[dict[str, Any]] = await plugin.usage_of({"by": ["team", "model"]}, plugin.gateway.store)
            return rows

        rows = client._run(read())
    assert {row["group"]["team"]: (row["group"]["model"], row["requests"]) for row in rows} == {
        "red": ("model", 1), "blue": ("model", 1),
    }  # fmt: skip
    assert all(row["cost"] > 0 and not row["unpriced"] for row in rows)
