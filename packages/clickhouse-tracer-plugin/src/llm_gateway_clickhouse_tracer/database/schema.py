"""The table: its columns with what they mean, and how an older one is brought up to date.

Rows are facts that never change, so that the engine is a plain MergeTree. It is partitioned by day: retention drops
whole partitions. The roll-ups are projections and not materialised views, for a view counts a segment that is
sent again a second time, while a projection lives in the part and shares its fate. They serve rows that were written
since a table has them; older rows are read one by one, unless an operator has them materialised (see docs/tracing.md).

Migrations only ever add (`IF NOT EXISTS`), in the order of this file; rows are sent as JSON lines with
`input_format_skip_unknown_fields`, so that an older gateway can write into a newer table and the other way round.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ..settings import TracerSettings
from .client import Database, connect

__all__ = [
    "COLUMNS",
    "QUARTER_DAY",
    "ROLL_UPS",
    "SCHEMA_VERSION",
    "Column",
    "create_statements",
    "ensure_table",
    "open_database",
]

SCHEMA_VERSION: Final = 1


@dataclass(slots=True, frozen=True)
class Column:
    name: str
    type: str
    meaning: str
    codec: str = ""

    @property
    def definition(self) -> str:
        codec = f" CODEC({self.codec})" if self.codec else ""
        return f"`{self.name}` {self.type}{codec} COMMENT '{_escaped(self.meaning)}'"


_NAME = "LowCardinality(String)"
_TEXT = "ZSTD(3)"
_COUNT = "T64, ZSTD(1)"

COLUMNS: Final = (
    Column("ts", "DateTime64(6, 'UTC')", "when the request arrived", "Delta(8), ZSTD(1)"),
    Column("request_id", "String", "the gateway's id of the request, also in the x-request-id of the reply", "ZSTD(1)"),
    Column("interaction_id", "String", "the same for all requests of one tool conversation", "ZSTD(1)"),
    Column("session_id", "String", "the client's own id of the session, where it sends one", "ZSTD(1)"),
    Column("project", _NAME, "project of the gateway"),
    Column("adapter", _NAME, "the API that the client spoke"),
    Column("dialect", _NAME, "dialect of that API"),
    Column(
        "operation",
        _NAME,
        "what was asked for: generate, embed, realtime, native or another operation",
    ),
    Column("caller", _NAME, "who authenticated; never the key"),
    Column("principal", _NAME, "the caller's id, stable where its name changes"),
    Column("team", _NAME, "the caller's team"),
    Column("org", _NAME, "the caller's organisation"),
    Column("labels", "Map(LowCardinality(String), String)", "the caller's labels", "ZSTD(1)"),
    Column("user_id", "String", "the end user, as the client names it", "ZSTD(1)"),
    Column("client_ip", "String", "address of the client", "ZSTD(1)"),
    Column("user_agent", _NAME, "the client's own name"),
    Column("model_requested", _NAME, "what the client asked for"),
    Column("model_routed", _NAME, "the configured model that was called last"),
    Column("model_answered", _NAME, "the model that the provider names"),
    Column("provider", _NAME, "type of the provider that was called last"),
    Column("status", _NAME, "ok, error, refused (by the gateway or a plugin) or cancelled (the client left)"),
    Column("http_status", "UInt16", "status of the reply; 499 where the client left"),
    Column("error_kind", _NAME, "class of the error, e.g. rate_limit"),
    Column("error", "String", "message of the error", "ZSTD(1)"),
    Column("attempts", "UInt8", "how many calls to providers were made"),
    Column("attempt_log", "String", "JSON: one object per call with model, target, status, error and times", "ZSTD(1)"),
    Column("stream", "Bool", "the reply was a stream"),
    Column("duration_us", "UInt64", "microseconds from arrival to the last byte", _COUNT),
    Column("ttft_us", "Nullable(UInt64)", "microseconds from arrival to the first content", "ZSTD(1)"),
    Column("input_tokens", "Nullable(UInt32)", "cached ones included", "ZSTD(1)"),
    Column("output_tokens", "Nullable(UInt32)", "reasoning included", "ZSTD(1)"),
    Column("cache_read_tokens", "Nullable(UInt32)", "input read from a cache", "ZSTD(1)"),
    Column("cache_write_tokens", "Nullable(UInt32)", "input written to a cache", "ZSTD(1)"),
    Column("reasoning_tokens", "Nullable(UInt32)", "output spent on thinking", "ZSTD(1)"),
    Column("usage_estimated", "Bool", "the gateway counted the tokens, not the provider"),
    Column("cost_usd", "Nullable(Decimal(18, 9))", "by the price table; null where a price is unknown", "ZSTD(1)"),
    Column("unpriced", f"Array({_NAME})", "kinds that were used and have no price; cost_usd lacks them", "ZSTD(1)"),
    Column("finish_reason", _NAME, "stop, length, tool_calls, content_filter, refusal, pause or error"),
    Column("raw_finish_reason", _NAME, "the provider's own word"),
    Column("tool_calls", f"Array({_NAME})", "names of the tools that the model called", "ZSTD(1)"),
    Column("tools_offered", "UInt16", "how many tools the request offered"),
    Column("messages", "UInt32", "how many messages the request held", _COUNT),
    Column("prompt", "String", "the last text of the user, cut after 2000 characters", _TEXT),
    Column("answer", "String", "text of the answer, cut after 2000 characters", _TEXT),
    Column("request", "String", "JSON: the request in canonical form, as the plugins left it", _TEXT),
    Column("response", "String", "JSON: the reply in canonical form, as the plugins left it", _TEXT),
    Column("original", "String", "the body as it arrived, with capture.original", _TEXT),
    Column("truncated", "Bool", "one of the texts was longer than capture.maxBytes"),
    Column("losses", "Array(String)", "what a translation could not keep", "ZSTD(1)"),
    Column("timings", "Map(LowCardinality(String), UInt32)", "microseconds by plugin and phase", "ZSTD(1)"),
    Column("tags", "Map(LowCardinality(String), String)", "what plugins noted (capture.metadata)", "ZSTD(1)"),
    Column("method", _NAME, "HTTP method"),
    Column("path", "String", "HTTP path without its query", "ZSTD(1)"),
    Column("headers", "Map(LowCardinality(String), String)", "request headers; secrets hidden", "ZSTD(1)"),
    Column("gateway", _NAME, "host of the gateway"),
)

_INDEXES: Final = (
    "INDEX ix_request_id request_id TYPE bloom_filter(0.001) GRANULARITY 1",
    "INDEX ix_interaction_id interaction_id TYPE bloom_filter(0.001) GRANULARITY 1",
    "INDEX ix_session_id session_id TYPE bloom_filter(0.01) GRANULARITY 1",
)

QUARTER_DAY: Final = "toStartOfInterval(ts, toIntervalHour(6))"
"""The time of a request in a roll-up. By the hour, a roll-up of many callers would have nearly as many rows as the
table."""

_FIGURES: Final = (
    "count()",
    "countIf(status != 'ok')",
    "uniq(interaction_id)",
    "quantilesTDigest(0.5, 0.95, 0.99)(duration_us)",
    "quantilesTDigest(0.5, 0.95)(ttft_us)",
    "quantileTDigestIf(0.5)(output_tokens * 1e6 / (duration_us - ttft_us), stream AND duration_us > ttft_us)",
    "sum(duration_us)",
    "sum(input_tokens)",
    "sum(output_tokens)",
    "sum(cache_read_tokens)",
    "sum(reasoning_tokens)",
    "sum(cost_usd)",
    "countIf(cost_usd IS NULL AND status = 'ok')",
)

_SUMS: Final = (
    "count()",
    "countIf(status != 'ok')",
    "sum(input_tokens)",
    "sum(output_tokens)",
    "sum(cost_usd)",
)

_GAPS: Final = ("countIf(cost_usd IS NOT NULL AND notEmpty(unpriced))", "countIf(usage_estimated)")


@dataclass(slots=True, frozen=True)
class RollUp:
    """A projection. A query is served by the smallest that has its keys and figures, where it spells both exactly like
    this; the engine chooses by itself."""

    keys: tuple[str, ...]
    figures: tuple[str, ...] = _FIGURES

    @property
    def definition(self) -> str:
        keys = ", ".join(self.keys)
        return f"(SELECT {keys}, {', '.join(self.figures)} GROUP BY {keys})"


_EVERY: Final = (QUARTER_DAY, "project", "model_routed", "provider", "status", "caller", "team")

ROLL_UPS: Final[Mapping[str, RollUp]] = {
    "by_model": RollUp((QUARTER_DAY, "project", "model_routed", "provider", "status")),
    "by_owner": RollUp((QUARTER_DAY, "project", "caller", "team")),
    "by_caller": RollUp(_EVERY),
    # By itself, for a table of an earlier version has the other roll-ups without these figures.
    "gaps": RollUp(_EVERY, _GAPS),
    # Sessions are many, so they have no distributions; whose they are hardly makes them more.
    "by_session": RollUp((QUARTER_DAY, "project", "caller", "team", "session_id"), _SUMS),
}
"""By their names in the table."""


def _projection(name: str) -> str:
    return f"PROJECTION {name} {ROLL_UPS[name].definition}"


def _place_of(name: str) -> str:
    """Of roll-ups that are as large in their parts of a table the engine takes the first: the order of this file is
    the order in a table, where the smaller is before the larger."""
    names = list(ROLL_UPS)
    position = names.index(name)
    return f"AFTER {names[position - 1]}" if position else "FIRST"


_DEDUPLICATION_WINDOW: Final = 10_000
"""Inserts that ClickHouse remembers; far more than can be under way."""


def create_statements(database: str, table: str, retention_days: int | None) -> list[str]:
    """The statements that make the database and the table."""
    definitions = [column.definition for column in COLUMNS] + list(_INDEXES) + [_projection(name) for name in ROLL_UPS]
    return [
        f"CREATE DATABASE IF NOT EXISTS `{database}`",
        f"CREATE TABLE IF NOT EXISTS `{database}`.`{table}`\n(\n    "
        + ",\n    ".join(definitions)
        + f"\n)\nENGINE = MergeTree\nPARTITION BY toDate(ts)\nORDER BY (project, toStartOfHour(ts), ts, request_id)\n"
        f"{_ttl(retention_days)}SETTINGS ttl_only_drop_parts = 1, "
        f"non_replicated_deduplication_window = {_DEDUPLICATION_WINDOW}\n"
        f"COMMENT 'llm-gateway traces, schema {SCHEMA_VERSION}'",
    ]


def open_database(settings: TracerSettings) -> Database:
    """Connects and brings the table into shape. Raises DatabaseFailure."""
    database = connect(settings.clickhouse)
    ensure_table(database, settings.clickhouse.table, settings.retention_days)
    return database


def ensure_table(database: Database, table: str, retention_days: int | None) -> None:
    """Makes the table, or adds what an older one lacks. Raises DatabaseFailure.

    Looks first, so that an account which may only insert can write into a table that an administrator has made.
    """
    found = _columns(database, table)
    if not found:
        for statement in create_statements(database.name, table, retention_days):
            database.command(statement)
        return
    for statement in _migrations(database, table, found, retention_days):
        database.command(statement)


def _columns(database: Database, table: str) -> set[str]:
    rows = database.query(
        "SELECT name FROM system.columns WHERE database = {database:String} AND table = {table:String}",
        {"database": database.name, "table": table},
    )
    return {row["name"] for row in rows}


def _migrations(database: Database, table: str, found: set[str], retention_days: int | None) -> list[str]:
    alter = f"ALTER TABLE {database.table}"
    create = _create_query(database, table)
    statements = []
    if missing := [column for column in COLUMNS if column.name not in found]:
        added = ", ".join(f"ADD COLUMN IF NOT EXISTS {column.definition}" for column in missing)
        statements.append(f"{alter} {added}")
        statements += [f"{alter} ADD {index.replace('INDEX', 'INDEX IF NOT EXISTS', 1)}" for index in _INDEXES]
    statements += [
        f"{alter} ADD {_projection(name).replace(' ', ' IF NOT EXISTS ', 1)} {_place_of(name)}"
        for name in ROLL_UPS
        if f"PROJECTION {name}" not in create
    ]
    if "deduplication_window" not in create and "Replicated" not in create and "Shared" not in create:
        # Without it a segment that is sent again would be stored again.
        statements.append(f"{alter} MODIFY SETTING non_replicated_deduplication_window = {_DEDUPLICATION_WINDOW}")
    if retention_days is not None and retention_days != _retention_of(create):
        statements.append(f"{alter} MODIFY {_ttl(retention_days)}" if retention_days else f"{alter} REMOVE TTL")
    return statements


def _create_query(database: Database, table: str) -> str:
    rows = database.query(
        "SELECT create_table_query AS text FROM system.tables"
        " WHERE database = {database:String} AND name = {table:String}",
        {"database": database.name, "table": table},
    )
    return str(rows[0]["text"]) if rows else ""


def _ttl(retention_days: int | None) -> str:
    return f"TTL toDateTime(ts) + INTERVAL {retention_days} DAY DELETE\n" if retention_days else ""


def _retention_of(create: str) -> int:
    match = re.search(r"TTL toDateTime\(ts\) \+ (?:toIntervalDay\((\d+)\)|INTERVAL (\d+) DAY)", create)
    return int(match[1] or match[2]) if match else 0


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("'", "\\'")
