"""Tier and tool calls of a Response, decoded and read from bytes alike."""

from __future__ import annotations

from typing import Any

import pytest

from llm_gateway.dialects.openai_responses.bytewise import usage_of
from llm_gateway.dialects.openai_responses.charges import add_charges
from llm_gateway.dialects.openai_responses.response import decode_usage
from llm_gateway_sdk.wire import json

COUNTS = {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15}


def call(kind: str, action: str | None = None) -> dict[str, Any]:
    item: dict[str, Any] = {"type": kind, "id": "x", "status": "completed"}
    if action is not None:
        item["action"] = {"type": action}
    return item


BODIES: dict[str, tuple[dict[str, Any], str | None, dict[str, int]]] = {
    "nothing": ({}, None, {}),
    "default tier": ({"service_tier": "default"}, "default", {}),
    "flex": ({"service_tier": "flex"}, "flex", {}),
    "searches": ({"output": [call("web_search_call", "search"), call("web_search_call")]}, None, {"web_search": 2}),
    "a page that was opened": ({"output": [call("web_search_call", "open_page")]}, None, {}),
    "files": ({"output": [call("file_search_call"), call("function_call")]}, None, {"file_search": 1}),
    "the vendor's count": (
        {"output": [call("web_search_call")], "tool_usage": {"web_search": {"num_requests": 4}}},
        None,
        {"web_search": 4},
    ),
    "metadata that look like a tier": (
        {"metadata": {"service_tier": "flex"}, "service_tier": "priority"},
        "priority",
        {},
    ),
}


@pytest.mark.parametrize(("body", "tier", "calls"), BODIES.values(), ids=BODIES)
@pytest.mark.parametrize("usage_first", [False, True])
def test_what_is_charged_besides_tokens(
    body: dict[str, Any], tier: str | None, calls: dict[str, int], usage_first: bool
) -> None:
    whole = {"usage": COUNTS, **body} if usage_first else {**body, "usage": COUNTS}
    event = json.dumps({"type": "response.completed", "response": whole, "sequence_number": 9})

    decoded = add_charges(decode_usage(COUNTS), whole)
    from_body = usage_of(b"", json.dumps(whole))
    from_stream = usage_of(b"", b"data: {}\n\nevent: response.completed\ndata: " + event + b"\n\n")

    assert decoded is not None
    assert (decoded.service_tier, decoded.tool_calls or {}) == (tier, calls)
    for found in (from_body, from_stream):
        assert found is not None
        assert (found.input_tokens, found.tool_calls or {}) == (10, calls)
        assert found.service_tier in (tier, None if tier == "default" else tier)
