"""Limits and budgets: how much is used, where it leads until the window ends, and why a request was refused."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

from starlette.responses import Response

from llm_gateway_sdk.web import Child, Markup, tag

from . import overrides
from .view import View, moment, table

__all__ = ["forecast", "key_names", "ledger_table", "meters", "shown"]

_NANO: Final = 1e9
_LEDGER_ROWS: Final = 200
_METERS: Final = 100
_DONE: Final = frozenset({"The limit has another amount.", "The override has ended."})
_CALENDAR: Final[Mapping[str, float]] = {
    "minute": 60, "hour": 3600, "day": 86400, "week": 7 * 86400, "month": 30 * 86400, "quarter": 91 * 86400,
    "year": 365 * 86400,
}  # fmt: skip


async def shown(view: View) -> Response:
    """Meters where the API has the state of limits, the ledger's sums, and the answer to "why was this refused"."""
    after = view.query.get("after", "")
    state = await view.ask("GET", "/limits", query={"order": "fullest", "size": str(_METERS), "after": after or "0"})
    used = await view.ask("GET", "/ledger", query={"by": "limit,measure,window,begins,subject"})
    wanted = view.query.get("request", "").strip()
    why = await view.ask("GET", f"/explain/{quote(wanted, safe='')}") if wanted else None
    reasons = why.body["items"] if why is not None and why.ok else []
    given = await view.ask("GET", "/limits/overrides", query={"limit": "1000"})
    rules = await view.ask("GET", "/limits/rules")
    done = view.query.get("done", "")
    counted = sorted(used.body["items"], key=lambda row: -row["amount"])[:_LEDGER_ROWS] if used.ok else []
    return view.page(
        "Limits",
        tag("p", done, class_="done", role="status") if done in _DONE else None,
        tag("h2", "Why was this refused?"),
        _question(wanted),
        _reasons(view, reasons, why.detail, await key_names(view, [each["event"] for each in reasons]))
        if why is not None
        else None,
        tag("h2", "Use of each limit", id="use"),
        view.lacks(operator="Ending an override", admin="Changing the amount of a limit") if state.ok else None,
        meters(view, state.body["items"], await key_names(view, state.body["items"]))
        if state.ok
        else tag("p", "No project has the plugin limits.", class_="panel empty"),
        tag("a", "Next page", href=view.address("/limits", after=state.body["next"]), class_="button")
        if state.ok and state.body["next"]
        else None,
        tag("p", tag("a", "Simulate a limit on recorded requests", href=view.address("/limits/simulate")))
        if view.traces()
        else None,
        overrides.section(view, given.body["items"]) if given.ok else None,
        overrides.form(view, rules.body["items"]) if rules.ok else None,
        tag("h2", "Ledger"),
        tag(
            "details",
            tag("summary", "What each limit has counted, window by window"),
            ledger_table(counted, await key_names(view, counted)),
            class_="panel",
        )
        if used.ok
        else tag("p", used.detail, class_="panel empty"),
    )


def forecast(settled: float, ends: float | None, window: str, now: float) -> float | None:
    """What will be used when the window ends, should use go on as it has in this window; None for a rolling
    window, or where less than a fiftieth of it is over and a forecast would be a guess."""
    length = _CALENDAR.get(window.partition("@")[0])
    if ends is None or length is None or not ends - length < now < ends:
        return None
    passed = now - (ends - length)
    return settled * length / passed if passed >= length / 50 else None


