from __future__ import annotations

import pytest

from llm_gateway_sdk import Band, Prices, Rates, TokenCounts
from llm_gateway_sdk.model_facts import tier_of

USD = 1_000_000_000
STANDARD = Rates(input=3 * USD, output=15 * USD, cache_read=USD // 4, cache_write=4 * USD, cache_write_1h=6 * USD)
PRICES = Prices(
    tiers={
        "standard": (Band(0, STANDARD), Band(200_000, Rates(input=6 * USD, output=20 * USD).over(STANDARD))),
        "priority": (Band(0, Rates(input=6 * USD, output=30 * USD).over(STANDARD)),),
        "batch": (Band(0, Rates(input=USD, output=USD).over(STANDARD)),),
    },
    calls={"web_search": 10_000_000},
)


@pytest.mark.parametrize(
    ("counts", "nanos"),
    [
        (TokenCounts(input=1, output=0), 3000),
        (TokenCounts(input=0, output=1), 15000),
        (TokenCounts(input=10, output=0, cache_read=10), 2500),
        (TokenCounts(input=10, output=0, cache_write=10), 40_000),
        (TokenCounts(input=10, output=0, cache_write=10, cache_write_1h=4), 48_000),
        (TokenCounts(input=10, output=1, cache_read=4, cache_write=3), 3 * 3000 + 1000 + 12_000 + 15_000),
        (TokenCounts(input=0, output=0, calls={"web_search": 2}), 20_000_000),
        (TokenCounts(input=200_001, output=0), 200_001 * 6000),
        (TokenCounts(input=0, output=0), 0),
    ],
)
def test_a_request_costs_the_sum_of_its_kinds_of_tokens(counts: TokenCounts, nanos: int) -> None:
    assert PRICES.cost(counts) == nanos


@pytest.mark.parametrize(
    "counts",
    [
        TokenCounts(input=None, output=1),
        TokenCounts(input=1, output=None),
        TokenCounts(input=5, output=1, input_audio=2),
        TokenCounts(input=1, output=1, calls={"file_search": 1}),
    ],
)
def test_what_is_unknown_is_not_free(counts: TokenCounts) -> None:
    assert PRICES.cost(counts) is None
    assert PRICES.cost(TokenCounts(input=1, output=1), "ultrafast") is None


def test_a_price_is_rounded_up_once_per_request() -> None:
    prices = Prices(tiers={"standard": (Band(0, Rates(input=1, output=1)),)})

    assert prices.cost(TokenCounts(input=1, output=1)) == 1
    assert prices.cost(TokenCounts(input=1_000_001, output=0)) == 2


def test_the_ceiling_is_never_below_any_cost_of_so_many_tokens() -> None:
    for tokens in (0, 1, 199_999, 200_000, 200_001, 10**6):
        ceiling = PRICES.ceiling(tokens, 100)
        assert ceiling is not None
        for read in (0, tokens):
            for written in (0, tokens - read):
                for tier in (None, "standard", "priority", "batch"):
                    counts = TokenCounts(
                        input=tokens, output=100, cache_read=read, cache_write=written, cache_write_1h=written
                    )
                    cost = PRICES.cost(counts, tier)
                    assert cost is not None
                    assert cost <= ceiling


@pytest.mark.parametrize(
    ("word", "tier"),
    [(None, "standard"), ("default", "standard"), ("auto", "standard"), ("Priority", "priority"), ("flex", "flex")],
)
def test_vendors_words_for_tiers(word: str | None, tier: str) -> None:
    assert tier_of(word) == tier
