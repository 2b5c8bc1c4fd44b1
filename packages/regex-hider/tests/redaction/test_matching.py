"""The engine is asked about one place, in the order of the rules, and no longer than the budget allows."""

from __future__ import annotations

import pytest
from llm_gateway_regex_hider import Rule, compile_rules
from llm_gateway_regex_hider.redaction.bounds import Blocked, Budget, Findings
from llm_gateway_regex_hider.redaction.matching import joined, match_at, replaced, timed_match

KEY, WORD = compile_rules([Rule(r"key-\d+", "[KEY]"), Rule(r"[a-z]+", "[WORD]")])


def test_the_first_rule_that_matches_at_the_place_wins() -> None:
    found = match_at("a key-12", 2, [KEY, WORD], Budget())

    assert found is not None
    assert (found[0].index, found[1].group()) == (0, "key-12")


def test_a_match_that_begins_later_is_not_one_of_this_place() -> None:
    assert match_at(". key-12", 0, [KEY, WORD], Budget()) is None


def test_without_a_budget_the_engine_is_not_asked() -> None:
    assert match_at("key-12", 0, [KEY], Budget(trials=0.0)) is None


def test_what_is_asked_in_vain_is_charged() -> None:
    budget = Budget()
    before = budget.trials

    assert match_at("....", 0, [KEY], budget) is None

    assert budget.trials < before


def test_a_match_is_hidden_and_counted_by_its_rule() -> None:
    findings = Findings()
    match, _ = timed_match(KEY, "key-12", 0, 1.0)
    assert match is not None

    assert replaced(KEY, match, findings) == ("key-12", "[KEY]")
    assert findings.matches == {0: 1}


def test_a_rule_that_refuses_raises_in_place_of_a_replacement() -> None:
    [rule] = compile_rules([Rule(r"key-\d+", block=True)])
    match, _ = timed_match(rule, "key-12", 0, 1.0)
    assert match is not None

    with pytest.raises(Blocked):
        replaced(rule, match, Findings())


def test_pieces_are_joined_with_their_replacements() -> None:
    assert joined([("a ", None), ("key-12", "[KEY]"), (" b", None), ("c", "")]) == "a [KEY] b"
