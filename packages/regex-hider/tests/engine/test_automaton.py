"""The automaton against Python's `re`: which ends are ends of a match, and how large it grows."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llm_gateway_regex_hider.engine import automaton as module
from llm_gateway_regex_hider.engine.automaton import Automaton, State
from llm_gateway_regex_hider.engine.program import compile_program
from llm_gateway_regex_hider.engine.syntax import parse

PATTERNS = [
    "ab",
    "a|bc",
    "a*b",
    "a+",
    "(?:ab)+c",
    "a?b{2}",
    "[ab]c",
    "a.c",
    "(?:a|b)*c",
    r"\bab\b",
    "^a",
    "a$",
    "[^a]b",
]
TEXTS = st.text(alphabet="abc ", max_size=12)


def of(*sources: str, cut: bool = True) -> Automaton:
    return Automaton(compile_program([parse(source, ignore_case=False) for source in sources]), cut=cut)


def hits(automaton: Automaton, text: str) -> set[int]:
    """Patterns that match somewhere in the text, as the steps report them."""
    state, found = automaton.idle(""), 0
    for character in text:
        state = state[character]
        if state.act is not None:
            found |= state.act.patterns
            state = state.act.target
    found |= automaton.hit_at_end(state)[1]
    return {number for number in range(found.bit_length()) if found >> number & 1}


@given(text=TEXTS)
def test_a_pattern_is_reported_exactly_where_it_matches_somewhere(text: str) -> None:
    reported = hits(of(*PATTERNS, cut=False), text)

    assert reported == {number for number, source in enumerate(PATTERNS) if re.search(source, text)}


@pytest.mark.parametrize("source", PATTERNS)
def test_every_match_begins_with_a_character_of_the_first_set(source: str) -> None:
    first = of(source).first
    for character in "abc -é":
        begins = any(re.match(source, character + rest) for rest in ("", "b", "c", "bb", "bc", "abc"))
        if begins:
            assert any(low <= ord(character) <= high for low, high in first)


def test_characters_that_no_pattern_distinguishes_share_a_class() -> None:
    automaton = of("[a-y]z")

    assert automaton.class_of("b") == automaton.class_of("y")
    assert len({automaton.class_of(character) for character in "bz-"}) == 3
    assert automaton.class_of("\U0001f600") == automaton.class_of("-")


def test_there_are_never_more_threads_than_instructions() -> None:
    program = compile_program([parse("(?:a|b)*a(?:a|b){6}", ignore_case=False)])
    automaton = Automaton(program)
    state: State = automaton.idle("")
    for character in "ab" * 200:
        state = state[character]
        state = state.act.target if state.act is not None else state
        assert sum(map(len, state.threads)) <= len(program.instructions)


def test_states_are_forgotten_when_they_become_many_and_the_stream_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    sources = ("(?:a|b)*a(?:a|b){6}c", "cab")
    texts = ["abbabab" * 3 + "c", "bcab", "aaaaaaaa", "a" + "b" * 6 + "c"]
    expected = [hits(of(*sources, cut=False), text) for text in texts]
    monkeypatch.setattr(module, "MAX_STATES", 5)
    small = of(*sources, cut=False)

    assert [hits(small, text) for text in texts] == expected
    assert len(small._states) <= 5 + 1


def test_a_state_is_built_once() -> None:
    automaton = of("ab")
    hits(automaton, "abab ab")
    work = automaton.work
    hits(automaton, "abab ab")

    assert automaton.work == work
