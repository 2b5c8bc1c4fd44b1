"""Counts and numbers beyond what a receiver takes are brought within it and reported; what is within stays as it is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from llm_gateway_sdk import LLMRequest, Losses, Message, ResponseFormat, TextPart, Tool, ToolCallPart, ToolChoice
from llm_gateway_sdk.dialects.bounds import fit_bounds, fit_cache_marks, fit_tool_count
from llm_gateway_sdk.dialects.fit import fit
from llm_gateway_sdk.dialects.model_limits import limits_of
from llm_gateway_sdk.dialects.receiver import CHAT, CONVERSE, GENERATE_CONTENT, MESSAGES, RESPONSES, Bounds, Receiver
from llm_gateway_sdk.model_facts import ModelFacts
from llm_gateway_sdk.parts import CacheHint

HI = Message("user", [TextPart("hi")])
APIS = {"chat": CHAT, "responses": RESPONSES, "messages": MESSAGES, "converse": CONVERSE, "gemini": GENERATE_CONTENT}
WITHIN: dict[str, Any] = {
    "stop": ["a", "b"], "n": 1, "seed": 7, "top_k": 40, "max_tokens": 100, "metadata": {"a": "b"},
    "parallel_tool_calls": False, "tools": [Tool("f"), Tool("g")],
}  # fmt: skip


def fitted(receiver: Receiver, **fields: Any) -> tuple[LLMRequest, list[str]]:
    losses = Losses()
    request = fit(LLMRequest(messages=[HI], **fields), receiver, losses).request
    return request, [f"{loss.kind} {loss.path}" for loss in losses]


@pytest.mark.parametrize("api", APIS)
def test_what_is_within_the_bounds_is_not_touched(api: str) -> None:
    request = LLMRequest(messages=[HI], **WITHIN)
    losses = Losses()

    assert fit_bounds(request, APIS[api], losses) is request
    assert fit_tool_count(request, APIS[api].bounds, losses) is request.tools
    assert list(losses) == []


@pytest.mark.parametrize(
    ("receiver", "field", "value", "wanted", "losses"),
    [
        (GENERATE_CONTENT, "stop", list("abcdefg"), list("abcde"), ["clamped stop"]),
        (GENERATE_CONTENT, "stop", ["", "\n"], ["\n"], ["dropped stop"]),
        (MESSAGES, "stop", ["\n\n", "END", " "], ["END"], ["dropped stop"]),
        (CONVERSE, "stop", ["\n"], [], ["dropped stop"]),
        (CHAT, "stop", ["\n"], ["\n"], []),
        (GENERATE_CONTENT, "n", 10, 8, ["clamped n"]),
        (GENERATE_CONTENT, "seed", 2**40 + 5, 5, ["converted seed"]),
        (GENERATE_CONTENT, "seed", -(2**31), -(2**31), []),
        (CHAT, "seed", 2**40, 2**40, []),
        (CONVERSE, "top_k", 1000, 500, ["clamped top_k"]),
        (MESSAGES, "top_k", 1000, 1000, []),
        (CHAT, "metadata", {"k" * 65: "v", "a": "v" * 513, "b": "v"}, {"b": "v"}, 2),
        (CONVERSE, "metadata", {"a": "v" * 257, "b": "v" * 256}, {"b": "v" * 256}, 1),
        (RESPONSES, "metadata", {str(n): "v" for n in range(20)}, {str(n): "v" for n in range(16)}, 4),
    ],
    ids=[str(number) for number in range(14)],
)
def test_what_is_beyond_is_brought_within_and_reported(
    receiver: Receiver, field: str, value: Any, wanted: Any, losses: Any
) -> None:
    request, reported = fitted(receiver, **{field: value})

    assert getattr(request, field) == wanted
    assert (len(reported) if isinstance(losses, int) else reported) == losses


def test_a_long_cache_key_stays_one_key() -> None:
    keys = [fitted(RESPONSES, cache_key=key)[0].cache_key for key in ("k" * 65, "k" * 65, "k" * 66, "k" * 64)]

    assert keys[0] == keys[1]
    assert len(set(keys)) == 3
    assert [len(key or "") for key in keys] == [64] * 4
    assert keys[3] == "k" * 64
    assert fitted(CHAT, cache_key="k" * 65)[1] == ["converted cache_key"]


def test_a_request_for_more_tokens_than_the_model_gives_is_clamped() -> None:
    facts = ModelFacts(name="gpt-4o", vendor="openai", max_output=16384)
    receiver = CHAT.of_model(limits_of("gpt-4o", None, facts))

    assert fitted(receiver, max_tokens=32000)[0].max_tokens == 16384
    assert fitted(receiver, max_tokens=32000)[1] == ["clamped max_tokens"]
    assert fitted(receiver, max_tokens=16384) == fitted(CHAT, max_tokens=16384)
    assert fitted(MESSAGES.of_model(limits_of("claude-sonnet-4-5")), max_tokens=128_000)[0].max_tokens == 64000
    assert fitted(MESSAGES.of_model(limits_of("claude-next")), max_tokens=500_000)[0].max_tokens == 500_000


def test_what_bounds_a_request_alone_is_not_a_limit_of_the_model() -> None:
    facts = ModelFacts(name="gemini-3-pro", vendor="google", max_output=65536)

    receiver = GENERATE_CONTENT.of_model(limits_of("gemini-3-pro", None, facts))

    assert receiver.bounds.max_tokens == 65536
    assert receiver.model is GENERATE_CONTENT.model


@pytest.mark.parametrize(
    ("model", "asked"), [("o3", None), ("o4-mini", None), ("gpt-5.1", False), ("gpt-4.1", False), ("openai/o1", None)]
)
def test_one_call_at_a_time_is_not_asked_of_models_that_refuse_the_setting(model: str, asked: bool | None) -> None:
    request, reported = fitted(CHAT.of_model(limits_of(model)), parallel_tool_calls=False, tools=[Tool("f")])

    assert request.parallel_tool_calls is asked
    assert reported == ([] if asked is False else ["converted parallel_tool_calls"])


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("gemini-2.5-flash", True),
        ("models/gemini-2.0-flash-001", True),
        ("gemini-1.5-pro", True),
        ("gemini-3-pro", False),
    ],
)
@pytest.mark.parametrize("kind", ["json_object", "json_schema"])
def test_a_form_of_answer_and_tools_together(model: str, words: bool, kind: Any) -> None:
    wanted = ResponseFormat(kind, {"type": "object", "properties": {}} if kind == "json_schema" else None)
    receiver = GENERATE_CONTENT.of_model(limits_of(model))

    request, reported = fitted(receiver, response_format=wanted, tools=[Tool("f", None, {"type": "object"})])

    assert (request.response_format is None) is words
    assert ("converted response_format" in reported) is words
    assert (request.messages[0].role == "system") is words
    assert fitted(receiver, response_format=wanted)[0].response_format is not None


def test_tools_that_the_conversation_needs_stay_where_there_are_too_many() -> None:
    called = Message("assistant", [ToolCallPart("c", "t149", "{}")])
    tools = [Tool(f"t{number}") for number in range(150)]
    request = LLMRequest(messages=[HI, called], tools=tools, tool_choice=ToolChoice("tool", "t140"))
    losses = Losses()

    kept = [tool.name for tool in fit_tool_count(request, Bounds(tools=128), losses)]

    assert len(kept) == 128
    assert {"t149", "t140", "t0", "t125"} <= set(kept)
    assert "t126" not in kept
    assert kept == [tool.name for tool in tools if tool.name in kept]
    assert len(list(losses)) == 22


def test_each_name_is_declared_once() -> None:
    losses = Losses()
    same = LLMRequest(tools=[Tool("a"), Tool("b"), Tool("a")])
    other = LLMRequest(tools=[Tool("a"), Tool("a", "another")])
    spaces = LLMRequest(tools=[Tool("a", namespace="x"), Tool("a", namespace="y")])

    assert [tool.name for tool in fit_tool_count(same, Bounds(), losses)] == ["a", "b"]
    assert list(losses) == []
    assert len(fit_tool_count(other, Bounds(), losses)) == 1
    assert [loss.path for loss in losses] == ["tools[*]"]
    assert fit_tool_count(spaces, Bounds(), losses) is spaces.tools


def _marked(count: int, ttl: str | None = None) -> Message:
    return Message("user", [TextPart(str(number), cache=CacheHint(ttl)) for number in range(count)])


@pytest.mark.parametrize(
    ("tools", "system", "turns", "left"),
    [(0, 0, 4, 4), (0, 0, 6, 4), (1, 1, 2, 4), (1, 1, 5, 4), (3, 2, 1, 4), (5, 0, 0, 4)],
    ids=[str(number) for number in range(6)],
)
def test_the_first_cache_mark_and_the_last_ones_stay(tools: int, system: int, turns: int, left: int) -> None:
    request = LLMRequest(
        messages=[_marked(turns), replace(_marked(system), role="system")],
        tools=[Tool(f"t{number}", cache=CacheHint()) for number in range(tools)],
    )
    losses = Losses()

    kept = fit_cache_marks(request, 4, losses)

    in_tools = [tool.cache is not None for tool in kept.tools]
    in_turns = [[part.cache is not None for part in message.content] for message in kept.messages]
    assert sum(in_tools) + sum(map(sum, in_turns)) == left
    assert bool(list(losses)) is (tools + system + turns > 4)
    if tools:
        assert in_tools[0]
    if turns:
        assert in_turns[0][-1]
    assert request.messages[0] == _marked(turns), "the client's request is not changed"


def test_the_mark_of_the_whole_request_counts() -> None:
    request = LLMRequest(messages=[_marked(4)], cache=CacheHint())

    kept = fit_cache_marks(request, 4, Losses())

    assert sum(part.cache is not None for part in kept.messages[0].content) == 3


def test_no_mark_of_a_long_life_follows_one_of_a_short() -> None:
    content = [
        TextPart("a", cache=CacheHint("1h")),
        TextPart("b", cache=CacheHint()),
        TextPart("c", cache=CacheHint("1h")),
    ]
    losses = Losses()

    kept = fit_cache_marks(LLMRequest(messages=[Message("user", list(content))]), 4, losses)

    assert [part.cache and part.cache.ttl for part in kept.messages[0].content] == ["1h", None, None]
    assert [loss.kind for loss in losses] == ["converted"]
