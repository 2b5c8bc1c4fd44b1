"""Embeddings as clients of Ollama ask for them, and as its servers are asked."""

from __future__ import annotations

import json
from typing import Any

import pytest
from llm_gateway_ollama.embeddings import OllamaEmbeddings, OllamaPromptEmbedding

from llm_gateway_sdk import DialectError, Losses, Target, Usage, WireReply, WireRequest
from llm_gateway_sdk.operations.embeddings import EmbeddingReply, EmbeddingRequest
from llm_gateway_sdk.testing.dialect_laws import counting_mint

FORM, OLDER = OllamaEmbeddings(), OllamaPromptEmbedding()


def wire(body: dict[str, Any]) -> WireRequest:
    return WireRequest(body=json.dumps(body).encode())


def test_a_request_is_read_and_written() -> None:
    body = {"model": "m", "input": ["a", "b"], "dimensions": 3, "truncate": False, "options": {"num_ctx": 9}}
    losses = Losses()

    request = FORM.decode_request(wire(body))
    written = FORM.encode_request(request, Target("n"), losses)

    assert json.loads(written.body) == {**body, "model": "n"}
    assert (written.path, list(losses)) == ("/api/embed", [])


def test_one_text_is_a_list_of_one() -> None:
    request = FORM.decode_request(wire({"model": "m", "input": "a"}))

    assert (request.inputs, request.single) == (["a"], True)


def test_a_reply_is_read_and_written() -> None:
    body = {"model": "m", "embeddings": [[0.5, 1], [2, 3]], "prompt_eval_count": 4}
    request = EmbeddingRequest("m", ["a", "b"])

    reply = FORM.decode_reply(WireReply(200, body=json.dumps(body).encode()), request)

    assert (reply.vectors, reply.usage) == ([[0.5, 1], [2, 3]], Usage(4))
    assert json.loads(FORM.encode_reply(reply, request, counting_mint()).body) == body


def test_older_clients_ask_for_one_vector() -> None:
    request = OLDER.decode_request(wire({"model": "m", "prompt": "a", "keep_alive": "5m"}))
    losses = Losses()

    written = FORM.encode_request(request, Target("n"), losses)

    assert json.loads(written.body) == {"model": "n", "input": ["a"], "keep_alive": "5m"}
    reply = OLDER.encode_reply(EmbeddingReply([[0.5]]), request, counting_mint())
    assert json.loads(reply.body) == {"embedding": [0.5]}


@pytest.mark.parametrize(
    ("form", "body", "path"),
    [
        (FORM, {}, "input"), (FORM, {"input": []}, "input"), (FORM, {"input": [1]}, "input"), (OLDER, {}, "prompt"),
    ],
    ids=["none", "empty", "number", "older"],
)  # fmt: skip
def test_a_request_of_another_form_is_refused(form: OllamaEmbeddings, body: dict[str, Any], path: str) -> None:
    with pytest.raises(DialectError) as caught:
        form.decode_request(wire(body))

    assert caught.value.path == path


def test_what_the_server_has_no_field_for_is_reported() -> None:
    losses = Losses()
    request = EmbeddingRequest("m", ["a"], purpose="query", user="me", titles=["t"], provider_metadata={"x": {"y": 1}})

    FORM.encode_request(request, Target("m"), losses)

    assert {loss.path for loss in losses} == {"purpose", "user", "titles", "y"}
