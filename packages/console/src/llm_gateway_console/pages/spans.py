"""The spans of time that pages with figures offer: back from now, and by the calendar (UTC, as budgets are)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from llm_gateway_sdk.web import Markup, calendar_spans, tag

from .view import View

__all__ = ["Span", "chosen", "ranges"]

_ROLLING: Final = {"24h": "last day", "7d": "last 7 days", "30d": "last 30 days"}
_CALENDAR: Final = ("this week", "last week", "this month", "last month")
_USUAL: Final = "7d"


@dataclass(frozen=True, slots=True)
class Span:
    key: str
    """As an address names it: `7d`, `last-week`."""
    title: str
    """In words; of the calendar with its first and last day."""
    query: Mapping[str, str]
    """The span, as pages of recorded requests take it."""


def chosen(view: View) -> Span:
    """The span of the address, or else the last seven days."""
    key = view.query.get("range", _USUAL)
    return _spans(datetime.now(UTC)).get(key) or _spans(datetime.now(UTC))[_USUAL]


def ranges(view: View, path: str, span: Span, **query: str) -> Markup:
    """Links to the same page in each span; `query` is what else its address holds."""
    spans = _spans(datetime.now(UTC)).values()

    def links(*, rolling: bool) -> list[Markup]:
        return [
            tag(
                "a", each.key.replace("-", " "), href=view.address(path, **query, range=each.key), title=each.title,
                aria_current="true" if each.key == span.key else None,
            )
            for each in spans
            if (each.key in _ROLLING) == rolling
        ]  # fmt: skip

    return tag(
        "div",
        tag("nav", links(rolling=True), class_="ranges", aria_label="Time range"),
        tag("nav", links(rolling=False), class_="ranges", aria_label="Calendar"),
        tag("span", f"{span.title} (UTC)", class_="sub"),
        class_="controls",
    )


def _spans(now: datetime) -> dict[str, Span]:
    found = {key: Span(key, title, {"range": key}) for key, title in _ROLLING.items()}
    calendar = calendar_spans(now)
    for name in _CALENDAR:
        since, until = calendar[name]
        key = name.replace(" ", "-")
        last = datetime.fromisoformat(until) - timedelta(days=1)
        title = f"{name}, {datetime.fromisoformat(since):%d %b} to {last:%d %b %Y}"
        found[key] = Span(key, title, {"since": since, "until": until})
    return found
