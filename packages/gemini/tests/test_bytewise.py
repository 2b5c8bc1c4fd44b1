"""Events looked at as bytes: their kind and the counts of a stream's end."""

from __future__ import annotations

from typing import Any

import pytest
from llm_gateway_gemini.bytewise import event_kind, usage_of

from llm_gateway_sdk.wire import json


def event(body: dict[str, Any], prefix: bytes = b"data: ") -> bytes:
    return prefix + json.dumps(body)


TEXT = {"candidates": [{"content": {"parts": [{"text": "Hello"}]}}]}
LAST = {
    "candidates": [{"content": {"parts": [{"text": "."}]}, "finishReason": "STOP"}],
    "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 2, "totalTokenCount": 5},
}


@pytest.mark.parametrize("prefix", [b"data: ", b"data:", b""], ids=["SSE", "SSE without a space", "array"])
@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"error": {"code": 500}}, "error"),
        (TEXT, "content"),
        (LAST, "terminal"),
        ({"promptFeedback": {"blockReason": "SAFETY"}}, "terminal"),
        ({"usageMetadata": {"promptTokenCount": 3}}, "usage"),
        ({"modelVersion": "m"}, "other"),
        ({}, "other"),
    ],
    ids=["error", "text", "last", "blocked", "usage", "other", "empty"],
)
def test_the_kind_of_an_event(prefix: bytes, body: dict[str, Any], kind: str) -> None:
    assert event_kind(event(body, prefix)) == kind


def test_text_about_errors_is_content() -> None:
    assert event_kind(event({"candidates": [{"content": {"parts": [{"text": '{"error": 1}'}]}}]})) == "content"


@pytest.mark.parametrize(
    "tail",
    [
        event(TEXT) + b"\n\n" + event(LAST) + b"\n\n",
        b'"cut": true}\n\n' + event(LAST) + b"\r\n\r\n",
        json.dumps([TEXT, LAST]),
        json.dumps(LAST),
    ],
    ids=["events", "cut events", "array", "body"],
)
def test_the_counts_are_found_in_every_form_of_a_tail(tail: bytes) -> None:
    usage = usage_of(b"", tail)

    assert usage is not None
    assert (usage.input_tokens, usage.output_tokens) == (3, 2)


@pytest.mark.parametrize(
    "tail", [b"", b"data: not JSON\n\n", b"[1, 2]", b"data: [1]\n\n", b'{"candidates": 1}'], ids=repr
)
def test_a_tail_without_counts_has_no_usage(tail: bytes) -> None:
    assert usage_of(tail, tail) is None
