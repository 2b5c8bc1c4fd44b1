"""What the reader has chosen: time range, conditions, search, order and page, as the address has them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from llm_gateway_sdk.numerals import whole_number

from ..database.schema import QUARTER_DAY

__all__ = ["FAILED", "FIELDS", "RANGES", "SESSION_SORTS", "SORTS", "Filter", "Range", "is_zone"]


@dataclass(slots=True, frozen=True)
class Range:
    title: str
    seconds: int
    bucket_seconds: int


RANGES: Final[Mapping[str, Range]] = {
    "1h": Range("last hour", 3600, 60),
    "6h": Range("6 hours", 6 * 3600, 300),
    "24h": Range("24 hours", 24 * 3600, 1800),
    "7d": Range("7 days", 7 * 86400, 6 * 3600),
    "30d": Range("30 days", 30 * 86400, 12 * 3600),
}

_BUCKETS: Final = (60, 300, 1800, 3600, 6 * 3600, 12 * 3600, 86400, 7 * 86400)

_QUARTER: Final = 6 * 3600
_QUARTERS: Final = frozenset({"00:00:00", "06:00:00", "12:00:00", "18:00:00"})

FAILED: Final = "failed"
"""A status of the filter: every outcome but `ok`, as the figure of errors counts them."""

SORTS: Final[Mapping[str, str]] = {
    "newest": "started DESC",
    "oldest": "started",
    "slowest": "spent_us DESC",
    "dearest": "cost DESC NULLS LAST",
    "longest": "tokens_in + tokens_out DESC NULLS LAST",
    "first": "first_us DESC NULLS LAST",
    "requests": "requests DESC",
}

SESSION_SORTS: Final[Mapping[str, str]] = {
    "newest": "latest DESC",
    "dearest": "cost DESC NULLS LAST",
    "longest": "tokens_in + tokens_out DESC NULLS LAST",
    "requests": "requests DESC",
    "failing": "errors DESC",
}
"""Orders of the list of sessions."""


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


FIELDS: Final = {
    "project": "project",
    "model": "model_routed",
    "provider": "provider",
    "status": "status",
    "caller": "caller",
    "team": "team",
    "kind": "error_kind",
    "session": "session_id",
    "user": "user_id",
}

_LONG: Final = 7 * 86400
"""A span of the list that is as long as this, in seconds, begins with a quarter of a day (UTC): so the roll-ups serve
it, and a page of ten million requests takes about as long as one of ten thousand."""


@dataclass(slots=True, frozen=True)
class Filter:
    """What the reader has chosen. `fields` maps names of `FIELDS` to values."""

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
    def load(cls, query: Mapping[str, str], sorts: Collection[str] = SORTS) -> Filter:
        """From a query string; what is unknown is ignored. `sorts` are the orders that the page has."""
        chosen = query.get("range", "24h")
        return cls(
            range=chosen if chosen in RANGES else "24h",
            fields=tuple((name, query[name]) for name in FIELDS if query.get(name)),
            search=query.get("q", "").strip()[:500],
            tools_only=query.get("tools") == "1",
            before=query.get("before", "")[:40],
            sort=query["sort"] if query.get("sort") in sorts else "newest",
            skip=min(whole_number(query.get("skip")) or 0, 100_000),
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

    def begins(self, now: float) -> int:
        """From when on requests are counted, in Unix seconds: within the first bucket of the charts."""
        if self.since:
            return int(datetime.fromisoformat(self.since).replace(tzinfo=UTC).timestamp())
        start = now - RANGES[self.range].seconds
        return int(start // _QUARTER * _QUARTER if self.by_quarter_days else start)

    def before_it(self, now: float) -> Filter:
        """The same choice, in the span of equal length before it."""
        if self.since:
            start = datetime.fromisoformat(self.since).replace(tzinfo=UTC).timestamp()
            end = datetime.fromisoformat(self.until).replace(tzinfo=UTC).timestamp() if self.until else now
        else:
            start, end = now - RANGES[self.range].seconds, now
        if self.by_quarter_days:
            start, end = start // _QUARTER * _QUARTER, end // _QUARTER * _QUARTER
        earlier = (datetime.fromtimestamp(moment, UTC) for moment in (2 * start - end, start))
        since, until = (moment.strftime("%Y-%m-%d %H:%M:%S") for moment in earlier)
        return replace(self, since=since, until=until, before="", skip=0)

    @property
    def tzinfo(self) -> ZoneInfo:
        """The zone in which times are shown."""
        return ZoneInfo(self.zone)

    @property
    def by_quarter_days(self) -> bool:
        """Whether the span begins and ends with a quarter of a day (UTC)."""
        if not self.since:
            return RANGES[self.range].seconds >= _LONG
        return all(text[11:] in _QUARTERS for text in (self.since, self.until) if text)

    @property
    def clock(self) -> str:
        """The time of a request as conditions name it. The roll-ups serve a query only where it asks for theirs."""
        return QUARTER_DAY if self.by_quarter_days else "ts"

    def where(self) -> tuple[str, dict[str, Any]]:
        """Conditions in SQL, and their parameters. All questions of a page use the same, so that its figures agree."""
        if self.since:
            first = "parseDateTime64BestEffort({since:String}, 6, 'UTC')"
            parameters: dict[str, Any] = {"since": self.since}
        else:
            first = "now64(6) - toIntervalSecond({seconds:UInt32})"
            parameters = {"seconds": RANGES[self.range].seconds}
        if self.by_quarter_days:
            first = f"toStartOfInterval({first}, toIntervalHour(6))"
        conditions = [f"{self.clock} >= {first}"]
        if self.until:
            conditions.append(f"{self.clock} < parseDateTime64BestEffort({{until:String}}, 6, 'UTC')")
            parameters["until"] = self.until
        for name, value in self.fields:
            if name == "status" and value == FAILED:
                conditions.append("status != 'ok'")
                continue
            conditions.append(f"{FIELDS[name]} = {{{name}:String}}")
            parameters[name] = "" if value == "(none)" else value
        if self.tools_only:
            conditions.append("notEmpty(tool_calls)")
        return " AND ".join(conditions), parameters
