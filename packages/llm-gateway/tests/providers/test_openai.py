from __future__ import annotations

import asyncio
from typing import Any, TypeVar

import jsonschema
import pytest

from llm_gateway.extensions import installed
from llm_gateway.providers.azure import AzureOpenAIProvider
from llm_gateway.providers.openai import OpenAIProvider
from llm_gateway.providers.presets import PRESETS
from llm_gateway_sdk import ConfigError, Headers, Losses, Message, TextPart, WireRequest
from llm_gateway_sdk.request import LLMRequest
from llm_gateway_sdk.wire import json

P = TypeVar("P", bound=OpenAIProvider)


def made(cls: type[P], **config: Any) -> P:
    jsonschema.validate(config, cls.configuration_schema)
    provider = cls()
    asyncio.run(provider.configure(config))
    return provider


def prepared(provider: OpenAIProvider, path: str = "/chat/completions", model: str = "m") -> tuple[str, dict[str, str]]:
    _, url, headers, _ = provider.prepare(
        WireRequest("POST", path, headers=Headers(), body=json.dumps({"model": model}))
    )
    return url, dict(headers.items)


def test_a_call_goes_to_openai_with_the_key() -> None:
    url, headers = prepared(made(OpenAIProvider, apiKey="k", organization="org", project="p"))

    assert url == "https://api.openai.com/v1/chat/completions"
    assert headers == {"authorization": "Bearer k", "openai-organization": "org", "openai-project": "p"}


@pytest.mark.parametrize(
    ("config", "client", "dialect"),
    [
        ({}, "openai_responses", "openai_responses"),
        ({}, "openai_chat", "openai_chat"),
        ({}, "anthropic", "openai_chat"),
        ({"api": "responses"}, "anthropic", "openai_responses"),
        ({"api": "chat"}, "openai_responses", "openai_chat"),
        ({"baseUrl": "https://llm.example/v1"}, "openai_responses", "openai_chat"),
        ({"baseUrl": "https://eu.api.openai.com/v1"}, "openai_responses", "openai_responses"),
        ({"baseUrl": "https://notapi.openai.com.example/v1"}, "openai_responses", "openai_chat"),
    ],
)
def test_which_api_is_called(config: dict[str, Any], client: str, dialect: str) -> None:
    assert made(OpenAIProvider, **config).dialect_for(client, "/responses") == dialect


@pytest.mark.parametrize(
    ("config", "refuses"),
    [
        ({}, True),
        ({"baseUrl": "https://eu.api.openai.com/v1"}, True),
        ({"baseUrl": "https://llm.example/v1"}, False),
        ({"quirks": {"noReasoningHistory": False}}, False),
    ],
)
def test_openai_s_own_servers_take_no_reasoning_back(config: dict[str, Any], refuses: bool) -> None:
    target = made(OpenAIProvider, **config).target("m", "openai_chat")
    assert bool(target.quirks.get("no_reasoning_history")) is refuses


def test_tokens_are_counted_by_the_responses_api_where_there_is_one() -> None:
    assert made(OpenAIProvider).dialect_for("anthropic", "/v1/messages/count_tokens") == "openai_responses"
    elsewhere = made(OpenAIProvider, baseUrl="https://llm.example/v1")
    assert elsewhere.dialect_for("anthropic", "/v1/messages/count_tokens") == "openai_chat"


@pytest.mark.parametrize(
    ("config", "url"),
    [
        ({"resource": "res"}, "https://res.openai.azure.com/openai/v1/chat/completions"),
        ({"baseUrl": "https://res.openai.azure.com/"}, "https://res.openai.azure.com/openai/v1/chat/completions"),
        (
            {"resource": "res", "version": "preview"},
            "https://res.openai.azure.com/openai/v1/chat/completions?api-version=preview",
        ),
        (
            {"resource": "res", "version": "2024-10-21"},
            "https://res.openai.azure.com/openai/deployments/my%20gpt/chat/completions?api-version=2024-10-21",
        ),
        (
            {"baseUrl": "https://res.openai.azure.com/openai/deployments/d1", "version": "2024-10-21"},
            "https://res.openai.azure.com/openai/deployments/d1/chat/completions?api-version=2024-10-21",
        ),
    ],
)
def test_azure_addresses(config: dict[str, Any], url: str) -> None:
    assert prepared(made(AzureOpenAIProvider, **config), model="my gpt")[0] == url


def test_azure_s_dated_responses_api_has_no_deployment_in_its_path() -> None:
    provider = made(AzureOpenAIProvider, resource="res", version="2025-04-01-preview")

    assert (
        prepared(provider, "/responses")[0]
        == "https://res.openai.azure.com/openai/responses?api-version=2025-04-01-preview"
    )


@pytest.mark.parametrize(
    ("config", "url"),
    [
        ({"resource": "res"}, "https://res.openai.azure.com/openai/v1/realtime?model=voice"),
        (
            {"resource": "res", "version": "2025-04-01-preview"},
            "https://res.openai.azure.com/openai/realtime?deployment=voice&api-version=2025-04-01-preview",
        ),
        (
            {"baseUrl": "https://res.openai.azure.com/openai/deployments/voice", "version": "2025-04-01-preview"},
            "https://res.openai.azure.com/openai/realtime?deployment=voice&api-version=2025-04-01-preview",
        ),
    ],
    ids=["v1", "dated", "deployment"],
)
def test_azure_s_sessions_name_the_deployment_in_the_query(config: dict[str, Any], url: str) -> None:
    wire = WireRequest("GET", "/realtime", "model=voice", Headers(), b"")

    assert made(AzureOpenAIProvider, **config).prepare(wire)[1] == url


def test_azure_takes_keys_and_entra_tokens() -> None:
    assert prepared(made(AzureOpenAIProvider, resource="r", apiKey="k"))[1] == {"api-key": "k"}
    assert prepared(made(AzureOpenAIProvider, resource="r", apiKey="eyJ0.x"))[1] == {"authorization": "Bearer eyJ0.x"}


def test_azure_without_an_address_is_a_configuration_error() -> None:
    with pytest.raises(ConfigError, match="`baseUrl` or `resource`"):
        made(AzureOpenAIProvider)


def test_every_preset_is_installed_by_its_name() -> None:
    names = installed().names("provider")

    assert {"openai", "azure-openai", *PRESETS} <= set(names)
    for name, preset in PRESETS.items():
        assert installed().get("provider", name).cls is preset
        assert preset.name == name


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_a_preset_can_be_configured_and_speaks_chat(name: str) -> None:
    from llm_gateway.dialects.openai_chat import OpenAIChat

    provider = made(PRESETS[name], model="m")
    request = LLMRequest(messages=[Message("user", [TextPart("Hello.")])], max_tokens=10, stream=True)

    wire = OpenAIChat().encode_request(request, provider.target("m", "openai_chat"), Losses())

    assert provider.url(wire) == f"{PRESETS[name].default_base_url}/chat/completions"
    assert json.loads(wire.body)["messages"] == [{"role": "user", "content": "Hello."}]


def test_a_model_s_own_quirks_go_before_the_preset_s() -> None:
    provider = made(PRESETS["mistral"], quirks={"no_stream_options": False})

    assert provider.target("m", "openai_chat").quirks["no_stream_options"] is False
    assert provider.target("m", "openai_chat").quirks["seed_field"] == "random_seed"
