"""Errors as a status and a sentence."""

from __future__ import annotations

import pytest
from llm_gateway_ollama.errors import decode_error, encode_error

from llm_gateway_sdk import ErrorInfo, Headers, WireReply


@pytest.mark.parametrize(
    "body",
    [b"model not found", b'{"error":"model not found"}', b'{"error":{"message":"model not found"}}'],
    ids=["text", "sentence", "object"],
)
def test_an_error_is_read(body: bytes) -> None:
    info = decode_error(WireReply(404, Headers(), body))

    assert (info.message, info.kind) == ("model not found", "not_found")


def test_a_prompt_that_is_too_long_is_known_by_its_words() -> None:
    body = b'{"error":"the input length exceeds the context length"}'

    assert decode_error(WireReply(400, Headers(), body)).kind == "context_length"


def test_an_error_is_a_sentence() -> None:
    wire = encode_error(ErrorInfo("Slow down.", 429, "rate_limit", retry_after=3))

    assert (wire.status, wire.body, wire.headers.get("retry-after")) == (429, b'{"error":"Slow down."}', "3")
