"""Laws of whole texts, for any patterns: however the engine is helped or bounded, they are redacted as pieces are."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import assume, given, reject, settings
from hypothesis import strategies as st
from llm_gateway_regex_hider import JSONRedactor, Rule, RuleError, RuleSet, StreamRedactor, compile_rules, redact
from llm_gateway_regex_hider.redaction.bounds import Blocked, Budget, Findings, LimitExceeded, OnLimit
from llm_gateway_regex_hider.redaction.json_text import redact_json

ATOMS = [
    "a", "b", "[ab]", "[a-c]", "[^a]", "x", r"\d", r"\w", r"\s", "@", "-", r"\.", ".", "é", "(?:ab|b)", "(?:a|@|-1)",
    "(?:secret|key)", "(a)",
]  # fmt: skip
CONDITIONS = [
    r"\b", r"\B", "^", "$", "(?m:^)", "(?m:$)", "(?=a)", "(?!b)", "(?!ab)", "(?=.*@)", "(?<=a)", "(?<!b)",
    "(?<=a|b-)", r"(?<=\b)",
]  # fmt: skip
BOUNDS = ["", "", "", "+", "*", "?", "+?", "{2}", "{1,3}", "{2,}", "{0,2}", "{3,17}"]


def patterns() -> st.SearchStrategy[str]:
    """Patterns in JavaScript's syntax; some of them no rule may have, such as those that match the empty text."""
    atom = st.tuples(st.sampled_from(ATOMS), st.sampled_from(BOUNDS)).map("".join)
    piece = st.one_of(atom, atom, atom, st.sampled_from(CONDITIONS))
    sequence = st.lists(piece, min_size=1, max_size=4).map("".join)
    inner = st.lists(sequence, min_size=1, max_size=2).map("|".join)
    group = st.tuples(st.sampled_from(["(", "(?:"]), inner, st.just(")"), st.sampled_from(BOUNDS)).map("".join)
    outer = st.lists(st.one_of(piece, piece, piece, group), min_size=1, max_size=5).map("".join)
    return st.lists(outer, min_size=1, max_size=2).map("|".join)


def rule_lists() -> st.SearchStrategy[list[Rule]]:
    rule = st.builds(
        Rule,
        patterns(),
        replacement=st.sampled_from(["<>", "[$&]", ""]),
        case_sensitive=st.booleans(),
        block=st.sampled_from([False] * 9 + [True]),
    )
    return st.lists(rule, min_size=1, max_size=3)


def compiled(listed: list[Rule]) -> RuleSet:
    try:
        return RuleSet(compile_rules(listed))
    except RuleError:
        reject()


FRAGMENTS = [
    "a", "b", "ab", "B", "@", ".", " ", "-", "1", "-1", "123", "x", "_", "é", "É", "\n", "secret", "Key", "aaa", "11",
    "😀",
]  # fmt: skip
TEXTS = st.lists(st.one_of(st.sampled_from(FRAGMENTS), st.text(max_size=2)), max_size=30).map("".join)


def in_pieces(text: str, rules: RuleSet, findings: Findings) -> str:
    """What StreamRedactor makes of it, which reads every character."""
    redactor = StreamRedactor(rules, max_size=None, findings=findings)
    out = "".join(redactor.push(text[at : at + 5]) for at in range(0, len(text), 5))
    return out + redactor.close()


def automaton_only(text: str, rules: RuleSet, findings: Findings) -> str:
    return redact(text, rules, findings=findings, budget=Budget(trials=0.0, trials_per_character=0.0))


def outcome(redaction: Callable[[Findings], str]) -> tuple[str, dict[int, int]]:
    findings = Findings()
    try:
        text = redaction(findings)
    except Blocked as refused:
        text = f"refused: {refused}"
    assume(not findings.masked)  # a pattern that needs too long on this text ends when its time is up
    return text, findings.matches


