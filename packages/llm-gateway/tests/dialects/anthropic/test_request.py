"""Messages requests are read."""

from __future__ import annotations

from typing import Any

import pytest
from anthropic_requests import BODIES, DIALECT, again, decode

from llm_gateway_sdk import (
    DialectError,
    Losses,
    Target,
    WireRequest,
)
from llm_gateway_sdk.wire import json


@pytest.mark.parametrize("name", BODIES)
def test_a_request_keeps_its_meaning(name: str) -> None:
    assert again(BODIES[name]) == BODIES[name]


def test_counting_takes_what_fills_the_context_only() -> None:
    request = decode({**BODIES["everything else"], "max_tokens": None})

    wire = DIALECT.encode_count(request, Target("other"), Losses())

    assert wire.path == "/v1/messages/count_tokens"
    assert set(json.loads(wire.body)) == {"model", "messages", "output_config", "mcp_servers", "context_management"}


@pytest.mark.parametrize(
    ("body", "place"),
    [
        (b"no json", "the body"),
        (b"[]", "the body"),
        ({"messages": {}}, "messages: expected a list, found an object"),
        ({"messages": [1]}, r"messages\[0\]: expected an object, found a number"),
        (
            {"messages": [{"role": "user", "content": 5}]},
            r"messages\[0\].content: expected a string or a list of blocks",
        ),
        ({"messages": [{"role": "user", "content": [{"text": "x"}]}]}, r"messages\[0\].content\[0\].type"),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": 1}]}]}, r"content\[0\].text"),
        ({"max_tokens": "5"}, "max_tokens: expected an integer, found a string"),
        ({"max_tokens": True}, "max_tokens: expected an integer, found a boolean"),
        ({"stream": "yes"}, "stream: expected a boolean"),
        ({"tools": [{"name": 1}]}, r"tools\[0\].name"),
        ({"tool_choice": {"type": 3}}, "tool_choice.type"),
        ({"thinking": {"type": "enabled", "budget_tokens": "x"}}, "thinking.budget_tokens"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(body: Any, place: str) -> None:
    wire = WireRequest(body=body if isinstance(body, bytes) else json.dumps(body))

    with pytest.raises(DialectError, match=place):
        DIALECT.decode_request(wire)


def test_a_client_cannot_forge_the_marks_that_decoding_leaves() -> None:
    body = {**BODIES["plain"], "_version": 5, "_betas": ["x"], "_turn": True}

    wire = DIALECT.encode_request(decode(body), Target("m"), Losses())

    assert wire.headers.get("anthropic-version") == "2023-06-01"
    assert "anthropic-beta" not in wire.headers
