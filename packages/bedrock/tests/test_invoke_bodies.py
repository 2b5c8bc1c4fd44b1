"""Whose body a request of InvokeModel has, and how it is read."""

from __future__ import annotations

import json
from typing import Any

import pytest
from llm_gateway_bedrock.invoke_bodies import FieldsOfBody, family_of, inner_dialect, unwrap

from llm_gateway_sdk import DialectError, WireRequest

MESSAGES = [{"role": "user", "content": "hi"}]
BLOCKS = [{"role": "user", "content": [{"text": "hi"}]}]


def wire(body: dict[str, Any], operation: str = "invoke") -> WireRequest:
    return WireRequest("POST", f"/model/some%2Fmodel%3A0/{operation}", body=json.dumps(body).encode())


@pytest.mark.parametrize(
    ("body", "family"),
    [
        ({"anthropic_version": "bedrock-2023-05-31", "messages": MESSAGES}, "anthropic"),
        ({"messages": MESSAGES, "max_tokens": 5}, "openai_chat"),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}]}, "openai_chat"),
        ({"messages": BLOCKS}, "bedrock"),
        ({"schemaVersion": "messages-v1", "messages": BLOCKS, "inferenceConfig": {"maxTokens": 5}}, "bedrock"),
    ],
    ids=["anthropic", "openai", "openai-parts", "nova", "nova-version"],
)
def test_a_body_is_known_by_its_fields(body: dict[str, Any], family: str) -> None:
    assert family_of(body) == family
    assert unwrap(wire(body))[0] == family


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"inputText": "a"}, "embeddings"),
        ({"texts": ["a"], "input_type": "search_query"}, "embeddings"),
        ({"inputText": "a", "textGenerationConfig": {}}, "use Converse"),
        ({"prompt": "a", "max_gen_len": 5}, "use Converse"),
        ({"messages": "hi"}, "expected a list"),
    ],
    ids=["titan-embeddings", "cohere-embeddings", "titan", "llama", "messages"],
)
def test_a_body_of_another_kind_is_refused_by_name(body: dict[str, Any], message: str) -> None:
    with pytest.raises(DialectError, match=message):
        unwrap(wire(body))


def test_model_stream_and_betas_are_where_the_own_api_has_them() -> None:
    body = {"anthropic_version": "x", "anthropic_beta": ["a", "b"], "max_tokens": 5, "messages": MESSAGES}

    _, inner = unwrap(wire(body, "invoke-with-response-stream"))

    assert json.loads(inner.body) == {
        "max_tokens": 5, "messages": MESSAGES, "model": "some/model:0", "stream": True,
    }  # fmt: skip
    assert inner.headers.get("anthropic-beta") == "a,b"


def test_fields_have_the_names_of_the_bodys_own_api() -> None:
    fields = FieldsOfBody()
    claude = json.dumps({"anthropic_version": "x", "stop_sequences": []}).encode()
    nova = json.dumps({"inferenceConfig": {}, "messages": BLOCKS}).encode()

    assert fields.spell("stop", claude) == "stop_sequences"
    assert fields.spell("stop", nova) == "inferenceConfig.stopSequences"
    assert fields.spell("stop", b"nonsense") == "stop"


def test_the_dialects_of_the_gateway_are_found() -> None:
    assert inner_dialect("anthropic").name == "anthropic"
    assert inner_dialect("openai_chat").name == "openai_chat"
