from __future__ import annotations

from collections import defaultdict
from types import SimpleNamespace
from typing import Any

from llm_gateway.monitoring.teams import MAX_TEAMS, TeamFigures
from llm_gateway_sdk import Principal


class Fold:
    def __init__(self) -> None:
        self.sums: dict[Any, float] = defaultdict(float)

    def add(self, name: str, labels: tuple[str, ...], value: float) -> None:
        self.sums[(name.removeprefix("llm_gateway_team_"), *labels)] += value


def request(team: str | None, read: int = 10, written: int = 5) -> Any:
    principal = None if team is None else Principal("i", "n", team=team or None)
    metrics = SimpleNamespace(input_tokens=read, output_tokens=written)
    return SimpleNamespace(project="p", principal=principal, metrics=metrics)


def figures(team: TeamFigures) -> dict[Any, float]:
    fold = Fold()
    team.fold_into(fold)
    return fold.sums


def test_requests_tokens_and_cost_are_summed_by_team() -> None:
    teams = TeamFigures()
    teams.add(request("data"), 2_000_000_000)
    teams.add(request("data"), None)
    teams.add(request("sales"), 1)

    found = figures(teams)
    assert found[("requests_total", "p", "data")] == 2
    assert found[("tokens_total", "p", "data", "input")] == 20
    assert found[("tokens_total", "p", "data", "output")] == 10
    assert found[("cost_usd_total", "p", "data")] == 2.0
    assert found[("requests_total", "p", "sales")] == 1


def test_callers_without_a_team_are_in_none() -> None:
    teams = TeamFigures()
    teams.add(request(None), 1)
    teams.add(request(""), 1)

    assert figures(teams) == {}


def test_the_teams_are_a_closed_set() -> None:
    teams = TeamFigures()
    for number in range(3 * MAX_TEAMS):
        teams.add(request(f"team-{number}"), 1)

    names = {labels[2] for labels in figures(teams)}
    assert len(names) == MAX_TEAMS + 1
    assert figures(teams)[("requests_total", "p", "other")] == 2 * MAX_TEAMS
