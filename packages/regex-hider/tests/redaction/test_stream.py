"""Copies with one field changed keep every other field, those that the SDK gets later included."""

from dataclasses import fields, replace
from typing import Any

import pytest
from llm_gateway_regex_hider.patterns import Rule, RuleSet, compile_rules
from llm_gateway_regex_hider.redaction.stream import StreamedReplyRedactor, with_choices, with_content, with_text

from llm_gateway_sdk import Choice, LLMResponse, Message, Part, RefusalPart, TextPart, ThinkingPart, ToolCallPart


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


RULES = RuleSet(compile_rules([Rule(r"\w+@[\w.]+", "[X]")]))
ODD = "of ann@secret.example in words"
"""An item's id that is not one."""


@pytest.mark.parametrize("kind", [TextPart, ThinkingPart, RefusalPart, ToolCallPart])
@pytest.mark.parametrize("words", [["one ", "two ", "three"], ["a", "nn@secret.exam", "ple b"]], ids=["plain", "split"])
def test_an_items_id_is_redacted_in_every_piece(kind: type[Any], words: list[str]) -> None:
    """Also in those that repeat it, and in what was held back."""
    redactor = StreamedReplyRedactor(RULES, max_size=10_000, on_limit="mask")
    given = [kind(**{"arguments" if kind is ToolCallPart else "text": word}, index=0, item_id=ODD) for word in words]
    chunks = [LLMResponse("r", "m", choices=[Choice(0, Message("assistant", [part]))]) for part in given]
    chunks.append(LLMResponse("r", "m", choices=[Choice(0, Message("assistant", []), "stop")], final=True))

    parts = [
        part
        for chunk in chunks
        for choice in redactor.push(chunk, final=chunk.final).choices
        for part in choice.message.content
    ]

    assert parts
    assert "ann@secret.example" not in "".join(f"{part.item_id}" for part in parts)
    assert "ann@secret.example" not in "".join(part.arguments if kind is ToolCallPart else part.text for part in parts)  # type: ignore[union-attr]
