"""Providers: settings of HTTP providers, durations, and bases that do nothing."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

import jsonschema
import pytest

from llm_gateway_sdk import ConfigError, Headers, HTTPProvider, LLMRequest, WireRequest, parse_duration
from llm_gateway_sdk.provider import Call, Provider, ProviderServices, http_provider_schema


class Made(HTTPProvider):
    name: ClassVar[str] = "made"
    dialect: ClassVar[str] = "openai_chat"
    default_base_url: ClassVar[str] = "https://api.made.example/v1"
    configuration_schema: ClassVar[dict[str, Any]] = http_provider_schema()


def made(**config: Any) -> Made:
    jsonschema.validate(config, Made.configuration_schema)
    provider = Made()
    asyncio.run(provider.configure(config))
    return provider


@pytest.mark.parametrize(
    ("written", "seconds"),
    [(1500, 1.5), (0, 0.0), (2.5, 0.0025), ("250ms", 0.25), ("15s", 15.0), (" 2 m ", 120.0), ("1h", 3600.0),
     ("1500", 1.5),
     ("0.5s", 0.5)],
)  # fmt: skip
def test_a_duration_is_milliseconds_or_has_a_unit(written: Any, seconds: float) -> None:
    assert parse_duration(written) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "written", [True, -1, float("inf"), float("nan"), "", "s", "-1s", "1d", "1 2", "1e3s", None, [], "1,5s"], ids=repr
)
def test_anything_else_is_not_a_duration(written: Any) -> None:
    with pytest.raises(ValueError, match="duration"):
        parse_duration(written)


def test_a_duration_has_an_end() -> None:
    with pytest.raises(ValueError, match="finite"):
        parse_duration("9" * 400 + "h")


def test_settings_are_read_in_seconds() -> None:
    settings = made(apiKey="k", model="m", timeout="1m", connectTimeout=250, headers={"x-a": "b"}).settings

    assert (settings.api_key, settings.model, settings.timeout, settings.connect_timeout) == ("k", "m", 60.0, 0.25)
    assert settings.headers == {"x-a": "b"}


def test_the_address_is_the_vendors_or_the_configured_one() -> None:
    assert made().base_url == "https://api.made.example/v1"
    assert made(baseUrl="http://localhost:1/v1/").base_url == "http://localhost:1/v1"


def test_a_call_has_address_credential_and_configured_headers() -> None:
    provider = made(apiKey="k", headers={"x-a": "b"})
    wire = WireRequest("POST", "/chat/completions", "a=1", Headers(), b"{}")

    method, url, headers, body = provider.prepare(wire)

    assert (method, url, body) == ("POST", "https://api.made.example/v1/chat/completions?a=1", b"{}")
    assert (headers.get("authorization"), headers.get("x-a")) == ("Bearer k", "b")


@pytest.mark.parametrize(
    "other", [{"tokenCommand": "print-token"}, {"auth": {"type": "oauth2"}}], ids=["command", "auth"]
)
def test_one_credential_is_enough(other: dict[str, Any]) -> None:
    provider = Made()
    with pytest.raises(ConfigError, match="write either"):
        asyncio.run(provider.configure({"apiKey": "k", **other}))


@pytest.mark.parametrize(
    "config", [{"apikey": "k"}, {"timeout": True}, {"credentials": "none"}, {"baseUrl": 3}], ids=str
)
def test_settings_that_are_wrong_are_refused_by_the_schema(config: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(config, Made.configuration_schema)


def test_a_provider_that_implements_nothing_names_what_it_lacks() -> None:
    class Empty(Provider):
        name: ClassVar[str] = "empty"

    async def main() -> None:
        provider = Empty()
        await provider.configure({"model": "m", "bypassModel": True})
        assert (provider.model, provider.bypass_model) == ("m", True)
        with pytest.raises(NotImplementedError, match="provider 'empty' has no execute"):
            await provider.execute(LLMRequest(), Call("r", "m"))
        with pytest.raises(NotImplementedError, match="no execute_streaming"):
            provider.execute_streaming(LLMRequest(), Call("r", "m"))
        await provider.close()

    asyncio.run(main())


def test_without_a_gateway_there_is_no_client() -> None:
    with pytest.raises(LookupError, match="no gateway is running"):
        ProviderServices().http_client()


def test_ids_of_calls_differ() -> None:
    call = Call("r", "m")

    assert call.new_id("x-") != call.new_id("x-")
    assert call.new_id("x-").startswith("x-")
    assert call.now() > 1_700_000_000
