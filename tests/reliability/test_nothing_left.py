"""A request that is over is freed there and then. What waited for the garbage collector would stay for minutes, because
its full collections are put off while there are heavy bodies: at 60 MB each, the memory would not last."""

from __future__ import annotations

import gc
from typing import Any

import pytest

from llm_gateway.testing import GatewayClient
from llm_gateway_sdk import RequestContext

CONFIGURATION = """
models: [{name: echo, isDefault: true, provider: {type: echo}}]
plugins:
  - {name: log, type: logger}
  - {name: hide, type: regex-hider, config: {patterns: [{pattern: '[0-9]{9}'}]}}
  - {name: route, type: model-router, config: {models: [{name: echo}], strategy: sticky}}
  - {name: count, type: limits, config: {limits: [{name: all, per: [project], tokens: 1000000, window: 1m}]}}
"""
TEXT = "hello"
CHAT: dict[str, Any] = {"model": "echo", "messages": [{"role": "user", "content": TEXT}], "max_tokens": 9}
PARTS = [{"role": "user", "parts": [{"text": TEXT}]}]
ASKED = {
    "chat": ("/openai/v1/chat/completions", CHAT),
    "chat, streamed": ("/openai/v1/chat/completions", {**CHAT, "stream": True}),
    "responses": ("/openai/v1/responses", {"model": "echo", "input": TEXT}),
    "responses, streamed": ("/openai/v1/responses", {"model": "echo", "input": TEXT, "stream": True}),
    "responses, not kept": ("/openai/v1/responses", {"model": "echo", "input": TEXT, "store": False}),
    "messages": ("/anthropic/v1/messages", CHAT),
    "messages, streamed": ("/anthropic/v1/messages", {**CHAT, "stream": True}),
    "gemini": ("/gemini/v1beta/models/echo:generateContent", {"contents": PARTS}),
    "gemini, streamed": ("/gemini/v1beta/models/echo:streamGenerateContent", {"contents": PARTS}),
    "bedrock": ("/bedrock/model/echo/converse", {"messages": [{"role": "user", "content": [{"text": TEXT}]}]}),
    "count": ("/anthropic/v1/messages/count_tokens", CHAT),
    "an error": ("/openai/v1/chat/completions", {**CHAT, "messages": 7}),
    "an unknown response": ("/openai/v1/responses", {"model": "echo", "input": TEXT, "previous_response_id": "resp_9"}),
}


@pytest.fixture(scope="module")
def gateway() -> Any:
    with GatewayClient(CONFIGURATION) as client:
        yield client


@pytest.mark.parametrize("asked", ASKED)
def test_a_finished_request_is_not_left_to_the_garbage_collector(gateway: GatewayClient, asked: str) -> None:
    path, body = ASKED[asked]
    gateway.post(path, body)
    gc.collect()
    gc.disable()
    try:
        before = contexts()
        for _ in range(3):
            gateway.post(path, body)
        assert contexts() <= before
    finally:
        gc.enable()


def contexts() -> int:
    """Of requests; the client of the test holds that of the last one."""
    return sum([isinstance(found, RequestContext) for found in gc.get_objects()])
