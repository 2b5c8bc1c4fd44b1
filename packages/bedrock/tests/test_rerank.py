"""Rerank on Bedrock, as it is sent and read."""

from __future__ import annotations

from typing import Any

import pytest
from llm_gateway_bedrock.rerank import BedrockRerank

from llm_gateway_sdk import DialectError, Headers, Target, Usage, WireReply
from llm_gateway_sdk.losses import Losses
from llm_gateway_sdk.operations.rerank import RerankReply, RerankRequest
from llm_gateway_sdk.wire import json

FORM = BedrockRerank()


def sent(model: str, **fields: Any) -> tuple[str, dict[str, Any], list[str]]:
    losses = Losses()
    wire = FORM.encode_request(RerankRequest("mine", "q", ["a", "b"], **fields), Target(model=model), losses)
    return wire.path, json.loads(wire.body), sorted(loss.path for loss in losses)


def read(body: Any, **headers: str) -> RerankReply:
    named = Headers.of([(name.replace("_", "-"), value) for name, value in headers.items()])
    return FORM.decode_reply(WireReply(200, named, json.dumps(body)), RerankRequest("mine", "q", ["a", "b"]))


def test_cohere_s_model_takes_its_own_second_version() -> None:
    path, body, lost = sent("cohere.rerank-v3-5:0", top=1, max_tokens_per_document=100)

    assert path == "/model/cohere.rerank-v3-5%3A0/invoke"
    assert body == {"query": "q", "documents": ["a", "b"], "top_n": 1, "api_version": 2, "max_tokens_per_doc": 100}
    assert lost == []


def test_amazon_s_model_has_no_limit_per_document() -> None:
    _, body, lost = sent("amazon.rerank-v1:0", max_tokens_per_document=100, provider_metadata={"cohere": {"x": 1}})

    assert body == {"query": "q", "documents": ["a", "b"]}
    assert lost == ["max_tokens_per_document", "x"]


@pytest.mark.parametrize(
    ("counted", "usage"), [("12", Usage(input_tokens=12)), ("many", None), ("²", None), ("", None)]
)
def test_tokens_are_counted_in_a_header(counted: str, usage: Usage | None) -> None:
    body = {"results": [{"index": 0, "relevance_score": 0.1}, {"index": 1, "relevance_score": 0.9}]}
    reply = read(body, x_amzn_bedrock_input_token_count=counted)

    assert [each.index for each in reply.results] == [1, 0]
    assert reply.usage == usage


@pytest.mark.parametrize(
    "results",
    [None, {}, ["text"], [{"index": 2, "relevance_score": 1}], [{"index": 0}], [{"index": 0, "relevance_score": True}]],
    ids=str,
)
def test_results_that_name_no_document_are_a_failure(results: Any) -> None:
    with pytest.raises(DialectError):
        read({"results": results})
