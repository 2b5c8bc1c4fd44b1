"""Anthropic's blocks and tools in a Chat body."""

from __future__ import annotations

from typing import Any

from llm_gateway.dialects.openai_chat import OpenAIChat
from llm_gateway_sdk import (
    CacheHint,
    LLMRequest,
    Losses,
    MediaPart,
    Target,
    TextPart,
    ThinkingPart,
    Tool,
    ToolCallPart,
    ToolChoice,
    ToolResultPart,
    WireRequest,
)
from llm_gateway_sdk.wire import json

TOOL = {"name": "look", "description": "d", "input_schema": {"type": "object", "properties": {"q": {}}}}


def decode(*messages: dict[str, Any], **fields: Any) -> LLMRequest:
    body = {"model": "m", "messages": list(messages), **fields}
    return OpenAIChat().decode_request(WireRequest(body=json.dumps(body)))[0]


def test_calls_and_results_in_content_are_calls_and_results() -> None:
    request = decode(
        {
            "role": "assistant",
            "content": [
                {"type": "text", "text": "I look."},
                {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {"q": 1}},
            ],
        },
        {
            "role": "user",
            "content": [
                {
                    "type": "tool_result",
                    "tool_use_id": "toolu_1",
                    "is_error": True,
                    "content": [{"type": "text", "text": "not found"}],
                },
                {"type": "text", "text": "Go on.", "cache_control": {"type": "ephemeral"}},
            ],
        },
    )

    assert request.messages[0].content[1] == ToolCallPart("toolu_1", "look", '{"q":1}')
    result = request.messages[1].content[0]
    assert isinstance(result, ToolResultPart)
    assert (result.tool_call_id, result.is_error, result.content) == ("toolu_1", True, [TextPart("not found")])


def test_a_chat_server_gets_them_as_tool_calls_and_tool_messages() -> None:
    request = decode(
        {"role": "user", "content": "Look."},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "toolu_1", "name": "look", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "found"}]},
    )

    body = json.loads(OpenAIChat().translate(request, Target("gpt-4.1"), Losses(), "openai_chat").body)

    assert [message["role"] for message in body["messages"]] == ["user", "assistant", "tool"]
    assert body["messages"][1]["tool_calls"][0]["id"] == body["messages"][2]["tool_call_id"] == "toolu_1"


def test_images_and_documents() -> None:
    request = decode(
        {
            "role": "user",
            "content": [
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0"}},
                {"type": "image", "source": {"type": "url", "url": "https://a.example/x.png"}},
                {"type": "document", "title": "t", "source": {"type": "text", "data": "text"}},
            ],
        }
    )

    assert request.messages[0].content == [
        MediaPart("image", "image/png", "iVBORw0"),
        MediaPart("image", url="https://a.example/x.png"),
        MediaPart("document", text="text", name="t"),
    ]


def test_signed_thinking_is_not_mistrals() -> None:
    block = {"type": "thinking", "thinking": "hm", "signature": "gw1.anthropic.proof"}

    part = decode({"role": "assistant", "content": [block]}).messages[0].content[0]

    assert isinstance(part, ThinkingPart)
    assert (part.text, part.signature, part.signed_by) == ("hm", "proof", "anthropic")


def test_tools_and_their_choice() -> None:
    flat = {"type": "function", "name": "f", "parameters": {"type": "object", "properties": {}}}

    request = decode(
        {"role": "user", "content": "hi"},
        tools=[{**TOOL, "cache_control": {"type": "ephemeral", "ttl": "1h"}}, {**TOOL, "type": "custom"}, flat],
        tool_choice={"type": "tool", "name": "look"},
    )

    first, second, third = request.tools
    assert isinstance(first, Tool)
    assert first.parameters == TOOL["input_schema"]
    assert isinstance(first.cache, CacheHint)
    assert second == Tool("look", "d", TOOL["input_schema"])  # type: ignore[arg-type]
    assert third == Tool("f", parameters={"type": "object", "properties": {}})
    assert request.tool_choice == ToolChoice("tool", "look")
    assert decode(tool_choice={"type": "any"}).tool_choice == ToolChoice("required")
