"""What is spent is taken from the budget, and what is found is counted by rule."""

from __future__ import annotations

import pytest
from llm_gateway_regex_hider.redaction.bounds import REPLACING, Blocked, Budget, Exhausted, Findings


def test_work_beyond_the_budget_is_refused() -> None:
    budget = Budget(microseconds=10.0)

    budget.spend(10.0)
    with pytest.raises(Exhausted):
        budget.spend(0.1)


def test_each_match_costs_its_replacement_however_cheap_it_was_to_find() -> None:
    budget = Budget(matches=3 * REPLACING)

    for _ in range(3):
        budget.found(0.0)
    with pytest.raises(Exhausted):
        budget.found(0.0)


def test_findings_are_counted_by_rule_and_in_all() -> None:
    findings = Findings(masked=1)

    findings.add(0)
    findings.add(2, 3)
    findings.add(0)

    assert (findings.matches, findings.total) == ({0: 2, 2: 3}, 6)


@pytest.mark.parametrize(("description", "message"), [("", "patterns[3]"), ("a key", "patterns[3] (a key)")])
def test_a_refusal_names_the_rule_and_not_the_text(description: str, message: str) -> None:
    assert str(Blocked(3, description)) == message
