"""Errors in no API's own form."""

from __future__ import annotations

from typing import Any

import pytest

from llm_gateway_sdk.dialects.bare_errors import bare_error, error_data, named_error, plain_error, status_in
from llm_gateway_sdk.wire import json

SHAPES: list[tuple[dict[str, Any], dict[str, Any] | None]] = [
    ({"detail": "Rate limit exceeded"}, {"message": "Rate limit exceeded", "code": 429}),
    ({"detail": "No."}, {"message": "No."}),
    ({"detail": {"message": "m", "code": "c"}}, {"message": "m", "code": "c"}),
    ({"detail": [{"loc": ["body", "x"], "msg": "bad"}]}, {"message": "x: bad", "param": "x"}),
    ({"message": "m", "code": 429, "request_id": "r"}, {"message": "m", "code": 429}),
    ({"object": "error", "message": "m", "type": "t", "param": None, "x": 1, "y": 2},
     {"message": "m", "type": "t", "param": None, "x": 1, "y": 2}),
    ({}, None),
    ({"detail": ""}, None),
    ({"message": {"role": "assistant"}, "done": True}, None),
    ({"choices": [], "detail": "x"}, None),
    ({"type": "response.created", "response": {}}, None),
]  # fmt: skip


@pytest.mark.parametrize(("body", "error"), SHAPES)
def test_what_a_body_without_an_error_object_reports(body: dict[str, Any], error: dict[str, Any] | None) -> None:
    assert bare_error(body) == error
    assert named_error(body) == error


def test_an_error_object_goes_first() -> None:
    assert named_error({"error": {"message": "m"}, "detail": "other"}) == {"message": "m"}
    assert named_error({"error": "m"}) == {"message": "m"}
    assert named_error({"error": None, "detail": "m"}) == {"message": "m"}


def test_plain_text_is_an_error_and_an_event_is_none() -> None:
    for text, status in (
        (b"Internal Server Error", 500),
        (b"upstream connect error or disconnect/reset before headers\n", 503),
        (b"<html><head><title>504 Gateway Time-out</title></head></html>", 504),
        (b"the model has crashed", 502),
    ):
        error = plain_error(text)
        assert error is not None
        assert error["code"] == status, text
        assert json.loads(error_data(text) or b"")["error"] == error


@pytest.mark.parametrize(
    "event",
    [
        b'data: {"choices": [{"delta": {"content": "Bad Gateway"}}]}',
        b": a comment of some words",
        b"event: error",
        b"id: 5 x",
    ],
)
def test_no_piece_of_an_event_is_an_error(event: bytes) -> None:
    for end in range(len(event) + 1):
        assert plain_error(event[:end]) is None, event[:end]
        assert error_data(event[:end]) is None


def test_the_status_that_a_text_names() -> None:
    assert [status_in(text) for text in ("503 backend", "HTTP 429", "[500] x", "error 4290", "in 500 words")] == [
        503, 429, 500, None, None,
    ]  # fmt: skip
