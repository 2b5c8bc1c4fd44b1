"""Bodies of the Responses API at /chat/completions."""

from __future__ import annotations

from typing import Any

import pytest

from llm_gateway.dialects.openai_chat import OpenAIChat
from llm_gateway_sdk import (
    DialectError,
    LLMRequest,
    Losses,
    MediaPart,
    Target,
    TextPart,
    Tool,
    ToolResultPart,
    WireRequest,
)
from llm_gateway_sdk.wire import json

BODY: dict[str, Any] = {
    "model": "m",
    "instructions": "Be brief.",
    "input": [
        {
            "role": "user",
            "content": [{"type": "input_text", "text": "Look."}, {"type": "input_image", "image_url": "http://a"}],
        },
        {"type": "reasoning", "id": "rs_1", "summary": []},
        {
            "type": "message",
            "role": "assistant",
            "content": [{"type": "output_text", "text": "I look."}],
            "status": "completed",
        },
        {"type": "function_call", "call_id": "call_1", "name": "look", "arguments": '{"q": 1}'},
        {"type": "function_call_output", "call_id": "call_1", "output": "found"},
        {"role": "tool", "tool_call_id": "call_1", "content": "in Chat's own form"},
    ],
    "tools": [
        {"type": "function", "name": "look", "parameters": {"type": "object", "properties": {}}, "strict": False}
    ],
    "tool_choice": {"type": "function", "name": "look"},
    "max_output_tokens": 50,
    "reasoning": {"effort": "high"},
    "text": {"format": {"type": "json_schema", "name": "n", "schema": {"type": "object"}}, "verbosity": "low"},
    "include": ["reasoning.encrypted_content"],
    "stream": True,
}


def decode(body: dict[str, Any]) -> LLMRequest:
    return OpenAIChat().decode_request(WireRequest(body=json.dumps(body)))[0]


def test_it_is_read_as_what_it_is() -> None:
    request = decode(BODY)

    assert [message.role for message in request.messages] == ["system", "user", "assistant", "tool", "tool"]
    assert request.messages[1].content == [TextPart("Look."), MediaPart("image", url="http://a")]
    assert request.messages[2].text == "I look."
    assert [(call.id, call.name, call.arguments) for call in request.messages[2].tool_calls] == [
        ("call_1", "look", '{"q": 1}')
    ]
    assert isinstance(request.messages[3].content[0], ToolResultPart)
    assert request.tools == [Tool("look", parameters={"type": "object", "properties": {}}, strict=False)]
    assert request.tool_choice is not None
    assert request.tool_choice.name == "look"
    assert request.max_tokens == 50
    assert request.reasoning is not None
    assert request.reasoning.effort == "high"
    assert request.verbosity == "low"
    assert request.response_format is not None
    assert request.response_format.schema == {"type": "object"}
    assert request.stream


def test_a_chat_server_gets_it_in_chats_own_form() -> None:
    wire = OpenAIChat().translate(decode(BODY), Target("gpt-4.1"), Losses(), "openai_chat")
    body = json.loads(wire.body)

    assert OpenAIChat.own_form not in json.dumps(BODY)
    assert OpenAIChat.own_form in wire.body
    assert "input" not in body
    assert body["tools"][0]["function"]["name"] == "look"
    assert body["messages"][2]["tool_calls"][0]["function"]["name"] == "look"


def test_input_may_be_one_text() -> None:
    assert decode({"model": "m", "input": "hi"}).messages[0].text == "hi"


@pytest.mark.parametrize("key", ["previous_response_id", "conversation"])
def test_a_stored_conversation_is_refused(key: str) -> None:
    with pytest.raises(DialectError) as caught:
        decode({**BODY, key: "resp_1"})
    assert caught.value.path == key


def test_an_item_that_cannot_be_read_is_refused_with_its_place() -> None:
    with pytest.raises(DialectError) as caught:
        decode({"model": "m", "input": [{"type": "computer_call"}]})
    assert caught.value.path == "input[0]"


def test_a_body_with_neither_is_refused_as_before() -> None:
    with pytest.raises(DialectError) as caught:
        decode({"model": "m"})
    assert caught.value.path == "messages"
