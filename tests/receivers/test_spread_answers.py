"""An answer that a provider spreads over several choices arrives whole at every client that asked for one.

Servers in front of Claude send the text in one choice and the call in the next, with indices or without. A client that
did not ask for several answers looks at the first one alone, and would wait for a call that never comes.
"""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from llm_gateway_bedrock import Bedrock
from llm_gateway_gemini import Gemini
from llm_gateway_ollama import Ollama

from llm_gateway.dialects.anthropic import Anthropic
from llm_gateway.dialects.openai_chat import OpenAIChat
from llm_gateway.dialects.openai_responses import OpenAIResponses
from llm_gateway_sdk import Dialect, Headers, LLMResponse, Losses, WireReply, WireRequest
from llm_gateway_sdk.testing.dialect_laws import counting_mint, summed
from llm_gateway_sdk.wire import json

CHAT = OpenAIChat()
CALL = {"id": "k1", "type": "function", "function": {"name": "look_up", "arguments": '{"q":"river"}'}}
CLIENTS: dict[str, tuple[Dialect, WireRequest]] = {
    "responses": (OpenAIResponses(), WireRequest("POST", "/v1/responses", body=b'{"model":"m","input":"hi"}')),
    "messages": (
        Anthropic(),
        WireRequest(
            "POST", "/v1/messages", body=b'{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}'
        ),
    ),
    "gemini": (
        Gemini(),
        WireRequest("POST", "/v1beta/models/m:generateContent", body=b'{"contents":[{"parts":[{"text":"hi"}]}]}'),
    ),
    "bedrock": (
        Bedrock(),
        WireRequest("POST", "/model/m/converse", body=b'{"messages":[{"role":"user","content":[{"text":"hi"}]}]}'),
    ),
    "ollama": (
        Ollama(),
        WireRequest("POST", "/api/chat", body=b'{"model":"m","messages":[{"role":"user","content":"hi"}]}'),
    ),
}


def message_of(text: str | None, *calls: dict[str, Any]) -> dict[str, Any]:
    return {"role": "assistant", "content": text, **({"tool_calls": list(calls)} if calls else {})}


SPREAD: dict[str, list[dict[str, Any]]] = {
    "text, then call": [message_of("I will look."), message_of(None, CALL)],
    "call, then text": [message_of(None, CALL), message_of("I will look.")],
    "call in the third": [message_of("I will "), message_of("look."), message_of(None, CALL)],
    "calls in both": [message_of("I will look.", CALL), message_of(None, {**CALL, "id": "k2"})],
}
CASES = list(product(CLIENTS, SPREAD, (True, False)))


@pytest.mark.parametrize(("client", "spread", "indexed"), CASES, ids=[f"{a}, {b}, {c}" for a, b, c in CASES])
def test_a_whole_reply(client: str, spread: str, indexed: bool) -> None:
    choices = [
        {**({"index": place} if indexed else {}), "message": message, "finish_reason": "tool_calls"}
        for place, message in enumerate(SPREAD[spread])
    ]
    body = {"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": choices}
    response = CHAT.decode_response(WireReply(200, Headers(), json.dumps(body)), counting_mint())
    dialect, asked = CLIENTS[client]
    _, echo = dialect.decode_request(asked)

    wire = dialect.encode_response(response, echo, counting_mint(), Losses("response"))

    check_whole(dialect.decode_response(wire, counting_mint()), spread)


STREAMED = list(product([name for name in CLIENTS if name != "ollama"], SPREAD))


@pytest.mark.parametrize(("client", "spread"), STREAMED, ids=[f"{a}, {b}" for a, b in STREAMED])
def test_a_stream(client: str, spread: str) -> None:
    dialect, asked = CLIENTS[client]
    if client == "gemini":
        asked = WireRequest("POST", "/v1beta/models/m:streamGenerateContent", "alt=sse", Headers(), asked.body)
    _, echo = dialect.decode_request(asked)
    decoder = CHAT.stream_decoder(counting_mint())
    encoder = dialect.stream_encoder(echo, counting_mint(), Losses("response"))
    reader = dialect.stream_decoder(counting_mint())

    events = []
    for place, message in enumerate(SPREAD[spread]):
        calls = [{**call, "index": number} for number, call in enumerate(message.get("tool_calls", []))]
        events.append({"index": place, "delta": {**message, **({"tool_calls": calls} if calls else {})}})
    events += [{"index": place, "delta": {}, "finish_reason": "tool_calls"} for place in range(len(SPREAD[spread]))]
    out = b""
    for event in events:
        body = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [event]}
        for chunk in decoder.feed(b"data: " + json.dumps(body) + b"\n\n"):
            out += encoder.encode(chunk)
    for chunk in [*decoder.feed(b"data: [DONE]\n\n"), *decoder.close()]:
        out += encoder.encode(chunk)
    out += encoder.close()

    check_whole(summed([*reader.feed(out), *reader.close()]), spread)


def check_whole(response: LLMResponse, spread: str) -> None:
    assert len(response.choices) == 1
    message = response.choices[0].message
    assert "".join(message.text.split()) == "Iwilllook."
    assert [call.name for call in message.tool_calls] == ["look_up"] * (2 if spread == "calls in both" else 1)
    assert {call.arguments.replace(" ", "") for call in message.tool_calls} == {'{"q":"river"}'}
    assert response.choices[0].finish_reason == "tool_calls"
