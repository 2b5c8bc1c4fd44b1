"""Copies with one field changed keep every other field, those that the SDK gets later included."""

from dataclasses import fields, replace
from typing import Any

import pytest
from llm_gateway_regex_hider.redaction.stream import with_choices, with_content, with_text

from llm_gateway_sdk import Choice, LLMResponse, Message, Part, RefusalPart, TextPart, ThinkingPart


def distinct(kind: type[Any]) -> Any:
    """A value whose fields all differ."""
    return kind(**{field.name: f"the {field.name}" for field in fields(kind)})


def test_a_chunk_with_other_choices() -> None:
    chunk = distinct(LLMResponse)

    assert with_choices(chunk, [Choice(1)]) == replace(chunk, choices=[Choice(1)])


def test_a_choice_with_other_content() -> None:
    choice = replace(distinct(Choice), message=distinct(Message))
    content: list[Part] = [TextPart("x")]

    assert with_content(choice, content) == replace(choice, message=replace(choice.message, content=content))


@pytest.mark.parametrize("kind", [TextPart, ThinkingPart, RefusalPart])
def test_a_part_with_another_text(kind: type[Any]) -> None:
    part = distinct(kind)

    assert with_text(part, "x") == replace(part, text="x")
