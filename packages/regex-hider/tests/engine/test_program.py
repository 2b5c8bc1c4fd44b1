"""Programs of patterns: which patterns are exact, what decides a match, and that no pattern grows without bound."""

from __future__ import annotations

import re as python_re

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st
from llm_gateway_regex_hider.engine import charsets
from llm_gateway_regex_hider.engine.program import (
    MAX_INSTRUCTIONS,
    compile_program,
    context_width,
    is_exact,
    render,
    required,
)
from llm_gateway_regex_hider.engine.syntax import PatternSyntaxError, parse


def root(source: str):  # type: ignore[no-untyped-def]
    return parse(source, ignore_case=False).root


@pytest.mark.parametrize(
    ("source", "exact"),
    [
        ("a+b|c", True),
        (r"\bkey\b", True),
        ("(?<=x)a", True),
        ("(?=ab)a", False),
        (r"(a)\1", False),
        ("(?:a*)*b", False),
        ("(?:a*)?b", True),
        ("(?:ab)*", True),
    ],
)
def test_a_pattern_is_exact_where_the_program_accepts_the_same(source: str, exact: bool) -> None:
    assert is_exact(root(source)) is exact


@pytest.mark.parametrize(
    ("source", "width"),
    [("ab", 0), (r"\ba", 1), ("^a", 1), ("(?<=ab)c", 3), ("(?<=a|bcd)e", 4), ("(?=a)b", 0), (r"(?:x|\by)", 1)],
)
def test_the_characters_on_the_left_that_decide_a_match(source: str, width: int) -> None:
    assert context_width(root(source)) == width


@pytest.mark.parametrize(
    ("source", "texts"),
    [("ab", ["ab"]), ("a|b", ["a", "b"]), ("a*b", ["b", "ab"]), ("(?:ab|cb)d?", ["ab", "cbd"]), (r"(a)\1", ["aa"])],
)
def test_every_match_has_a_character_of_each_required_set(source: str, texts: list[str]) -> None:
    sets = required(root(source))

    for text in texts:
        assert all(any(low <= ord(c) <= high for c in text for low, high in chars) for chars in sets)


def test_nothing_is_required_where_an_alternative_may_be_empty() -> None:
    assert required(root("a*|b")) == []
    assert required(root("a?")) == []


ATOMS = st.sampled_from(
    ["a", "b", "[ab]", "[^a]", r"\d", r"\w", ".", "(a|b)", "(?:ab|c)", "a{1,3}", "b*?", "(?:a|b)+", r"\b"]
)


@given(st.lists(ATOMS, min_size=1, max_size=5).map("".join), st.text("ab c1é", max_size=12))
def test_what_is_rendered_for_the_engine_matches_the_same(source: str, text: str) -> None:
    if "é" in text and (r"\w" in source or r"\b" in source):
        text = text.replace("é", "-")
    written = regex.compile(render(root(source)), regex.ASCII)
    meant = python_re.compile(source, python_re.ASCII)

    assert [found.span() for found in written.finditer(text)] == [found.span() for found in meant.finditer(text)]


@pytest.mark.parametrize("source", ["(?:(?:a{100}){100}){100}", "a{20000}b"])
def test_repetitions_that_multiply_are_refused(source: str) -> None:
    with pytest.raises(PatternSyntaxError, match=r"too large|repetition"):
        compile_program([parse(source, ignore_case=False)])


def test_earlier_patterns_are_preferred_and_all_share_one_program() -> None:
    program = compile_program([parse(source, ignore_case=False) for source in ("ab", "a", "b+")])

    start = program.instructions[program.start]
    assert len(start.nexts) == 3  # type: ignore[union-attr]
    assert len(program.instructions) < MAX_INSTRUCTIONS
    assert charsets.size(program.instructions[start.nexts[0]].chars) == 1  # type: ignore[union-attr]
