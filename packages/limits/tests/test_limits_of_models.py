"""Limits that depend on the model: by any name that clients use, and with any plugin that chooses it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import yaml

from llm_gateway.testing import GatewayClient

PRICES = {"input": 1, "output": 10}


def model(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "provider": {"type": "echo", "config": {"model": name}}, "prices": PRICES, **more}


MODELS = [
    model("small", isDefault=True),
    model("large", aliases=["best", "large-*"]),
    {"name": "any", "aliases": ["vendor/*"], "provider": {"type": "echo"}, "prices": PRICES},
]


@contextmanager
def serve(limit: dict[str, Any], *plugins: dict[str, Any], priority: int = 100) -> Iterator[GatewayClient]:
    limits = {"name": "limits", "type": "limits", "priority": priority, "config": {"limits": [limit]}}
    text = {"store": {"url": "memory:"}, "models": MODELS, "plugins": [*plugins, limits]}
    with GatewayClient(yaml.safe_dump(text), environ={}) as client:
        yield client


def status(client: GatewayClient, name: str) -> int:
    return client.chat("Hello there", model=name, max_tokens=10).status


def counted(client: GatewayClient) -> dict[str, int]:
    """What is settled, by counter."""
    [plugin] = [each.plugin for each in client.gateway.projects["default"].scope.chain.plugins if each.name == "limits"]
    tables = plugin._books.store._tables
    assert not sum(counter.open for counter in tables._counters.values())
    return {key: counter.settled for (_, key), counter in tables._counters.items()}


FEW = {"name": "few", "requests": 2, "window": "lifetime"}


@pytest.mark.parametrize("name", ["large", "best", "large-2026-01-01"])
def test_no_alias_evades_the_limit_of_a_model(name: str) -> None:
    with serve({**FEW, "when": {"models": ["large"]}}) as client:
        assert [status(client, name) for _ in range(3)] == [200, 200, 429]
        assert status(client, "small") == 200


def test_all_names_of_a_model_have_one_counter() -> None:
    with serve({**FEW, "per": ["model"]}) as client:
        assert [status(client, name) for name in ("large", "best", "large-x", "small")] == [200, 200, 429, 200]


def test_a_model_that_passes_names_on_is_counted_by_the_names() -> None:
    with serve({**FEW, "per": ["model"]}) as client:
        assert [status(client, f"vendor/{name}") for name in ("a", "a", "b", "a")] == [200, 200, 200, 429]
        assert len(counted(client)) == 2


ROUTER = {"name": "router", "type": "model-router", "priority": 200, "config": {"model": "large"}}


def test_a_router_before_the_limits_leads_to_the_limits_of_its_model() -> None:
    with serve({**FEW, "when": {"models": ["large"]}}, ROUTER, priority=300) as client:
        assert [status(client, "small") for _ in range(3)] == [200, 200, 429]


def test_a_router_after_the_limits_is_charged_and_refused_from_then_on() -> None:
    limit = {"name": "spent", "per": ["model"], "outputTokens": 1000, "window": "lifetime"}
    with serve(limit, ROUTER) as client:
        for _ in range(3):
            assert status(client, "small") == 200
        found = counted(client)

    assert sorted(key.split("|")[3] for key, settled in found.items() if settled) == ["model=large"]


def test_each_attempt_counts_for_its_own_model() -> None:
    broken = {"name": "small", "isDefault": True, "prices": PRICES, "provider": {"type": "echo"}}
    fails = {
        "name": "router",
        "type": "model-router",
        "priority": 50,
        "config": {"model": "down", "fallbacks": ["large"]},
    }
    down = {"type": "openai", "config": {"apiKey": "sk-none", "baseUrl": "http://127.0.0.1:9/v1", "model": "down"}}
    limit = {"name": "spent", "per": ["model"], "outputTokens": 1000, "window": "lifetime"}
    limits = {"name": "limits", "type": "limits", "priority": 300, "config": {"limits": [limit]}}
    models = [broken, MODELS[1], {"name": "down", "prices": PRICES, "provider": down}]
    text = {"store": {"url": "memory:"}, "models": models, "plugins": [fails, limits]}
    with GatewayClient(yaml.safe_dump(text), environ={}) as client:
        assert status(client, "small") == 200
        found = counted(client)

    assert sorted(key.split("|")[3] for key, settled in found.items() if settled) == ["model=large"]
