"""Rerank in canonical form: what a form leaves out is open, and results are checked."""

from __future__ import annotations

from typing import Any

import pytest

from llm_gateway_sdk import DialectError
from llm_gateway_sdk.operations.rerank import Ranked, RerankReply, RerankRequest, decode_results


def test_what_is_left_out_is_left_to_the_provider() -> None:
    request = RerankRequest("m", "query", ["a", "b"])

    assert (request.top, request.max_tokens_per_document, request.truncate) == (None, None, None)
    assert request.return_documents is False


def test_two_requests_share_nothing() -> None:
    one, other = RerankRequest("m", "q", ["a"]), RerankRequest("m", "q", ["a"])
    one.originals.append("a")
    one.provider_metadata["cohere"] = {"rank_fields": ["text"]}

    assert (other.originals, other.provider_metadata) == ([], {})


def test_counts_that_no_provider_reports_are_unknown_and_not_zero() -> None:
    reply = RerankReply([Ranked(1, 0.9), Ranked(0, 0.1)])

    assert (reply.usage, reply.search_units) == (None, None)
    assert [each.index for each in reply.results] == [1, 0]


def test_results_are_sorted_by_their_score() -> None:
    found = [
        {"index": 0, "relevance_score": 0.1},
        {"index": 2, "relevanceScore": 0.7},
        {"index": 1, "relevance_score": 1},
    ]

    assert [each.index for each in decode_results(found, 3)] == [1, 2, 0]


@pytest.mark.parametrize(
    "result",
    ["text", {"index": 3, "relevance_score": 0.1}, {"index": -1, "relevance_score": 0.1},
     {"index": True, "relevance_score": 0.1},
     {"index": 0}, {"index": 0, "relevance_score": "high"}, {"index": 0, "relevance_score": True}],
    ids=str,
)  # fmt: skip
def test_a_result_that_names_no_document_is_a_failure(result: Any) -> None:
    with pytest.raises(DialectError, match="index of a document and a relevance score"):
        decode_results([result], 3)
