"""The price table: which price a model name finds, and when a cost is unknown."""

from __future__ import annotations

from pathlib import Path

import pytest
from llm_gateway_clickhouse_tracer.prices import PriceTable

from llm_gateway_sdk import Usage
from llm_gateway_sdk.charges import Charge

TABLE = PriceTable.load()


@pytest.mark.parametrize(
    ("asked", "known"),
    [
        ("gpt-4.1", "gpt-4.1"),
        ("gpt-4.1-2025-04-14", "gpt-4.1"),
        ("gpt-4.1-mini-2025-04-14", "gpt-4.1-mini"),
        ("claude-sonnet-4-20250514", "claude-sonnet-4"),
        ("global.anthropic.claude-sonnet-4-5-20250929-v1:0", "anthropic.claude-sonnet-4-5"),
        ("anthropic/claude-haiku-4-5@20251001", "claude-haiku-4-5"),
        ("models/gemini-2.5-pro", "gemini-2.5-pro"),
    ],
)
def test_a_dated_or_prefixed_name_finds_the_model_s_price(asked: str, known: str) -> None:
    assert TABLE.find(asked) == TABLE.find(known) is not None


@pytest.mark.parametrize("model", ["gpt-4.1-turbo", "my-own-model", "", "gpt-4.1-minimal", "claude-opus-9"])
def test_a_name_that_is_not_in_the_table_has_no_price(model: str) -> None:
    assert TABLE.find(model) is None


def test_cached_tokens_are_counted_at_their_own_price() -> None:
    # 600 fresh at 2.00, 400 cached at 0.50, 100 out at 8.00, per million.
    assert TABLE.charge(Usage(1000, 100, 400), "gpt-4.1") == Charge(2_200_000)


def test_what_has_no_price_is_named_and_the_rest_is_charged() -> None:
    # 50 tokens at 1.25 that were fresh, 50 that were written to a cache, 5 out at 10.00, per million.
    charge = TABLE.charge(Usage(100, 5, 0, 50, tool_calls={"code_execution": 1}), "gemini-2.5-pro")

    assert charge == Charge(175_000, ("cache_write", "code_execution"))


def test_a_model_without_a_price_has_no_cost() -> None:
    assert TABLE.charge(Usage(100, 5), "my-own-model") is None


def test_one_s_own_prices_are_before_the_table() -> None:
    table = PriceTable.load(overrides={"gpt-4.1": {"input": 1, "output": 1}, "local": {"input": 0, "output": 0}})

    assert table.charge(Usage(1_000_000, 1_000_000), "gpt-4.1") == Charge(2_000_000_000)
    assert table.charge(Usage(1_000_000, 1_000_000), "local") == Charge(0)


def test_a_table_of_one_s_own_replaces_the_shipped_one(tmp_path: Path) -> None:
    file = tmp_path / "prices.json"
    file.write_text('{"asOf": "2026-01-01", "models": {"x": {"input": 1, "output": 2}}}')
    table = PriceTable.load(file)

    assert table.as_of == "2026-01-01"
    assert table.find("gpt-4.1") is None
    assert table.find("x") is not None


def test_a_broken_table_names_the_wrong_entry(tmp_path: Path) -> None:
    file = tmp_path / "prices.json"
    file.write_text('{"models": {"x": {"input": "cheap"}}}')

    with pytest.raises(ValueError, match="price of 'x'"):
        PriceTable.load(file)
