"""Cohere's rerank, read and written."""

from __future__ import annotations

from typing import Any

import pytest

from llm_gateway.operations.rerank.cohere import CohereRerank
from llm_gateway_sdk import DialectError, Mint, Target, Usage, WireReply, WireRequest
from llm_gateway_sdk.losses import Losses
from llm_gateway_sdk.operations.rerank import Ranked, RerankReply, RerankRequest
from llm_gateway_sdk.wire import json

FORM = CohereRerank("/v2/rerank")
MINT = Mint(lambda prefix: f"{prefix}1", lambda: 7)


def read(**body: Any) -> RerankRequest:
    return FORM.decode_request(
        WireRequest(body=json.dumps({"model": "mine", "query": "q", "documents": ["a", "b"], **body}))
    )


def test_every_field_is_read_and_written_again() -> None:
    body = {"top_n": 1, "max_tokens_per_doc": 100, "priority": 3}
    wire = FORM.encode_request(read(**body), Target(model="theirs"), Losses())

    assert wire.path == "/v2/rerank"
    assert json.loads(wire.body) == {"model": "theirs", "query": "q", "documents": ["a", "b"], **body}


@pytest.mark.parametrize(
    ("documents", "fields", "texts"),
    [
        (["a", {"text": "b"}], None, ["a", "b"]),
        ([{"title": "T", "body": "B", "x": 1}], ["title", "body", "absent"], ["title: T\nbody: B"]),
        ([{"title": "T"}], None, ['{"title":"T"}']),
    ],
    ids=["texts", "ranked fields", "objects"],
)
def test_documents_are_texts_or_objects(documents: list[Any], fields: Any, texts: list[str]) -> None:
    request = read(documents=documents, rank_fields=fields)

    assert request.documents == texts
    assert request.originals == documents


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"documents": None}, "documents"),
        ({"documents": []}, "documents"),
        ({"documents": ["a", 1]}, "documents[1]"),
        ({"query": None}, "query"),
        ({"top_n": 0}, "top_n"),
    ],
    ids=str,
)
def test_what_is_wrong_is_named(body: dict[str, Any], path: str) -> None:
    with pytest.raises(DialectError) as caught:
        read(**body)

    assert caught.value.path == path


def test_documents_come_back_as_the_client_wrote_them() -> None:
    request = read(documents=["a", {"text": "b", "id": 7}], return_documents=True)
    reply = RerankReply([Ranked(1, 0.9), Ranked(0, 0.1)], usage=Usage(input_tokens=5), search_units=1)

    body = json.loads(FORM.encode_reply(reply, request, MINT).body)

    assert [result["document"] for result in body["results"]] == [{"text": "b", "id": 7}, {"text": "a"}]
    assert body["id"] == "rerank-1"
    assert FORM.usage_of(body) == Usage(input_tokens=5)
    assert FORM.decode_reply(WireReply(200, body=json.dumps(body)), request).search_units == 1


def test_tokens_of_vllm_are_counted() -> None:
    assert FORM.usage_of({"usage": {"total_tokens": 9}}) == Usage(input_tokens=9)
    assert FORM.usage_of({"usage": None, "meta": None}) is None
