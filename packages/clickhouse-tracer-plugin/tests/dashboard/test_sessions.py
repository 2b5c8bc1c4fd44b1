"""Sessions are looked for in windows that grow until a page is full."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from llm_gateway_clickhouse_tracer.dashboard.filter import SESSION_SORTS, Filter
from llm_gateway_clickhouse_tracer.dashboard.finding import PAGE_SIZE
from llm_gateway_clickhouse_tracer.dashboard.sessions import found, sessions
from llm_gateway_clickhouse_tracer.database.client import Database
from llm_gateway_clickhouse_tracer.settings import ClickHouseSettings


class Stored(Database):
    """Finds one session in each hour of the last day, and remembers what it was asked."""

    def __init__(self, count: int = 24) -> None:
        super().__init__(None, ClickHouseSettings())
        self.count = count
        self.asked: list[tuple[str, Mapping[str, Any]]] = []

    def query(self, sql: str, parameters: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        assert parameters is not None
        self.asked.append((sql, parameters))
        if "ids" in parameters:
            return [{"session": each} for each in parameters["ids"]]
        hours = 24.0
        if "edge" in parameters:
            since = datetime.fromisoformat(parameters["edge"]).replace(tzinfo=UTC)
            hours = (datetime.now(UTC) - since).total_seconds() / 3600
        return [{"session_id": f"s{number}"} for number in range(int(self.count * hours / 24))][: PAGE_SIZE + 1]


def test_few_sessions_are_looked_for_in_the_whole_span() -> None:
    database = Stored()

    assert len(sessions(database, Filter(range="24h"))) == 24
    assert ["edge" in values for _, values in database.asked] == [True, True, True, False, False]


def test_many_are_found_in_its_last_part() -> None:
    database = Stored(100_000)

    assert len(sessions(database, Filter(range="24h"))) == PAGE_SIZE + 1
    assert ["edge" in values for _, values in database.asked] == [True, False]


def test_what_a_reader_types_is_a_parameter() -> None:
    hostile = "'; DROP TABLE traces; --"
    database = Stored()
    for sort in (*SESSION_SORTS, hostile):
        chosen = Filter.load({"q": hostile, "sort": sort, "before": hostile, "model": hostile}, SESSION_SORTS)
        sessions(database, chosen)

    assert all("DROP" not in sql for sql, _ in database.asked)
    assert all(values["search"] == hostile for _, values in database.asked if "ids" not in values)


def test_nothing_found_is_a_count_of_nothing() -> None:
    class Empty(Stored):
        def query(self, sql: str, parameters: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
            return []

    assert found(Empty(), Filter()) == 0
    assert sessions(Empty(), Filter()) == []
