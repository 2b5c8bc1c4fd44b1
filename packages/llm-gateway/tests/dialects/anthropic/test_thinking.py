"""What a model is asked to think, and whose thinking it gets back."""

from __future__ import annotations

from typing import Any

import pytest
from anthropic_requests import asks, decode, encode, listed, user

from llm_gateway.dialects.anthropic import Anthropic
from llm_gateway.dialects.anthropic.thinking import without_refused_budget
from llm_gateway_sdk import (
    Losses,
    Message,
    Reasoning,
    Target,
    TextPart,
    ThinkingPart,
    Tool,
    ToolCallPart,
    ToolChoice,
    ToolResultPart,
)
from llm_gateway_sdk.wire import json


def test_thinking_goes_back_only_to_whom_it_came_from() -> None:
    losses = Losses()
    request = asks(
        user(TextPart("hi")),
        Message(
            "assistant",
            [
                ThinkingPart("mine", signature="s", signed_by="anthropic"),
                ThinkingPart("theirs", signature="s", signed_by="gemini"),
                ThinkingPart("unsigned"),
                ThinkingPart(redacted="x", signed_by="bedrock"),
                ThinkingPart("of Claude on Bedrock", signature="s", signed_by="bedrock"),
                ToolCallPart("a", "f", "{}", signature="s", signed_by="gemini"),
            ],
        ),
        max_tokens=5,
    )

    blocks = encode(request, losses)["messages"][1]["content"]

    assert [block["type"] for block in blocks] == ["thinking", "thinking", "tool_use"]
    assert [block["thinking"] for block in blocks[:2]] == ["mine", "of Claude on Bedrock"]
    assert "dropped messages[*].content[*].signature" in listed(losses)


@pytest.mark.parametrize(
    ("model", "signed_by", "asks_to_drop"),
    [
        ("claude-fable-5-1", "anthropic", True),
        ("claude-fable-5-2", "anthropic", True),
        ("claude-fable-5", "anthropic", False),
        ("claude-opus-5-5", "anthropic", False),
        ("claude-fable-5-1", "gemini", False),
    ],
)
def test_thinking_of_another_conversation_is_left_out_and_not_refused(
    model: str, signed_by: str, asks_to_drop: bool
) -> None:
    request = asks(
        user(TextPart("hi")),
        Message("assistant", [ThinkingPart("so", signature="s", signed_by=signed_by), TextPart("ok")]),
        user(TextPart("and now?")),
        max_tokens=50,
    )

    wire = Anthropic().translate(request, Target(model), Losses(), "openai_chat")

    body = json.loads(wire.body)
    asked = body.get("thinking", {}).get("block_binding") == {"prefix_mismatch_behavior": "drop_block"}
    assert asked is asks_to_drop
    assert ("thinking-binding-controls-2026-08-01" in (wire.headers.get("anthropic-beta") or "")) is asks_to_drop


def test_other_providers_signatures_are_unwrapped_from_where_they_travelled() -> None:
    body = {
        "messages": [
            {"role": "user", "content": "hi"},
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "hm", "signature": "gw1.gemini.abc"},
                    {"type": "text", "text": "so"},
                    {"type": "thinking", "thinking": "", "signature": "gw1.gemini.after:ttt"},
                    {"type": "thinking", "thinking": "", "signature": "gw1.gemini.tool:sss"},
                    {"type": "tool_use", "id": "a", "name": "f", "input": {}},
                    {"type": "redacted_thinking", "data": "gw1.bedrock.rrr"},
                ],
            },
        ]
    }

    parts = decode(body).messages[1].content

    assert [(type(part), part.signature, part.signed_by) for part in parts] == [
        (ThinkingPart, "abc", "gemini"),
        (TextPart, "ttt", "gemini"),
        (ToolCallPart, "sss", "gemini"),
        (ThinkingPart, None, "bedrock"),
    ]
    assert isinstance(parts[3], ThinkingPart)
    assert parts[3].redacted == "rrr"


@pytest.mark.parametrize(
    ("model", "thinking", "effort"),
    [
        ("claude-3-5-haiku-20241022", None, None),
        ("claude-3-7-sonnet-20250219", {"type": "enabled", "budget_tokens": 16384}, None),
        ("claude-sonnet-4-20250514", {"type": "enabled", "budget_tokens": 16384}, None),
        ("claude-opus-4-5", {"type": "enabled", "budget_tokens": 16384}, None),
        ("claude-sonnet-4-6", {"type": "adaptive"}, "high"),
        ("claude-opus-4-8", {"type": "adaptive"}, "high"),
        ("claude-next", {"type": "adaptive"}, "high"),
        ("kimi-k2", {"type": "enabled", "budget_tokens": 16384}, None),
    ],
)
def test_effort_takes_the_form_that_the_model_knows(model: str, thinking: Any, effort: Any) -> None:
    body = encode(asks(reasoning=Reasoning(effort="high"), max_tokens=64000, temperature=0.2), model=model)

    assert body.get("thinking") == thinking
    assert body.get("output_config", {}).get("effort") == effort
    assert ("temperature" in body) is (thinking is None)


