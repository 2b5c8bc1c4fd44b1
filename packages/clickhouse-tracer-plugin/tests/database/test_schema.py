"""The table's statements: what makes it, and what an older one lacks. tests/tracer runs them on a real engine."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pytest
from llm_gateway_clickhouse_tracer.database.client import Database
from llm_gateway_clickhouse_tracer.database.schema import COLUMNS, ROLL_UPS, Column, create_statements, ensure_table
from llm_gateway_clickhouse_tracer.settings import ClickHouseSettings


class Server(Database):
    """A server that has a table of `columns`, made by the text `create`; keeps what it is commanded."""

    def __init__(self, columns: set[str], create: str = "") -> None:
        super().__init__(None, ClickHouseSettings())
        self.columns, self.create = columns, create
        self.commands: list[str] = []

    def query(self, sql: str, parameters: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        assert parameters == {"database": self.name, "table": "t"}
        if "system.columns" in sql:
            return [{"name": name} for name in self.columns]
        return [{"text": self.create}] if self.create else []

    def command(self, sql: str) -> None:
        self.commands.append(sql)


ALL = {column.name for column in COLUMNS}
CURRENT = create_statements("d", "t", 30)[1]


def migrated(columns: set[str], create: str = CURRENT, *, days: int | None = 30) -> list[str]:
    server = Server(columns, create)
    ensure_table(server, "t", days)
    return server.commands


def test_a_missing_table_is_made_with_its_database() -> None:
    database, table = migrated(set(), "")

    assert database.startswith("CREATE DATABASE IF NOT EXISTS")
    assert all(f"`{name}`" in table for name in ALL)
    assert "INTERVAL 30 DAY" in table


def test_a_current_table_is_only_looked_at() -> None:
    assert migrated(ALL) == [], "an account that may only insert can use it"


def test_missing_columns_are_added_in_one_statement_and_the_indexes_with_them() -> None:
    first, *indexes = migrated(ALL - {"labels", "org"})

    assert re.findall(r"ADD COLUMN IF NOT EXISTS `(\w+)`", first) == ["org", "labels"]
    assert len(indexes) == 3
    assert all("ADD INDEX IF NOT EXISTS ix_" in each for each in indexes)


@pytest.mark.parametrize("name", ROLL_UPS)
def test_a_missing_roll_up_is_added(name: str) -> None:
    (added,) = migrated(ALL, CURRENT.replace(f"PROJECTION {name}", "PROJECTION other"))

    assert f"ADD PROJECTION IF NOT EXISTS {name} (" in added


@pytest.mark.parametrize(
    ("create", "added"),
    [
        (CURRENT.replace("non_replicated_deduplication_window", "other"), 1),
        (CURRENT.replace("non_replicated_deduplication_window", "other").replace("= MergeTree", "= ReplicatedX"), 0),
        (CURRENT.replace("non_replicated_deduplication_window", "other").replace("= MergeTree", "= SharedX"), 0),
    ],
    ids=["plain", "replicated", "shared"],
)
def test_segments_that_are_sent_again_are_recognised(create: str, added: int) -> None:
    assert len([each for each in migrated(ALL, create) if "deduplication_window" in each]) == added


@pytest.mark.parametrize(
    ("create", "days", "statement"),
    [
        (CURRENT, 7, "MODIFY TTL toDateTime(ts) + INTERVAL 7 DAY DELETE"),
        (CURRENT, 0, "REMOVE TTL"),
        (CURRENT, None, None),
        (CURRENT.replace("INTERVAL 30 DAY", "toIntervalDay(30)"), 30, None),
        (create_statements("d", "t", None)[1], 30, "MODIFY TTL toDateTime(ts) + INTERVAL 30 DAY DELETE"),
        (create_statements("d", "t", None)[1], 0, None),
    ],
    ids=["shorter", "for ever", "not configured", "as the server writes it", "new", "none before"],
)
def test_the_retention_follows_the_configuration(create: str, days: int | None, statement: str | None) -> None:
    commands = migrated(ALL, create, days=days)

    assert [statement in each for each in commands if statement] == ([True] if statement else [])
    assert bool(commands) is bool(statement)


def test_a_meaning_with_a_quote_is_escaped() -> None:
    definition = Column("a", "String", "the client's \\ own").definition

    assert definition == "`a` String COMMENT 'the client\\'s \\\\ own'"
    assert all(column.definition.count("'") % 2 == column.definition.count("\\'") % 2 for column in COLUMNS)


def test_roll_ups_group_by_columns_of_the_table() -> None:
    assert {key for roll_up in ROLL_UPS.values() for key in roll_up.keys[1:]} <= ALL
