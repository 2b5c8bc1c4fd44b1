"""Credentials are compared in constant time, and no key of a provider is within a plugin's reach."""

from __future__ import annotations

import hmac
import json
from typing import Any

import pytest
from llm_gateway_clickhouse_tracer.dashboard import app as dashboard

from llm_gateway.testing import GatewayClient
from llm_gateway_sdk import RequestContext

CHAT = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}
ADMIN_KEY = "an-administration-key-of-some-length"
PROVIDER_KEY = "sk-canary-of-the-provider-4f9a8b7c"
WRONG = "gw_abcdefghijklmnop_wrong-in-some-place"
GATEWAY: dict[str, Any] = {
    "models": [
        {"name": "m", "provider": {"type": "openai", "config": {"apiKey": PROVIDER_KEY, "baseUrl": "http://127.0.0.1:9/v1"}}}
    ],
    "admin": {"enabled": True, "apiKey": ADMIN_KEY},
    "store": {"url": "memory:"},
    "breaker": {"enabled": False},
    "maxRetries": 0,
}  # fmt: skip
KEYS = {"name": "keys", "type": "basic-apikey-auth", "config": {"apikeys": ["a-key-of-the-team-of-some-length"]}}


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Each pair that is compared in constant time."""
    found: list[Any] = []
    compare = hmac.compare_digest

    def recording(one: Any, other: Any) -> bool:
        found.append((one, other))
        return compare(one, other)

    monkeypatch.setattr(hmac, "compare_digest", recording)
    return found


@pytest.mark.parametrize("path", ["/admin/config/version", "/admin/v1/store", "/v1/models"])
def test_a_wrong_credential_is_compared_in_constant_time(path: str, compared: list[Any]) -> None:
    with GatewayClient(json.dumps({**GATEWAY, "plugins": [KEYS]})) as client:
        compared.clear()
        assert client.get(path, headers={"authorization": "Bearer wrong"}).status == 401

    assert compared


def test_so_is_the_password_of_the_dashboard(compared: list[Any]) -> None:
    assert not dashboard._is_right("Bearer wrong", "the right password")
    assert compared == [(b"wrong", b"the right password")]


def within(value: Any, met: set[int], depth: int = 0) -> list[str]:
    """The texts that can be reached by public names, items and attributes."""
    if isinstance(value, str | bytes):
        return [value if isinstance(value, str) else value.decode(errors="replace")]
    if id(value) in met or depth > 9 or isinstance(value, type | int | float | None):
        return []
    met.add(id(value))
    if isinstance(value, dict):
        parts = [*value.keys(), *value.values()]
    elif isinstance(value, list | tuple | set | frozenset):
        parts = list(value)
    elif callable(value):
        return []
    else:
        parts = [getattr(value, name, None) for name in dir(value) if not name.startswith("_")]
    return [text for part in parts for text in within(part, met, depth + 1)]


def test_the_context_of_a_request_holds_no_key_of_a_provider() -> None:
    with GatewayClient(json.dumps(GATEWAY)) as client:
        answer = client.post("/v1/chat/completions", CHAT, headers={"authorization": "Bearer of-the-client"})

    assert isinstance(answer.context, RequestContext)
    assert answer.status == 502
    texts = within(answer.context, set())
    assert "hello" in texts, "the walk reaches what there is"
    assert not [text for text in texts if PROVIDER_KEY in text]
