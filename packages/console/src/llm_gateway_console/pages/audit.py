"""Who changed what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from starlette.responses import Response

from llm_gateway_sdk.numerals import whole_number
from llm_gateway_sdk.web import Child, Markup, tag
from llm_gateway_sdk.wire.json import dumps_text

from .view import View, moment, table

__all__ = ["shown"]

_EMPTY: Final[tuple[Any, ...]] = (None, "", [], {})
_READ_PAGES = 50
_SHOWN = 100
_CHOICES: Final = ("by", "action")


async def shown(view: View) -> Response:
    """The last changes, the newest first. The log is read from its beginning, as it has no other order."""
    events: list[Any] = []
    cursor, answer = view.query.get("after", ""), None
    for _ in range(_READ_PAGES):
        answer = await view.ask("GET", "/audit", query={"limit": "1000", **({"after": cursor} if cursor else {})})
        if not answer.ok:
            return view.message("Audit", answer.detail, answer.status)
        events += answer.body["items"]
        cursor = answer.body["next"]
        if not cursor:
            break
    found = [each for each in reversed(events) if _matches(view.query, each)]
    search = _controls(view, events)
    names = {
        str(each["event"].get("subject", "")): str(each["event"]["after"]["name"])
        for each in events
        if (each["event"].get("after") or {}).get("name")
    }
    skip = whole_number(view.query.get("skip")) or 0
    rows = [_row(view, each["at"], each["event"], names) for each in found[skip : skip + _SHOWN]]
    heads = ("When", "Who", "What", "Of", "From", "Change")
    count = tag(
        "p",
        f"{len(found):,} change{'s' if len(found) != 1 else ''}"
        + (f", {skip + 1:,} to {skip + len(rows):,} shown, the newest first" if len(found) > len(rows) > 0 else ""),
    )
    further = (
        tag("a", "Changes after these", href=view.address("/audit", after=cursor), class_="button") if cursor else None
    )
    return view.page(
        "Audit",
        search,
        count,
        table(heads, rows, empty="Nothing has been changed."),
        _pages(view, skip, len(found)),
        further,
    )


def _pages(view: View, skip: int, whole: int) -> list[Markup]:
    def link(title: str, to: int) -> Markup:
        kept = {name: value for name, value in view.query.items() if name != "skip"}
        return tag("a", title, href=view.address("/audit", **kept, skip=str(to) if to else ""), class_="button")

    newer = [link("Newer changes", max(0, skip - _SHOWN))] if skip else []
    return newer + ([link("Older changes", skip + _SHOWN)] if skip + _SHOWN < whole else [])


def _matches(query: Mapping[str, str], each: Mapping[str, Any]) -> bool:
    event, wanted = each["event"], query.get("q", "").strip().lower()
    if any(query.get(name) and query[name] != str(event.get(name, "")) for name in _CHOICES):
        return False
    day = datetime.fromtimestamp(each["at"], UTC).strftime("%Y-%m-%d")
    first, last = query.get("since", ""), query.get("until", "")
    return (not first or first <= day) and (not last or day <= last) and wanted in dumps_text(event).lower()


def _controls(view: View, events: Sequence[Mapping[str, Any]]) -> Markup:
    def choice(name: str, title: str) -> Markup:
        values = sorted({str(each["event"].get(name, "")) for each in events} - {""})
        chosen = view.query.get(name, "")
        options = [tag("option", value, value=value, selected=value == chosen) for value in values]
        return tag("select", tag("option", title, value=""), options, name=name, aria_label=title)

    def day(name: str, title: str) -> Markup:
        return tag("label", f"{title} ", tag("input", type="date", name=name, value=view.query.get(name, "")))

    return tag(
        "form",
        tag("input", type="search", name="q", value=view.query.get("q", ""), placeholder="Name, key, address…",
            aria_label="Search", id="search"),
        choice("by", "any person"),
        choice("action", "any change"),
        day("since", "from (UTC)"),
        day("until", "to"),
        tag("button", "Show"),
        class_="controls row",
    )  # fmt: skip


def _subject(view: View, subject: str, names: Mapping[str, str]) -> list[Child]:
    """What was changed: a key leads to itself, and has its name where the log knows it."""
    kind, _, id_ = subject.partition(":")
    shown = tag("a", tag("code", subject), href=view.address("/keys", q=id_)) if kind == "key" else tag("code", subject)
    return [shown, tag("div", names[subject], class_="sub") if subject in names else None]


def _row(view: View, at: float, event: Mapping[str, Any], names: Mapping[str, str]) -> tuple[Child, ...]:
    before, after = event.get("before") or {}, event.get("after") or {}
    changes = [
        (name, before.get(name), after.get(name))
        for name in dict.fromkeys([*before, *after])
        if before.get(name) != after.get(name)
        and name not in ("changed", "created")
        and (before or after.get(name) not in _EMPTY)
    ]
    listed = tag(
        "ul",
        [
            tag("li", tag("b", name), ": ", tag("del", _short(old)) if before else None, " → " if before else None,
                tag("ins", _short(new)))
            for name, old, new in changes
        ],
        class_="changes",
    )  # fmt: skip
    return (
        moment(at),
        str(event.get("by", "")),
        [str(event.get("action", "")), tag("div", event["outcome"], class_="sub") if event.get("outcome") else None],
        _subject(view, str(event.get("subject", "")), names),
        str(event.get("from", "")),
        listed if changes else "–",
    )


def _short(value: Any) -> str:
    text = "–" if value in _EMPTY else value if isinstance(value, str) else dumps_text(value)
    return text if len(text) <= 120 else f"{text[:119]}…"
