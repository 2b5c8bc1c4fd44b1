"""Requests of `/api/chat` and `/api/generate`, as they are read, and written again."""

from __future__ import annotations

import json
from typing import Any

import pytest
from llm_gateway_ollama import Ollama

from llm_gateway_sdk import (
    DialectError,
    LLMRequest,
    Losses,
    MediaPart,
    Message,
    Target,
    TextPart,
    ThinkingPart,
    Tool,
    ToolCallPart,
    ToolChoice,
    ToolResultPart,
    WireRequest,
)
from llm_gateway_sdk.request import Reasoning

DIALECT = Ollama()
CHAT = {
    "model": "llama3.2",
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "What is this?", "images": ["aGVsbG8="]},
        {"role": "assistant", "content": "", "thinking": "Look it up.",
         "tool_calls": [{"function": {"name": "look", "arguments": {"at": 1}}},
                        {"id": "c2", "function": {"name": "look", "arguments": {"at": 2}}}]},
        {"role": "tool", "content": "a cat", "tool_name": "look"},
        {"role": "tool", "content": "a dog", "tool_call_id": "c2"},
    ],
    "tools": [{"type": "function", "function": {"name": "look", "description": "Looks.",
                                                "parameters": {"type": "object", "properties": {}}}}],
    "format": {"type": "object"},
    "options": {"temperature": 0.5, "num_predict": 9, "stop": ["x"], "num_ctx": 4096},
    "think": "high",
    "logprobs": True,
    "top_logprobs": 3,
    "keep_alive": "5m",
    "stream": False,
}  # fmt: skip
GENERATE = {
    "model": "llama3.2", "prompt": "Why?", "system": "Be brief.", "images": ["aGVsbG8="], "suffix": "end",
    "context": [1, 2], "raw": True, "think": False, "options": {"num_predict": -1, "seed": 4}, "stream": True,
}  # fmt: skip


def read(body: dict[str, Any], path: str = "/api/chat") -> LLMRequest:
    return DIALECT.decode_request(WireRequest("POST", path, body=json.dumps(body).encode()))[0]


@pytest.mark.parametrize(("path", "body"), [("/api/chat", CHAT), ("/api/generate", GENERATE)], ids=["chat", "generate"])
def test_a_request_with_everything_is_written_as_it_was_read(path: str, body: dict[str, Any]) -> None:
    losses = Losses()

    written = DIALECT.encode_request(read(body, path), Target("llama3.2"), losses)

    assert json.loads(written.body) == body
    assert written.path == path
    assert list(losses) == []


def test_results_are_paired_with_calls_by_id_or_by_name_and_order() -> None:
    first, second, one, two = [
        part
        for message in read(CHAT).messages
        for part in message.content
        if isinstance(part, ToolCallPart | ToolResultPart)
    ]

    assert isinstance(one, ToolResultPart)
    assert isinstance(two, ToolResultPart)
    assert (one.tool_call_id, two.tool_call_id) == (first.id, second.id) == (first.id, "c2")  # type: ignore[union-attr]


def test_results_of_other_dialects_go_in_the_order_of_their_calls() -> None:
    messages = [
        Message("user", [TextPart("hi")]),
        Message("assistant", [ToolCallPart("a", "f", "{}"), ToolCallPart("b", "g", "{}")]),
        Message("user", [ToolResultPart("b", [TextPart("2")]), ToolResultPart("a", [TextPart("1")]), TextPart("and?")]),
    ]

    written = DIALECT.translate(LLMRequest("m", messages), Target("m"), Losses(), "anthropic")

    assert json.loads(written.body)["messages"][2:] == [
        {"role": "tool", "content": "1", "tool_name": "f", "tool_call_id": "a"},
        {"role": "tool", "content": "2", "tool_name": "g", "tool_call_id": "b"},
        {"role": "user", "content": "and?"},
    ]


def test_a_prompt_is_a_conversation() -> None:
    system, user = read(GENERATE, "/api/generate").messages

    assert (system.role, system.text, user.role, user.text) == ("system", "Be brief.", "user", "Why?")
    assert isinstance(user.content[1], MediaPart)


def test_what_a_plugin_adds_to_a_prompt_is_part_of_it() -> None:
    request = read({"model": "m", "prompt": "Why?"}, "/api/generate")
    request.messages.insert(0, Message("system", [TextPart("Be brief.")]))
    request.messages.append(Message("user", [TextPart("Please.")]))

    body = json.loads(DIALECT.encode_request(request, Target("m"), Losses()).body)

    assert (body["system"], body["prompt"]) == ("Be brief.", "Why?\n\nPlease.")


