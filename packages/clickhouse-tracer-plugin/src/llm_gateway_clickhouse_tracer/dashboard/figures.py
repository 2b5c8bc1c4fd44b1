"""Numbers as people read them."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from typing import Any, Final

__all__ = ["count", "duration", "moment", "money", "seconds", "share"]


_LONG: Final = ((86400e6, "days"), (3600e6, "h"), (60e6, "min"))


def count(value: Any) -> str:
    if value is None:
        return "–"
    number = float(value)
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(number) >= limit:
            return f"{number / (1e3 if unit == 'k' else limit):.1f}{unit}"
    return f"{number:,.0f}"


def duration(microseconds: Any) -> str:
    if microseconds is None:
        return "–"
    value = float(microseconds)
    if value != value:  # the mean of nothing
        return "–"
    if value == 0:
        return "0"
    if value < 1e3:
        return f"{value:.0f}\N{NO-BREAK SPACE}µs"
    if value < 1e6:
        return f"{value / 1e3:.0f}\N{NO-BREAK SPACE}ms"
    if value < 60e6:
        return f"{value / 1e6:.2f}\N{NO-BREAK SPACE}s"
    size, unit = next((size, unit) for size, unit in _LONG if value >= 2 * size or unit == "min")
    return f"{value / size:.1f}\N{NO-BREAK SPACE}{unit}"


def money(dollars: Any) -> str:
    if dollars is None:
        return "unknown"
    value = float(dollars)
    if value == 0:
        return "$0"
    if value >= 1:
        return f"${value:,.2f}"
    return f"${value:.4f}" if value >= 0.0001 else f"${value:.6f}"


def share(part: Any, whole: Any) -> str:
    return f"{100 * float(part or 0) / float(whole):.1f} %" if whole else "–"


def moment(text: Any, zone: tzinfo = UTC) -> str:
    """`2026-11-23 10:00:00.123456` (UTC) without its fraction, as the zone's clock shows it."""
    if not text:
        return "–"
    try:
        when = datetime.fromisoformat(str(text)[:19]).replace(tzinfo=UTC)
    except ValueError:
        return str(text)[:19]
    return when.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S")


def seconds(text: str) -> float:
    """Unix seconds of `2026-11-23 10:00:00.123456` (UTC), as records have their time."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()
