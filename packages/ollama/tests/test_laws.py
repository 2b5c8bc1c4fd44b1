"""The laws of dialects on generated replies, and a grammar of Ollama's streams by its API reference alone."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import ClassVar

import pytest
from llm_gateway_ollama import Ollama

from llm_gateway_sdk import LLMResponse, Message, Part, TextPart, ThinkingPart, ToolCallPart
from llm_gateway_sdk.testing.dialect_laws import DialectLaws


def violations(stream: bytes, *, complete: bool = True) -> list[str]:
    found: list[str] = []
    lines = [json.loads(line) for line in stream.splitlines()]
    for place, line in enumerate(lines):
        last = place == len(lines) - 1
        if "error" in line:
            if complete or not last:
                found.append("an error that is not the end of a broken stream")
            continue
        if not {"model", "created_at", "message", "done"} <= line.keys():
            found.append(f"line {place} lacks a field")
            continue
        if line["done"] != (last and complete):
            found.append(f"line {place} has done={line['done']}")
        if line["done"] != ("done_reason" in line):
            found.append(f"line {place}: a reason for the end, and the end, belong together")
        if not isinstance(line["message"].get("content"), str):
            found.append(f"line {place} has no content")
        for call in line["message"].get("tool_calls", ()):
            if not isinstance(call["function"]["arguments"], dict):
                found.append(f"line {place} has arguments that are not an object")
    return found


@pytest.mark.parametrize(
    ("lines", "complete", "wrong"),
    [
        ([{"error": "x"}], True, "not the end of a broken stream"),
        ([{"done": True}], True, "lacks a field"),
        ([{"model": "m", "created_at": "", "message": {"content": ""}, "done": False}], True, "done=False"),
        ([{"model": "m", "created_at": "", "message": {"content": ""}, "done": True}], True, "belong together"),
        ([{"model": "m", "created_at": "", "message": {}, "done": False}], False, "no content"),
        (
            [{"model": "m", "created_at": "", "done": False,
              "message": {"content": "", "tool_calls": [{"function": {"arguments": "{}"}}]}}],
            False,
            "not an object",
        ),
    ],
    ids=["error", "fields", "done", "reason", "content", "arguments"],
)  # fmt: skip
def test_the_grammar_finds_what_is_wrong(lines: list[dict[str, object]], complete: bool, wrong: str) -> None:
    stream = b"".join(json.dumps(line).encode() + b"\n" for line in lines)

    assert any(wrong in text for text in violations(stream, complete=complete))


class TestOllamaLaws(DialectLaws):
    dialect = Ollama()
    grammar = staticmethod(violations)
    lost_error_kinds: ClassVar[frozenset[str]] = frozenset(
        {"unknown", "quota", "context_length", "content_policy", "upstream"}
    )
    """Errors have a status and a sentence alone."""

    def holds(self, part: Part) -> bool:
        return isinstance(part, TextPart | ToolCallPart) or (
            isinstance(part, ThinkingPart) and part.signature is None and part.redacted is None
        )

    def normalise_reply(self, reply: LLMResponse) -> LLMResponse:
        """Thinking, text and calls are fields of one message: their order among each other is not kept. A filtered
        answer ends as any other."""
        choices = []
        for choice in super().normalise_reply(reply).choices:
            parts = choice.message.content
            thought = "".join(part.text for part in parts if isinstance(part, ThinkingPart))
            text = "".join(part.text for part in parts if isinstance(part, TextPart))
            calls = [replace(part, arguments=json.dumps(json.loads(part.arguments))) for part in parts
                     if isinstance(part, ToolCallPart)]  # fmt: skip
            content: list[Part] = [*([ThinkingPart(thought)] if thought else []), *([TextPart(text)] if text else [])]
            finish = "stop" if choice.finish_reason == "content_filter" else choice.finish_reason
            choices.append(replace(choice, message=Message("assistant", [*content, *calls]), finish_reason=finish))
        return replace(super().normalise_reply(reply), choices=choices)
