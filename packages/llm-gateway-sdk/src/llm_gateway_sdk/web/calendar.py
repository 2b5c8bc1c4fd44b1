"""Days, weeks and months as people ask for them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

__all__ = ["calendar_spans"]

_MOMENT: Final = "%Y-%m-%d %H:%M:%S"


def calendar_spans(now: datetime) -> dict[str, tuple[str, str]]:
    """Days, weeks (from Monday) and months of the clock of `now` (aware), each as two moments in UTC: its beginning and
    that of the next one (`2026-11-23 00:00:00`)."""
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    monday, first = today - timedelta(days=today.weekday()), today.replace(day=1)
    spans = {
        "today": (today, today + timedelta(days=1)),
        "yesterday": (today - timedelta(days=1), today),
        "this week": (monday, monday + timedelta(days=7)),
        "last week": (monday - timedelta(days=7), monday),
        "this month": (first, (first + timedelta(days=31)).replace(day=1)),
        "last month": ((first - timedelta(days=1)).replace(day=1), first),
    }
    return {
        name: (start.astimezone(UTC).strftime(_MOMENT), end.astimezone(UTC).strftime(_MOMENT))
        for name, (start, end) in spans.items()
    }
