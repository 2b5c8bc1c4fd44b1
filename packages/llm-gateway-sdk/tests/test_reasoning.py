from __future__ import annotations

import pytest

from llm_gateway_sdk.reasoning import EFFORTS, MIN_BUDGET, budget_of_effort, effort_of_budget, lower_effort


@pytest.mark.parametrize("effort", ["none", "low", "medium", "high"])
def test_the_common_words_survive_the_way_there_and_back(effort: str) -> None:
    assert effort_of_budget(budget_of_effort(effort) or 0) == effort


def test_more_effort_is_never_less_budget() -> None:
    for max_tokens in (None, 1500, 4096, 64000):
        budgets = [budget_of_effort(effort, max_tokens) or 0 for effort in EFFORTS]
        assert budgets == sorted(budgets)


@pytest.mark.parametrize("max_tokens", [1025, 1100, 2000, 4096, 16000, 200000])
@pytest.mark.parametrize("effort", EFFORTS[1:])
def test_a_budget_lies_between_the_least_and_the_whole_answer(effort: str, max_tokens: int) -> None:
    budget = budget_of_effort(effort, max_tokens)

    assert budget is not None
    assert MIN_BUDGET <= budget < max_tokens


def test_without_room_there_is_no_thinking() -> None:
    assert budget_of_effort("high", MIN_BUDGET) is None
    assert budget_of_effort("none", 100000) is None


def test_an_unknown_word_counts_as_medium() -> None:
    assert budget_of_effort("enormous") == budget_of_effort("medium")


def test_the_nearest_word_below_is_taken_where_one_is_not_known() -> None:
    assert lower_effort("xhigh", ("low", "medium", "high", "max")) == "high"
    assert lower_effort("minimal", ("low", "high")) == "low"
    assert lower_effort("low", ("low",)) == "low"
    assert lower_effort("enormous", ("low",)) == "enormous"
