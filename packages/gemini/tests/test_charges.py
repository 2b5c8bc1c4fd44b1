"""Grounding is charged per prompt by older models, per query by newer ones."""

from __future__ import annotations

from typing import Any

import pytest
from llm_gateway_gemini.bytewise import usage_of
from llm_gateway_gemini.charges import add_grounding

from llm_gateway_sdk import Usage
from llm_gateway_sdk.wire import json

QUERIES = {"webSearchQueries": ["one", "two"]}
MAPS = {"groundingChunks": [{"maps": {"uri": "https://maps.example"}}, {"web": {}}]}


def body(model: str, grounding: Any) -> dict[str, Any]:
    candidate = {"content": {"parts": [{"text": "a"}]}, "finishReason": "STOP", "groundingMetadata": grounding}
    counts = {"promptTokenCount": 7, "candidatesTokenCount": 3, "trafficType": "ON_DEMAND_FLEX"}
    return {"candidates": [candidate], "modelVersion": model, "usageMetadata": counts}


@pytest.mark.parametrize(
    ("model", "grounding", "calls"),
    [
        ("gemini-2.5-flash", QUERIES, {"web_search": 1}),
        ("gemini-3.1-pro", QUERIES, {"web_search": 2}),
        ("gemini-3.1-pro", {"webSearchQueries": []}, {}),
        ("gemini-2.5-flash", MAPS, {"maps_grounding": 1}),
        ("gemini-2.5-flash", None, {}),
    ],
    ids=["per prompt", "per query", "no query", "maps", "none"],
)
def test_grounding_is_counted_by_what_is_charged(model: str, grounding: Any, calls: dict[str, int]) -> None:
    reply = body(model, grounding)

    found = usage_of(b"", b"data: " + json.dumps(reply) + b"\n\n")

    assert found is not None
    assert (found.input_tokens, found.output_tokens, found.tool_calls or {}) == (7, 3, calls)
    assert found.service_tier == "ON_DEMAND_FLEX"


def test_grounding_without_counts_makes_no_counts() -> None:
    found = add_grounding(None, body("gemini-3.1-pro", QUERIES))

    assert found == Usage()
    assert found is not None
    assert found.tool_calls == {"web_search": 2}
