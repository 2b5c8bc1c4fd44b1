"""The provider type `gemini`."""

from __future__ import annotations

import asyncio
from importlib.metadata import entry_points
from typing import Any

import jsonschema
import pytest
from llm_gateway_gemini import Gemini, GeminiAdapter, GeminiProvider

from llm_gateway_sdk import Headers, WireRequest


def configured(**config: Any) -> GeminiProvider:
    jsonschema.validate(config, GeminiProvider.configuration_schema)
    provider = GeminiProvider()
    asyncio.run(provider.configure(config))
    return provider


def test_the_key_goes_in_googles_header_to_googles_address() -> None:
    provider = configured(apiKey="secret", model="gemini-3-pro")

    method, url, headers, body = provider.prepare(
        WireRequest("POST", "/models/gemini-3-pro:generateContent", "", Headers(), b"{}")
    )

    assert (method, body) == ("POST", b"{}")
    assert url == "https://generativelanguage.googleapis.com/v1beta/models/gemini-3-pro:generateContent"
    assert headers.get("x-goog-api-key") == "secret"
    assert "authorization" not in headers
    assert provider.secrets() == ("secret",)


def test_a_callers_key_in_the_query_does_not_reach_the_provider() -> None:
    wire = WireRequest("POST", "/models/x:generateContent", "key=theirs&alt=sse")

    assert configured(apiKey="ours").url(wire).endswith("x:generateContent?alt=sse")
    assert configured(credentials="client").url(wire).endswith("?key=theirs&alt=sse")


def test_without_a_key_nothing_is_made_up() -> None:
    provider = configured(baseUrl="http://127.0.0.1:1/v1beta/")

    _, url, headers, _ = provider.prepare(WireRequest("POST", "/models/x:generateContent"))

    assert url == "http://127.0.0.1:1/v1beta/models/x:generateContent"
    assert headers.items == []


def test_an_unknown_setting_is_refused() -> None:
    with pytest.raises(jsonschema.ValidationError):
        configured(apikey="x")


@pytest.mark.parametrize(
    ("group", "found"), [("dialects", Gemini), ("adapters", GeminiAdapter), ("providers", GeminiProvider)]
)
def test_it_is_found_by_its_entry_points(group: str, found: type) -> None:
    (entry,) = entry_points(group=f"llm_gateway.{group}", name="gemini")

    assert entry.load() is found
