"""Azure OpenAI: addresses by version and deployment, and two kinds of credentials."""

from __future__ import annotations

from typing import Any

import pytest
from openai_calls import made, prepared

from llm_gateway.providers.azure import AzureOpenAIProvider
from llm_gateway_sdk import ConfigError, Headers, WireRequest


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
def test_addresses(config: dict[str, Any], url: str) -> None:
    assert prepared(made(AzureOpenAIProvider, **config), model="my gpt")[0] == url


def test_the_dated_responses_api_has_no_deployment_in_its_path() -> None:
    provider = made(AzureOpenAIProvider, resource="res", version="2025-04-01-preview")

    assert (
        prepared(provider, "/responses")[0]
        == "https://res.openai.azure.com/openai/responses?api-version=2025-04-01-preview"
    )


def test_it_takes_keys_and_entra_tokens() -> None:
    assert prepared(made(AzureOpenAIProvider, resource="r", apiKey="k"))[1] == {"api-key": "k"}
    assert prepared(made(AzureOpenAIProvider, resource="r", apiKey="eyJ0.x"))[1] == {"authorization": "Bearer eyJ0.x"}


def test_a_provider_without_an_address_is_a_configuration_error() -> None:
    with pytest.raises(ConfigError, match="`baseUrl` or `resource`"):
        made(AzureOpenAIProvider)


@pytest.mark.parametrize(
    ("config", "client", "dialect"),
    [
        ({"resource": "r"}, "openai_responses", "openai_responses"),
        ({"baseUrl": "https://r.openai.azure.com/openai/deployments/d"}, "openai_responses", "openai_chat"),
        ({"resource": "r", "api": "chat"}, "openai_responses", "openai_chat"),
    ],
)
def test_an_address_of_one_deployment_has_no_responses(config: dict[str, Any], client: str, dialect: str) -> None:
    assert made(AzureOpenAIProvider, **config).dialect_for(client, "/responses") == dialect


def test_a_client_that_names_a_version_keeps_it() -> None:
    provider = made(AzureOpenAIProvider, resource="res", version="preview")

    assert provider.url(WireRequest("POST", "/responses", "api-version=mine")).endswith("/responses?api-version=mine")
    assert provider.url(WireRequest("POST", "/responses", "a=1")).endswith("/responses?a=1&api-version=preview")


@pytest.mark.parametrize("body", [b"", b"not JSON", b"[]"])
def test_a_body_without_a_model_is_sent_for_azure_to_refuse(body: bytes) -> None:
    provider = made(AzureOpenAIProvider, resource="res", version="2024-10-21")

    assert "/deployments//chat/completions" in provider.url(WireRequest("POST", "/chat/completions", body=body))


@pytest.mark.parametrize(
    ("token", "name", "value"), [("eyJ0.x", "authorization", "Bearer eyJ0.x"), ("k", "api-key", "k")]
)
def test_a_clients_credential_replaces_the_one_of_the_other_kind(token: str, name: str, value: str) -> None:
    headers = Headers.of([("api-key", "old"), ("authorization", "Bearer old")])

    made(AzureOpenAIProvider, resource="r").forward_credential(headers, token)

    assert list(headers.items) == [(name, value)]


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
def test_its_sessions_name_the_deployment_in_the_query(config: dict[str, Any], url: str) -> None:
    wire = WireRequest("GET", "/realtime", "model=voice", Headers(), b"")

    assert made(AzureOpenAIProvider, **config).prepare(wire)[1] == url
