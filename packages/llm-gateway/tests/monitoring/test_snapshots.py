"""The figures of several workers together."""

from __future__ import annotations

from typing import Any

from llm_gateway.monitoring.snapshots import add_up, counters_of, retire


def snapshot(requests: float, in_flight: float) -> dict[str, Any]:
    return {
        "values": {
            "llm_gateway_workers": [[[], 1]],
            "llm_gateway_requests_in_flight": [[[], in_flight]],
            "llm_gateway_config_reloads_total": [[["taken"], requests]],
        },
        "plugins": {
            "made_total": ["counter", [[["p", "q"], requests]]],
            "made_backlog": ["gauge", [[["p", "q"], in_flight]]],
        },
    }


def test_a_worker_that_does_not_answer_counts_by_its_counters_alone() -> None:
    totals = add_up([snapshot(3, 2), counters_of(snapshot(4, 9))])

    assert totals["llm_gateway_workers"][1] == {(): 1}
    assert totals["llm_gateway_requests_in_flight"][1] == {(): 2}
    assert totals["llm_gateway_config_reloads_total"][1] == {("taken",): 7}
    assert totals["made_total"][1] == {("p", "q"): 7}
    assert totals["made_backlog"][1] == {("p", "q"): 2}


def test_workers_that_have_ended_leave_their_counters_and_their_number() -> None:
    ended = retire(retire(None, snapshot(3, 2)), snapshot(4, 9))

    totals = add_up([ended])
    assert totals["llm_gateway_config_reloads_total"][1] == {("taken",): 7}
    assert totals["llm_gateway_worker_restarts_total"][1] == {(): 2}
    assert "llm_gateway_workers" not in totals
