"""Which chunks are more of one text, and what is made of them."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from llm_gateway_sdk import (
    CacheHint,
    Choice,
    Citation,
    LLMResponse,
    Message,
    RefusalPart,
    TextPart,
    Usage,
)
from llm_gateway_sdk.errors import ErrorInfo
from llm_gateway_sdk.text_run import TextRun
from llm_gateway_sdk.values import replace


def chunk(text: str = "a", **changed: Any) -> LLMResponse:
    part = TextPart(text, index=0)
    return replace(LLMResponse("id", "m", 1, [Choice(0, Message("assistant", [part]))]), **changed)


def test_a_chunk_with_another_text_is_of_the_run() -> None:
    run = TextRun.of(chunk("one"))
    assert run is not None
    assert run.text_of(chunk("two")) == "two"
    assert run.with_text("three") == chunk("three")
    assert not run.with_text("").choices[0].message.content


def _odd() -> dict[str, LLMResponse]:
    """For each field of a chunk, its choice, message and part one chunk that has something else there."""
    values: dict[str, Any] = {
        "id": "other", "model": "other", "created": 2, "usage": Usage(1), "service_tier": "flex",
        "error": ErrorInfo("e"), "final": True, "provider_metadata": {"x": {"y": 1}}, "provider_deltas": [("x", 1)],
        "index": 1, "finish_reason": "stop", "raw_finish_reason": "s", "stop_sequence": "s", "logprobs": {},
        "finish_message": "m", "role": "user", "name": "n", "item_id": "i", "signature": "s", "signed_by": "x",
        "cache": CacheHint(), "citations": [Citation()],
    }  # fmt: skip
    odd: dict[str, LLMResponse] = {}
    for owner in ("chunk", "choice", "message", "part"):
        for name, value in values.items():
            other = chunk()
            choice = other.choices[0]
            holder: Any = {"chunk": other, "choice": choice, "message": choice.message}.get(
                owner, choice.message.content[0]
            )
            if name in holder.__struct_fields__:
                setattr(holder, name, value)
                odd[f"{owner}.{name}"] = other
    two = chunk()
    two.choices.append(Choice(1))
    refused = chunk(choices=[Choice(0, Message("assistant", [RefusalPart("a", index=0)]))])
    parts = chunk(choices=[Choice(0, Message("assistant", [TextPart("a", index=0), TextPart("b", index=0)]))])
    return odd | {"empty": chunk(""), "nothing": LLMResponse(), "two": two, "refused": refused, "parts": parts}


@pytest.mark.parametrize("name", _odd())
def test_a_chunk_that_holds_anything_else_is_not(name: str) -> None:
    run = TextRun.of(chunk())
    assert run is not None
    other = _odd()[name]
    before = copy.deepcopy(other)
    assert run.text_of(other) is None
    assert other == before


def test_a_run_has_nothing_of_the_chunk_it_was_taken_from() -> None:
    first = chunk("one")
    run = TextRun.of(first)
    assert run is not None
    run.text_of(chunk("two"))
    first.choices[0].message.content.clear()
    assert run.text_of(chunk("three")) == "three"
    assert not first.choices[0].message.content
