"""Amounts as people write them."""

from __future__ import annotations

from typing import Any

import pytest
from llm_gateway_limits.amounts import decode_amount, show_amount


@pytest.mark.parametrize(
    ("measure", "written", "amount"),
    [
        ("cost", "500 USD", 500 * 10**9),
        ("cost", "$0.25", 250_000_000),
        ("cost", 2000, 2000 * 10**9),
        ("cost", "0.000000001 USD", 1),
        ("requests", 60, 60),
        ("tokens", "250k", 250_000),
        ("tokens", "1.5M", 1_500_000),
        ("tokens", "1_000", 1000),
    ],
)
def test_amounts_are_read_exactly(measure: str, written: Any, amount: int) -> None:
    assert decode_amount(measure, written) == amount


@pytest.mark.parametrize(
    ("measure", "written"),
    [("cost", "5 EUR"), ("cost", "1e-10 USD"), ("requests", 0.5), ("requests", -1), ("requests", True), ("tokens", "")],
)
def test_what_is_not_an_amount_is_refused(measure: str, written: Any) -> None:
    with pytest.raises(ValueError):
        decode_amount(measure, written)


def test_amounts_are_shown_for_people() -> None:
    assert show_amount("cost", 1_500_000_000) == "1.50 USD"
    assert show_amount("cost", 2_472_000) == "0.002472 USD"
    assert show_amount("tokens", 250_000) == "250,000 tokens"
