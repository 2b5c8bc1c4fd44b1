"""The live list gives what has arrived since the last look, however late it began."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llm_gateway_clickhouse_tracer.dashboard.filter import Filter
from llm_gateway_clickhouse_tracer.dashboard.tail import Tail
from llm_gateway_clickhouse_tracer.database.client import Database
from llm_gateway_clickhouse_tracer.settings import ClickHouseSettings


class Arriving(Database):
    def __init__(self) -> None:
        super().__init__(None, ClickHouseSettings())
        self.rows: list[str] = []
        self.sql: list[str] = []

    def query(self, sql: str, parameters: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        assert parameters is not None
        self.sql.append(sql)
        if "ids" in parameters:
            return [{"interaction_id": each} for each in parameters["ids"]]
        return [{"request_id": f"req_{each}", "interaction_id": f"int_{each[0]}"} for each in self.rows]


def steps(tail: Tail, database: Arriving, *arrivals: str) -> list[list[str]]:
    found = []
    for arrival in arrivals:
        database.rows = [*arrival.split(), *database.rows]
        found.append([row["interaction_id"] for row in tail.step()])
    return found


def test_only_what_is_new_is_given_and_an_interaction_once() -> None:
    database = Arriving()

    assert steps(Tail(lambda: database, Filter()), database, "a1 b1", "", "c1", "b2 b3") == [
        [],
        [],
        ["int_c"],
        ["int_b"],
    ]


def test_a_quiet_gateway_costs_one_question_per_look() -> None:
    database = Arriving()
    steps(Tail(lambda: database, Filter()), database, "a1", "", "", "")

    assert len(database.sql) == 4


def test_what_arrived_between_two_connections_is_not_missed() -> None:
    database = Arriving()

    assert steps(Tail(lambda: database, Filter(), resumed=True), database, "a1", "") == [["int_a"], []]


def test_the_conditions_of_the_list_hold() -> None:
    database = Arriving()
    steps(Tail(lambda: database, Filter.load({"status": "failed", "range": "30d"})), database, "")

    assert "status != 'ok'" in database.sql[0]
    assert "toStartOfInterval" not in database.sql[0]
