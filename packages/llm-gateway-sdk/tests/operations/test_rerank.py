"""Rerank in canonical form: what a form leaves out stays open."""

from __future__ import annotations

from llm_gateway_sdk.operations.rerank import Ranked, RerankReply, RerankRequest


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
