"""Runs of rows that failed alike."""

from __future__ import annotations

from typing import Any

from llm_gateway_clickhouse_tracer.dashboard.alike import LEAST, runs


def rows(*kinds: str) -> list[dict[str, Any]]:
    """`kinds` are outcome and caller, as `refused app`; each row has another number in its message."""
    made = []
    for number, kind in enumerate(kinds):
        outcome, caller = kind.split()
        failure = f"The limit 'few' has {number},000 tokens of 6,000 left." if outcome != "ok" else ""
        made.append({"interaction_id": f"int_{number}", "outcome": outcome, "who": caller, "failure": failure})
    return made


def test_refusals_one_after_another_are_one_run_whatever_their_numbers() -> None:
    found = rows("ok app", *["refused app"] * 4, "ok app")

    assert [len(run) for run in runs(found)] == [1, 4, 1]
    assert [row for run in runs(found) for row in run] == found


def test_another_caller_or_another_outcome_is_another_run() -> None:
    found = rows(*["refused one"] * 3, *["refused two"] * 3, *["error two"] * 3)

    assert [len(run) for run in runs(found)] == [3, 3, 3]


def test_few_are_shown_one_by_one() -> None:
    assert [len(run) for run in runs(rows(*["refused one"] * (LEAST - 1)))] == [1] * (LEAST - 1)


def test_what_did_not_fail_is_never_put_together() -> None:
    assert [len(run) for run in runs(rows(*["ok app"] * 5, *["cancelled app"] * 5))] == [1] * 10
