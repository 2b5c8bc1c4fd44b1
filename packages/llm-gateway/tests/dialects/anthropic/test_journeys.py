"""A turn's reasoning travels through a client of another dialect and comes back as it was."""

from __future__ import annotations

from typing import Any

import pytest

from llm_gateway.dialects.anthropic import Anthropic
from llm_gateway.dialects.openai_chat import OpenAIChat
from llm_gateway.dialects.openai_responses import OpenAIResponses
from llm_gateway_sdk import (
    Choice,
    Dialect,
    LLMResponse,
    Losses,
    Message,
    Mint,
    Target,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    WireReply,
    WireRequest,
)
from llm_gateway_sdk.testing.dialect_laws import counting_mint
from llm_gateway_sdk.wire import json

ANTHROPIC = Anthropic()
TURN: list[dict[str, Any]] = [
    {"type": "thinking", "thinking": "hm", "signature": "s1"},
    {"type": "thinking", "thinking": "", "signature": "s2"},
    {"type": "redacted_thinking", "data": "dd"},
    {"type": "text", "text": "so"},
    {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"a": 1}},
    {"type": "tool_use", "id": "toolu_2", "name": "f", "input": {}},
]


def write_and_read(dialect: Dialect, body: dict[str, Any], reply: LLMResponse, mint: Mint) -> dict[str, Any]:
    _, echo = dialect.decode_request(WireRequest(body=json.dumps(body)))
    written = dialect.encode_response(reply, echo, mint, Losses("response"))
    words: dict[str, Any] = json.loads(written.body)
    return words


def chat_history(turn: LLMResponse) -> list[dict[str, Any]]:
    words = write_and_read(OpenAIChat(), {"model": "m", "messages": []}, turn, counting_mint())
    message = words["choices"][0]["message"]
    answers = [
        {"role": "tool", "tool_call_id": call["id"], "content": f"answer {call['id']}"}
        for call in message["tool_calls"]
    ]
    return [{"role": "user", "content": "hi"}, message, *answers]


def responses_history(turn: LLMResponse) -> list[dict[str, Any]]:
    asked = {"model": "m", "input": "hi", "include": ["reasoning.encrypted_content"], "store": False}
    words = write_and_read(OpenAIResponses(), asked, turn, counting_mint())
    answers = [
        {"type": "function_call_output", "call_id": item["call_id"], "output": f"answer {item['call_id']}"}
        for item in words["output"]
        if item["type"] == "function_call"
    ]
    return [{"role": "user", "content": "hi"}, *words["output"], *answers]


@pytest.mark.parametrize("through", ["chat", "responses"])
def test_thinking_comes_back_to_its_issuer_byte_for_byte_turn_after_turn(through: str) -> None:
    history: list[dict[str, Any]] = []
    for number in range(10):
        turn = json.loads(json.dumps(TURN).replace(b"s1", b"s%d" % (number + 100)))
        reply = {"id": "x", "model": "m", "content": turn, "stop_reason": "tool_use"}
        decoded = ANTHROPIC.decode_response(WireReply(body=json.dumps(reply)), counting_mint())
        history += chat_history(decoded) if through == "chat" else responses_history(decoded)
        dialect: Dialect = OpenAIChat() if through == "chat" else OpenAIResponses()
        key = "messages" if through == "chat" else "input"
        request, _ = dialect.decode_request(WireRequest(body=json.dumps({"model": "m", key: history})))

        sent = json.loads(ANTHROPIC.encode_request(request, Target("m"), Losses()).body)["messages"]

        assert sent[-2] == {"role": "assistant", "content": turn}
        assert [block["tool_use_id"] for block in sent[-1]["content"]] == ["toolu_1", "toolu_2"]
        assert len(sent) == 3 * (number + 1) - number


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("issuer", ["gemini", "openai_responses", "bedrock"])
def test_a_client_of_this_dialect_gives_others_proofs_back(issuer: str, streamed: bool) -> None:
    parts = [
        ThinkingPart("hm", index=0, signature="one", signed_by=issuer),
        TextPart("so", index=1, signature="two", signed_by=issuer),
        ToolCallPart("call_1", "f", '{"a":1}', index=2, signature="three", signed_by=issuer),
        ToolCallPart("call_2", "f", "{}", index=3),
        ThinkingPart(redacted="four", index=4, signed_by=issuer),
    ]
    reply = LLMResponse("x", "m", choices=[Choice(0, Message("assistant", list(parts)))], final=True)
    _, echo = ANTHROPIC.decode_request(WireRequest(body=b"{}"))

    if streamed:
        written = ANTHROPIC.stream_encoder(echo, counting_mint(), Losses("response")).encode(reply)
        kept = _as_the_sdk_assembles(written)
    else:
        written = ANTHROPIC.encode_response(reply, echo, counting_mint(), Losses("response")).body
        kept = json.loads(written)["content"]
    body = json.dumps({"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": kept}]})
    request, _ = ANTHROPIC.decode_request(WireRequest(body=body))

    back = request.messages[1].content
    assert [(type(part), part.signature, part.signed_by) for part in back] == [
        (type(part), part.signature, part.signed_by) for part in parts
    ]
    assert isinstance(back[4], ThinkingPart)
    assert back[4].redacted == "four"


def _as_the_sdk_assembles(stream: bytes) -> list[dict[str, Any]]:
    import anthropic
    from anthropic import _base_client

    transport: Any = getattr(_base_client, "httpx2", None) or __import__("httpx")

    def answer(_: Any) -> Any:
        return transport.Response(200, headers={"content-type": "text/event-stream"}, content=stream)

    with transport.Client(transport=transport.MockTransport(answer)) as http:
        client = anthropic.Anthropic(api_key="k", base_url="http://gateway.invalid", http_client=http)
        with client.messages.stream(model="m", max_tokens=9, messages=[{"role": "user", "content": "hi"}]) as events:
            message = events.get_final_message()
    return [block.model_dump(exclude_none=True, mode="json") for block in message.content]
