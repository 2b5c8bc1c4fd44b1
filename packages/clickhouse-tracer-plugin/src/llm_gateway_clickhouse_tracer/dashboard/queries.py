"""The figures of a span. Values travel as parameters; only names from this package's tables are ever formatted.

Figures are spelt as the roll-ups spell them (`schema.ROLL_UPS`): where a span is read by quarters of days, they come
from there.
"""

from __future__ import annotations

import time
from typing import Any, Final

from ..database.client import Database
from .filter import FIELDS, Filter

__all__ = ["breakdown", "choices", "failures", "last_seen", "outcomes", "series", "series_by", "totals"]

_OFFERED: Final = ("project", "model", "provider", "status", "caller", "team")
_MOST_CHOICES: Final = 100
_MOST_LINES: Final = 6
_SETTINGS: Final = "SETTINGS prefer_column_name_to_alias = 1"
"""`sum(cost_usd) AS cost_usd` is not an argument of another figure."""


def totals(database: Database, chosen: Filter, *, compared: bool = False) -> dict[str, Any]:
    """One row of sums; `compared` leaves out what is not compared with another span."""
    where, parameters = chosen.where()
    distinct = "" if compared else "uniq(interaction_id) AS interactions,"
    found = database.query(
        f"""SELECT
            count() AS requests, countIf(status != 'ok') AS errors, {distinct}
            quantilesTDigest(0.5, 0.95, 0.99)(duration_us) AS latency,
            quantilesTDigest(0.5, 0.95)(ttft_us) AS ttft,
            sum(input_tokens) AS input_tokens, sum(output_tokens) AS output_tokens,
            sum(cache_read_tokens) AS cache_read_tokens, sum(reasoning_tokens) AS reasoning_tokens,
            sum(cost_usd) AS cost, countIf(cost_usd IS NULL AND status = 'ok') AS unpriced
        FROM {database.table} WHERE {where} {_SETTINGS}""",
        parameters,
    )
    if not found or compared:
        return found[0] if found else {}
    # By itself: no roll-up has these, and with them none would serve the sums.
    [marks] = database.query(
        f"""SELECT countIf(cost_usd IS NOT NULL AND notEmpty(unpriced)) AS priced_in_part,
            countIf(usage_estimated) AS estimated FROM {database.table} WHERE {where}""",
        parameters,
    )
    return {**found[0], **marks}


def series(database: Database, chosen: Filter) -> list[dict[str, Any]]:
    """One entry per bucket that has requests."""
    where, parameters = chosen.where()
    _, _, bucket = chosen.span(time.time())
    return database.query(
        f"""SELECT
            toUnixTimestamp(toStartOfInterval({_clock(chosen, bucket)}, toIntervalSecond({bucket}))) AS start,
            count() AS requests, countIf(status != 'ok') AS errors,
            quantilesTDigest(0.5, 0.95, 0.99)(duration_us) AS latency,
            quantilesTDigest(0.5, 0.95)(ttft_us) AS ttft,
            sum(input_tokens) AS input_tokens, sum(output_tokens) AS output_tokens, sum(cost_usd) AS cost,
            quantileTDigestIf(0.5)(
                output_tokens * 1e6 / (duration_us - ttft_us), stream AND duration_us > ttft_us
            ) AS speed
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


def series_by(database: Database, chosen: Filter, field: str) -> list[dict[str, Any]]:
    """Per bucket and value of a field: requests, errors and latency. Only the values with most requests."""
    where, parameters = chosen.where()
    _, _, bucket = chosen.span(time.time())
    column = FIELDS[field]
    return database.query(
        f"""SELECT
            toUnixTimestamp(toStartOfInterval({_clock(chosen, bucket)}, toIntervalSecond({bucket}))) AS start,
            {column} AS name, count() AS requests, countIf(status != 'ok') AS errors,
            quantilesTDigest(0.5, 0.95, 0.99)(duration_us) AS latency
        FROM {database.table} WHERE {where} AND {column} IN (
            SELECT {column} FROM {database.table} WHERE {where} AND {column} != ''
            GROUP BY {column} ORDER BY count() DESC LIMIT {_MOST_LINES}
        ) GROUP BY start, name ORDER BY start, name {_SETTINGS}""",
        parameters,
    )


def breakdown(
    database: Database, chosen: Filter, field: str, *, most: int = 12, timed: bool = True
) -> list[dict[str, Any]]:
    """One entry per value of a field, those with most requests first. `timed`: with latency, which is most of the
    work where values are many."""
    where, parameters = chosen.where()
    latency = "quantilesTDigest(0.5, 0.95, 0.99)(duration_us) AS latency," if timed else ""
    return database.query(
        f"""SELECT
            {FIELDS[field]} AS name, count() AS requests, countIf(status != 'ok') AS errors, {latency}
            sum(input_tokens) AS input_tokens, sum(output_tokens) AS output_tokens, sum(cost_usd) AS cost
        FROM {database.table} WHERE {where} GROUP BY name ORDER BY requests DESC LIMIT {most} {_SETTINGS}""",
        parameters,
    )


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
