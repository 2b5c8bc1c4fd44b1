"""Which Chat Completions requests are plain; that they are written as ever is in test_plain_pairs.py."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llm_gateway.dialects.openai_chat.plain import read_plain, write_turns
from llm_gateway_sdk import Headers, WireRequest
from llm_gateway_sdk.dialects.plain import PlainTurn

HELLO = [{"role": "user", "content": "hello"}]


def plain(body: dict[str, Any]) -> Any:
    return read_plain(WireRequest("POST", "/chat/completions", "", Headers(), json.dumps(body).encode()))


def test_requests_that_differ_in_their_texts_alone_have_the_same_rest() -> None:
    one = plain({"model": "m", "messages": HELLO, "user": "u"})
    other = plain({"user": "u", "model": "m", "messages": [{"role": "user", "content": "bye"}]})

    assert one.rest == other.rest
    assert plain({"model": "m", "messages": HELLO, "user": "v"}).rest != one.rest


@pytest.mark.parametrize(
    "body",
    [
        {"messages": []},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "hello"}]}]},
        {"messages": [{"role": "user", "content": "hello", "name": "x"}]},
        {"messages": [{"role": "tool", "content": "hello", "tool_call_id": "x"}]},
        {"messages": HELLO, "response_format": {"type": "json_object"}},
        {"messages": HELLO, "reasoning_effort": "low"},
        {"messages": HELLO, "store": True},
    ],
    ids=["no turn", "parts", "a name", "a result", "a form", "reasoning", "unknown"],
)
def test_anything_further_is_not_plain(body: dict[str, Any]) -> None:
    assert plain(body) is None


def test_a_conversation_that_ends_with_the_assistant_is_left_to_the_general_way() -> None:
    turns = [PlainTurn("user", "hello"), PlainTurn("assistant", "hi")]

    assert write_turns(turns, "anthropic") is None
    assert write_turns(turns[:1], "anthropic") == {"messages": turns[:1]}
