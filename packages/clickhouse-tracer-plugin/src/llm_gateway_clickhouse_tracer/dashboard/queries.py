"""The figures of a span. Values travel as parameters; only names from this package's tables are ever formatted.

Figures are spelt as the roll-ups spell them (`schema.ROLL_UPS`): where a span is read by quarters of days, they come
from there.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from ..database.client import Database
from .filter import FIELDS, Filter

__all__ = [
    "OverTime",
    "breakdown",
    "breakdowns",
    "choices",
    "failures",
    "gaps",
    "interactions",
    "last_seen",
    "outcomes",
    "over_time",
    "series",
    "totals",
]

_OFFERED: Final = ("project", "model", "provider", "status", "caller", "team")
_MOST_CHOICES: Final = 100
_MOST_LINES: Final = 6
_SETTINGS: Final = "SETTINGS prefer_column_name_to_alias = 1"
"""`sum(cost_usd) AS cost_usd` is not an argument of another figure."""


_LATENCY: Final = "quantilesTDigest(0.5, 0.95, 0.99)(duration_us) AS latency"
_SUMS: Final = f"""count() AS requests, countIf(status != 'ok') AS errors, {_LATENCY},
            quantilesTDigest(0.5, 0.95)(ttft_us) AS ttft,
            sum(input_tokens) AS input_tokens, sum(output_tokens) AS output_tokens,
            sum(cache_read_tokens) AS cache_read_tokens, sum(reasoning_tokens) AS reasoning_tokens,
            sum(cost_usd) AS cost, countIf(cost_usd IS NULL AND status = 'ok') AS unpriced"""
_SPEED: Final = """quantileTDigestIf(0.5)(
                output_tokens * 1e6 / (duration_us - ttft_us), stream AND duration_us > ttft_us
            ) AS speed"""


def totals(database: Database, chosen: Filter) -> dict[str, Any]:
    """One row of sums."""
    where, parameters = chosen.where()
    found = database.query(f"SELECT {_SUMS} FROM {database.table} WHERE {where} {_SETTINGS}", parameters)
    return found[0] if found else {}


def interactions(database: Database, chosen: Filter) -> int:
    """How many interactions the requests belong to: about, where they are very many."""
    where, parameters = chosen.where()
    found = database.query(f"SELECT uniq(interaction_id) AS n FROM {database.table} WHERE {where}", parameters)
    return int(found[0]["n"]) if found else 0


def gaps(database: Database, chosen: Filter) -> dict[str, int]:
    """How many requests were priced in part, and of how many the tokens are an estimate."""
    where, parameters = chosen.where()
    found = database.query(
        f"""SELECT countIf(cost_usd IS NOT NULL AND notEmpty(unpriced)) AS priced_in_part,
            countIf(usage_estimated) AS estimated FROM {database.table} WHERE {where}
        {_SETTINGS}, optimize_functions_to_subcolumns = 0""",  # it reads the figure in a way that no roll-up has
        parameters,
    )
    return found[0] if found else {}


@dataclass(slots=True, frozen=True)
class OverTime:
    """The same figures of all requests, of each bucket, of each value of a field, and of each value in each bucket."""

    whole: dict[str, Any]
    points: list[dict[str, Any]]
    values: list[dict[str, Any]]
    """Those with most requests first."""
    lines: list[dict[str, Any]]
    """Of the values with most requests alone."""


def over_time(database: Database, chosen: Filter, field: str) -> OverTime:
    """One question instead of four: most of the work of each is to read the distributions of a roll-up."""
    where, parameters = chosen.where()
    _, _, bucket = chosen.span(time.time())
    column = FIELDS[field]
    rows = database.query(
        f"""SELECT
            toUnixTimestamp(toStartOfInterval({_clock(chosen, bucket)}, toIntervalSecond({bucket}))) AS start,
            {column} AS name, grouping(start, {column}) AS absent, {_SUMS}, {_SPEED}
        FROM {database.table} WHERE {where} GROUP BY CUBE(start, {column}) ORDER BY start {_SETTINGS}""",
        parameters,
    )
    by_keys: dict[int, list[dict[str, Any]]] = {_EACH: [], _OF_BUCKET: [], _OF_VALUE: [], _WHOLE: []}
    for row in rows:
        by_keys[row.pop("absent")].append(row)
    values = sorted(by_keys[_OF_VALUE], key=lambda row: (-row["requests"], row["name"]))
    most = [row["name"] for row in values if row["name"]][:_MOST_LINES]
    lines = sorted((row for row in by_keys[_EACH] if row["name"] in most), key=lambda row: (row["start"], row["name"]))
    return OverTime((by_keys[_WHOLE] or [{}])[0], by_keys[_OF_BUCKET], values, lines)


_EACH, _OF_BUCKET, _OF_VALUE, _WHOLE = range(4)
"""What SQL's `grouping` of the bucket and the value gives: a bit is set where a key is left out."""


def series(database: Database, chosen: Filter) -> list[dict[str, Any]]:
    """One entry per bucket that has requests."""
    where, parameters = chosen.where()
    _, _, bucket = chosen.span(time.time())
    return database.query(
        f"""SELECT
            toUnixTimestamp(toStartOfInterval({_clock(chosen, bucket)}, toIntervalSecond({bucket}))) AS start,
            {_SUMS}, {_SPEED}
        FROM {database.table} WHERE {where} GROUP BY start ORDER BY start {_SETTINGS}""",
        parameters,
    )


