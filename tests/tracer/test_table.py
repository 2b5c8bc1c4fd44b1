"""The table in a real engine: made, migrated, kept for as long as configured, and answering what it is for.

With CLICKHOUSE_URL these tests run against that server (a database of their own is made and dropped).
"""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from llm_gateway_clickhouse_tracer.dashboard import finding, queries, sessions
from llm_gateway_clickhouse_tracer.dashboard.filter import RANGES, SESSION_SORTS, Filter
from llm_gateway_clickhouse_tracer.database.client import connect
from llm_gateway_clickhouse_tracer.database.schema import COLUMNS, QUARTER_DAY, ROLL_UPS, ensure_table
from llm_gateway_clickhouse_tracer.settings import TracerSettings
from llm_gateway_clickhouse_tracer.tracer import Tracer
from tracer_contexts import finished, user
from tracer_harness import Front, eventually, rows
from tracer_samples import samples

from llm_gateway_sdk import ModelHTTPError


@pytest.fixture
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[dict[str, Any]]:
    """A tracer's configuration with an empty database."""
    url = os.environ.get("CLICKHOUSE_URL")
    if url is None:
        front: Front = request.getfixturevalue("front")
        url = front.url
    config = {
        "clickhouse": {"url": url, "database": f"tracer_test_{uuid.uuid4().hex[:12]}"},
        "flushInterval": 200,
        "spool": {"path": str(tmp_path / "spool"), "sending": "normal"},
    }
    yield config
    database = connect(TracerSettings.load(config).clickhouse)
    database.command(f"DROP DATABASE IF EXISTS `{database.name}`")
    database.close()


def traced(config: dict[str, Any], *contexts: Any) -> None:
    tracer = Tracer(config)
    tracer.start()
    for ctx in contexts:
        tracer.record(ctx)
    eventually(lambda: tracer.counters.sent == len(contexts), 30)
    tracer.close()


def test_a_record_comes_back_as_it_was(place: dict[str, Any]) -> None:
    hostile = "tab\t newline\n quote' back\\slash \u2028 \U0001f600 \x00 end"
    traced(
        place, finished("r1", messages=[user(hostile)], caller="alice"), finished("r2", messages=[user("half \ud83d")])
    )

    [row] = rows(place, rest="WHERE request_id = 'r1'")
    assert row["prompt"] == hostile
    assert (row["caller"], row["input_tokens"], row["cost_usd"]) == ("alice", 1000, 0.00044)
    assert row["output_tokens"] == 100
    assert row["cache_write_tokens"] is None
    assert [found["prompt"] for found in rows(place, "prompt", "WHERE request_id = 'r2'")] == ["half ?"]


def test_columns_that_a_table_lacks_are_added_and_its_rows_stay(place: dict[str, Any]) -> None:
    settings = TracerSettings.load(place)
    database = connect(settings.clickhouse)
    database.command(f"CREATE DATABASE `{database.name}`")
    database.command(
        f"CREATE TABLE {database.table} (ts DateTime64(6, 'UTC'), request_id String, project LowCardinality(String))"
        " ENGINE = MergeTree ORDER BY ts"
    )
    database.command(f"INSERT INTO {database.table} VALUES (now64(6), 'old', 'p')")

    traced(place, finished("new"))
    ensure_table(database, settings.clickhouse.table, None)

    found = {row["request_id"]: row for row in rows(place)}
    assert found.keys() == {"old", "new"}
    assert found["new"].keys() == {column.name for column in COLUMNS}
    assert found["old"]["input_tokens"] is None
    database.close()


@pytest.mark.parametrize(("before", "after", "days"), [(7, 30, 30), (7, 0, 0), (None, 3, 3), (7, None, 7)])
def test_retention_follows_the_configuration(
    place: dict[str, Any], before: int | None, after: int | None, days: int
) -> None:
    database = connect(TracerSettings.load(place).clickhouse)
    for retention in (before, after):
        ensure_table(database, "traces", retention)

    [table] = database.query(
        "SELECT create_table_query AS text FROM system.tables WHERE database = {name:String}", {"name": database.name}
    )
    assert ("TTL " in table["text"]) == bool(days)
    assert not days or f"toIntervalDay({days})" in table["text"]
    database.close()


def test_the_same_segment_twice_is_stored_once(place: dict[str, Any]) -> None:
    settings = TracerSettings.load(place)
    database = connect(settings.clickhouse)
    ensure_table(database, "traces", None)
    for _ in range(3):
        database.insert(b'{"ts":"2026-11-23 10:00:00","request_id":"a"}\n', "segment-1")
    database.insert(b'{"ts":"2026-11-23 10:00:00","request_id":"a"}\n', "segment-2")

    assert len(rows(place)) == 2
    database.close()


