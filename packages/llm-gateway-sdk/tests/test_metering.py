"""Usage over the attempts of a request, each count with how it is known."""

from __future__ import annotations

import pytest

from llm_gateway_sdk import Choice, LLMResponse, Message, TextPart, ToolCallPart, Usage
from llm_gateway_sdk.context import Attempt, RequestMetrics
from llm_gateway_sdk.metering import MOST_PIECES, MOST_TOKENS, add_attempt, estimate_output, record, record_cut


def attempt() -> Attempt:
    return Attempt("m", "p")


def test_the_counts_of_all_attempts_are_added() -> None:
    metrics, first, second = RequestMetrics(), attempt(), attempt()
    record(first, Usage(10, 5, cache_read_tokens=4))
    record(second, Usage(10, 7))

    add_attempt(metrics, first)
    add_attempt(metrics, second)

    assert (metrics.input_tokens, metrics.output_tokens, metrics.total_tokens) == (20, 12, 32)
    assert (metrics.cache_read_tokens, metrics.input_precision) == (4, "exact")


def test_a_sum_is_known_as_well_as_its_weakest_part() -> None:
    metrics, whole, cut = RequestMetrics(), attempt(), attempt()
    record(whole, Usage(10, 5))
    record_cut(cut, None, input_tokens=9, output_tokens=3)

    add_attempt(metrics, whole)
    add_attempt(metrics, cut)

    assert (metrics.output_tokens, metrics.output_precision, metrics.usage_estimated) == (8, "estimated", True)


def test_a_count_that_is_not_known_is_not_zero() -> None:
    metrics, unknown = RequestMetrics(), attempt()
    record(unknown, None)

    add_attempt(metrics, unknown)

    assert (metrics.input_tokens, metrics.output_tokens, metrics.total_tokens) == (None, None, None)


def test_a_placeholder_of_a_beginning_gives_way_to_what_came() -> None:
    # Anthropic's `message_start` reports output_tokens 1 before there is any output.
    cut = attempt()
    record_cut(cut, Usage(12, 1), input_tokens=99, output_tokens=40)

    assert cut.usage is not None
    assert (cut.usage.input_tokens, cut.input_precision) == (12, "exact")
    assert (cut.usage.output_tokens, cut.output_precision) == (40, "estimated")


def test_what_a_provider_reports_on_the_way_is_partial() -> None:
    cut = attempt()
    record_cut(cut, Usage(12, 50), input_tokens=99, output_tokens=40)

    assert cut.usage is not None
    assert (cut.usage.output_tokens, cut.output_precision, cut.usage.estimated) == (50, "partial", False)


def test_texts_and_arguments_of_a_reply_are_estimated() -> None:
    parts = [TextPart("four words of text"), ToolCallPart("a", "f", '{"city": "Paris"}')]

    assert estimate_output(None) == 0
    assert estimate_output(LLMResponse(choices=[Choice(0, Message("assistant", [*parts]))])) >= 6


def test_usage_without_words_is_recorded_as_it_is() -> None:
    details = {"openai_chat": {"completion_tokens_details": {"accepted_prediction_tokens": 0}}}
    numbers = Usage(4, 2, service_tier="default", provider_metadata=details)
    words = Usage(4, 2, provider_metadata={"openai_chat": {"note": "a word", "count": 3}})
    first, second = Attempt("a", "openai/a", 0.0), Attempt("a", "openai/a", 0.0)

    record(first, numbers)
    record(second, words)

    assert first.usage is numbers
    assert numbers.service_tier == "standard"
    assert second.usage is not None
    assert second.usage.provider_metadata == {"openai_chat": {"count": 3}}
    assert words.provider_metadata["openai_chat"]["note"] == "a word"


@pytest.mark.parametrize("count", [-1, MOST_TOKENS + 1, 10**30])
@pytest.mark.parametrize("kind", [name for name in Usage.__struct_fields__ if name.endswith("_tokens")])
def test_a_count_that_can_not_be_is_none(kind: str, count: int) -> None:
    tried = attempt()
    reported = Usage(**{"input_tokens": 5, "output_tokens": 7, "cache_write_tokens": 1, kind: count})
    record(tried, reported)

    assert tried.usage is not None
    assert getattr(tried.usage, kind) is None
    assert getattr(reported, kind) == count, "the client's reply is as the provider sent it"
    record_cut(tried, reported, input_tokens=3, output_tokens=4)
    assert getattr(tried.usage, kind) == {"input_tokens": 3, "output_tokens": 4}.get(kind)


@pytest.mark.parametrize("name", ["tool_calls", "pieces"])
@pytest.mark.parametrize("number", [-1, MOST_PIECES + 1, 10**30])
def test_a_number_of_pieces_that_can_not_be_is_none(name: str, number: int) -> None:
    tried = attempt()
    record(tried, Usage(5, 7, **{name: {"web_search": 2, "page": number}}))

    assert tried.usage is not None
    assert getattr(tried.usage, name) == {"web_search": 2}


def test_the_lines_of_a_batch_may_count_more_than_one_request() -> None:
    tried = attempt()
    record(tried, Usage(MOST_TOKENS + 1, 2, requests=1000))

    assert tried.usage is not None
    assert tried.usage.input_tokens == MOST_TOKENS + 1
