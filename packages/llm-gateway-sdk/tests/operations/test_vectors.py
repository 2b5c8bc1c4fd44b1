"""Vectors as base64 of 32-bit floats."""

from __future__ import annotations

import struct
from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway_sdk import DialectError
from llm_gateway_sdk.operations.vectors import from_base64, to_base64


@given(st.lists(st.floats(width=32, allow_nan=False), max_size=40))
def test_what_a_32_bit_float_holds_comes_back(vector: list[float]) -> None:
    assert from_base64(to_base64(vector)) == vector


def test_the_bytes_are_little_endian() -> None:
    assert to_base64([1.0, -2.5]) == b64encode(struct.pack("<2f", 1.0, -2.5)).decode()
    assert from_base64(b64encode(struct.pack("<f", 0.5)).decode()) == [0.5]


@pytest.mark.parametrize("data", ["not base64!", "AAA", "AAAAAAA=", "Zm9vYmE=", "é"])
def test_other_texts_are_refused(data: str) -> None:
    with pytest.raises(DialectError, match="base64 of 32-bit floats"):
        from_base64(data)


@pytest.mark.parametrize("vector", [[None], ["1"], [[1.0]]], ids=["null", "text", "list"])
def test_what_is_not_a_number_has_no_bytes(vector: list[float]) -> None:
    with pytest.raises(DialectError, match="32-bit float"):
        to_base64(vector)
