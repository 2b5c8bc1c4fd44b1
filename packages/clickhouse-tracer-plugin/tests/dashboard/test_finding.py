"""Whole rows for a file come in chunks, without gaps and without end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llm_gateway_clickhouse_tracer.dashboard.filter import Filter
from llm_gateway_clickhouse_tracer.dashboard.finding import export
from llm_gateway_clickhouse_tracer.database.client import Database
from llm_gateway_clickhouse_tracer.settings import ClickHouseSettings


class Stored(Database):
    """Answers the question of the next chunk from a list."""

    def __init__(self, count: int) -> None:
        super().__init__(None, ClickHouseSettings())
        self.rows = [{"ts": f"2026-11-23 10:00:00.{n // 3:06d}", "request_id": f"req_{n:05d}"} for n in range(count)]
        self.asked: list[Mapping[str, Any]] = []

    def query(self, sql: str, parameters: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        assert parameters is not None
        self.asked.append(parameters)
        last = (parameters["last_ts"], parameters["last_id"])
        return [row for row in self.rows if (row["ts"], row["request_id"]) > last][:200]


def test_every_row_comes_once_though_many_have_the_same_moment() -> None:
    database = Stored(450)

    assert list(export(database, Filter())) == database.rows
    assert len(database.asked) == 3


def test_a_reader_who_leaves_early_costs_one_chunk() -> None:
    database = Stored(450)

    next(export(database, Filter(), "int_1"))
    assert [asked["interaction"] for asked in database.asked] == ["int_1"]
