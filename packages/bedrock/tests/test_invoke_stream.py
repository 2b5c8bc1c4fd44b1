"""Streams of InvokeModelWithResponseStream, in the form of each body."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from llm_gateway_bedrock import BedrockInvoke
from llm_gateway_bedrock.eventstream import EventStreamDecoder
from llm_gateway_bedrock.invoke_bodies import Family, inner_dialect
from llm_gateway_bedrock.invoke_dialect import InvokeEcho

from llm_gateway_sdk import Choice, Echo, ErrorInfo, LLMResponse, Losses, Message, TextPart, Usage, WireRequest
from llm_gateway_sdk.testing.dialect_laws import counting_mint

DIALECT = BedrockInvoke()
METRICS = {"inputTokenCount": 7, "outputTokenCount": 3}


def echo_of(family: Family) -> InvokeEcho:
    if family == "bedrock":
        return InvokeEcho("m", True, family, Echo("m", True))
    body = {"model": "m", "messages": [], "stream": True, "max_tokens": 5, "stream_options": {"include_usage": True}}
    if family == "anthropic":
        del body["stream_options"]
    return InvokeEcho(
        "m", True, family, inner_dialect(family).decode_request(WireRequest(body=json.dumps(body).encode()))[1]
    )


def streamed(family: Family) -> list[dict[str, Any]]:
    encoder = DIALECT.stream_encoder(echo_of(family), counting_mint(), Losses("response"))
    data = encoder.encode(LLMResponse("r", "m", 0, [Choice(0, Message("assistant", [TextPart("Hi", index=0)]))]))
    data += encoder.encode(LLMResponse(choices=[Choice(0, Message("assistant"), "stop", "stop")], usage=Usage(7, 3)))
    data += encoder.encode(LLMResponse(final=True)) + encoder.close()
    messages = EventStreamDecoder().feed(data)
    assert {message.headers[":event-type"] for message in messages} == {"chunk"}
    return [json.loads(base64.b64decode(json.loads(message.payload)["bytes"])) for message in messages]


def test_claudes_events() -> None:
    events = streamed("anthropic")

    assert [event["type"] for event in events] == [
        "message_start", "content_block_start", "content_block_delta", "content_block_stop", "message_delta",
        "message_stop",
    ]  # fmt: skip
    assert events[-1]["amazon-bedrock-invocationMetrics"] == METRICS


def test_openais_chunks() -> None:
    events = streamed("openai_chat")

    assert "".join(choice["delta"].get("content") or "" for event in events for choice in event["choices"]) == "Hi"
    assert events[-1]["amazon-bedrock-invocationMetrics"] == METRICS


def test_novas_events() -> None:
    events = streamed("bedrock")

    assert [next(iter(event)) for event in events] == [
        "messageStart", "contentBlockDelta", "contentBlockStop", "messageStop", "metadata",
    ]  # fmt: skip
    assert events[-1]["metadata"]["usage"]["inputTokens"] == 7


@pytest.mark.parametrize("family", ["anthropic", "openai_chat", "bedrock"])
def test_a_failure_is_an_exception_of_the_service(family: Family) -> None:
    encoder = DIALECT.stream_encoder(echo_of(family), counting_mint(), Losses("response"))

    (message,) = EventStreamDecoder().feed(encoder.fail(ErrorInfo("Slow down.", 429, "rate_limit")))

    assert message.headers[":exception-type"] == "throttlingException"
    assert encoder.keep_alive() == b""