def outcomes(database: Database, chosen: Filter) -> list[dict[str, Any]]:
    """Requests per bucket and status."""
    where, parameters = chosen.where()
    _, _, bucket = chosen.span(time.time())
    return database.query(
        f"""SELECT
            toUnixTimestamp(toStartOfInterval({_clock(chosen, bucket)}, toIntervalSecond({bucket}))) AS start,
            status, count() AS requests
        FROM {database.table} WHERE {where} GROUP BY start, status ORDER BY start, status {_SETTINGS}""",
        parameters,
    )


def breakdown(
    database: Database, chosen: Filter, field: str, *, most: int = 12, timed: bool = True
) -> list[dict[str, Any]]:
    """One entry per value of a field, those with most requests first. `timed`: with latency, which is most of the
    work where values are many."""
    where, parameters = chosen.where()
    latency = f"{_LATENCY}," if timed else ""
    return database.query(
        f"""SELECT
            {FIELDS[field]} AS name, count() AS requests, countIf(status != 'ok') AS errors, {latency}
            sum(input_tokens) AS input_tokens, sum(output_tokens) AS output_tokens, sum(cost_usd) AS cost
        FROM {database.table} WHERE {where} GROUP BY name ORDER BY requests DESC LIMIT {most} {_SETTINGS}""",
        parameters,
    )


def breakdowns(
    database: Database, chosen: Filter, fields: Sequence[str], *, most: int = 12
) -> dict[str, list[dict[str, Any]]]:
    """The breakdown by each of some fields, of which one roll-up has all: it is read once."""
    where, parameters = chosen.where()
    columns = ", ".join(FIELDS[field] for field in fields)
    every = 2 ** len(fields) - 1
    alone = {every - 2**position: field for position, field in enumerate(reversed(fields))}
    rows = database.query(
        f"""SELECT
            {columns}, grouping({columns}) AS absent, count() AS requests, countIf(status != 'ok') AS errors,
            {_LATENCY}, sum(input_tokens) AS input_tokens, sum(output_tokens) AS output_tokens, sum(cost_usd) AS cost
        FROM {database.table} WHERE {where} GROUP BY CUBE({columns}) HAVING absent IN {tuple(alone)}
        ORDER BY requests DESC LIMIT {most} BY absent {_SETTINGS}""",
        parameters,
    )
    found: dict[str, list[dict[str, Any]]] = {field: [] for field in fields}
    for row in rows:
        field = alone[row["absent"]]
        found[field].append({**row, "name": row[FIELDS[field]]})
    return found


def last_seen(database: Database, chosen: Filter, field: str) -> dict[str, float]:
    """When each value of a field had its last request in the span, in Unix seconds."""
    where, parameters = chosen.where()
    rows = database.query(
        f"""SELECT {FIELDS[field]} AS name, toUnixTimestamp(max(ts)) AS moment
        FROM {database.table} WHERE {where} GROUP BY name {_SETTINGS}""",
        parameters,
    )
    return {row["name"]: float(row["moment"]) for row in rows}


def failures(database: Database, chosen: Filter, *, most: int = 20) -> list[dict[str, Any]]:
    """What failed or was refused, by status, kind and caller, that which happened last first: how often, when last
    (Unix seconds), and the message and the ids of the last one."""
    where, parameters = chosen.where()
    found = database.query(
        f"""SELECT status, error_kind AS kind, caller, count() AS requests, toUnixTimestamp64Micro(max(ts)) AS last
        FROM {database.table} WHERE {where} AND status != 'ok'
        GROUP BY status, kind, caller ORDER BY last DESC LIMIT {most} {_SETTINGS}""",
        parameters,
    )
    if not found:
        return []
    # Texts and ids are read of these few alone: of all that failed in a month they are most of the work.
    moments = [row["last"] for row in found]
    rows = database.query(
        f"""SELECT status, error_kind AS kind, caller, toUnixTimestamp64Micro(ts) AS last, any(error) AS message,
            any(request_id) AS request, any(interaction_id) AS interaction
        FROM {database.table} WHERE {where} AND status != 'ok'
            AND ts IN (SELECT fromUnixTimestamp64Micro(arrayJoin({{moments:Array(Int64)}}), 'UTC'))
            AND ts >= fromUnixTimestamp64Micro({{first:Int64}}, 'UTC')
        GROUP BY status, kind, caller, ts {_SETTINGS}""",
        {**parameters, "moments": moments, "first": min(moments)},
    )
    last = {(row["status"], row["kind"], row["caller"], row["last"]): row for row in rows}
    return [
        {**row, **last[row["status"], row["kind"], row["caller"], row["last"]], "last": row["last"] // 1_000_000}
        for row in found
        if (row["status"], row["kind"], row["caller"], row["last"]) in last
    ]


def choices(database: Database, chosen: Filter) -> dict[str, list[str]]:
    """What the selection boxes offer: values of the time range, whatever else is chosen."""
    where, parameters = Filter(range=chosen.range, since=chosen.since, until=chosen.until).where()
    keys = ", ".join(FIELDS[name] for name in _OFFERED)
    gathered = ", ".join(f"arraySort(groupUniqArray({_MOST_CHOICES})({FIELDS[name]})) AS {name}" for name in _OFFERED)
    found = database.query(
        f"SELECT {gathered} FROM (SELECT {keys} FROM {database.table} WHERE {where} GROUP BY {keys}) {_SETTINGS}",
        parameters,
    )
    return {name: [value for value in values if value] for name, values in (found[0] if found else {}).items()}


def _clock(chosen: Filter, bucket: int) -> str:
    return chosen.clock if bucket % 21600 == 0 else "ts"
