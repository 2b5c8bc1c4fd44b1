"""Whatever counts and numbers a client of any API sends, the provider gets what its API takes; the rest is reported.

Requests are generated, written and read by the client's dialect, translated for the provider, and looked at as the
provider's documents describe its bounds: stop sequences, seeds, answers, tools, cache marks, metadata, tokens.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytest.importorskip("llm_gateway_model_book")

from llm_gateway_bedrock import Bedrock
from llm_gateway_gemini import Gemini
from llm_gateway_model_book import shipped_book

from llm_gateway.dialects.anthropic import Anthropic
from llm_gateway.dialects.openai_chat import OpenAIChat
from llm_gateway.dialects.openai_responses import OpenAIResponses
from llm_gateway_sdk import (
    Dialect,
    LLMRequest,
    Losses,
    Message,
    ResponseFormat,
    Target,
    TextPart,
    Tool,
)
from llm_gateway_sdk.parts import CacheHint
from llm_gateway_sdk.wire import json

CLIENTS: dict[str, Dialect] = {
    dialect.name: dialect for dialect in (OpenAIChat(), OpenAIResponses(), Anthropic(), Gemini())
}
PROVIDERS: dict[str, tuple[Dialect, str, str]] = {
    "chat": (OpenAIChat(), "openai", "gpt-4o"),
    "chat o3": (OpenAIChat(), "openai", "o3"),
    "responses": (OpenAIResponses(), "openai", "gpt-5.6"),
    "anthropic": (Anthropic(), "anthropic", "claude-sonnet-4-5"),
    "gemini 2": (Gemini(), "gemini", "gemini-2.5-flash"),
    "gemini 3": (Gemini(), "gemini", "gemini-3-pro-preview"),
    "bedrock": (Bedrock(), "bedrock", "us.anthropic.claude-sonnet-4-5-20250929-v1:0"),
    "bedrock nova": (Bedrock(), "bedrock", "amazon.nova-pro-v1:0"),
}
PAIRS = [
    (client, provider) for client, provider in product(CLIENTS, PROVIDERS) if client != PROVIDERS[provider][0].name
]

numbers = st.sampled_from
tools = st.one_of(
    st.just([]),
    st.integers(1, 3).map(lambda count: [Tool(f"t{place}", "d") for place in range(count)]),
    st.integers(126, 140).map(lambda count: [Tool(f"t{place}", "d") for place in range(count)]),
    st.just([Tool("t0", "d"), Tool("t1", "d"), Tool("t0", "d")]),
)
schema = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": False}


formats = (None, ResponseFormat("json_object"), ResponseFormat("json_schema", schema, "n"))


@st.composite
def wishes(draw: st.DrawFn) -> LLMRequest:
    marks = draw(st.lists(st.sampled_from((None, "", "1h")), max_size=7))
    content = [
        TextPart(f"text {place}", cache=None if ttl is None else CacheHint(ttl or None))
        for place, ttl in enumerate(marks)
    ]
    return LLMRequest(
        "model",
        [Message("user", [*content, TextPart("And now?")])],
        draw(tools),
        max_tokens=draw(numbers((100, 9_000, 40_000, 70_000, 250_000))),
        stop=draw(st.lists(numbers(("END", "\n", " ", "stop", "a", "b", "c", "d")), max_size=7, unique=True)),
        seed=draw(numbers((None, 0, 7, 2**31, 2**40, -(2**35)))),
        top_k=draw(numbers((None, 1, 40, 500, 501, 4000))),
        metadata=draw(numbers(({}, {"a": "b"}, {"k" * 65: "v"}, {"a": "v" * 400}, {f"k{n}": "v" for n in range(16)}))),
        parallel_tool_calls=draw(numbers((None, True, False))),
        response_format=draw(
            numbers((None, ResponseFormat("json_object"), ResponseFormat("json_schema", schema, "n")))
        ),
    )


@pytest.mark.parametrize(("client", "provider"), PAIRS, ids=[f"{a} to {b}" for a, b in PAIRS])
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(words=wishes())
def test_counts_and_numbers_are_within_the_providers_bounds(client: str, provider: str, words: LLMRequest) -> None:
    sender, (receiver, host, model) = CLIENTS[client], PROVIDERS[provider]
    entry = shipped_book().find(model, host)
    assert entry is not None
    most = entry.facts.max_output if entry.facts.assumed_from is None else None
    asked, _ = sender.decode_request(sender.encode_request(words, Target("model"), Losses()))
    losses = Losses()

    wire = receiver.translate(asked, Target(model, host, facts=entry.facts), losses, sender.name)

    body = json.loads(wire.body)
    assert sorted(broken_rules(receiver.name, model, body, most)) == []
    sent = {name for name in each(body, "name") if isinstance(name, str) and name.startswith("t")}
    missing = {tool.name for tool in asked.tools if isinstance(tool, Tool)} - sent
    assert len([loss for loss in losses if loss.path.startswith("tools")]) >= len(missing)


def broken_rules(dialect: str, model: str, body: dict[str, Any], most: int | None) -> Iterator[str]:
    """The rules of the provider's API that the body breaks."""
    stop = [
        word for name in ("stop", "stop_sequences", "stopSequences") for found in each(body, name) for word in found
    ]
    if any(not word for word in stop) or (
        dialect in ("anthropic", "bedrock") and any(not word.strip() for word in stop)
    ):
        yield "a blank stop sequence"
    if len(stop) > {"openai_chat": 4, "openai_responses": 0, "gemini": 5}.get(dialect, 100):
        yield "too many stop sequences"
    for name in ("max_tokens", "maxTokens", "maxOutputTokens", "max_output_tokens", "max_completion_tokens"):
        if most is not None and any(number > most for number in each(body, name)):
            yield "more tokens than the model gives"
    if dialect == "gemini" and any(not -(2**31) <= seed < 2**31 for seed in each(body, "seed")):
        yield "a seed of more than 32 bits"
    if dialect == "bedrock" and any(number > 500 for number in each(body, "top_k")):
        yield "top_k"
    yield from broken_rules_on_tools(dialect, model, body)
    marks = [*each(body, "cache_control"), *each(body, "cachePoint")]
    if len(marks) > 4:
        yield "more than four cache marks"
    lives = [mark.get("ttl") == "1h" for mark in marks]
    if lives != sorted(lives, reverse=True):
        yield "a long life after a short one"
    entries = body.get("metadata") if dialect.startswith("openai") else body.get("requestMetadata")
    key, value = (64, 512) if dialect.startswith("openai") else (256, 256)
    if any(len(name) > key or len(text) > value for name, text in (entries or {}).items()):
        yield "metadata"


def broken_rules_on_tools(dialect: str, model: str, body: dict[str, Any]) -> Iterator[str]:
    declared = [name for name in each(body, "name") if isinstance(name, str) and name.startswith("t")]
    if len(set(declared)) != len(declared):
        yield "two tools of one name"
    if dialect.startswith("openai") and len(declared) > 128:
        yield "more than 128 tools"
    if model == "o3" and "parallel_tool_calls" in body:
        yield "parallel_tool_calls"
    if not declared and {"tool_choice", "parallel_tool_calls", "toolConfig"} & body.keys():
        yield "a choice of no tools"
    if model.startswith("gemini-2") and declared and any(each(body, "responseMimeType")):
        yield "a form of answer together with tools"


def each(value: Any, key: str) -> Iterator[Any]:
    """What is under the key, wherever that is."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if name == key and inner is not None:
                yield inner
            yield from each(inner, key)
    elif isinstance(value, list):
        for inner in value:
            yield from each(inner, key)
