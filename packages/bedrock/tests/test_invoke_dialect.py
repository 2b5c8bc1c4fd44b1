"""The laws of dialects on InvokeModel with Claude's body, and replies in the form of each body."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, ClassVar

import pytest
from llm_gateway_bedrock import BedrockInvoke
from llm_gateway_bedrock.invoke_bodies import Family
from llm_gateway_bedrock.invoke_dialect import InvokeEcho

from llm_gateway_sdk import (
    Choice,
    LLMResponse,
    Losses,
    Message,
    Part,
    RefusalPart,
    Target,
    TextPart,
    ToolCallPart,
    Usage,
    WireRequest,
)
from llm_gateway_sdk.testing.dialect_laws import DialectLaws, counting_mint

DIALECT = BedrockInvoke()


class TestInvokeLaws(DialectLaws):
    dialect = DIALECT
    request_path: ClassVar[str] = "/model/anthropic.claude-sonnet-4-5-20250929-v1%3A0/invoke"
    lost_error_kinds: ClassVar[frozenset[str]] = frozenset({"unknown", "too_large", "context_length", "content_policy"})

    def holds(self, part: Part) -> bool:
        return not isinstance(part, RefusalPart)

    def normalise_reply(self, reply: LLMResponse) -> LLMResponse:
        """Arguments are an object; a reply always has counts; a filtered answer is a refusal."""
        reply = super().normalise_reply(reply)
        for choice in reply.choices:
            for part in choice.message.content:
                if isinstance(part, ToolCallPart):
                    part.arguments = json.dumps(json.loads(part.arguments))
            if choice.finish_reason == "content_filter":
                choice.finish_reason = "refusal"
        used = reply.usage if reply.usage and reply.usage.total_tokens else None
        return replace(reply, usage=used and Usage(used.input_tokens, used.output_tokens))


BODIES: dict[Family, dict[str, Any]] = {
    "anthropic": {"anthropic_version": "x", "max_tokens": 5, "messages": [{"role": "user", "content": "hi"}]},
    "openai_chat": {"messages": [{"role": "user", "content": "hi"}]},
    "bedrock": {"messages": [{"role": "user", "content": [{"text": "hi"}]}], "inferenceConfig": {"maxTokens": 5}},
}


@pytest.mark.parametrize("family", BODIES)
def test_a_reply_has_the_form_of_the_body(family: Family) -> None:
    wire = WireRequest("POST", "/model/m/invoke", body=json.dumps(BODIES[family]).encode())
    request, echo = DIALECT.decode_request(wire)
    reply = LLMResponse("r", "m", 0, [Choice(0, Message("assistant", [TextPart("Hi")]), "stop")], Usage(7, 3))

    written = DIALECT.encode_response(reply, echo, counting_mint(), Losses("response"))

    assert (request.model, request.stream, request.messages[-1].text) == ("m", False, "hi")
    assert isinstance(echo, InvokeEcho)
    body = json.loads(written.body)
    text = {
        "anthropic": lambda: body["content"][0]["text"],
        "openai_chat": lambda: body["choices"][0]["message"]["content"],
        "bedrock": lambda: body["output"]["message"]["content"][0]["text"],
    }[family]()
    assert text == "Hi"
    assert written.headers.get("x-amzn-bedrock-input-token-count") == "7"


def test_model_and_stream_are_in_the_path() -> None:
    wire = WireRequest("POST", "/model/a%2Fb%3A0/invoke-with-response-stream", body=b"{")

    assert DIALECT.peek(wire) == ("a/b:0", True)
    assert DIALECT.retarget(wire, Target("c:1")).path == "/model/c%3A1/invoke-with-response-stream"