@settings(max_examples=100, deadline=None)
@given(rule_lists(), st.lists(TEXTS, min_size=1, max_size=4))
def test_whole_texts_are_redacted_as_in_pieces(listed: list[Rule], texts: list[str]) -> None:
    rules = compiled(listed)
    for text in texts:
        expected = outcome(lambda findings, text=text: in_pieces(text, rules, findings))

        assert outcome(lambda findings, text=text: redact(text, rules, findings=findings)) == expected


@settings(max_examples=50, deadline=None)
@given(rule_lists(), st.lists(TEXTS, min_size=1, max_size=4))
def test_they_are_so_too_where_no_time_is_left_to_ask_the_engine_first(listed: list[Rule], texts: list[str]) -> None:
    rules = compiled(listed)
    for text in texts:
        expected = outcome(lambda findings, text=text: in_pieces(text, rules, findings))

        assert outcome(lambda findings, text=text: automaton_only(text, rules, findings)) == expected


@settings(max_examples=100, deadline=None)
@given(patterns(), st.booleans(), TEXTS)
def test_no_place_at_which_a_match_begins_is_passed_over(pattern: str, case_sensitive: bool, text: str) -> None:
    rules = compiled([Rule(pattern, case_sensitive=case_sensitive)])
    starts = rules.starts(text)
    if starts is None:
        return  # it begins like any word

    for at in range(len(text)):
        if starts.after(at) != at:
            assert rules.rules[0].regex.match(text, at, timeout=5) is None


@settings(max_examples=50, deadline=None)
@given(rule_lists(), st.lists(st.sampled_from([*FRAGMENTS, '"', '", "', "\\n", "\\u0061", "\\"]), max_size=20))
def test_whole_json_is_redacted_as_in_pieces(listed: list[Rule], fragments: list[str]) -> None:
    rules = compiled(listed)
    text = '["' + "".join(fragments)

    def pieces(findings: Findings) -> str:
        redactor = JSONRedactor(rules, max_size=None, findings=findings)
        return "".join(map(redactor.push, text)) + redactor.close()

    assert outcome(lambda findings: redact_json(text, rules, findings=findings)) == outcome(pieces)


SLOW = r"(a+)(a+)(a+)\3\2\1b"
"""An engine needs the cube of the number of letters to find that an odd number doesn't match."""


@pytest.mark.parametrize(("policy", "is_refused"), [("mask", False), ("refuse", True)])
def test_a_text_that_costs_too_much_has_a_policy(policy: OnLimit, is_refused: bool) -> None:
    rules = RuleSet(compile_rules([Rule(SLOW)]))
    text = "x a@b.cc " + "a" * 2_001 + "b"
    findings = Findings()

    try:
        out = redact(text, rules, on_limit=policy, findings=findings)
    except LimitExceeded:
        out = "refused"

    assert out == ("refused" if is_refused else "x a@b.cc [REDACTED]")
    assert findings.masked == (not is_refused)


def test_an_exhausted_budget_is_not_a_licence_to_ask_the_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    # How long a match takes on this machine is not meant here.
    monkeypatch.setattr("llm_gateway_regex_hider.redaction.matching.perf_counter", lambda: 0.0)

    def untimed(rule: Any, text: str, at: int, timeout: float) -> Any:
        return rule.regex.match(text, at), 0.0

    monkeypatch.setattr("llm_gateway_regex_hider.redaction.redactor.timed_match", untimed)
    rules = RuleSet(compile_rules([Rule(r"\d+-\d+x?")]))
    text = "at 1-2, and 3-4"

    redactor = StreamRedactor(rules, max_size=None, budget=Budget(0.0, 0.0))

    assert redact(text, rules, budget=Budget(0.0, 0.0)) == redactor.push(text) + redactor.close()


def test_searching_in_vain_is_paid_by_all_texts_of_a_budget() -> None:
    rules = RuleSet(compile_rules([Rule(r"[a-z]+@[a-z]+\.[a-z]{2,}")]))
    budget = Budget()

    for _ in range(3):
        left = budget.trials
        redact("me@home", rules, budget=budget)

        assert budget.trials < left + 1
