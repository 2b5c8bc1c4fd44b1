from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from llm_gateway_sdk.testing.dialect_laws import (
    damaged,
    json_differences,
    pieces,
)


@given(st.binary(max_size=200), st.integers(0, 999))
def test_pieces_are_the_whole(data: bytes, seed: int) -> None:
    assert b"".join(pieces(data, seed)) == data


def test_differences_name_their_places() -> None:
    before = {"a": [1, {"b": "x"}], "c": 1, "d": [1]}
    after = {"a": [1, {"b": "y"}], "c": 1.0, "d": [1, 2], "e": None}

    assert json_differences(before, after) == [".a[1].b", ".c", ".d", ".e"]
    assert json_differences(before, before) == []


def test_damage_is_one_place() -> None:
    body = {"a": [1, 2], "b": {"c": 3}}

    for seed in range(30):
        assert len(json_differences(body, damaged(body, random.Random(seed), "junk"))) == 1
