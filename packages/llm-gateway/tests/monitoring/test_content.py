"""Content in spans: what attributes hold, and that they are bounded whatever a request holds."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from typing import Any

import pytest

from llm_gateway.monitoring.content import (
    MOST_LETTERS,
    MOST_PARTS,
    input_messages,
    output_messages,
    short,
    system_instructions,
    tool_definitions,
)
from llm_gateway_sdk import Choice, LLMRequest, LLMResponse, MediaPart, Message, TextPart, Tool
from llm_gateway_sdk.parts import RefusalPart, ThinkingPart, ToolCallPart, ToolResultPart


def request(*messages: Message, tools: list[Any] | None = None) -> LLMRequest:
    return LLMRequest(model="m", messages=list(messages), tools=tools or [])


def user(*texts: str) -> Message:
    return Message("user", [TextPart(text) for text in texts])


def loaded(text: str | None) -> Any:
    assert text is not None
    return json.loads(text)


def test_instructions_and_conversation_are_apart() -> None:
    asked = request(Message("system", [TextPart("Be brief.")]), user("hi"))

    assert loaded(system_instructions(asked)) == [{"type": "text", "content": "Be brief."}]
    assert loaded(input_messages(asked)) == [{"role": "user", "parts": [{"type": "text", "content": "hi"}]}]


def test_tool_calls_and_results_are_in_the_form_of_the_convention() -> None:
    call = Message("assistant", [ToolCallPart(id="c1", name="look", arguments='{"a": 1}')])
    result = Message("tool", [ToolResultPart(tool_call_id="c1", content=[TextPart("found")])])

    first, second = loaded(input_messages(request(call, result)))

    assert first["parts"] == [{"type": "tool_call", "id": "c1", "name": "look", "arguments": {"a": 1}}]
    answer = [{"type": "text", "content": "found"}]
    assert second["parts"] == [{"type": "tool_call_response", "id": "c1", "response": answer}]


def test_of_a_long_conversation_the_latest_messages_are_kept() -> None:
    found = loaded(input_messages(request(*[user(str(number)) for number in range(MOST_PARTS + 50)])))

    assert found[-1]["parts"][0]["content"] == str(MOST_PARTS + 49)
    assert "50 earlier messages" in found[0]["parts"][0]["content"]
    assert len(found) == MOST_PARTS + 1


def test_of_a_message_of_many_parts_the_first_are_kept() -> None:
    ((message),) = loaded(input_messages(request(user(*["a"] * (3 * MOST_PARTS)))))

    assert len(message["parts"]) == MOST_PARTS + 1
    assert "left out" in message["parts"][-1]["content"]


@pytest.mark.parametrize(
    "message",
    [
        user("a" * (5 * MOST_LETTERS)),
        Message("assistant", [ToolCallPart(id="c", name="f", arguments="[" + "1," * (3 * MOST_LETTERS) + "1]")]),
        Message("tool", [ToolResultPart(tool_call_id="c", content=[TextPart("a" * (3 * MOST_LETTERS))])]),
        Message("user", [MediaPart("image", media_type="image/png", data="A" * (3 * MOST_LETTERS))]),
    ],
    ids=["text", "arguments", "result", "image"],
)
def test_a_long_text_is_cut(message: Message) -> None:
    text = input_messages(request(message, user("the latest")))

    assert len(text) < MOST_LETTERS + 1000
    assert loaded(text)[-1]["parts"][0]["content"] == "the latest"


def test_a_large_schema_is_left_out_and_the_tool_is_not() -> None:
    many: dict[str, Any] = {"properties": {f"k{number}": {} for number in range(MOST_LETTERS)}}
    found = loaded(
        tool_definitions(request(tools=[Tool(name="big", parameters=many), Tool(name="small", parameters={})]))
    )

    assert [(tool["name"], tool["parameters"]) for tool in found] == [("big", None), ("small", {})]


def test_a_long_reply_is_cut() -> None:
    message = Message("assistant", [TextPart("a" * (2 * MOST_LETTERS))])
    text = output_messages(LLMResponse(id="r", model="m", choices=[Choice(0, message, finish_reason="stop")]))

    assert MOST_LETTERS < len(text) < MOST_LETTERS + 1000
    assert loaded(text)[0]["finish_reason"] == "stop"


def test_of_many_messages_without_parts_and_tools_without_words_few_are_kept() -> None:
    empty = request(*[Message("user", []) for _ in range(3 * MOST_PARTS)])
    tools = request(tools=[Tool(name="", parameters={}) for _ in range(3 * MOST_PARTS)])

    assert len(loaded(input_messages(empty))) == MOST_PARTS + 1
    assert len(loaded(tool_definitions(tools))) == MOST_PARTS


def test_instructions_before_a_long_conversation_are_not_counted_as_left_out() -> None:
    instructed = request(Message("system", [TextPart("Be brief.")]), *[user("a") for _ in range(MOST_PARTS)])

    assert len(loaded(input_messages(instructed))) == MOST_PARTS
    assert "Be brief." in (system_instructions(instructed) or "")


PARTS: list[Any] = [
    TextPart("a"), RefusalPart("a"), ThinkingPart("a"), MediaPart("image", url="a"), MediaPart("image", data="a"),
    MediaPart("document", file_id="a"), MediaPart("document", text="a"), ToolCallPart("a", "a"),
    ToolResultPart("a", [TextPart("a")]),
]  # fmt: skip
PLACES = [
    (part, field.name) for part in PARTS for field in fields(part) if str(field.type).partition(" | ")[0] == "str"
]


@pytest.mark.parametrize(("part", "name"), PLACES, ids=[f"{type(part).__name__}.{name}" for part, name in PLACES])
def test_every_text_of_a_part_is_bounded(part: Any, name: str) -> None:
    long = replace(part, **{name: "a" * (4 * MOST_LETTERS)})
    message = Message("user", [long])

    for written in (
        input_messages(request(message)),
        system_instructions(request(Message("system", [long]))),
        output_messages(LLMResponse(choices=[Choice(0, message)])),
    ):
        assert len(written or "") < 2 * MOST_LETTERS


def test_long_lists_of_texts_are_short() -> None:
    assert short(["a", "b"]) == ["a", "b"]
    assert sum(map(len, short(["a" * MOST_LETTERS] * 9))) < 2 * MOST_LETTERS
    assert len(short(["a"] * 9000)) == MOST_PARTS
