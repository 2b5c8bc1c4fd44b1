"""Canonical requests and replies as compact JSON."""

from __future__ import annotations

import json
from typing import get_args

import pytest
from llm_gateway_clickhouse_tracer.capture.canonical import dump_request, dump_response

from llm_gateway_sdk import Choice, LLMRequest, LLMResponse, Message, TextPart, Tool, ToolCallPart
from llm_gateway_sdk.parts import CacheHint, Part
from llm_gateway_sdk.testing.script import every_request


def test_what_is_unset_is_left_out() -> None:
    request = LLMRequest(model="m", messages=[Message("user", [TextPart("Hello.")])])

    assert dump_request(request) == {
        "model": "m", "messages": [{"role": "user", "content": [{"type": "text", "text": "Hello."}]}],
    }  # fmt: skip


@pytest.mark.parametrize("cls", get_args(Part), ids=lambda cls: cls.__name__)
def test_every_part_names_its_type(cls: type) -> None:
    dumped = dump_request(LLMRequest(messages=[Message("user", [cls()])]))["messages"][0]["content"][0]

    assert isinstance(dumped["type"], str)


def test_types_of_parts_differ() -> None:
    message = Message("user", [cls() for cls in get_args(Part)])
    types = [part["type"] for part in dump_request(LLMRequest(messages=[message]))["messages"][0]["content"]]

    assert len(set(types)) == len(types)


def test_a_value_that_is_set_to_something_is_kept_also_where_it_is_false() -> None:
    dumped = dump_request(LLMRequest(temperature=0.0, store=False, stream=True, tools=[Tool("t", strict=False)]))

    assert (dumped["temperature"], dumped["store"], dumped["stream"]) == (0.0, False, True)
    assert dumped["tools"] == [{"type": "tool", "name": "t", "strict": False}]


def test_a_text_with_more_than_text_keeps_it() -> None:
    part = TextPart("a", cache=CacheHint("5m"), signature="s")
    (dumped,) = dump_request(LLMRequest(messages=[Message("user", [part])]))["messages"][0]["content"]

    assert dumped == {"type": "text", "text": "a", "signature": "s", "cache": {"ttl": "5m"}}


def test_notes_of_dialects_to_themselves_are_left_out() -> None:
    message = Message("user", [], provider_metadata={"anthropic": {"_note": 1, "kept": 2}, "gemini": {"_note": 1}})

    assert dump_request(LLMRequest(messages=[message]))["messages"][0]["provider_metadata"] == {
        "anthropic": {"kept": 2}
    }


def test_choices_keep_their_index() -> None:
    response = LLMResponse(
        id="r", choices=[Choice(1, Message("assistant", [ToolCallPart("c", "f", "{}")]))], final=True
    )
    dumped = dump_response(response)

    assert "final" not in dumped
    (choice,) = dumped["choices"]
    assert choice["index"] == 1
    assert choice["message"]["content"] == [{"type": "tool_call", "id": "c", "name": "f", "arguments": "{}"}]


def test_a_request_with_everything_in_it_is_json() -> None:
    assert json.loads(json.dumps(dump_request(every_request()))) == dump_request(every_request())
