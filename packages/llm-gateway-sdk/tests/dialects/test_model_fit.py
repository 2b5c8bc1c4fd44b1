"""A request within the limits of its model."""

from __future__ import annotations

from typing import Any

import pytest

from llm_gateway_sdk import (
    LLMRequest,
    Losses,
    Message,
    Reasoning,
    ResponseFormat,
    TextPart,
    Tool,
    ToolChoice,
)
from llm_gateway_sdk.dialects.history import CONTINUE
from llm_gateway_sdk.dialects.model_fit import fit_model
from llm_gateway_sdk.dialects.model_limits import limits_of


def fitted(model: str, **fields: Any) -> tuple[LLMRequest, list[str]]:
    losses = Losses()
    fields.setdefault("messages", [Message("user", [TextPart("hi")])])
    request = fit_model(LLMRequest(**fields), limits_of(model), losses)
    return request, [f"{loss.kind} {loss.path}" for loss in losses]


def test_a_model_that_takes_one_way_of_sampling_gets_the_temperature() -> None:
    request, losses = fitted("claude-sonnet-4-5", temperature=0.5, top_p=0.9)

    assert (request.temperature, request.top_p) == (0.5, None)
    assert losses == ["dropped top_p"]


def test_a_model_without_sampling_gets_none_and_each_is_reported() -> None:
    request, losses = fitted("claude-opus-4-8", temperature=0.5, top_p=0.9, top_k=3)

    assert (request.temperature, request.top_p, request.top_k) == (None, None, None)
    assert losses == ["dropped temperature", "dropped top_p", "dropped top_k"]


def test_what_the_model_does_anyway_is_not_a_loss() -> None:
    request, losses = fitted("claude-opus-4-8", temperature=1.0)

    assert request.temperature is None
    assert losses == []


def test_a_request_that_fits_is_the_very_same() -> None:
    request = LLMRequest(messages=[Message("user", [TextPart("hi")])], temperature=0.5)

    assert fit_model(request, limits_of("claude-sonnet-4-5"), Losses()) is request


def test_openais_reasoning_models_sample_only_where_they_do_not_reason() -> None:
    assert fitted("gpt-5.2", temperature=0.2)[0].temperature is None
    assert fitted("gpt-5.2", temperature=0.2, reasoning=Reasoning("none"))[0].temperature == 0.2
    request, losses = fitted("o3", stop=["END"], frequency_penalty=0.3)
    assert (request.stop, request.frequency_penalty) == ([], None)
    assert losses == ["dropped frequency_penalty", "dropped stop"]


@pytest.mark.parametrize(
    "reasoning", [Reasoning("none"), Reasoning(enabled=False, mode="disabled"), Reasoning(budget_tokens=0)]
)
def test_a_model_that_always_thinks_is_asked_to_think_little(reasoning: Reasoning) -> None:
    request, losses = fitted("claude-fable-5", reasoning=reasoning)

    assert request.reasoning == Reasoning("low")
    assert losses == ["converted reasoning.effort"]


@pytest.mark.parametrize(
    ("choice", "left", "named"),
    [
        (ToolChoice("required"), ToolChoice("auto"), "one of the tools"),
        (ToolChoice("tool", "look"), ToolChoice("auto"), "`look`"),
        (
            ToolChoice("allowed", names=["look", "find"], allowed_mode="required"),
            ToolChoice("allowed", names=["look", "find"]),
            "`look`, `find`",
        ),
    ],
)
def test_a_forced_tool_is_asked_for_in_words(choice: ToolChoice, left: ToolChoice, named: str) -> None:
    messages = [Message("system", [TextPart("s")]), Message("user", [TextPart("hi")])]

    request, losses = fitted("claude-opus-5-5", messages=messages, tools=[Tool("look")], tool_choice=choice)

    assert request.tool_choice == left
    assert [message.role for message in request.messages] == ["system", "system", "user"]
    assert named in request.messages[1].text
    assert losses == ["converted tool_choice"]
    assert fitted("claude-opus-5", tool_choice=choice)[0].tool_choice is choice


def test_an_output_schema_is_asked_for_in_words_where_there_is_none() -> None:
    wanted = ResponseFormat("json_schema", {"type": "object", "properties": {"surname": {"type": "string"}}})

    request, losses = fitted("claude-sonnet-4-20250514", response_format=wanted, tools=[Tool("f", strict=True)])

    assert request.response_format is None
    assert "surname" in request.messages[0].text
    assert request.tools == [Tool("f")]
    assert losses == ["converted response_format", "dropped tools[*].strict"]


def test_a_model_that_continues_no_answer_gets_a_turn_of_the_users_last() -> None:
    messages = [Message("user", [TextPart("hi")]), Message("assistant", [TextPart("The answer")])]

    assert fitted("claude-sonnet-4-6", messages=messages)[0].messages[-1].text == CONTINUE
    assert fitted("claude-sonnet-4-5", messages=messages)[0].messages is messages


@pytest.mark.parametrize(
    ("model", "asked", "sent", "losses"),
    [
        ("gpt-5.1", "high", "high", []),
        ("gpt-5.1", "max", "high", ["clamped reasoning.effort (max became high)"]),
        ("o3", "none", "low", ["clamped reasoning.effort (none became low)"]),
        ("gpt-5.6", "some", None, ["dropped reasoning.effort ('some')"]),
        ("gpt-5.6", None, None, []),
    ],
)
def test_the_effort_is_one_that_the_model_knows(
    model: str, asked: str | None, sent: str | None, losses: list[str]
) -> None:
    found = Losses()

    request = fit_model(LLMRequest(reasoning=Reasoning(asked)), limits_of(model), found)

    assert request.reasoning == Reasoning(sent)
    assert [str(loss) for loss in found] == losses


@pytest.mark.parametrize("model", ["gpt-4.1", "gpt-4o-mini", "gpt-3.5-turbo", "chatgpt-4o-latest", "gpt-5-chat-latest"])
def test_a_model_that_does_not_reason_is_not_asked_to(model: str) -> None:
    losses, quiet = Losses(), Losses()

    asked = fit_model(LLMRequest(reasoning=Reasoning("high")), limits_of(model), losses)
    unasked = fit_model(LLMRequest(reasoning=Reasoning("none")), limits_of(model), quiet)

    assert asked.reasoning is None
    assert unasked.reasoning is None
    assert [str(loss) for loss in losses] == ["dropped reasoning (the model does not reason)"]
    assert not quiet
