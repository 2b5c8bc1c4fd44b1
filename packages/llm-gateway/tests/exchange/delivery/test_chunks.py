"""What a stream repeats of a heavy request is encoded aside."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest

from llm_gateway.dialects.openai_responses.stream_encoder import ResponsesStreamEncoder
from llm_gateway.testing import GatewayClient

CONFIG = "models: [{name: echo, isDefault: true, provider: {type: echo}}]"
TOOL = {"type": "function", "name": "look", "parameters": {"type": "object"}, "description": "words " * 200_000}


def test_the_beginning_and_the_end_of_a_responses_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    encoders: dict[str, set[str]] = {"response.created": set(), "response.completed": set()}
    event = ResponsesStreamEncoder._event

    def watched(self: ResponsesStreamEncoder, kind: str, fields: dict[str, Any]) -> None:
        if kind in encoders:
            encoders[kind].add(threading.current_thread().name)
        event(self, kind, fields)

    monkeypatch.setattr(ResponsesStreamEncoder, "_event", watched)
    with GatewayClient(CONFIG) as client:
        body = {"model": "echo", "input": "hello", "tools": [TOOL], "stream": True}
        reply = client.post("/v1/responses", body)

    events = [json.loads(line[6:]) for line in reply.text.splitlines() if line.startswith("data: ")]
    assert all(name.startswith("heavy") for names in encoders.values() for name in names)
    assert all(encoders.values())
    assert [each["sequence_number"] for each in events] == list(range(len(events)))
    assert events[0]["response"]["tools"][0]["description"] == TOOL["description"]
    assert events[-1]["response"]["output"][0]["content"][0]["text"] == "hello"