def test_a_budget_stays_below_max_tokens() -> None:
    body = encode(asks(reasoning=Reasoning(effort="high"), max_tokens=2000))
    assert 1024 <= body["thinking"]["budget_tokens"] < 2000

    body = encode(asks(reasoning=Reasoning(effort="high")))
    assert body["max_tokens"] > body["thinking"]["budget_tokens"]

    losses = Losses()
    assert "thinking" not in encode(asks(reasoning=Reasoning(effort="high"), max_tokens=500), losses)
    assert listed(losses) == ["dropped reasoning.effort"]


def test_thinking_is_not_asked_for_where_the_api_would_refuse_it() -> None:
    forced = asks(reasoning=Reasoning(effort="low"), tools=[Tool("f")], tool_choice=ToolChoice("required"))
    unthought = asks(
        user(TextPart("hi")),
        Message("assistant", [ToolCallPart("a", "f", "{}")]),
        Message("tool", [ToolResultPart("a", [TextPart("1")])]),
        reasoning=Reasoning(effort="low"),
    )

    assert "thinking" not in encode(forced)
    assert "thinking" not in encode(unthought)
    assert encode(asks(reasoning=Reasoning(effort="none")))["thinking"] == {"type": "disabled"}


@pytest.mark.parametrize(
    ("model", "thinking"),
    [
        ("claude-sonnet-5", {"type": "disabled"}),
        ("claude-sonnet-5-5", {"type": "between_tools"}),
        ("claude-haiku-5-5", {"type": "disabled"}),
        ("claude-opus-5-5", None),
        ("claude-mythos-5", None),
        ("claude-sonnet-4", {"type": "disabled"}),
    ],
)
def test_thinking_is_switched_off_by_the_word_of_the_model(model: str, thinking: Any) -> None:
    body = encode(asks(reasoning=Reasoning(effort="none"), max_tokens=50), model=model)

    assert body.get("thinking") == thinking
    assert "output_config" not in body


def test_before_a_forced_tool_there_is_no_thinking() -> None:
    losses = Losses()
    choice = ToolChoice("required")
    forced = asks(reasoning=Reasoning(effort="low"), tools=[Tool("f")], tool_choice=choice, max_tokens=2000)

    body = encode(forced, losses, model="claude-opus-4-8")

    assert "thinking" not in body
    assert body["tool_choice"] == {"type": "any"}
    assert listed(losses) == ["converted reasoning.effort"]


def test_a_wanted_summary_asks_for_visible_thinking() -> None:
    body = encode(asks(reasoning=Reasoning(effort="low", summary="auto")), model="claude-opus-4-8")

    assert body["thinking"] == {"type": "adaptive", "display": "summarized"}


CALL = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}}
RESULT = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "1"}
THOUGHT = {"type": "thinking", "thinking": "hm", "signature": "c2ln"}
GO = {"role": "user", "content": "Go."}


@pytest.mark.parametrize(
    ("model", "thinking", "messages", "changed"),
    [
        ("claude-sonnet-4-5", "enabled", [GO, [CALL], [RESULT]], True),
        ("us.anthropic.claude-haiku-4-5", "enabled", [GO, [{"type": "text", "text": "a"}, CALL], [RESULT]], True),
        ("claude-sonnet-4-5", "enabled", [GO, [THOUGHT, CALL], [RESULT]], False),
        ("claude-sonnet-4-5", "enabled", [GO, [{"type": "redacted_thinking", "data": "x"}, CALL], [RESULT]], False),
        ("claude-sonnet-4-5", "enabled", [GO, [CALL], [RESULT], "Done.", GO], False),
        ("claude-sonnet-4-5", "enabled", [GO, [CALL], [RESULT], [THOUGHT, CALL], [RESULT]], False),
        ("claude-sonnet-4-5", "enabled", [GO, [THOUGHT, CALL], [RESULT], [CALL], [RESULT]], True),
        ("claude-sonnet-4-5", "disabled", [GO, [CALL], [RESULT]], False),
        ("claude-opus-4-8", "adaptive", [GO, [CALL], [RESULT]], False),
        ("kimi-k2", "enabled", [GO, [CALL], [RESULT]], False),
    ],
    ids=[str(number) for number in range(10)],
)  # fmt: skip
def test_an_own_clients_budget_is_left_out_where_calls_came_without_thinking(
    model: str, thinking: str, messages: list[Any], changed: bool
) -> None:
    asked = []
    for place, content in enumerate(messages):
        if isinstance(content, dict):
            asked.append(content)
        else:
            asked.append({"role": "assistant" if place % 2 else "user", "content": content})
    body = json.dumps({"model": "m", "thinking": {"type": thinking, "budget_tokens": 2000}, "messages": asked})
    losses = Losses()

    fitted = without_refused_budget(body, model, losses)

    assert (fitted != body) is changed
    assert bool(losses) is changed
    if changed:
        assert json.loads(fitted) == {**json.loads(body), "thinking": {"type": "disabled"}}
