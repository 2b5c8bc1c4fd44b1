"""Embeddings on Bedrock: Titan's and Cohere's bodies."""

from __future__ import annotations

from typing import Any

import pytest
from llm_gateway_bedrock.embeddings import CohereOnBedrock, TitanEmbeddings, embeddings_of

from llm_gateway_sdk import DialectError, Headers, Target, Usage, WireReply
from llm_gateway_sdk.losses import Losses
from llm_gateway_sdk.operations.embeddings import EmbeddingRequest
from llm_gateway_sdk.operations.form import OperationForm
from llm_gateway_sdk.wire import json

TITAN, COHERE = TitanEmbeddings(), CohereOnBedrock()
BOTH = pytest.mark.parametrize("form", [TITAN, COHERE], ids=lambda form: form.name)


def sent(form: OperationForm[Any, Any], model: str, **fields: Any) -> tuple[dict[str, Any], list[str]]:
    losses = Losses()
    wire = form.encode_request(EmbeddingRequest("mine", ["a"], **fields), Target(model=model), losses)
    return json.loads(wire.body), sorted(loss.path for loss in losses)


@pytest.mark.parametrize(
    ("model", "form"),
    [
        ("amazon.titan-embed-text-v2:0", TITAN),
        ("arn:aws:bedrock:us-east-1::foundation-model/amazon.titan-embed-text-v2:0", TITAN),
        ("us.cohere.embed-v4:0", COHERE),
        ("amazon.nova-lite-v1:0", None),
    ],
)
def test_the_form_follows_from_the_models_id(model: str, form: OperationForm[Any, Any] | None) -> None:
    found = embeddings_of(model)

    assert type(found) is type(form)


def test_titan_takes_one_text_a_call() -> None:
    body, lost = sent(TITAN, "amazon.titan-embed-text-v2:0", dimensions=256, purpose="query", user="u", truncate=True)

    assert (body, lost) == ({"inputText": "a", "dimensions": 256}, ["purpose", "truncate", "user"])
    assert TITAN.most_inputs(Target(model="m")) == 1


def test_cohere_has_a_purpose_and_a_way_to_cut() -> None:
    body, lost = sent(COHERE, "cohere.embed-v4:0", dimensions=256, purpose="query", truncate=False, titles=["t"])

    assert body == {"texts": ["a"], "input_type": "search_query", "output_dimension": 256, "truncate": "NONE"}
    assert lost == ["titles"]
    assert sent(COHERE, "cohere.embed-v4:0")[0]["input_type"] == "search_document"


@pytest.mark.parametrize(
    ("form", "model"),
    [(TITAN, "amazon.titan-embed-text-v1"), (TITAN, "amazon.titan-embed-g1-text-02"),
     (COHERE, "cohere.embed-english-v3")],
    ids=["titan 1", "titan G1", "cohere 3"],
)  # fmt: skip
def test_models_with_vectors_of_one_length_refuse_another(form: OperationForm[Any, Any], model: str) -> None:
    with pytest.raises(DialectError, match="one length only"):
        sent(form, model, dimensions=256)


@BOTH
def test_tokens_and_other_elements_are_refused(form: OperationForm[Any, Any]) -> None:
    with pytest.raises(DialectError, match="another vocabulary"):
        form.encode_request(EmbeddingRequest("m", [[1]]), Target(model="m"), Losses())
    with pytest.raises(DialectError, match="not of int8"):
        sent(form, "m", element="int8")


def test_replies_are_read_with_their_counts() -> None:
    headers = Headers.of([("x-amzn-bedrock-input-token-count", "5")])
    request = EmbeddingRequest("m", ["a"])

    own = TITAN.decode_reply(WireReply(200, headers, b'{"embedding": [1.0], "inputTextTokenCount": 3}'), request)
    header = TITAN.decode_reply(WireReply(200, headers, b'{"embedding": [1.0]}'), request)
    floats = COHERE.decode_reply(WireReply(200, headers, b'{"embeddings": {"float": [[1.0]]}}'), request)

    assert [reply.usage for reply in (own, header, floats)] == [Usage(input_tokens=count) for count in (3, 5, 5)]
    assert [reply.vectors for reply in (own, header, floats)] == [[[1.0]]] * 3


@BOTH
@pytest.mark.parametrize("body", [b"[]", b"{}", b'{"embedding": "x", "embeddings": {"int8": []}}', b"\xff"])
def test_a_reply_without_vectors_is_a_failure(form: OperationForm[Any, Any], body: bytes) -> None:
    with pytest.raises(DialectError):
        form.decode_reply(WireReply(200, body=body), EmbeddingRequest("m", ["a"]))
