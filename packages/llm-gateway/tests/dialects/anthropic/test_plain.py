"""Which Messages requests are plain; that they are written as ever is in test_plain_pairs.py."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llm_gateway.dialects.anthropic.plain import read_plain, write_turns
from llm_gateway_sdk import Headers, WireRequest
from llm_gateway_sdk.dialects.plain import PlainTurn

HELLO = [{"role": "user", "content": "hello"}]
VERSION = ("anthropic-version", "2023-06-01")


def plain(body: dict[str, Any], *headers: tuple[str, str]) -> Any:
    return read_plain(
        WireRequest("POST", "/v1/messages", "", Headers(headers or (VERSION,)), json.dumps(body).encode())
    )


def test_the_system_prompt_is_the_first_turn() -> None:
    found = plain({"model": "m", "system": "be brief", "messages": HELLO})

    assert [(turn.role, turn.content) for turn in found.turns] == [("system", "be brief"), ("user", "hello")]


def test_requests_that_differ_in_their_texts_alone_have_the_same_rest() -> None:
    one = plain({"model": "m", "system": "be brief", "max_tokens": 1, "messages": HELLO})
    other = plain({"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": "bye"}]})
    third = plain({"model": "m", "max_tokens": 1.0, "messages": HELLO})

    assert one.rest == other.rest
    assert third.rest != one.rest


@pytest.mark.parametrize(
    "body",
    [
        {"messages": []},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "hello"}]}]},
        {"messages": [{"role": "user", "content": "hello", "x": 1}]},
        {"messages": [{"role": "system", "content": "be brief"}, *HELLO]},
        {"messages": [{"role": "moderator", "content": "hello"}]},
        {"messages": HELLO, "system": [{"type": "text", "text": "be brief"}]},
        {"messages": HELLO, "thinking": {"type": "adaptive"}},
        {"messages": HELLO, "output_config": {}},
        {"messages": HELLO, "something": None},
    ],
    ids=["no turn", "blocks", "a field", "a system turn", "a role", "system blocks", "thinking", "a form", "unknown"],
)
def test_anything_further_is_not_plain(body: dict[str, Any]) -> None:
    assert plain(body) is None


@pytest.mark.parametrize("headers", [[("x", "y")], [VERSION, ("anthropic-beta", "x")], [("anthropic-version", "1")]])
def test_another_version_or_a_beta_is_not_plain(headers: list[tuple[str, str]]) -> None:
    assert plain({"messages": HELLO}, *headers) is None


def test_blank_texts_are_left_to_the_general_way() -> None:
    assert write_turns([PlainTurn("system", " "), PlainTurn("user", "hello")], "openai_chat") is None
    assert write_turns([PlainTurn("user", "\n")], "openai_chat") is None
