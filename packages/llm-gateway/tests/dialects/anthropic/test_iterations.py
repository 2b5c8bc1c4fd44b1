"""What a vendor does on the way to an answer is billed, and is in no count of the reply itself."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llm_gateway.dialects.anthropic import Anthropic
from llm_gateway.dialects.anthropic.iterations import ADVISOR
from llm_gateway.dialects.anthropic.response import decode_usage, encode_usage
from llm_gateway_sdk import Attempt, Band, Prices, Rates
from llm_gateway_sdk.charges import charge_of, cost_of
from llm_gateway_sdk.metering import record
from llm_gateway_sdk.response import merge_usage

MESSAGE = {"type": "message", "input_tokens": 23_000, "output_tokens": 1_000}
SUMMARY = {
    "type": "compaction", "input_tokens": 100_000, "output_tokens": 3_500, "cache_read_input_tokens": 80_000,
    "cache_creation_input_tokens": 500, "cache_creation": {"ephemeral_1h_input_tokens": 500},
}  # fmt: skip
ADVICE = {"type": "advisor_message", "model": "claude-opus-4-6", "input_tokens": 900, "output_tokens": 70}
COUNTS: dict[str, Any] = {"input_tokens": 23_000, "output_tokens": 1_000}
PRICES = Prices(
    tiers={
        "standard": (
            Band(
                0,
                Rates(
                    input=3_000_000_000, output=15_000_000_000, cache_read=300_000_000, cache_write=3_750_000_000,
                    cache_write_1h=6_000_000_000,
                ),
            ),
        )
    }
)  # fmt: skip


RATES = ("input", "output", "cache_read", "cache_write", "cache_write_1h")


def usage_with(*iterations: Any) -> dict[str, Any]:
    return {**COUNTS, "iterations": list(iterations)}


def test_a_summary_on_the_way_is_charged() -> None:
    usage = decode_usage(usage_with(SUMMARY, MESSAGE))

    assert (usage.input_tokens, usage.output_tokens) == (23_000 + 180_500, 4_500)
    assert cost_of(PRICES, usage) == 123_000 * 3_000 + 80_000 * 300 + 500 * 6_000 + 4_500 * 15_000


@pytest.mark.parametrize("above", [22_000, 100_000, 190_000, 1_000_000])
def test_each_call_on_the_way_is_charged_by_its_prompt(above: int) -> None:
    """Together they may have more input than the threshold, and neither of them does."""
    (plain,) = PRICES.tiers["standard"]
    dear = Rates(**{name: (getattr(plain.rates, name) or 0) * 5 for name in RATES})
    prices = Prices(tiers={"standard": (plain, Band(above, dear))})
    usage = decode_usage(usage_with(SUMMARY, MESSAGE))

    answer = 23_000 * 3_000 + 1_000 * 15_000
    summary = 100_000 * 3_000 + 80_000 * 300 + 500 * 6_000 + 3_500 * 15_000
    expected = answer * (5 if above < 23_000 else 1) + summary * (5 if above < 180_500 else 1)
    assert cost_of(prices, usage) == expected
    streamed = merge_usage(decode_usage(COUNTS), usage)
    assert streamed is not None
    assert cost_of(prices, streamed) == expected
    attempt = Attempt("m")
    record(attempt, usage)
    assert attempt.usage is not None
    assert cost_of(prices, attempt.usage) == expected, "the same in the ledger"


def test_advice_is_counted_and_marked_as_without_a_price() -> None:
    usage = decode_usage(usage_with(MESSAGE, ADVICE, MESSAGE, ADVICE))

    assert (usage.input_tokens, usage.output_tokens) == (24_800, 1_140)
    charge = charge_of(PRICES, usage)
    assert charge is not None
    assert (charge.nanos, charge.unpriced) == (24_800 * 3_000 + 1_140 * 15_000, (ADVISOR,))
    with_price = Prices(tiers=PRICES.tiers, calls={ADVISOR: 50_000_000})
    assert cost_of(with_price, usage) == charge.nanos + 2 * 50_000_000


@pytest.mark.parametrize("iterations", [None, [], [MESSAGE], [{}, 7, {"type": "fallback_message"}], "compaction"])
def test_iterations_that_wrote_the_answer_are_in_its_counts(iterations: Any) -> None:
    usage = decode_usage({**COUNTS, "iterations": iterations})

    assert (usage.input_tokens, usage.output_tokens) == (23_000, 1_000)


def test_counts_that_can_not_be_are_none() -> None:
    usage = decode_usage(usage_with({"type": "compaction", "input_tokens": -5, "output_tokens": "many"}))

    assert (usage.input_tokens, usage.output_tokens) == (23_000, 1_000)


@pytest.mark.parametrize("iteration", [SUMMARY, ADVICE])
def test_a_client_is_shown_the_counts_of_the_vendor(iteration: dict[str, Any]) -> None:
    source = {**usage_with(iteration, MESSAGE), "cache_read_input_tokens": 9, "cache_creation_input_tokens": 4}

    assert encode_usage(decode_usage(source)) == source


def test_it_is_found_at_the_end_of_a_stream() -> None:
    start = {"type": "message_start", "message": {"usage": {"input_tokens": 23_000, "output_tokens": 1}}}
    end = {"type": "message_delta", "delta": {}, "usage": usage_with(SUMMARY, MESSAGE)}
    head, tail = (f"event: {each['type']}\ndata: {json.dumps(each)}\n\n".encode() for each in (start, end))

    usage = Anthropic().usage_of(head, tail)
    assert usage is not None
    assert (usage.input_tokens, usage.output_tokens) == (203_500, 4_500)


FALLBACK = {"type": "fallback_message", "model": "claude-opus-4-6", "input_tokens": 23_000, "output_tokens": 1_000}


@pytest.mark.parametrize(
    ("iterations", "model"),
    [
        ([MESSAGE], None),
        ([MESSAGE, FALLBACK], "claude-opus-4-6"),
        ([SUMMARY, FALLBACK], "claude-opus-4-6"),
        ([ADVICE, MESSAGE], None),
        ([{**FALLBACK, "model": 7}], None),
        ([{**FALLBACK, "model": "x" * 1_000_000}], None),
    ],
)
def test_the_model_that_took_anothers_place_is_found(iterations: list[Any], model: str | None) -> None:
    usage = decode_usage(usage_with(*iterations))

    assert usage.answered_by == model
    streamed = merge_usage(decode_usage(COUNTS), usage)
    assert streamed is not None
    assert streamed.answered_by == model
    attempt = Attempt("m")
    record(attempt, usage)
    assert attempt.usage is not None
    assert attempt.usage.answered_by == model
