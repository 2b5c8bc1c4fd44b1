"""Jina's rerank, as it is sent and read."""

from __future__ import annotations

from typing import Any

import pytest

from llm_gateway.operations.rerank.jina import JinaRerank
from llm_gateway_sdk import DialectError, Target, Usage, WireReply
from llm_gateway_sdk.losses import Losses
from llm_gateway_sdk.operations.rerank import RerankRequest
from llm_gateway_sdk.wire import json

FORM = JinaRerank()


def sent(request: RerankRequest) -> tuple[dict[str, Any], list[str]]:
    losses = Losses()
    body = json.loads(FORM.encode_request(request, Target(model="theirs"), losses).body)
    return body, sorted(loss.path for loss in losses)


def test_every_field_is_sent_under_jinas_name() -> None:
    body, lost = sent(RerankRequest("mine", "q", ["a", "b"], top=1, max_tokens_per_document=100))

    # The gateway has the documents: they need not come back over the wire.
    assert body == {
        "model": "theirs", "query": "q", "documents": ["a", "b"], "top_n": 1, "max_doc_length": 100,
        "return_documents": False,
    }  # fmt: skip
    assert lost == []


def test_what_jina_has_no_field_for_is_reported() -> None:
    request = RerankRequest("mine", "q", ["a"], truncate=True, provider_metadata={"cohere": {"priority": 1}})

    assert sent(request)[1] == ["priority", "truncate"]


def test_a_reply_is_read() -> None:
    body = {"model": "jina-1", "usage": {"total_tokens": 8}, "results": [{"index": 0, "relevance_score": 0.5}]}
    reply = FORM.decode_reply(WireReply(200, body=json.dumps(body)), RerankRequest("mine", "q", ["a"]))

    assert (reply.model, reply.usage, reply.results[0].score) == ("jina-1", Usage(input_tokens=8), 0.5)


@pytest.mark.parametrize(
    "body", [b"[]", b"{}", b'{"results": {}}', b'{"results": [{"index": 1, "relevance_score": 1}]}']
)
def test_a_reply_of_another_shape_is_a_failure(body: bytes) -> None:
    with pytest.raises(DialectError):
        FORM.decode_reply(WireReply(200, body=body), RerankRequest("mine", "q", ["a"]))
