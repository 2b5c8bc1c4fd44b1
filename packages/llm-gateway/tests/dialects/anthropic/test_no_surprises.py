"""Whatever JSON comes, a decoder gives a value or a DialectError."""

from __future__ import annotations

import contextlib
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from llm_gateway.dialects.anthropic import Anthropic
from llm_gateway_sdk import DialectError, Echo, Headers, Losses, Mint, Target, WireReply, WireRequest
from llm_gateway_sdk.wire import json

DIALECT = Anthropic()
MINT = Mint(lambda prefix: f"{prefix}1", lambda: 7)

SCALARS = st.none() | st.booleans() | st.integers(-5, 5) | st.floats(-2, 2) | st.text(max_size=4)
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2)
)
TYPES = st.sampled_from(
    [
        "text", "thinking", "redacted_thinking", "tool_use", "tool_result", "image", "document", "search_result",
        "base64", "url", "file", "content", "custom", "auto", "any", "tool", "enabled", "adaptive", "json_schema",
        "new",
    ]
)  # fmt: skip
KEYS = [
    "text", "thinking", "signature", "data", "id", "name", "input", "tool_use_id", "content", "source", "title",
    "citations", "cache_control", "media_type", "url", "file_id", "budget_tokens", "display", "schema", "role",
    "input_schema", "description", "strict", "ttl", "is_error", "effort", "format", "user_id",
]  # fmt: skip


def _objects(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    keys = st.sampled_from(KEYS)
    return st.builds(lambda kind, rest: {"type": kind, **rest}, TYPES, st.dictionaries(keys, inner, max_size=4))


NODES = st.recursive(JSON, lambda inner: _objects(inner) | st.lists(inner, max_size=3), max_leaves=12)
MESSAGES = st.lists(
    st.fixed_dictionaries({"role": st.sampled_from(["user", "assistant", "system", "new"]), "content": NODES}),
    max_size=4,
)
NODE_FIELDS = [
    "system", "tools", "tool_choice", "thinking", "output_config", "output_format", "metadata", "max_tokens",
    "stop_sequences", "cache_control", "temperature", "stream", "_version", "mcp_servers",
]  # fmt: skip
BODIES = st.fixed_dictionaries(
    {}, optional={"messages": MESSAGES | NODES, "model": SCALARS, **dict.fromkeys(NODE_FIELDS, NODES)}
)


@settings(max_examples=150, deadline=None)
@given(BODIES)
def test_requests(body: Any) -> None:
    with contextlib.suppress(DialectError):
        request, _ = DIALECT.decode_request(WireRequest(headers=Headers(), body=json.dumps(body)))
        for version in (None, "2026-10-21"):
            DIALECT.encode_request(request, Target("m", api_version=version), Losses())


@settings(max_examples=80, deadline=None)
@given(st.fixed_dictionaries({"content": NODES}, optional=dict.fromkeys(("usage", "stop_reason", "id"), NODES)))
def test_replies(body: Any) -> None:
    with contextlib.suppress(DialectError):
        response = DIALECT.decode_response(WireReply(body=json.dumps(body)), MINT)
        DIALECT.encode_response(response, Echo(), MINT, Losses("response"))


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=40) | JSON.map(json.dumps) | NODES.map(lambda node: json.dumps({"error": node})))
def test_errors(body: bytes) -> None:
    assert DIALECT.encode_error(DIALECT.decode_error(WireReply(500, Headers(), body))).status >= 400


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=60))
def test_bytes(body: bytes) -> None:
    with contextlib.suppress(DialectError):
        DIALECT.decode_request(WireRequest(body=body))
    with contextlib.suppress(DialectError):
        DIALECT.decode_response(WireReply(body=body), MINT)
    with contextlib.suppress(DialectError):
        DIALECT.stream_decoder(MINT).feed(body + b"\n\n")
    DIALECT.event_kind(body)
    DIALECT.usage_of(body, body)
