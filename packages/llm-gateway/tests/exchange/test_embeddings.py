"""Embedding requests of every shape are seen by plugins, and come back in their shape."""

from __future__ import annotations

from typing import Any

import pytest

from llm_gateway.exchange.embeddings import EmbeddingReader, has_token_lists, write_embedding
from llm_gateway_sdk import GatewayError, LLMRequest, Message, TextPart, WireRequest
from llm_gateway_sdk.wire import json

BODIES: list[dict[str, Any]] = [
    {"model": "m", "input": "SECRET", "user": "SECRET"},
    {"model": "m", "input": ["SECRET", "b"], "dimensions": 3},
    {"model": "m", "input": [{"text": "SECRET"}, {"image": "SECRET"}]},
    {"model": "m", "input": [["x", "SECRET"], ["y"]]},
    {"model": "m", "messages": [{"role": "user", "content": [{"type": "text", "text": "SECRET"}]}]},
    {"content": {"parts": [{"text": "SECRET"}]}, "title": "SECRET", "taskType": "RETRIEVAL_QUERY"},
    {"requests": [{"model": "models/m", "content": {"parts": [{"text": "SECRET"}]}, "title": "SECRET"}]},
    {
        "requests": [
            {
                "params": {
                    "system": [{"type": "text", "text": "SECRET"}],
                    "messages": [
                        {
                            "role": "user",
                            "content": [{"type": "tool_result", "content": [{"type": "text", "text": "SECRET"}]}],
                        },
                        {
                            "role": "user",
                            "content": [{"type": "tool_result", "content": "SECRET"}, {"type": "text", "text": "a"}],
                        },
                    ],
                }
            }
        ]
    },
    {"model": "m", "anything": {"deep": ["SECRET"]}, "extra_body": "SECRET"},
]


@pytest.mark.parametrize("body", BODIES)
def test_every_string_is_seen_and_put_back(body: dict[str, Any]) -> None:
    original = json.dumps(body)
    request, _ = EmbeddingReader().decode_request(WireRequest(body=original))

    assert write_embedding(original, request) == original
    request.map_text(lambda text: text.replace("SECRET", "hidden"), kinds=None)
    assert write_embedding(original, request) == original.replace(b"SECRET", b"hidden")


def test_what_is_embedded_is_the_users_text() -> None:
    request, _ = EmbeddingReader().decode_request(WireRequest(body=json.dumps(BODIES[6])))
    assert [(message.role, message.text) for message in request.messages] == [("user", "SECRET")]


def test_parts_of_one_content_are_parts_of_one_message_and_what_tools_answered_is_known() -> None:
    parts = [{"type": "text", "text": text} for text in ("a", "b")]
    body = {"messages": [{"role": "user", "content": parts}, {"role": "tool", "content": parts}], "input": ["c", "d"]}
    request, _ = EmbeddingReader().decode_request(WireRequest(body=json.dumps(body)))

    assert [(message.role, message.text) for message in request.messages] == [
        ("user", "c"), ("user", "d"), ("user", "ab"), ("tool", ""),
    ]  # fmt: skip
    assert [place.kind for place in request.messages[3].texts()] == ["tool_result", "tool_result"]


@pytest.mark.parametrize(
    ("inputs", "found"), [([1, 2], True), ([[1], [2]], True), (["a", [2]], True), ("a", False), (["a"], False)]
)
def test_lists_of_tokens_are_known(inputs: Any, found: bool) -> None:
    request, _ = EmbeddingReader().decode_request(WireRequest(body=json.dumps({"input": inputs})))
    assert has_token_lists(request) is found


def test_an_input_more_can_not_be_expressed() -> None:
    original = json.dumps(BODIES[0])
    request, _ = EmbeddingReader().decode_request(WireRequest(body=original))
    request.messages.append(Message("user", [TextPart("more")]))

    with pytest.raises(GatewayError, match="added or removed"):
        write_embedding(original, request)
    assert isinstance(request, LLMRequest)
