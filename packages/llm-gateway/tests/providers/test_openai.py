from __future__ import annotations

from typing import Any

import pytest
from openai_calls import made, prepared

from llm_gateway.providers.openai import OpenAIProvider


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


ONLY_RESPONSES = ["codex-mini-latest", "gpt-5.1-codex-max", "o3-pro", "gpt-5.4-pro-2026-03-05", "o4-mini-deep-research"]


@pytest.mark.parametrize("model", [*ONLY_RESPONSES, "computer-use-preview", "openai/gpt-5-codex"])
def test_a_model_that_is_served_by_one_api_alone_is_asked_there_by_every_client(model: str) -> None:
    for client in ("openai_chat", "openai_responses", "anthropic", "gemini"):
        assert made(OpenAIProvider).dialect_for(client, "/x", model) == "openai_responses"
        assert made(OpenAIProvider, api="chat").dialect_for(client, "/x", model) == "openai_chat"
    assert made(OpenAIProvider, api="both").dialect_for("openai_chat", "/x", model) == "openai_chat"


@pytest.mark.parametrize("model", ["gpt-5.6", "o3", "gpt-5-mini", "gpt-4.1", "prodigy-pro", "gpt-5-chat-latest"])
def test_a_chat_client_keeps_its_api_elsewhere(model: str) -> None:
    assert made(OpenAIProvider).dialect_for("openai_chat", "/x", model) == "openai_chat"


def test_tokens_are_counted_by_the_responses_api_where_there_is_one() -> None:
    assert made(OpenAIProvider).dialect_for("anthropic", "/v1/messages/count_tokens") == "openai_responses"
    elsewhere = made(OpenAIProvider, baseUrl="https://llm.example/v1")
    assert elsewhere.dialect_for("anthropic", "/v1/messages/count_tokens") == "openai_chat"
