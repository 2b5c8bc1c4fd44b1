"""Cohere's embeddings, read and written."""

from __future__ import annotations

from typing import Any

import pytest
from embedding_cases import MINT, asked, written

from llm_gateway.operations.embeddings.cohere import CohereEmbeddings, billed_tokens
from llm_gateway_sdk import DialectError, Target, Usage, WireReply, WireRequest
from llm_gateway_sdk.operations.embeddings import EmbeddingReply, EmbeddingRequest, Purpose
from llm_gateway_sdk.wire import json

FORM = CohereEmbeddings()


def read(**body: Any) -> EmbeddingRequest:
    return FORM.decode_request(WireRequest(body=json.dumps({"model": "mine", "texts": ["a", "b"], **body})))


def test_every_field_is_read() -> None:
    request = read(
        input_type="search_query", embedding_types=["float"], output_dimension=256, truncate="END", max_tokens=9
    )

    assert (request.model, request.inputs, request.dimensions) == ("mine", ["a", "b"], 256)
    assert (request.purpose, request.truncate) == ("query", True)
    assert request.provider_metadata == {"cohere": {"max_tokens": 9}}


@pytest.mark.parametrize(("word", "cut"), [(None, None), ("NONE", False), ("START", True), ("END", True)])
def test_truncation_is_left_open_asked_for_or_refused(word: str | None, cut: bool | None) -> None:
    assert read(truncate=word).truncate is cut


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"images": ["data:"]}, "embeds texts only"),
        ({"inputs": [{"content": []}]}, "embeds texts only"),
        ({"embedding_types": ["int8"]}, "floats only"),
        ({"embedding_types": ["float", "int8"]}, "floats only"),
        ({"texts": None}, "expected an array of strings"),
        ({"texts": ["a", 1]}, "expected an array of strings"),
        ({"output_dimension": 0}, "whole number"),
        ({"model": None}, "expected a string"),
    ],
    ids=str,
)
def test_what_other_providers_cannot_do_is_refused(body: dict[str, Any], message: str) -> None:
    with pytest.raises(DialectError, match=message):
        read(**body)


@pytest.mark.parametrize(
    ("purpose", "word"),
    [(None, "search_document"), ("query", "search_query"), ("similarity", "clustering"), ("code", "search_query")],
)
def test_a_purpose_is_always_given_for_the_api_requires_one(purpose: Purpose | None, word: str) -> None:
    body, lost = written(FORM, asked(purpose=purpose))

    assert (body["input_type"], lost) == (word, [])


def test_the_own_word_of_a_client_of_openai_goes_first_and_is_not_reported_as_lost() -> None:
    request = asked(purpose="query", provider_metadata={"openai": {"input_type": "classification", "other": 1}})

    body, lost = written(FORM, request)

    assert (body["input_type"], lost) == ("classification", ["other"])


def test_what_the_api_has_no_field_for_is_reported() -> None:
    body, lost = written(FORM, asked(user="u", titles=["t", None], dimensions=3, truncate=False))

    assert lost == ["titles", "user"]
    assert (body["output_dimension"], body["truncate"], body["embedding_types"]) == (3, "NONE", ["float"])


def test_vectors_of_another_element_are_refused() -> None:
    with pytest.raises(DialectError, match="floats only, not of int8"):
        written(FORM, asked(element="int8"))


@pytest.mark.parametrize("embeddings", [{"float": [[1.0], [2.0]]}, [[1.0], [2.0]]], ids=["by type", "floats"])
def test_both_shapes_of_replies_are_read(embeddings: Any) -> None:
    body = {"id": "x", "embeddings": embeddings, "meta": {"billed_units": {"input_tokens": 4}}}

    reply = FORM.decode_reply(WireReply(200, body=json.dumps(body)), asked())

    assert reply == EmbeddingReply([[1.0], [2.0]], "", Usage(input_tokens=4), "x")


@pytest.mark.parametrize("embeddings", [None, {"int8": [[1]]}, "text", [["a"]]], ids=["none", "int8", "text", "texts"])
def test_a_reply_without_vectors_is_a_failure(embeddings: Any) -> None:
    with pytest.raises(DialectError, match="expected"):
        FORM.decode_reply(WireReply(200, body=json.dumps({"embeddings": embeddings})), asked())


def test_a_reply_is_written_with_the_clients_texts() -> None:
    wire = FORM.encode_reply(EmbeddingReply([[1.0], [2.0]], usage=Usage(input_tokens=4)), asked(), MINT)
    body = json.loads(wire.body)

    assert (body["id"], body["embeddings"], body["texts"]) == ("emb-1", {"float": [[1.0], [2.0]]}, ["a", "b"])
    assert FORM.usage_of(body) == Usage(input_tokens=4)


@pytest.mark.parametrize(
    ("meta", "tokens"),
    [
        ({"billed_units": {"input_tokens": 3}, "tokens": {"input_tokens": 5}}, 3),
        ({"billed_units": {"search_units": 1}, "tokens": {"input_tokens": 5}}, 5),
        ({"billed_units": {"input_tokens": 3.0}}, 3),
        ({"billed_units": None}, None),
        (None, None),
        ("text", None),
    ],
    ids=str,
)
def test_billed_tokens_go_before_counted_ones(meta: Any, tokens: int | None) -> None:
    assert billed_tokens({"meta": meta}) == tokens


def test_one_call_takes_96_texts() -> None:
    assert FORM.most_inputs(Target(model="m")) == 96
