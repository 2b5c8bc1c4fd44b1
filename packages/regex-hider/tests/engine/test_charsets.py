"""Sets of characters as JavaScript means them."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llm_gateway_regex_hider.engine import charsets
from llm_gateway_regex_hider.engine.charsets import LAST, CharSet

RANGES = st.lists(
    st.tuples(st.integers(0, 300), st.integers(0, 300)).map(lambda pair: (min(pair), max(pair))), max_size=6
)


def members(chars: CharSet) -> set[int]:
    return {code for low, high in chars for code in range(low, min(high, 400) + 1)}


@given(RANGES)
def test_a_set_is_sorted_and_its_ranges_do_not_touch(ranges: list[tuple[int, int]]) -> None:
    chars = charsets.charset(ranges)

    assert members(chars) == {code for low, high in ranges for code in range(low, high + 1)}
    assert all(before[1] + 1 < after[0] for before, after in pairwise(chars))


@given(RANGES)
def test_inverting_twice_changes_nothing(ranges: list[tuple[int, int]]) -> None:
    chars = charsets.charset(ranges)

    assert charsets.invert(charsets.invert(chars)) == chars
    assert charsets.size(chars) + charsets.size(charsets.invert(chars)) == LAST + 1


@given(RANGES, RANGES)
def test_sets_intersect_where_they_share_a_member(one: list[tuple[int, int]], other: list[tuple[int, int]]) -> None:
    a, b = charsets.charset(one), charsets.charset(other)

    assert charsets.intersects(a, b) is bool(members(a) & members(b))


@pytest.mark.parametrize(
    ("letter", "same", "other"),
    [("k", "kK", "\u212a"), ("s", "sS", "\u017f"), ("é", "éÉ", "e"), ("σ", "σΣς", "s"), ("1", "1", "2")],
)
def test_case_is_ignored_as_javascript_does_without_the_flag_u(letter: str, same: str, other: str) -> None:
    folded = charsets.fold(charsets.of(letter))

    assert all(charsets.intersects(folded, charsets.of(each)) for each in same)
    assert not charsets.intersects(folded, charsets.of(other))


@pytest.mark.parametrize("name", ["d", "w", "s", "D", "W", "S"])
def test_a_class_of_python_has_the_same_members(name: str) -> None:
    written = re.compile(charsets.as_class(charsets.CLASSES[name]))

    for code in [*range(0x250), 0x2028, 0x3000, 0xFEFF, 0x1F600]:
        inside = charsets.intersects(charsets.CLASSES[name], ((code, code),))
        assert bool(written.fullmatch(chr(code))) is inside


def test_the_empty_set_matches_nothing() -> None:
    assert re.search(charsets.as_class(()), "a\n") is None


def test_an_unknown_property_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown Unicode property 'Nonsense'"):
        charsets.unicode_property("Nonsense")
