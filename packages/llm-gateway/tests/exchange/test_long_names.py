"""Names and ids of any length are refused above a bound, wherever a request has one."""

from __future__ import annotations

import dataclasses
import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.exchange.long_names import LONGEST_NAME, may_have_long_name, refuse_long_names
from llm_gateway_sdk import InvalidRequest, LLMRequest, MediaPart, Message, TextPart, Tool, ToolChoice
from llm_gateway_sdk.parts import ToolCallPart, ToolResultPart

LONG = "a" * (LONGEST_NAME + 1)


def request(*parts: Any, **fields: Any) -> LLMRequest:
    return LLMRequest(model="m", messages=[Message("user", [TextPart("hi")]), Message("user", list(parts))], **fields)


def call(**fields: Any) -> ToolCallPart:
    return dataclasses.replace(ToolCallPart(id="c", name="f"), **fields)


@pytest.mark.parametrize(
    ("asked", "place"),
    [
        (request(call(name=LONG)), "messages[1].content[0].name"),
        (request(TextPart("a"), call(id=LONG)), "messages[1].content[1].id"),
        (request(ToolResultPart(tool_call_id=LONG)), "messages[1].content[0].tool_call_id"),
        (
            request(ToolResultPart(tool_call_id="c", content=[MediaPart("image", file_id=LONG)])),
            "messages[1].content[0].content[0].file_id",
        ),
        (request(tools=[Tool(name="f"), Tool(name=LONG)]), "tools[1].name"),
        (request(tool_choice=ToolChoice("tool", names=["f", LONG])), "tool_choice.names"),
        (request(tool_choice=ToolChoice("tool", name=LONG)), "tool_choice.name"),
        (request(service_tier=LONG), "service_tier"),
    ],
    ids=lambda value: value if isinstance(value, str) else "request",
)
def test_a_long_name_is_refused_with_its_place(asked: LLMRequest, place: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        refuse_long_names(asked)

    assert refused.value.param == place
    assert len(str(refused.value)) < 200


def test_texts_may_be_of_any_length_and_names_up_to_the_bound() -> None:
    asked = request(
        TextPart(LONG * 3), call(name=LONG[1:], arguments=LONG), tool_choice=ToolChoice("tool", names=["f"])
    )

    refuse_long_names(dataclasses.replace(asked, user=LONG, stop=[LONG]))


PIECES = st.sampled_from(["a", '"', "\\", "\n", "é", "\U0001f600", '\\"', '"\\'])


@given(
    texts=st.lists(
        st.tuples(PIECES, st.sampled_from([1, 1000, LONGEST_NAME, LONGEST_NAME + 1])), min_size=1, max_size=4
    ),
    is_ascii=st.booleans(),
)
def test_no_long_string_is_overlooked_in_the_bytes(texts: list[tuple[str, int]], is_ascii: bool) -> None:
    strings = [piece * -(-count // len(piece)) for piece, count in texts]
    body = json.dumps({"tools": [{"name": text} for text in strings]}, ensure_ascii=is_ascii).encode()

    if any(len(text) > LONGEST_NAME for text in strings):
        assert may_have_long_name(body)


def test_many_short_strings_are_not_looked_at_one_by_one() -> None:
    assert not may_have_long_name(json.dumps({"input": ["a\n" * 1000] * 1000}).encode())
    assert not may_have_long_name(b"[" + b'"a",' * 200_000 + b'"a"]')
    assert may_have_long_name(json.dumps([LONG]).encode())


@pytest.mark.parametrize("piece", ['"', "\\", "a", "\ud83d"])
def test_a_look_at_the_bytes_copies_no_more_than_a_name(piece: str) -> None:
    """A copy of a whole body would hold all other requests."""
    body = json.dumps({"input": [piece * 3000] * 500, "name": piece * 2_000_000}).encode()
    tracemalloc.start()
    try:
        assert may_have_long_name(body)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert peak < 4 * LONGEST_NAME
