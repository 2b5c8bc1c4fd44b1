"""Sums by labels, which the figures of teams and those of callers' labels share."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from llm_gateway.monitoring.caller_sums import CallerSums


class Page:
    def __init__(self) -> None:
        self.rows: dict[tuple[str, ...], float] = {}

    def add(self, name: str, labels: tuple[str, ...], value: float) -> None:
        self.rows[name, *labels] = value


def request(read: int | None, written: int | None) -> Any:
    return SimpleNamespace(metrics=SimpleNamespace(input_tokens=read, output_tokens=written))


def test_each_figure_is_summed_by_its_labels() -> None:
    sums, page = CallerSums("team"), Page()
    for nanos in (2_000_000_000, None):
        sums.add(("default", "search"), request(10, 5), nanos)
    sums.add(("default", "billing"), request(None, None), None)
    sums.fold_into(page)

    assert page.rows["llm_gateway_team_requests_total", "default", "search"] == 2
    assert page.rows["llm_gateway_team_tokens_total", "default", "search", "input"] == 20
    assert page.rows["llm_gateway_team_tokens_total", "default", "search", "output"] == 10
    assert page.rows["llm_gateway_team_cost_usd_total", "default", "search"] == 2.0
    assert page.rows["llm_gateway_team_requests_total", "default", "billing"] == 1
    assert page.rows["llm_gateway_team_cost_usd_total", "default", "billing"] == 0.0


def test_labels_that_have_sums_are_known() -> None:
    sums = CallerSums("label")
    sums.add(("default", "stage", "test"), request(1, 1), None)

    assert ("default", "stage", "test") in sums
    assert ("default", "stage", "live") not in sums
    assert len(sums) == 1
