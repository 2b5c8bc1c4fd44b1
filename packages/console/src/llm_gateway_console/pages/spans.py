"""The spans of time that pages with figures offer: back from now, by the calendar, and from one moment to another (UTC,
as budgets are)."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from llm_gateway_sdk.web import Markup, calendar_spans, tag

from .view import View

__all__ = ["Span", "between", "chosen", "moment_of", "ranges"]

_ROLLING: Final[Mapping[str, tuple[str, int]]] = {
    "24h": ("last day", 86400),
    "7d": ("last 7 days", 7 * 86400),
    "30d": ("last 30 days", 30 * 86400),
}
_CALENDAR: Final = ("this week", "last week", "this month", "last month")
_USUAL: Final = "7d"


@dataclass(frozen=True, slots=True)
class Span:
    key: str
    """As an address names it: `7d`, `last-week`; empty where it is the reader's own."""
    title: str
    """In words; of the calendar with its first and last day."""
    query: Mapping[str, str]
    """The span, as pages of recorded requests take it."""
    begins: float
    ends: float
    """Unix seconds; the end of some is to come."""

    @property
    def address(self) -> Mapping[str, str]:
        """The span, as an address of the console has it."""
        return {"range": self.key} if self.key else self.query


def chosen(view: View) -> Span:
    """The span of the address, or else the last seven days."""
    since, until = moment_of(view.query.get("since", "")), moment_of(view.query.get("until", ""))
    if since is not None and (until is None or until > since):
        return between(since, until)
    spans = _spans(datetime.now(UTC))
    return spans.get(view.query.get("range", _USUAL)) or spans[_USUAL]


def between(since: datetime, until: datetime | None) -> Span:
    """A span of the reader's own, to now where it has no end."""
    query = {"since": f"{since:%Y-%m-%d %H:%M:%S}", **({"until": f"{until:%Y-%m-%d %H:%M:%S}"} if until else {})}
    title = f"{since:%d %b %Y %H:%M} to {f'{until:%d %b %Y %H:%M}' if until else 'now'}"
    return Span("", title, query, since.timestamp(), until.timestamp() if until else time.time())


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
        tag("details", tag("summary", f"{span.title} (UTC)"), _own(view, path, span, query), class_="moments own",
            open=not span.key),
        class_="controls",
    )  # fmt: skip


def _own(view: View, path: str, span: Span, query: Mapping[str, str]) -> Markup:
    """The form of a span from one moment to another."""

    def moment(name: str, words: str) -> Markup:
        value = span.query.get(name, "").replace(" ", "T")[:16]
        return tag("label", words, tag("input", type="datetime-local", name=name, value=value))

    return tag(
        "form",
        [tag("input", type="hidden", name=name, value=value) for name, value in query.items() if value],
        moment("since", "From (UTC) "),
        moment("until", "until "),
        tag("button", "Apply"),
        method="get",
        action=f"{view.base}{path}",
    )


def moment_of(text: str) -> datetime | None:
    """A moment or a day as an address or the administration API writes it, in UTC; None where it is none."""
    try:
        when = datetime.fromisoformat(text.strip()[:40])
        return when.astimezone(UTC) if when.tzinfo else when.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def _spans(now: datetime) -> dict[str, Span]:
    end = now.timestamp()
    found = {
        key: Span(key, title, {"range": key}, end - seconds, end) for key, (title, seconds) in _ROLLING.items()
    }  # fmt: skip
    calendar = calendar_spans(now)
    for name in _CALENDAR:
        since, until = calendar[name]
        key = name.replace(" ", "-")
        first, next_ = (datetime.fromisoformat(moment).replace(tzinfo=UTC) for moment in (since, until))
        title = f"{name}, {first:%d %b} to {next_ - timedelta(days=1):%d %b %Y}"
        found[key] = Span(key, title, {"since": since, "until": until}, first.timestamp(), next_.timestamp())
    return found
