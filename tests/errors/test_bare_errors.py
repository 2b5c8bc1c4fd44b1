"""Errors that are in no API's own form are errors of their kind to every dialect: under the status of an error, under
one that means success, and within a stream, with or without `data:`."""

from __future__ import annotations

from typing import Any

import pytest
from llm_gateway_gemini import Gemini

from llm_gateway.dialects.anthropic import Anthropic
from llm_gateway.dialects.openai_chat import OpenAIChat
from llm_gateway.dialects.openai_responses import OpenAIResponses
from llm_gateway.exchange.delivery.forwarder import StreamForwarder
from llm_gateway_sdk import Dialect, Headers, WireReply
from llm_gateway_sdk.testing.dialect_laws import counting_mint
from llm_gateway_sdk.wire import json

DIALECTS: dict[str, Dialect] = {each.name: each for each in (OpenAIChat(), OpenAIResponses(), Anthropic(), Gemini())}
BODIES: dict[str, dict[str, Any]] = {
    "detail": {"detail": "Rate limit exceeded"},
    "detail object": {"detail": {"message": "Rate limit exceeded", "code": 429}},
    "message": {"message": "Rate limit exceeded", "code": 429},
    "error text and code": {"error": {"message": "Rate limit exceeded", "code": 429}},
}


def event(body: dict[str, Any]) -> bytes:
    name = f"event: {body['type']}\n".encode() if "type" in body else b""
    return name + b"data: " + json.dumps(body) + b"\n\n"


CHUNK = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
MESSAGE = {"id": "m", "type": "message", "role": "assistant", "model": "m", "content": [], "usage": {"input_tokens": 1}}
BEGUN: dict[str, bytes] = {
    "openai_chat": event({**CHUNK, "choices": [{"index": 0, "delta": {"content": "hi"}, "finish_reason": None}]}),
    "openai_responses": event({"type": "response.created", "response": {"id": "r", "output": [], "model": "m"}})
    + event(
        {"type": "response.output_text.delta", "item_id": "i", "output_index": 0, "content_index": 0, "delta": "hi"}
    ),
    "anthropic": event({"type": "message_start", "message": MESSAGE})
    + event({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}})
    + event({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "hi"}}),
    "gemini": event({"candidates": [{"content": {"parts": [{"text": "hi"}]}, "index": 0}]}),
}
STREAMED: dict[str, tuple[bytes, str]] = {
    **{f"bare {name}": (json.dumps(body), "rate_limit") for name, body in BODIES.items()},
    **{f"data {name}": (b"data: " + json.dumps(body) + b"\n\n", "rate_limit") for name, body in BODIES.items()},
    "text": (b"Internal Server Error", "upstream"),
    "text with its end": (b"503 Service Unavailable\n\n", "overloaded"),
    "a page": (b"<html><title>429 Too Many Requests</title></html>\n", "rate_limit"),
}


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("body", BODIES)
def test_under_any_status(dialect: str, body: str) -> None:
    raw = json.dumps(BODIES[body])
    refused = DIALECTS[dialect].decode_error(WireReply(429, Headers(), raw))
    whole = DIALECTS[dialect].decode_response(WireReply(200, Headers(), raw), counting_mint())

    assert whole.error is not None
    assert whole.choices == []
    for info in (refused, whole.error):
        assert (info.kind, info.status, info.message) == ("rate_limit", 429, "Rate limit exceeded")


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("form", STREAMED)
def test_within_a_stream(dialect: str, form: str) -> None:
    sent, kind = STREAMED[form]
    stream = BEGUN[dialect] + sent
    for size in (len(stream), 7, 1):
        decoder = DIALECTS[dialect].stream_decoder(counting_mint())
        chunks = [chunk for at in range(0, len(stream), size) for chunk in decoder.feed(stream[at : at + size])]
        errors = [chunk.error for chunk in [*chunks, *decoder.close()] if chunk.error is not None]

        assert [error.kind for error in errors] == [kind]
        assert not decoder.finished


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("form", STREAMED)
def test_a_client_of_the_same_api_gets_it_as_it_came(dialect: str, form: str) -> None:
    sent, kind = STREAMED[form]
    stream = BEGUN[dialect] + sent
    for size in (len(stream), 7, 1):
        forwarder = StreamForwarder(DIALECTS[dialect], max_event_bytes=10_000)
        out = b"".join(forwarder.feed(stream[at : at + size]) for at in range(0, len(stream), size))
        out += forwarder.close(counting_mint()) + (forwarder.error_event or b"")

        assert forwarder.error is not None
        assert forwarder.error.kind == kind
        assert out == stream
