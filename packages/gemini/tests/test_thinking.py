"""`thinkingConfig`: levels and budgets, by the model's generation."""

from __future__ import annotations

from typing import Any

import pytest
from llm_gateway_gemini.thinking import decode_thinking, encode_thinking, generation

from llm_gateway_sdk import Losses, Reasoning, Target


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("gemini-2.5-flash", 2.5),
        ("gemini-3-pro-preview", 3.0),
        ("gemini-3.1-pro-preview-05-06", 3.1),
        ("gemini-2.0-flash-001", 2.0),
        ("gemini-flash-latest", float("inf")),
    ],
)
def test_the_generation_is_in_the_name(name: str, number: float) -> None:
    assert generation(name) == number


@pytest.mark.parametrize(
    ("model", "reasoning", "config"),
    [
        ("gemini-3-pro", Reasoning(effort="high"), {"includeThoughts": True, "thinkingLevel": "HIGH"}),
        ("gemini-3-pro", Reasoning(effort="medium"), {"includeThoughts": True, "thinkingLevel": "LOW"}),
        ("gemini-3-flash", Reasoning(effort="none"), {"thinkingLevel": "MINIMAL"}),
        ("gemini-3-flash", Reasoning(effort="max"), {"includeThoughts": True, "thinkingLevel": "HIGH"}),
        ("gemini-3-flash", Reasoning(budget_tokens=20000), {"includeThoughts": True, "thinkingLevel": "HIGH"}),
        ("gemini-3-flash", Reasoning(enabled=True), {"includeThoughts": True}),
        ("gemini-2.5-flash", Reasoning(effort="low"), {"includeThoughts": True, "thinkingBudget": 2048}),
        ("gemini-2.5-flash", Reasoning(enabled=True), {"includeThoughts": True, "thinkingBudget": -1}),
        ("gemini-2.5-flash", Reasoning(enabled=False), {"thinkingBudget": 0}),
        ("gemini-2.5-pro", Reasoning(effort="none"), {"thinkingBudget": 128}),
        (
            "gemini-2.5-flash",
            Reasoning(budget_tokens=5000, enabled=True, summary="omitted"),
            {"includeThoughts": False, "thinkingBudget": 5000},
        ),
        ("gemini-2.0-flash", Reasoning(effort="high"), None),
        ("gemini-3-pro", None, None),
        ("gemini-3-pro", Reasoning(), None),
    ],
)
def test_each_generation_is_asked_in_its_own_way(model: str, reasoning: Reasoning | None, config: Any) -> None:
    assert encode_thinking(reasoning, None, Target(model), Losses()) == config


def test_a_tight_limit_still_leaves_some_thought() -> None:
    config = encode_thinking(Reasoning(effort="high"), 400, Target("gemini-2.5-flash"), Losses())

    assert config == {"includeThoughts": True, "thinkingBudget": 100}


@pytest.mark.parametrize(
    ("config", "wanted"),
    [
        ({"thinkingLevel": "LOW", "includeThoughts": True}, ("low", None, True, "auto")),
        ({"thinking_budget": 100}, (None, 100, True, None)),
        ({"thinkingBudget": -1}, (None, None, True, None)),
        ({"thinkingBudget": 0, "includeThoughts": False}, (None, None, False, "omitted")),
    ],
)
def test_both_ways_are_read_and_come_back_as_they_were(config: Any, wanted: Any) -> None:
    reasoning = decode_thinking(config, "thinkingConfig")

    assert reasoning is not None
    assert (reasoning.effort, reasoning.budget_tokens, reasoning.enabled, reasoning.summary) == wanted
    assert encode_thinking(reasoning, None, Target("gemini-3-pro"), Losses()) == config


def test_what_had_to_give_way_is_reported() -> None:
    losses = Losses()
    encode_thinking(Reasoning(budget_tokens=90000), None, Target("gemini-2.5-flash"), losses)
    encode_thinking(Reasoning(effort="xhigh"), None, Target("gemini-3-pro"), losses)
    encode_thinking(Reasoning(effort="low"), None, Target("gemini-1.5-pro"), losses)

    assert [(loss.kind, loss.path) for loss in losses] == [
        ("clamped", "reasoning.budget_tokens"),
        ("clamped", "reasoning.effort"),
        ("dropped", "reasoning"),
    ]


def test_quirks_decide_for_names_that_tell_nothing() -> None:
    quirks = {"thinking": "level", "thinking_levels": ["low", "high", "xhigh"]}

    config = encode_thinking(Reasoning(effort="max"), None, Target("my-alias", quirks=quirks), Losses())

    assert config == {"includeThoughts": True, "thinkingLevel": "XHIGH"}
