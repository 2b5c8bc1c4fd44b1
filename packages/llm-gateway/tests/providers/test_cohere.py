"""Cohere: its own API for embeddings and rerank, the compatible one for conversations."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from llm_gateway.dialects.openai_chat import OpenAIChat
from llm_gateway.providers.cohere import CohereProvider
from llm_gateway_sdk import Losses, Message, TextPart, WireRequest
from llm_gateway_sdk.request import LLMRequest
from llm_gateway_sdk.wire import json


def made(**config: Any) -> CohereProvider:
    provider = CohereProvider()
    asyncio.run(provider.configure(config))
    return provider


@pytest.mark.parametrize(
    ("path", "url"),
    [
        ("/chat/completions", "https://api.cohere.com/compatibility/v1/chat/completions"),
        ("/v2/embed", "https://api.cohere.com/v2/embed"),
        ("/v2/rerank", "https://api.cohere.com/v2/rerank"),
        ("/v1/rerank", "https://api.cohere.com/v1/rerank"),
    ],
)
def test_which_of_the_two_apis_has_a_path(path: str, url: str) -> None:
    assert made(apiKey="k").url(WireRequest("POST", path)) == url
    assert made(apiKey="k").url(WireRequest("POST", path, "a=1")) == f"{url}?a=1"


def test_another_address_has_both_apis_too() -> None:
    provider = made(baseUrl="https://llm.example/cohere")

    assert provider.url(WireRequest("POST", "/v2/embed")) == "https://llm.example/cohere/v2/embed"
    assert provider.url(WireRequest("POST", "/responses")) == "https://llm.example/cohere/compatibility/v1/responses"


def test_forms_of_the_own_api_are_offered() -> None:
    assert {(form.name, form.operation) for form in CohereProvider.forms} == {("cohere", "embed"), ("cohere", "rerank")}


def test_fields_that_the_compatible_api_does_not_take_are_reported_and_not_sent() -> None:
    request = LLMRequest(messages=[Message("user", [TextPart("Hello.")])], max_tokens=10, metadata={"a": "b"})
    losses = Losses()

    body = json.loads(OpenAIChat().encode_request(request, made().target("command-r", "openai_chat"), losses).body)

    assert body["max_tokens"] == 10
    assert "metadata" not in body
    assert "metadata" in {loss.path for loss in losses}
