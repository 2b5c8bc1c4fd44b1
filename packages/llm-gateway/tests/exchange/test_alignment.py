"""Lists are aligned in order, and in linear time whatever is in them."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.exchange.alignment import equal_runs

FEW = st.lists(st.sampled_from("abc"), max_size=12)


@given(FEW, FEW)
def test_runs_are_equal_in_order_and_do_not_overlap(old: list[str], new: list[str]) -> None:
    left_end = right_end = 0
    for left, right, length in equal_runs(old, new):
        assert length > 0
        assert left >= left_end
        assert right >= right_end
        assert old[left : left + length] == new[right : right + length]
        left_end, right_end = left + length, right + length


@pytest.mark.parametrize(
    ("old", "new", "runs"),
    [
        ("abc", "abc", [(0, 0, 3)]),
        ("abc", "xabc", [(0, 1, 3)]),
        ("abc", "abcx", [(0, 0, 3)]),
        ("abcde", "axcye", [(0, 0, 1), (2, 2, 1), (4, 4, 1)]),
        ("", "a", []),
    ],
)
def test_ends_and_what_occurs_once(old: str, new: str, runs: list[tuple[int, int, int]]) -> None:
    assert equal_runs(old, new) == runs


def test_many_equal_items_take_no_time() -> None:
    many = ["same"] * 200_000
    began = time.process_time()

    assert equal_runs(many, ["another", *many]) == [(0, 1, 200_000)]
    assert equal_runs(["a", *many, "b"], ["c", *many, *many, "d"]) == []
    assert time.process_time() - began < 2