@pytest.mark.parametrize(
    ("field", "value"), [("suffix", "end"), ("context", [1])], ids=["suffix", "context"]
)  # fmt: skip
def test_what_no_other_api_can_do_is_refused_elsewhere(field: str, value: Any) -> None:
    request = read({"model": "m", "prompt": "a", field: value}, "/api/generate")

    with pytest.raises(DialectError) as caught:
        DIALECT.check_portable(request, Losses())

    assert caught.value.path == field


def test_options_of_the_server_are_reported_elsewhere() -> None:
    losses = Losses()

    DIALECT.check_portable(read(CHAT), losses)

    assert [loss.path for loss in losses] == ["keep_alive", "options.num_ctx"]


def test_streaming_is_the_default() -> None:
    for body, streamed in ((b'{"model":"m"}', True), (b'{"model":"m","stream":false}', False)):
        assert DIALECT.peek(WireRequest(body=body)) == ("m", streamed)
        assert DIALECT.decode_request(WireRequest(body=body))[0].stream is streamed


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"messages": [{"role": "user", "content": 5}]}, r"messages\[0\]\.content: expected a string"),
        ({"format": "xml"}, "format: expected `json`"),
        ({"options": {"temperature": "hot"}}, r"options\.temperature: expected a number"),
        ({"think": 3}, "think: expected a boolean"),
        ({"messages": [{"role": "user", "images": [7]}]}, r"images\[0\]: expected a string"),
    ],
    ids=["content", "format", "option", "think", "image"],
)
def test_what_a_wrong_field_is_expected_to_be_is_named(body: dict[str, Any], message: str) -> None:
    with pytest.raises(DialectError, match=message):
        read(body)


def test_images_are_labelled_by_their_bytes() -> None:
    data = "iVBORw0KGgoAAAANSUhEUgAAAAUAAAAFCAYAAACNbyblAAAA"
    request = read({"messages": [{"role": "user", "images": [data, f"data:image/png;base64,{data}"]}]})

    assert [(part.media_type, part.data) for part in request.messages[0].content if isinstance(part, MediaPart)] == [
        ("image/png", data), ("image/png", data),
    ]  # fmt: skip


def test_what_ollama_has_no_form_for_is_reported() -> None:
    losses = Losses()
    request = LLMRequest(
        "m",
        [
            Message("user", [TextPart("hi"), MediaPart("image", url="https://example.com/a.png")]),
            Message("assistant", [ThinkingPart("hm", signature="s", signed_by="anthropic")]),
            Message("assistant", [ToolCallPart("a", "f", "{")]),
            Message("user", [ToolResultPart("a", [TextPart("x")], is_error=True)]),
        ],
        tools=[Tool("f", strict=True), Tool("g", kind="custom")],
        tool_choice=ToolChoice("tool", "f"),
        parallel_tool_calls=False,
        reasoning=Reasoning(effort="xhigh"),
        user="me",
    )  # fmt: skip

    body = json.loads(DIALECT.translate(request, Target("m"), losses, "anthropic").body)

    assert {loss.path for loss in losses} >= {
        "messages[*].content[*]", "messages[*].thoughts[*].signature", "messages[*].results[*].is_error",
        "tools[*].strict", "tool_choice", "parallel_tool_calls", "reasoning.effort", "user",
    }  # fmt: skip
    assert [tool["function"]["name"] for tool in body["tools"]] == ["f"]
    assert body["think"] == "high"
    assert next(turn for turn in body["messages"] if "tool_calls" in turn)["tool_calls"][0]["function"][
        "arguments"
    ] == {"input": "{"}


def test_several_answers_are_refused() -> None:
    with pytest.raises(DialectError, match="one answer"):
        DIALECT.encode_request(LLMRequest("m", n=2), Target("m"), Losses())


def test_thinking_is_a_switch_where_levels_are_unknown() -> None:
    losses = Losses()
    request = LLMRequest("m", reasoning=Reasoning(effort="low"))

    body = json.loads(DIALECT.encode_request(request, Target("m", quirks={"no_effort": True}), losses).body)

    assert body["think"] is True
    assert [loss.path for loss in losses] == ["reasoning.effort"]
