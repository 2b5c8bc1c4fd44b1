"""Figures of long spans are spelt as the roll-ups have them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from llm_gateway_clickhouse_tracer.dashboard.filter import Filter
from llm_gateway_clickhouse_tracer.dashboard.queries import (
    breakdown,
    breakdowns,
    choices,
    gaps,
    interactions,
    over_time,
    series,
    totals,
)
from llm_gateway_clickhouse_tracer.database.client import Database
from llm_gateway_clickhouse_tracer.database.schema import QUARTER_DAY, create_statements
from llm_gateway_clickhouse_tracer.settings import ClickHouseSettings

QUESTIONS = {
    "totals": totals,
    "series": series,
    "choices": choices,
    "provider": lambda database, chosen: breakdown(database, chosen, "provider"),
    "interactions": interactions,
    "gaps": gaps,
    "over time": lambda database, chosen: over_time(database, chosen, "provider"),
    "model and project": lambda database, chosen: breakdowns(database, chosen, ("model", "project")),
    "team": lambda database, chosen: breakdown(database, chosen, "team"),
}


class Asked(Database):
    def __init__(self) -> None:
        super().__init__(None, ClickHouseSettings())
        self.sql = ""

    def query(self, sql: str, parameters: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        self.sql = " ".join(sql.split())
        return []


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_long_span_is_asked_for_by_quarter_days_and_a_short_one_by_moments(question: str) -> None:
    database = Asked()
    QUESTIONS[question](database, Filter(range="7d", fields=(("model", "gpt"),)))
    assert f"{QUARTER_DAY} >=" in database.sql
    assert " ts " not in database.sql.partition("WHERE")[2]

    QUESTIONS[question](database, Filter(range="1h"))
    assert " ts >=" in database.sql


def test_the_boxes_offer_the_values_of_a_custom_span() -> None:
    database = Asked()
    choices(database, Filter(since="2026-11-23 09:30:00"))

    assert "{since:String}" in database.sql


@pytest.mark.parametrize("question", ["totals", "series", "provider", "over time", "model and project", "gaps"])
def test_each_figure_is_one_of_the_roll_ups(question: str) -> None:
    database = Asked()
    QUESTIONS[question](database, Filter(range="30d"))
    made = " ".join(" ".join(create_statements("d", "t", None)).split())

    figures = [part.rpartition(" AS ")[0].strip() for part in database.sql.partition(" FROM ")[0].split(", ")]
    for figure in figures:
        if figure.endswith(")") and figure.count("(") == figure.count(")") and not figure.startswith("SELECT"):
            assert figure in made, figure