def test_sums_are_served_by_the_projection(place: dict[str, Any]) -> None:
    database = connect(TracerSettings.load(place).clickhouse)
    ensure_table(database, "traces", None)
    database.command(
        f"INSERT INTO {database.table} (ts, request_id, project, input_tokens)"
        " SELECT now64(6) - number, toString(number), 'p', 1 FROM numbers(200000)"
    )
    explained = database.query(
        f"EXPLAIN SELECT {QUARTER_DAY}, project, sum(input_tokens), count() FROM {database.table}"
        f" GROUP BY {QUARTER_DAY}, project"
    )

    assert any("by_model" in row["explain"] for row in explained)
    dearest = database.query(
        f"EXPLAIN SELECT session_id, sum(cost_usd) AS cost FROM {database.table}"
        f" WHERE {QUARTER_DAY} >= now64(6) - 86400 AND session_id != '' AND team = 'search'"
        " GROUP BY session_id ORDER BY cost DESC LIMIT 51"
    )
    assert any("by_session" in row["explain"] for row in dearest)

    asked: list[tuple[str, Any]] = []
    answer = database.query

    def query(sql: str, parameters: Any = None) -> list[dict[str, Any]]:
        asked.append((sql, parameters))
        return answer(sql, parameters)

    database.query = query  # type: ignore[method-assign]
    month = Filter(range="30d")
    for question in (queries.totals, queries.series, queries.outcomes, queries.choices, queries.interactions,
                     queries.gaps, finding.found, sessions.found):  # fmt: skip
        question(database, month)
    queries.over_time(database, month, "provider")
    queries.breakdowns(database, month, ("model", "project", "status"))
    for field in ("team", "caller"):
        queries.breakdown(database, month, field)
    for sql, parameters in asked:
        read = [row["explain"] for row in answer(f"EXPLAIN {sql}", parameters) if "ReadFrom" in row["explain"]]
        assert [each for each in read if not any(f"({name})" in each for name in ROLL_UPS)] == [], sql
    database.close()


def test_every_question_of_the_dashboard_has_an_answer(place: dict[str, Any]) -> None:
    traced(place, *samples(60))
    database = connect(TracerSettings.load(place).clickhouse)
    for name in RANGES:
        chosen = Filter(range=name)
        over_time = queries.over_time(database, chosen, "provider")
        assert over_time.whole.items() >= queries.totals(database, chosen).items()
        assert [{**point, "name": ""} for point in queries.series(database, chosen)] == over_time.points
        assert sum(row["requests"] for row in over_time.points) == over_time.whole["requests"] > 0
        fields = ("project", "model", "status")
        for field, values in {**queries.breakdowns(database, chosen, fields), "provider": over_time.values}.items():
            alone = queries.breakdown(database, chosen, field)
            assert [row["requests"] for row in values] == [row["requests"] for row in alone]
            for row in alone:
                [same] = [each for each in values if each["name"] == row["name"]]
                assert same.items() >= row.items(), field
        assert {row["name"] for row in over_time.lines} == {row["name"] for row in over_time.values} - {""}
        for value in over_time.values:
            in_buckets = [row["requests"] for row in over_time.lines if row["name"] == value["name"]]
            assert sum(in_buckets) == value["requests"] or not value["name"]

    day = Filter(range="24h")
    assert queries.interactions(database, day) == 64
    assert finding.found(database, day) == finding.Found(64, 66)
    [found] = finding.interactions(database, Filter(range="24h", search="UMBRELLA")).rows
    assert (found["requests"], found["tools"]) == (3, ["get_weather", "search_shop"])
    assert len(finding.rounds(database, found["interaction_id"])) == 3
    assert len(finding.rounds(database, "req-tools-2")) == 3
    assert len(list(finding.export(database, day))) == 66
    page = finding.interactions(database, day).rows
    older = finding.interactions(database, Filter(range="24h", before=str(page[49]["started"]))).rows
    assert not {row["interaction_id"] for row in page[:50]} & {row["interaction_id"] for row in older}
    assert len(page[:50]) + len(older) == 64
    before = {**queries.totals(database, day), **queries.gaps(database, day)}
    database.command(
        f"INSERT INTO {database.table} (ts, request_id, status, cost_usd, unpriced, usage_estimated) VALUES"
        " (now64(6), 'part', 'ok', 0.5, ['web_search'], 0), (now64(6), 'none', 'ok', NULL, [], 1)"
    )
    after = {**queries.totals(database, day), **queries.gaps(database, day)}
    assert [after[name] - before[name] for name in ("unpriced", "priced_in_part", "estimated")] == [1, 1, 1]
    database.close()


def test_sessions_add_up_their_requests_in_every_order(place: dict[str, Any]) -> None:
    now = time.time()
    contexts = [
        finished(
            f"r-{session}-{number}",
            headers={"x-session-id": f"session-{session:03d}"},
            started=now - 60 * session - number,
            caller=f"key-{session % 3}",
            error=ModelHTTPError("overloaded", status=503) if number == 1 and session % 10 == 0 else None,
        )
        for session in range(60)
        for number in range(2 if session < 59 else 5)
    ]
    traced(place, *contexts, finished("without"))
    database = connect(TracerSettings.load(place).clickhouse)
    day = Filter(range="24h")

    page = sessions.sessions(database, day)
    assert [row["session"] for row in page[:50]] == [f"session-{number:03d}" for number in range(50)]
    assert sessions.found(database, day) == 60
    older = sessions.sessions(database, Filter(range="24h", before=str(page[49]["latest"])))
    assert [row["session"] for row in older] == [f"session-{number:03d}" for number in range(50, 60)]
    [longest, *_] = sessions.sessions(database, Filter(range="24h", sort="requests"))
    assert (longest["session"], longest["requests"], longest["tokens_in"]) == ("session-059", 5, 5000)
    failing = sessions.sessions(database, Filter(range="24h", sort="failing"))
    assert [row["errors"] for row in failing[:7]] == [1] * 6 + [0]
    assert {row["session"] for row in sessions.sessions(database, Filter(range="24h", search="SSION-05"))} == {
        f"session-05{number}" for number in range(10)
    }
    for sort in SESSION_SORTS:
        rest = sessions.sessions(database, Filter(range="24h", sort=sort, skip=50 if sort != "newest" else 0))
        assert len(rest) == (51 if sort == "newest" else 10)
    [one] = sessions.sessions(database, Filter.load({"session": "session-007", "caller": "key-1"}))
    assert (one["callers"], one["interactions"], one["models"]) == (["key-1"], 2, ["gpt-mini"])
    database.close()
