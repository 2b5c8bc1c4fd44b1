"""Whole numbers as strangers write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway_sdk.numerals import whole_number


@given(st.integers(0, 10**18 - 1))
def test_a_number_is_read(number: int) -> None:
    assert whole_number(str(number)) == number
    assert whole_number(f"{number:018}") == number


@pytest.mark.parametrize(
    "text", [None, "", " 1", "1 ", "+1", "-1", "1.0", "1_000", "²", "٣", "1e3", "0x1", "9" * 19, "9" * 10_000],
    ids=lambda text: repr(text)[:12],
)  # fmt: skip
def test_anything_else_is_not_a_number(text: str | None) -> None:
    assert whole_number(text) is None


@given(st.text())
def test_no_text_fails(text: str) -> None:
    found = whole_number(text)
    assert found is None or found >= 0
