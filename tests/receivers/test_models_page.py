"""What a model takes by docs/models.md is what the gateway sends to it.

The page is made from the model book. Each entry of the vendors that have an API of their own here is asked for
everything that the page has a column for, and what is sent keeps to it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("llm_gateway_model_book")

from llm_gateway_bedrock import Bedrock
from llm_gateway_gemini import Gemini
from llm_gateway_model_book import BookEntry, shipped_book

from llm_gateway.dialects.anthropic import Anthropic
from llm_gateway.dialects.openai_chat import OpenAIChat
from llm_gateway.dialects.openai_responses import OpenAIResponses
from llm_gateway_sdk import (
    Dialect,
    LLMRequest,
    Losses,
    Message,
    Reasoning,
    ResponseFormat,
    Target,
    TextPart,
    Tool,
    ToolChoice,
)
from llm_gateway_sdk.wire import json

APIS: dict[str, tuple[str, Dialect, str]] = {
    "chat": ("openai", OpenAIChat(), "chat"),
    "responses": ("openai", OpenAIResponses(), "responses"),
    "messages": ("anthropic", Anthropic(), "messages"),
    "generateContent": ("google", Gemini(), "generateContent"),
    "converse": ("amazon", Bedrock(), "converse"),
}
SPOKEN = Message("user", [TextPart("hi")])


def entries(host: str, endpoint: str) -> Iterator[BookEntry]:
    for entry in shipped_book().entries():
        facts = entry.facts
        served = facts.endpoints is None or endpoint in facts.endpoints
        if entry.host == host and served and (facts.output is None or "text" in facts.output):
            yield entry


def sent(dialect: Dialect, entry: BookEntry, **wishes: Any) -> dict[str, Any]:
    asked: dict[str, Any] = {"messages": [SPOKEN], "max_tokens": 9000, **wishes}
    target = Target(entry.name, entry.host, facts=entry.facts)
    body: dict[str, Any] = json.loads(dialect.translate(LLMRequest(**asked), target, Losses(), "other").body)
    return body


def keys_of(value: Any) -> set[str]:
    if isinstance(value, dict):
        return {*value, *(key for inner in value.values() for key in keys_of(inner))}
    return {key for inner in value for key in keys_of(inner)} if isinstance(value, list) else set()


def numbers_at(value: Any, keys: frozenset[str]) -> Iterator[int]:
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in keys and isinstance(inner, int):
                yield inner
            yield from numbers_at(inner, keys)


each_api = pytest.mark.parametrize("api", APIS)


@each_api
def test_sampling_is_sent_to_models_that_take_it(api: str) -> None:
    host, dialect, endpoint = APIS[api]
    wrong = []
    for entry in entries(host, endpoint):
        keys = keys_of(sent(dialect, entry, temperature=0.3, top_p=0.4))
        warm, nucleus = "temperature" in keys, bool(keys & {"top_p", "topP"})
        takes = {"none": (False, False), "one": (True, False), "all": (True, True)}
        if entry.facts.sampling is not None and (warm, nucleus) != takes[entry.facts.sampling]:
            wrong.append(entry.name)

    assert not wrong


@each_api
def test_penalties_and_stop_words_are_not_sent_to_models_that_refuse_them(api: str) -> None:
    host, dialect, endpoint = APIS[api]
    wrong = []
    for entry in entries(host, endpoint):
        keys = keys_of(sent(dialect, entry, frequency_penalty=0.1, stop=["x"]))
        if entry.facts.penalties is False and keys & {"frequency_penalty", "frequencyPenalty"}:
            wrong.append(entry.name)
        if entry.facts.stop is False and keys & {"stop", "stop_sequences", "stopSequences"}:
            wrong.append(entry.name)

    assert not wrong


@each_api
def test_a_tool_is_forced_where_the_model_can_be_forced(api: str) -> None:
    host, dialect, endpoint = APIS[api]
    tool = Tool("f", "d", {"type": "object", "properties": {}})
    wrong = []
    for entry in entries(host, endpoint):
        body = sent(dialect, entry, tools=[tool], tool_choice=ToolChoice("required"))
        choice = json.dumps_text([body.get("tool_choice"), body.get("toolConfig")])
        forced = any(word in choice for word in ('"any"', '"required"', '"ANY"'))
        if entry.facts.forced_tools is not None and forced != entry.facts.forced_tools:
            wrong.append(entry.name)

    assert not wrong


SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": False}
FORMATS = {"response_format", "format", "responseJsonSchema", "responseSchema", "textFormat"}


@each_api
def test_an_output_schema_is_sent_to_models_that_hold_to_it(api: str) -> None:
    """The others are asked for it in words."""
    host, dialect, endpoint = APIS[api]
    wrong = []
    for entry in entries(host, endpoint):
        body = sent(dialect, entry, response_format=ResponseFormat("json_schema", SCHEMA, "answer"))
        asked = bool(keys_of(body) & FORMATS)
        if entry.facts.structured is not None and asked != entry.facts.structured:
            wrong.append(entry.name)
        if not asked and '"required"' not in json.dumps_text(body).replace('\\"', '"'):
            wrong.append(f"{entry.name}: not even in words")

    assert not wrong


@each_api
def test_strict_tools_are_sent_to_models_that_hold_to_them(api: str) -> None:
    host, dialect, endpoint = APIS[api]
    wrong = []
    for entry in entries(host, endpoint):
        body = sent(dialect, entry, tools=[Tool("f", "d", SCHEMA, strict=True)])
        strict = '"strict":true' in json.dumps_text(body)
        if entry.facts.strict_tools is False and strict:
            wrong.append(entry.name)
        if entry.facts.strict_tools and not strict and api != "generateContent":
            wrong.append(f"{entry.name}: not strict")

    assert not wrong


@each_api
def test_reasoning_is_asked_for_as_the_model_takes_it(api: str) -> None:
    host, dialect, endpoint = APIS[api]
    wrong = []
    for entry in entries(host, endpoint):
        modes = entry.facts.thinking
        if modes is None:
            continue
        wished = sent(dialect, entry, reasoning=Reasoning("high"), max_tokens=20_000)
        unwished = json.dumps_text(sent(dialect, entry, reasoning=Reasoning("none"), max_tokens=20_000))
        asks = keys_of(wished) & {"thinking", "reasoning", "reasoning_effort", "thinkingConfig", "reasoningConfig"}
        if not modes and asks:
            wrong.append(f"{entry.name}: asked for reasoning")
        if "budget_tokens" in keys_of(wished) and "budget" not in modes:
            wrong.append(f"{entry.name}: a budget")
        if '"adaptive"' in json.dumps_text(wished) and "adaptive" not in modes:
            wrong.append(f"{entry.name}: adaptive")
        if "always" in modes and any(
            off in unwished for off in ('"disabled"', '"effort":"none"', '"thinkingBudget":0')
        ):
            wrong.append(f"{entry.name}: switched off")

    assert not wrong


@each_api
def test_no_answer_longer_than_the_models_ceiling_is_asked_for_unasked(api: str) -> None:
    host, dialect, endpoint = APIS[api]
    keys = frozenset({"max_tokens", "maxTokens", "maxOutputTokens", "max_output_tokens", "max_completion_tokens"})
    wrong = [
        entry.name
        for entry in entries(host, endpoint)
        if entry.facts.max_output is not None
        and any(most > entry.facts.max_output for most in numbers_at(sent(dialect, entry, max_tokens=None), keys))
    ]

    assert not wrong


@pytest.mark.parametrize("api", ["messages", "converse"])
def test_no_answer_is_begun_for_models_that_continue_none(api: str) -> None:
    host, dialect, endpoint = APIS[api]
    wrong = []
    for entry in entries(host, endpoint):
        body = sent(dialect, entry, messages=[SPOKEN, Message("assistant", [TextPart("The")])])
        if entry.facts.prefill is False and body["messages"][-1]["role"] == "assistant":
            wrong.append(entry.name)

    assert not wrong


@each_api
def test_there_are_entries(api: str) -> None:
    host, _, endpoint = APIS[api]
    assert len(list(entries(host, endpoint))) >= 10
