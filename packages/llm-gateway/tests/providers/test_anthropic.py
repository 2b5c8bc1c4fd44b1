from __future__ import annotations

import asyncio
from typing import Any

import pytest

from llm_gateway.providers.anthropic import AnthropicProvider
from llm_gateway_sdk import Headers, WireRequest


def provider(**config: Any) -> AnthropicProvider:
    made = AnthropicProvider()
    asyncio.run(made.configure(config))
    return made


def prepare(made: AnthropicProvider, *headers: tuple[str, str]) -> tuple[str, Headers]:
    _, url, sent, _ = made.prepare(WireRequest("POST", "/v1/messages", "beta=true", Headers(headers), b"{}"))
    return url, sent


def test_a_key_goes_into_its_own_header() -> None:
    url, headers = prepare(provider(apiKey="sk-ant-api-1"), ("authorization", "Bearer old"))

    assert url == "https://api.anthropic.com/v1/messages?beta=true"
    assert headers.get("x-api-key") == "sk-ant-api-1"
    assert "authorization" not in headers


def test_an_access_token_is_a_bearer_token_with_its_beta() -> None:
    _, headers = prepare(provider(apiKey="sk-ant-oat01-x"), ("anthropic-beta", "a-1"), ("x-api-key", "old"))

    assert headers.get("authorization") == "Bearer sk-ant-oat01-x"
    assert headers.get("anthropic-beta") == "a-1,oauth-2025-04-20"
    assert "x-api-key" not in headers


@pytest.mark.parametrize(
    ("configured", "sent_by_client", "expected"),
    [
        (None, None, "2023-06-01"),
        (None, "2026-10-21", "2026-10-21"),
        ("2026-10-21", "2023-06-01", "2026-10-21"),
    ],
)
def test_which_version_is_sent(configured: str | None, sent_by_client: str | None, expected: str) -> None:
    config = {} if configured is None else {"version": configured}
    sent = [("anthropic-version", sent_by_client)] if sent_by_client else []

    _, headers = prepare(provider(**config), *sent)

    assert headers.get("anthropic-version") == expected


def test_the_callers_own_credential_stays_where_that_is_configured() -> None:
    _, headers = prepare(provider(credentials="client"), ("x-api-key", "theirs"))

    assert headers.get("x-api-key") == "theirs"


@pytest.mark.parametrize("address", ["http://127.0.0.1:1", "http://127.0.0.1:1/", "http://127.0.0.1:1/v1"])
def test_an_address_may_hold_the_version_or_not(address: str) -> None:
    assert prepare(provider(baseUrl=address))[0] == "http://127.0.0.1:1/v1/messages?beta=true"


def test_the_target_carries_version_and_quirks() -> None:
    target = provider(version="2026-10-21", quirks={"no_sampling": True}).target("claude", "anthropic")

    assert (target.model, target.api_version, target.quirks) == ("claude", "2026-10-21", {"no_sampling": True})