async def key_names(view: View, rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Names by subject (`plugin:id`) of the keys that have meters on the page."""
    found = (row.get("subject") or {} for row in rows)
    subjects = dict.fromkeys(str(subject["key"]) for subject in found if "key" in subject)
    names = {}
    for subject in subjects:
        key = await view.ask("GET", f"/keys/{quote(subject.rpartition(':')[2], safe='')}")
        if key.ok and key.body.get("name"):
            names[subject] = str(key.body["name"])
    return names


def meters(view: View, rows: Sequence[Mapping[str, Any]], names: Mapping[str, str]) -> Markup:
    """A table with the use of each limit; `names` are those of keys by subject."""
    now = time.time()
    return table(
        ("Limit", "Applies to", "Used", "Left", "Forecast", "Window", "Amount"),
        [_meter(view, row, names, now) for row in rows],
        empty="Nothing has been counted yet.",
        numbers=("Left", "Forecast"),
    )


def _meter(view: View, row: Mapping[str, Any], names: Mapping[str, str], now: float) -> tuple[Child, ...]:
    used, of, measure = row["settled"] + row["open"], row["of"], row["measure"]
    part = used / of if of else 0.0
    ends = row.get("endsAt")
    ahead = forecast(row["settled"], ends, str(row.get("window", "")), now)
    over = ahead is not None and of and ahead > of
    return (
        [row["limit"], tag("div", row.get("mode", ""), class_="sub")],
        [
            _whose(row, names),
            tag("div", row["subject"]["key"], class_="sub") if row["subject"].get("key") in names else None,
        ],
        [
            _part(used, of, measure),
            tag(
                "meter", f"{part:.0%}", min="0", max="1", low="0.8", high="0.999", optimum="0",
                value=f"{min(part, 1):.4f}",
                aria_label=f"{row['limit']}: {part:.0%} used",
            ),
        ],
        _amount(row["remaining"], measure),
        tag("span", _amount(ahead, measure), class_="bad" if over else None) if ahead is not None else "–",
        [_window(row), tag("div", "ends ", moment(ends), class_="sub") if ends else None],
        overrides.raising(view, row),
    )  # fmt: skip


def _amount(value: float | None, measure: str) -> str:
    if value is None:
        return "–"
    if measure == "cost":
        return f"${value / _NANO:,.4f}"
    return f"{value:,.0f} {measure}"


def _part(used: float, of: float | None, measure: str) -> str:
    whole = _amount(of, measure)
    return f"{_amount(used, measure).removesuffix(f' {measure}')} of {whole}"


def _question(wanted: str) -> Markup:
    return tag(
        "form",
        tag("input", type="search", name="request", value=wanted, placeholder="Request id: req_…",
            aria_label="Request id", id="search"),
        tag("button", "Explain"),
        class_="controls",
    )  # fmt: skip


def _reasons(view: View, items: list[Mapping[str, Any]], problem: str, names: Mapping[str, str]) -> Markup:
    if not items:
        return tag("p", problem, class_="panel empty")
    return table(
        ("When", "What happened"),
        [(moment(each["at"]), _reason(view, each["event"], names)) for each in items],
        empty="",
    )


def _reason(view: View, event: Mapping[str, Any], names: Mapping[str, str]) -> Child:
    """A refusal in sentences: which limit of whom, what it had left, and what would have passed."""
    measure, of = str(event.get("measure", "")), event.get("of") or 0
    used, asked = (event.get("settled") or 0) + (event.get("open") or 0), event.get("asked") or 0
    whose = _whose(event, names)
    refused = event.get("kind") != "shadow"
    ways = [f"a limit of at least {_amount(used + asked, measure)}"]
    if asked > 1 and of > used:
        ways.append(f"a request of at most {_amount(of - used, measure)}")
    if (wait := event.get("retryAfter")) is not None:
        ways.append(f"waiting {_span(wait)}" if asked <= of else "")
    return [
        tag(
            "p",
            "The limit ",
            tag("b", str(event.get("limit", ""))),
            f" of {whose} {'refused' if refused else 'would have refused'} it: "
            f"{_part(used, of, measure)} were used, and the request may take {_amount(asked, measure)}.",
        ),
        tag("p", f"Would have passed: {', or '.join(way for way in ways if way)}."),
        tag(
            "p",
            tag("a", "Use of each limit, to change it", href=view.address("/limits") + "#use"),
            f" · {event.get('place', '')} in project {event.get('project', '')}",
            class_="sub",
        ),
    ]


def _span(seconds: float) -> str:
    for length, name in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {name}"
    return f"{seconds:.0f} seconds"


def ledger_table(items: Sequence[Mapping[str, Any]], names: Mapping[str, str]) -> Markup:
    """Sums of the ledger, with how much of each is not exact."""
    return table(
        ("Limit", "Applies to", "From", "Amount"),
        [_counted(each, names) for each in items],
        empty="The ledger is empty, or off (`ledger: true` of limits).",
        numbers=("Amount",),
    )


def _whose(row: Mapping[str, Any], names: Mapping[str, str]) -> str:
    """What a limit applies to, keys by their names."""
    parts = [f"{kind} {names.get(value, value)}" for kind, value in (row.get("subject") or {}).items()]
    return ", ".join(parts) or "all callers"


def _window(row: Mapping[str, Any]) -> str:
    """`month@UTC` as a person writes it."""
    length, _, zone = str(row.get("window", "")).partition("@")
    return f"{length} ({zone})" if zone else length


def _counted(row: Mapping[str, Any], names: Mapping[str, str]) -> tuple[Child, ...]:
    measure = str(row.get("measure", ""))
    return (
        [str(row.get("limit", "")), tag("div", f"{measure} per {_window(row)}", class_="sub")],
        _whose(row, names),
        str(row.get("begins") or "–"),
        [_amount(row["amount"], measure), *_not_exact(row, measure)],
    )


def _not_exact(row: Mapping[str, Any], measure: str) -> list[Child]:
    """How much of an amount is known less well."""
    found = [f"{_amount(row[mark], measure)} {mark}" for mark in ("partial", "estimated") if row.get(mark)]
    return [tag("div", ", ".join(found), class_="sub")] if found else []
