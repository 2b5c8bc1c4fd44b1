"""The dashboard's questions. Values travel as parameters; only names from this file's tables are ever formatted."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ..client import Database

__all__ = [
    "FAILED",
    "RANGES",
    "SORTS",
    "Filter",
    "Range",
    "breakdown",
    "choices",
    "export",
    "found",
    "interactions",
    "is_zone",
    "rounds",
    "series",
    "totals",
]

PAGE_SIZE: Final = 50
_EXPORT_CHUNK: Final = 200
_MAX_ROUNDS: Final = 200


@dataclass(slots=True, frozen=True)
class Range:
    title: str
    seconds: int
    bucket_seconds: int


RANGES: Final[Mapping[str, Range]] = {
    "1h": Range("last hour", 3600, 60),
    "6h": Range("6 hours", 6 * 3600, 300),
    "24h": Range("24 hours", 24 * 3600, 1800),
    "7d": Range("7 days", 7 * 86400, 3 * 3600),
    "30d": Range("30 days", 30 * 86400, 12 * 3600),
}

_BUCKETS: Final = (60, 300, 1800, 3600, 3 * 3600, 12 * 3600, 86400, 7 * 86400)

FAILED: Final = "failed"
"""A status of the filter: every outcome but `ok`, as the figure of errors counts them."""

SORTS: Final[Mapping[str, str]] = {
    "newest": "started DESC",
    "oldest": "started",
    "slowest": "spent_us DESC",
    "dearest": "cost DESC NULLS LAST",
    "longest": "tokens_in + tokens_out DESC NULLS LAST",
}


def is_zone(name: str) -> bool:
    """Whether the machine knows a time zone of this name."""
    if not name or len(name) > 60 or name.startswith(("/", ".")) or ".." in name:
        return False
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def _moment(text: str) -> str:
    """A moment of a query in UTC; empty where it is none."""
    try:
        when = datetime.fromisoformat(text.strip()[:40])
    except ValueError:
        return ""
    return when.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S") if when.tzinfo else when.strftime("%Y-%m-%d %H:%M:%S")


_FIELDS: Final = {
    "project": "project",
    "model": "model_routed",
    "status": "status",
    "caller": "caller",
    "session": "session_id",
    "user": "user_id",
}


@dataclass(slots=True, frozen=True)
class Filter:
    """What the reader has chosen. `fields` maps names of `_FIELDS` to values."""

    range: str = "24h"
    fields: tuple[tuple[str, str], ...] = ()
    search: str = ""
    tools_only: bool = False
    before: str = ""
    """Page: interactions that started before this moment."""
    sort: str = "newest"
    skip: int = 0
    """Page, where another order than the newest first is chosen."""
    zone: str = "UTC"
    """Name of the time zone in which times are shown."""
    since: str = ""
    """A range of the reader's own: from this moment (UTC, ISO) to `until`. Overrides `range`."""
    until: str = ""

    @classmethod
    def load(cls, query: Mapping[str, str]) -> Filter:
        """From a query string; what is unknown is ignored."""
        chosen = query.get("range", "24h")
        return cls(
            range=chosen if chosen in RANGES else "24h",
            fields=tuple((name, query[name]) for name in _FIELDS if query.get(name)),
            search=query.get("q", "").strip()[:500],
            tools_only=query.get("tools") == "1",
            before=query.get("before", "")[:40],
            sort=query["sort"] if query.get("sort") in SORTS else "newest",
            skip=min(int(query["skip"]), 100_000) if query.get("skip", "").isdecimal() else 0,
            zone=query["tz"] if is_zone(query.get("tz", "")) else "UTC",
            since=_moment(query.get("since", "")),
            until=_moment(query.get("until", "")),
        )

    def query(self) -> dict[str, str]:
        """The other way round, without the page."""
        values = {"range": self.range, **dict(self.fields)}
        if self.search:
            values["q"] = self.search
        if self.tools_only:
            values["tools"] = "1"
        if self.sort != "newest":
            values["sort"] = self.sort
        if self.zone != "UTC":
            values["tz"] = self.zone
        return values | {name: value for name, value in (("since", self.since), ("until", self.until)) if value}

    def span(self, now: float) -> tuple[int, int, int]:
        """(start, end, bucket) of the charts, in Unix seconds; buckets are whole."""
        if self.since:
            start = datetime.fromisoformat(self.since).replace(tzinfo=UTC).timestamp()
            end = datetime.fromisoformat(self.until).replace(tzinfo=UTC).timestamp() if self.until else now
            bucket = next((each for each in _BUCKETS if (end - start) / each <= 80), _BUCKETS[-1])
        else:
            bucket = RANGES[self.range].bucket_seconds
            start, end = now - RANGES[self.range].seconds, now
        return int(start // bucket * bucket), int(end // bucket * bucket + bucket), bucket

    def before_it(self, now: float) -> Filter:
        """The same choice, in the span of equal length before it."""
        if self.since:
            start = datetime.fromisoformat(self.since).replace(tzinfo=UTC).timestamp()
            end = datetime.fromisoformat(self.until).replace(tzinfo=UTC).timestamp() if self.until else now
        else:
            start, end = now - RANGES[self.range].seconds, now
        earlier = (datetime.fromtimestamp(moment, UTC) for moment in (2 * start - end, start))
        since, until = (moment.strftime("%Y-%m-%d %H:%M:%S") for moment in earlier)
        return replace(self, since=since, until=until, before="", skip=0)

    @property
    def tzinfo(self) -> ZoneInfo:
        """The zone in which times are shown."""
        return ZoneInfo(self.zone)

    def where(self) -> tuple[str, dict[str, Any]]:
        if self.since:
            conditions = ["ts >= parseDateTime64BestEffort({since:String}, 6, 'UTC')"]
            parameters: dict[str, Any] = {"since": self.since}
        else:
            conditions = ["ts >= now64(6) - toIntervalSecond({seconds:UInt32})"]
            parameters = {"seconds": RANGES[self.range].seconds}
        if self.until:
            conditions.append("ts < parseDateTime64BestEffort({until:String}, 6, 'UTC')")
            parameters["until"] = self.until
        for name, value in self.fields:
            if name == "status" and value == FAILED:
                conditions.append("status != 'ok'")
                continue
            conditions.append(f"{_FIELDS[name]} = {{{name}:String}}")
            parameters[name] = "" if value == "(none)" else value
        if self.tools_only:
            conditions.append("notEmpty(tool_calls)")
        return " AND ".join(conditions), parameters


def totals(database: Database, chosen: Filter) -> dict[str, Any]:
    where, parameters = chosen.where()
    found = database.query(
        f"""SELECT
            count() AS requests, countIf(status != 'ok') AS errors, uniqExact(interaction_id) AS interactions,
            quantilesTDigest(0.5, 0.95, 0.99)(duration_us) AS latency,
            quantilesTDigest(0.5, 0.95)(ttft_us) AS ttft,
            sum(input_tokens) AS input_tokens, sum(output_tokens) AS output_tokens,
            sum(cache_read_tokens) AS cache_read_tokens, sum(reasoning_tokens) AS reasoning_tokens,
            sum(cost_usd) AS cost, countIf(cost_usd IS NULL AND status = 'ok') AS unpriced,
            countIf(stream) AS streams, countIf(attempts > 1) AS retried
        FROM {database.table} WHERE {where}""",
        parameters,
    )
    return found[0] if found else {}


def series(database: Database, chosen: Filter) -> list[dict[str, Any]]:
    """One entry per bucket, empty ones included, so that a gap is a gap."""
    where, parameters = chosen.where()
    _, _, bucket = chosen.span(time.time())
    return database.query(
        f"""SELECT
            toUnixTimestamp(toStartOfInterval(ts, toIntervalSecond({bucket}))) AS start,
            count() AS requests, countIf(status != 'ok') AS errors,
            quantilesTDigest(0.5, 0.95, 0.99)(duration_us) AS latency,
            quantilesTDigest(0.5, 0.95)(ttft_us) AS ttft,
            sum(input_tokens) AS input_tokens, sum(output_tokens) AS output_tokens, sum(cost_usd) AS cost,
            quantileTDigestIf(0.5)(
                t.output_tokens * 1e6 / (t.duration_us - t.ttft_us), t.stream AND t.duration_us > t.ttft_us
            ) AS speed
        FROM {database.table} AS t WHERE {where} GROUP BY start ORDER BY start""",
        parameters,
    )


def breakdown(database: Database, chosen: Filter, field: str) -> list[dict[str, Any]]:
    where, parameters = chosen.where()
    column = _FIELDS[field]
    return database.query(
        f"""SELECT
            {column} AS name, count() AS requests, countIf(status != 'ok') AS errors,
            quantilesTDigest(0.5, 0.95)(duration_us) AS latency, quantilesTDigest(0.5)(ttft_us)[1] AS ttft,
            sum(input_tokens) AS input_tokens, sum(output_tokens) AS output_tokens, sum(cost_usd) AS cost
        FROM {database.table} WHERE {where} GROUP BY name ORDER BY requests DESC LIMIT 12""",
        parameters,
    )


def choices(database: Database, chosen: Filter) -> dict[str, list[str]]:
    """What the selection boxes offer: values of the time range, whatever else is chosen."""
    where, parameters = Filter(range=chosen.range).where()
    found = database.query(
        f"""SELECT
            arraySort(groupUniqArray(100)(project)) AS project, arraySort(groupUniqArray(100)(model_routed)) AS model,
            arraySort(groupUniqArray(20)(status)) AS status, arraySort(groupUniqArray(100)(caller)) AS caller
        FROM {database.table} WHERE {where}""",
        parameters,
    )
    return {name: [value for value in values if value] for name, values in (found[0] if found else {}).items()}


def interactions(database: Database, chosen: Filter) -> list[dict[str, Any]]:
    """A page of interactions, newest first; one entry more than a page tells that there is another."""
    where, parameters = _searched(database, chosen)
    having, offset = "", ""
    if chosen.sort != "newest":
        offset = f" OFFSET {chosen.skip}"
    elif chosen.before:
        parameters |= {"before": chosen.before}
        having = "HAVING started < parseDateTime64BestEffortOrZero({before:String}, 6, 'UTC')"
    return database.query(
        f"""SELECT
            interaction_id, min(ts) AS started, count() AS requests,
            argMin(prompt, ts) AS question, argMax(answer, ts) AS reply,
            argMax(status, ts) AS outcome, argMax(error, ts) AS failure, argMax(finish_reason, ts) AS finish,
            arrayDistinct(arrayFlatten(groupArray(tool_calls))) AS tools,
            groupUniqArray(10)(model_routed) AS models, any(t.project) AS in_project, any(t.caller) AS who,
            any(t.session_id) AS session,
            sum(duration_us) AS spent_us, min(ttft_us) AS first_us,
            sum(input_tokens) AS tokens_in, sum(output_tokens) AS tokens_out, sum(cost_usd) AS cost
        FROM {database.table} AS t WHERE {where}
        GROUP BY interaction_id {having} ORDER BY {SORTS[chosen.sort]}, interaction_id
        LIMIT {PAGE_SIZE + 1}{offset}""",
        parameters,
    )


def found(database: Database, chosen: Filter) -> int:
    """How many interactions the filter finds, searched texts left out of account where they are not."""
    where, parameters = _searched(database, chosen)
    rows = database.query(f"SELECT uniqExact(interaction_id) AS n FROM {database.table} WHERE {where}", parameters)
    return int(rows[0]["n"]) if rows else 0


def _searched(database: Database, chosen: Filter) -> tuple[str, dict[str, Any]]:
    where, parameters = chosen.where()
    if chosen.search:
        parameters |= {"search": chosen.search}
        where += f""" AND interaction_id IN (
            SELECT interaction_id FROM {database.table} WHERE {where} AND (
                positionCaseInsensitiveUTF8(prompt, {{search:String}}) > 0
                OR positionCaseInsensitiveUTF8(answer, {{search:String}}) > 0
                OR positionCaseInsensitiveUTF8(request, {{search:String}}) > 0
                OR positionCaseInsensitiveUTF8(response, {{search:String}}) > 0
                OR positionCaseInsensitiveUTF8(error, {{search:String}}) > 0
                OR request_id = {{search:String}} OR interaction_id = {{search:String}}
                OR positionCaseInsensitiveUTF8(session_id, {{search:String}}) > 0
                OR positionCaseInsensitiveUTF8(user_id, {{search:String}}) > 0 OR has(tool_calls, {{search:String}})
            ))"""
    return where, parameters


def rounds(database: Database, interaction: str) -> list[dict[str, Any]]:
    """All requests of one interaction in order. A request's own id finds its interaction too."""
    return database.query(
        f"""SELECT * FROM {database.table}
        WHERE interaction_id = {{id:String}}
            OR interaction_id IN (SELECT interaction_id FROM {database.table} WHERE request_id = {{id:String}})
        ORDER BY ts LIMIT {_MAX_ROUNDS}""",
        {"id": interaction},
    )


def export(database: Database, chosen: Filter, interaction: str = "") -> Iterator[dict[str, Any]]:
    """Whole rows, oldest first, fetched a few hundred at a time."""
    where, parameters = chosen.where()
    if interaction:
        where, parameters = "interaction_id = {interaction:String}", {"interaction": interaction}
    elif chosen.search:
        where += " AND (positionCaseInsensitiveUTF8(request, {search:String}) > 0"
        where += " OR positionCaseInsensitiveUTF8(response, {search:String}) > 0)"
        parameters |= {"search": chosen.search}
    last = ("1970-01-01 00:00:00", "")
    while True:
        found = database.query(
            f"""SELECT * FROM {database.table} WHERE {where}
            AND (ts, request_id) > (toDateTime64({{last_ts:String}}, 6, 'UTC'), {{last_id:String}})
            ORDER BY ts, request_id LIMIT {_EXPORT_CHUNK}""",
            {**parameters, "last_ts": last[0], "last_id": last[1]},
        )
        yield from found
        if len(found) < _EXPORT_CHUNK:
            return
        last = (found[-1]["ts"], found[-1]["request_id"])
