from __future__ import annotations

import pytest
from llm_gateway_model_book import read_facts, read_prices

from llm_gateway_sdk import TokenCounts


def test_prices_are_read_in_dollars_per_million_and_computed_in_whole_nano_dollars() -> None:
    prices = read_prices({"input": 0.075, "output": "4.5", "cacheRead": 0.0075})

    assert prices is not None
    assert prices.cost(TokenCounts(input=3, output=0, cache_read=1)) == 158  # 2 * 75 + 7.5, rounded up once
    assert prices.cost(TokenCounts(input=1_000_000, output=1_000_000)) == 4_575_000_000


def test_a_tier_costs_what_the_standard_one_does_where_it_names_no_price() -> None:
    prices = read_prices({
        "input": 2, "output": 8, "cacheRead": 0.5,
        "longContext": [{"above": 1000, "input": 4}],
        "tiers": {"batch": {"input": 1, "output": 4}},
    })  # fmt: skip
    assert prices is not None

    long = prices.rates(1001)
    batch = prices.rates(1001, "batch")
    assert long is not None
    assert batch is not None
    assert (long.input, long.output) == (4_000_000_000, 8_000_000_000)
    assert (batch.input, batch.output, batch.cache_read) == (1_000_000_000, 4_000_000_000, 500_000_000)
    assert prices.rates(5, "priority") is None


@pytest.mark.parametrize(
    "written",
    [{"input": -1}, {"input": "x"}, {"input": True}, {"inputs": 1}, {"input": float("nan")}, {"input": float("inf")}],
)
def test_what_is_not_a_price_is_refused(written: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"price|dollars"):
        read_prices(written)


def test_nothing_written_is_not_a_price() -> None:
    assert read_prices({}) is None


def test_facts_have_the_names_of_yaml() -> None:
    facts = read_facts("m", {"contextWindow": 10, "forcedTools": False, "endpoints": ["chat"]})

    assert (facts.context_window, facts.forced_tools, facts.endpoints) == (10, False, frozenset({"chat"}))
    with pytest.raises(ValueError, match="contextwindow"):
        read_facts("m", {"contextwindow": 10})
