"""The time over which a limit counts: rolling, by the calendar in a time zone, or for ever."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

__all__ = ["CALENDAR", "Window", "decode_window"]

CALENDAR = ("hour", "day", "week", "month", "quarter", "year")
_SECONDS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}


@dataclass(frozen=True, slots=True)
class Window:
    """One of the three kinds."""

    rolling_seconds: float | None = None
    calendar: str | None = None
    zone: tzinfo = UTC
    zone_name: str = "UTC"
    _last: list[tuple[float, float, str]] = field(default_factory=list, init=False, repr=False, compare=False)
    """The window that was asked for last: next to every request is in it."""

    @property
    def name(self) -> str:
        """Short and stable: it is part of the counter's name."""
        if self.rolling_seconds is not None:
            return f"{self.rolling_seconds:g}s"
        return f"{self.calendar}@{self.zone_name}" if self.calendar else "lifetime"

    def at(self, now: float) -> tuple[str, float]:
        """The index of the window at a time (seconds since the epoch), and when it ends; 0 is never.

        The index is part of the counter's name: a new window is another counter, and nothing has to be reset.
        """
        if self.calendar is None:
            return "", 0.0
        for since, until, index in self._last:
            if since <= now < until:
                return index, until
        local = datetime.fromtimestamp(math.floor(now), self.zone)  # which would round up to the next window
        if self.calendar == "hour":
            index = local.strftime("%Y-%m-%dT%H%z")
            since, until = _hour(now, local)
        else:
            start = _start(local, self.calendar)
            index, since = start.strftime("%Y-%m-%d"), start.timestamp()
            until = _start(_next(start, self.calendar), self.calendar).timestamp()
        self._last[:] = [(since, until, index)]
        return index, until


def _hour(now: float, local: datetime) -> tuple[float, float]:
    """When the hour of the wall clock begins and ends, which a change of the clock in its midst cuts short."""

    def change(low: int, high: int) -> int:
        """The second after `low`, and up to `high`, from which another offset holds."""
        before = datetime.fromtimestamp(low, local.tzinfo).utcoffset()
        while high - low > 1:
            middle = (low + high) // 2
            if datetime.fromtimestamp(middle, local.tzinfo).utcoffset() == before:
                low = middle
            else:
                high = middle
        return high

    second, offset = math.floor(now), local.utcoffset()
    since = second - local.minute * 60 - local.second
    until = since + 3600
    if datetime.fromtimestamp(since, local.tzinfo).utcoffset() != offset:
        since = change(since, second)
    if datetime.fromtimestamp(until - 1, local.tzinfo).utcoffset() != offset:
        until = change(second, until - 1)
    return since, until


def _start(local: datetime, unit: str) -> datetime:
    day = local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    match unit:
        case "week":
            return day - timedelta(days=day.weekday())
        case "month":
            return day.replace(day=1)
        case "quarter":
            return day.replace(day=1, month=(day.month - 1) // 3 * 3 + 1)
        case "year":
            return day.replace(day=1, month=1)
    return day


def _next(start: datetime, unit: str) -> datetime:
    """A time in the window after the one that begins at `start`. Days are those of the wall clock, so a day of 23 or
    25 hours is one day."""
    days = {"day": 1, "week": 7, "month": 32, "quarter": 95, "year": 366}[unit]
    return start + timedelta(days=days)


def decode_window(written: Any) -> Window:
    """`1m`, `24h`, `7d` (rolling), `lifetime`, or `{calendar: month, timeZone: Europe/Zurich}`. Raises ValueError."""
    if isinstance(written, Mapping):
        unit, name = written.get("calendar"), str(written.get("timeZone", "UTC"))
        if unit not in CALENDAR:
            raise ValueError(f"expected `calendar` to be one of {', '.join(CALENDAR)}")
        try:
            zone: tzinfo = UTC if name == "UTC" else ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f'there is no time zone "{name}"; expected a name such as Europe/Zurich') from None
        return Window(calendar=unit, zone=zone, zone_name=name)
    if written == "lifetime":
        return Window()
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(s|min|m|h|d|w)\s*", written) if isinstance(written, str) else None
    if match is None or float(match[1]) == 0:
        raise ValueError(f"expected 10s, 1m, 1h, 7d, lifetime or a calendar window, found {written!r}{_meant(written)}")
    return Window(rolling_seconds=float(match[1]) * _SECONDS[match[2]])


def _meant(written: object) -> str:
    """The remedy for a window in words (`minute`, `30 days`, `month`); else empty."""
    if not isinstance(written, str):
        return ""
    match = re.fullmatch(r"(?:(\d+)\s*|per\s+)?([a-z]+?)(?:s|ly)?", written.strip().lower())
    if match is None:
        return ""
    number = match[1] or "1"
    word = {"dai": "day", "sec": "second", "min": "minute"}.get(match[2], match[2])
    if word in ("month", "quarter", "year") and number == "1":
        return f"; write `{{calendar: {word}}}`"
    return f"; write `{number}{word[0]}`" if word in ("second", "minute", "hour", "day", "week") else ""
