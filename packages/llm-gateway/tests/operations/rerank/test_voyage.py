"""Voyage's rerank, as it is sent and read."""

from __future__ import annotations

from llm_gateway.operations.rerank.voyage import VoyageRerank
from llm_gateway_sdk import Target, Usage, WireReply
from llm_gateway_sdk.losses import Losses
from llm_gateway_sdk.operations.rerank import RerankRequest
from llm_gateway_sdk.wire import json

FORM = VoyageRerank()


def test_every_field_is_sent_under_voyages_name_and_the_rest_is_reported() -> None:
    losses = Losses()
    request = RerankRequest("mine", "q", ["a", "b"], top=1, truncate=False, max_tokens_per_document=100)

    wire = FORM.encode_request(request, Target(model="theirs"), losses)

    assert json.loads(wire.body) == {
        "model": "theirs", "query": "q", "documents": ["a", "b"], "top_k": 1, "truncation": False,
    }  # fmt: skip
    assert [loss.path for loss in losses] == ["max_tokens_per_document"]


def test_results_are_in_data() -> None:
    body = {
        "object": "list", "model": "rerank-2", "usage": {"total_tokens": 8},
        "data": [{"index": 0, "relevance_score": 0.2}, {"index": 1, "relevance_score": 0.9}],
    }  # fmt: skip
    reply = FORM.decode_reply(WireReply(200, body=json.dumps(body)), RerankRequest("mine", "q", ["a", "b"]))

    assert [each.index for each in reply.results] == [1, 0]
    assert (reply.model, reply.usage) == ("rerank-2", Usage(input_tokens=8))
