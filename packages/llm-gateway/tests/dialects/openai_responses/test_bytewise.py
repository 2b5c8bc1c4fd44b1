from __future__ import annotations

import json

import pytest

from llm_gateway.dialects.openai_responses import OpenAIResponses
from llm_gateway_sdk.response import Usage

DIALECT = OpenAIResponses()


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        (b'event: response.created\ndata: {"type":"response.created","response":{"error":null}}', "preamble"),
        (b'data: {"type": "response.in_progress"}', "preamble"),
        (b'event: response.output_item.added\ndata: {"item":{"type":"message","id":"msg_1"}}', "preamble"),
        (b'event: response.output_item.added\ndata: {"item":{"type":"reasoning","id":"rs_1"}}', "preamble"),
        (b'event: response.output_item.added\ndata: {"item":{"type":"function_call"}}', "content"),
        (b"event: response.content_part.added\ndata: {}", "preamble"),
        (b'data: {"type":"response.output_text.delta","delta":"\\"type\\":\\"error\\""}', "content"),
        (b"event: response.completed\ndata: {}", "terminal"),
        (b"event: response.incomplete\ndata: {}", "terminal"),
        (b"event: response.failed\ndata: {}", "error"),
        (b'event: error\ndata: {"type":"error","message":"x"}', "error"),
        (b'data: {"type":"error","message":"x"}', "error"),
        (b'data: {"error": {"message": "x"}}', "error"),
        (b'event: message\ndata: {"response":{},"type":"response.completed"}', "terminal"),
        (b": keep-alive", "other"),
        (b"data: [DONE]", "other"),
    ],
)
def test_an_event_is_known_by_its_bytes(event: bytes, kind: str) -> None:
    assert DIALECT.event_kind(event) == kind


def test_usage_is_found_in_a_tail_cut_anywhere() -> None:
    usage = {"input_tokens": 5, "input_tokens_details": {"cached_tokens": 2}, "output_tokens": 3, "total_tokens": 8}
    body = {
        "instructions": 'say "usage": {"input_tokens": 99}',
        "tools": [{"parameters": {"properties": {"usage": {"type": "string"}}}}],
        "usage": usage,
        "user": None,
    }
    event = b"event: response.completed\ndata: " + json.dumps({"response": body}).encode() + b"\n\n"

    for start in (0, 50, 120):
        assert DIALECT.usage_of(b"", event[start:]) == Usage(5, 3, cache_read_tokens=2)
    assert DIALECT.usage_of(b"", json.dumps({**body, "usage": None}).encode()) is None
    assert DIALECT.usage_of(b"", b"") is None
