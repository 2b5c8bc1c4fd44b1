"""Replies of both endpoints, whole and as lines of a stream."""

from __future__ import annotations

import json
from typing import Any

import pytest
from llm_gateway_ollama import Ollama
from llm_gateway_ollama.request import OllamaEcho

from llm_gateway_sdk import (
    Choice,
    DialectError,
    Headers,
    LLMResponse,
    Losses,
    Message,
    RefusalPart,
    TextPart,
    ThinkingPart,
    Usage,
    WireReply,
)
from llm_gateway_sdk.testing.dialect_laws import counting_mint

DIALECT = Ollama()
LOGPROBS = [{"token": "Hi", "logprob": -0.5, "top_logprobs": [{"token": "Hi", "logprob": -0.5}]}]
CHAT = {
    "model": "m", "created_at": "2026-01-02T03:04:05.123456789Z", "done": True, "done_reason": "length",
    "message": {"role": "assistant", "content": "Hi", "thinking": "hm",
                "tool_calls": [{"function": {"index": 0, "name": "f", "arguments": {"a": 1}}}]},
    "prompt_eval_count": 7, "eval_count": 3, "total_duration": 12, "logprobs": LOGPROBS,
}  # fmt: skip
GENERATE = {
    "model": "m", "created_at": "2026-01-02T03:04:05Z", "done": True, "response": "Hi", "thinking": "hm",
    "context": [1, 2], "eval_count": 3,
}  # fmt: skip


def read(body: Any) -> LLMResponse:
    return DIALECT.decode_response(WireReply(200, Headers(), json.dumps(body).encode()), counting_mint())


def test_a_reply_of_chat_is_read() -> None:
    reply = read(CHAT)

    assert (reply.text, reply.thinking, reply.finish_reason) == ("Hi", "hm", "length")
    assert [(call.name, call.arguments) for call in reply.tool_calls] == [("f", '{"a":1}')]
    assert reply.tool_calls[0].id
    assert reply.usage == Usage(7, 3)
    assert reply.choices[0].logprobs == {"content": LOGPROBS}
    assert reply.created == 1767323045


def test_a_reply_of_generate_is_read() -> None:
    reply = read(GENERATE)

    assert (reply.text, reply.thinking, reply.finish_reason) == ("Hi", "hm", "stop")
    assert reply.usage == Usage(None, 3)


@pytest.mark.parametrize("generate", [False, True])
def test_each_endpoint_has_its_own_form(generate: bool) -> None:
    parts = [ThinkingPart("hm"), TextPart("A "), RefusalPart("b")]
    reply = LLMResponse(model="m", created=0, choices=[Choice(0, Message("assistant", [*parts]), "stop")])
    reply.choices[0].logprobs = {"content": LOGPROBS}

    wire = DIALECT.encode_response(reply, OllamaEcho("asked", False, generate), counting_mint(), Losses("response"))

    body = json.loads(wire.body)
    held = body if generate else body["message"]
    assert held["response" if generate else "content"] == "A b"
    assert (held["thinking"], body["done"], body["done_reason"], body["logprobs"]) == ("hm", True, "stop", LOGPROBS)
    assert ("message" in body) is not generate


def test_usage_is_found_without_decoding() -> None:
    assert DIALECT.usage_of(b"", json.dumps(CHAT).encode()) == Usage(7, 3)
    lines = b'{"done":false}\n' + json.dumps(GENERATE).encode() + b"\n"
    assert DIALECT.usage_of(lines, lines) == Usage(None, 3)
    assert DIALECT.usage_of(b"", b"nonsense") is None


def test_a_reply_of_another_kind_is_refused() -> None:
    with pytest.raises(DialectError):
        read({"message": "Hi", "done": True})
