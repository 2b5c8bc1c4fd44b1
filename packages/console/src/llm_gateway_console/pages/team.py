"""One team: what it spends and on what, its keys, its limits, and what was refused or failed last."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from starlette.responses import Response

from llm_gateway_sdk.web import Axis, Child, Markup, Series, chart, chart_files, tag

from ..areas import AreaFailure, recorded, recorded_by
from . import spans
from .key_list import state_of
from .limits import key_names, meters
from .spans import Span
from .view import View, ago, dollars, table

__all__ = ["shown"]

_NONE: Final = "(none)"
_MOST: Final = 20
"""Rows of each table; the rest is one link away."""
_STATUSES: Final = ("ok", "refused", "error", "cancelled")
_WAIT: Final = 10.0
"""Seconds for the figures, which are what the page is for."""
_PAGE_OF_API: Final = "1000"

Rows = Sequence[Mapping[str, Any]]


async def shown(view: View) -> Response:
    """`name` is the team's; `(none)` is what no team has asked for."""
    name, span = view.query.get("name", _NONE) or _NONE, spans.chosen(view)
    problem, found = "", _Recorded()
    try:
        found = await _recorded(view, name, span)
    except AreaFailure as failure:
        problem = str(failure)
    keys = await _keys(view, name)
    limits = await _limits(view, name, keys)
    return view.page(
        f"Team {name}",
        tag("p", tag("a", "All teams", href=view.address("/teams", **span.address))),
        spans.ranges(view, "/team", span, name=name),
        tag("p", problem, class_="failure") if problem else None,
        _tiles(view, name, span, found) if found.series else None,
        _charts(view, name, span, found.series) if found.series and found.series["points"] else None,
        _spent(view, name, span, "Spend by model", "model", found.models) if found.series else None,
        _spent(view, name, span, "Spend by key", "caller", found.callers) if found.series else None,
        tag("h2", "Limits"),
        view.lacks(admin="Giving a limit another amount") if limits else None,
        meters(view, limits, await key_names(view, limits)),
        tag("h2", "Keys"),
        _key_table(view, name, keys),
        [tag("h2", "Refused or failed last"), _failures(view, found.failures)] if found.series else None,
        here="Teams",
    )


class _Recorded:
    """What the database of requests has of the team; empty where there is none."""

    series: Mapping[str, Any] | None = None
    models: Rows = ()
    callers: Rows = ()
    failures: Rows = ()


async def _recorded(view: View, name: str, span: Span) -> _Recorded:
    found = _Recorded()
    given = {**span.query, "team": name}
    series, models, callers, failures = await asyncio.gather(
        recorded(view.host, "/series.json", wait=_WAIT, **given),
        recorded_by(view.host, "model", span.query, wait=_WAIT, team=name),
        recorded_by(view.host, "caller", span.query, wait=_WAIT, team=name),
        recorded(view.host, "/failures.json", wait=_WAIT, **given),
    )
    found.series, found.failures = series, failures or ()
    found.models, found.callers = _by_cost(models), _by_cost(callers)
    return found


def _by_cost(rows: Mapping[str, Mapping[str, Any]]) -> Rows:
    return sorted(rows.values(), key=lambda row: (-float(row["cost"] or 0), -row["requests"]))


async def _keys(view: View, name: str) -> Rows:
    """All keys of the team, by name."""
    found: list[Mapping[str, Any]] = []
    after = ""
    while name != _NONE:
        query = {"limit": _PAGE_OF_API, "q": name, **({"after": after} if after else {})}
        answer = await view.ask("GET", "/keys", query=query)
        if not answer.ok:
            break
        found += (key for key in answer.body["items"] if key.get("team") == name)
        after = answer.body["next"] or ""
        if not after:
            break
    return sorted(found, key=lambda key: (key["state"] != "active", str(key["name"]).casefold()))


async def _limits(view: View, name: str, keys: Rows) -> Rows:
    """Limits of the team, then those of its keys, the fullest first."""
    found: list[Mapping[str, Any]] = []
    after, ids = "", {str(key["id"]) for key in keys}
    while True:
        query = {"size": _PAGE_OF_API, **({"after": after} if after else {})}
        answer = await view.ask("GET", "/limits", query=query)
        if not answer.ok:
            break
        found += (
            row
            for row in answer.body["items"]
            if row["subject"].get("team") == name or row["subject"].get("key", "").rpartition(":")[2] in ids
        )
        after = answer.body["next"] or ""
        if not after:
            break

    def fullest(row: Mapping[str, Any]) -> tuple[bool, float]:
        return "team" not in row["subject"], -(row["settled"] + row["open"]) / (row["of"] or float("inf"))

    return sorted(found, key=fullest)[:_MOST]


def _tiles(view: View, name: str, span: Span, found: _Recorded) -> Markup:
    def summed(field: str) -> float:
        return sum(float(row[field] or 0) for row in found.models)

    def tile(title: str, value: str, note: str, href: str | None, *, bad: bool = False) -> Markup:
        figures = tag("p", value, class_="value bad" if bad else "value"), tag("p", note, class_="note")
        return tag("a" if href else "div", tag("h2", title), *figures, class_="tile", href=href)

    requests, errors = summed("requests"), summed("errors")
    callers = f"{len(found.callers):,} caller{'s' * (len(found.callers) != 1)}"
    kinds = _by_status((found.series or {}).get("statuses", ()))
    note = ", ".join(f"{kinds[status]:,} {status}" for status in _STATUSES[1:] if kinds.get(status)) or "none"
    tiles = (
        tile("Cost", dollars(summed("cost")), span.title, view.traces(team=name, **span.query, sort="dearest")),
        tile("Requests", f"{requests:,.0f}", callers, view.traces(team=name, **span.query)),
        tile(
            "Refused or failed", f"{errors:,.0f}", note, view.traces(team=name, **span.query, status="failed"),
            bad=bool(errors),
        ),
        tile(
            "Tokens", f"{summed('input_tokens') + summed('output_tokens'):,.0f}",
            f"{summed('input_tokens'):,.0f} in, {summed('output_tokens'):,.0f} out",
            view.traces(team=name, **span.query, sort="longest"),
        ),
    )  # fmt: skip
    return tag("section", tiles, class_="tiles", aria_label="Totals")


def _by_status(statuses: Rows) -> dict[str, int]:
    found: dict[str, int] = {}
    for point in statuses:
        found[point["status"]] = found.get(point["status"], 0) + point["requests"]
    return found


def _charts(view: View, name: str, span: Span, series: Mapping[str, Any]) -> list[Child]:
    def link(changes: Mapping[str, str]) -> str:
        return view.traces(**{"team": name, **span.query, **changes}) or ""

    zoom = view.overview(team=name, **span.query) or ""
    first = series.get("first", 0)  # a tracer of an earlier version does not name it
    axis = Axis(series["start"], series["end"], series["bucket"], link=link, zoom=zoom, first=first)
    met = [status for status in _STATUSES if status in _by_status(series["statuses"])]
    by_bucket: dict[int, list[float | None]] = {}
    for point in series["statuses"]:
        if point["status"] in met:
            values = by_bucket.setdefault(point["start"], [0] * len(met))
            values[met.index(point["status"])] = point["requests"]
    names = [Series("errors" if status == "error" else status, {"status": status}) for status in met]
    costs = [(point["start"], (float(point["cost"] or 0),)) for point in series["points"]]
    count: Callable[[float], str] = "{:,.0f}".format
    drawn = (
        chart(axis, costs, [Series("cost")], f"Cost of {name}", unit="money", words=dollars, kind="bars"),
        chart(axis, list(by_bucket.items()), names, f"Requests of {name}", unit="count", words=count, kind="bars"),
    )
    return [tag("section", drawn, class_="charts"), chart_files(f"{view.base}/static")]


def _spent(view: View, name: str, span: Span, title: str, field: str, rows: Rows) -> list[Child]:
    whole = sum(float(row["cost"] or 0) for row in rows)

    def line(row: Mapping[str, Any]) -> tuple[Child, ...]:
        this = {"team": name, field: row["name"] or _NONE, **span.query}
        cost, listed, failed = float(row["cost"] or 0), view.traces(**this), view.traces(**this, status="failed")
        return (
            tag("a", row["name"] or _NONE, href=view.overview(**this)),
            dollars(cost),
            f"{100 * cost / whole:.0f} %" if whole else "–",
            tag("a", f"{row['requests']:,}", href=listed),
            tag("a", f"{row['errors']:,}", href=failed) if row["errors"] else "0",
            f"{(row['input_tokens'] or 0) + (row['output_tokens'] or 0):,}",
        )

    heads = (field.title(), "Cost", "Share", "Requests", "Errors", "Tokens")
    shown = table(heads, [line(row) for row in rows[:_MOST]], empty="Nothing was asked for.", numbers=heads[1:])
    more = tag("p", tag("a", f"All {len(rows):,}", href=view.overview(team=name, **span.query)))
    return [tag("h2", title), shown, more if len(rows) > _MOST else None]


def _key_table(view: View, name: str, keys: Rows) -> list[Child]:
    rows = [
        (
            tag("a", key["name"], href=view.address("/keys", q=key["id"])),
            tag("code", key["id"]),
            key.get("user") or "–",
            tag("span", state_of(key), class_=f"badge {'ok' if state_of(key) == 'active' else 'error'}"),
        )
        for key in keys[:_MOST]
    ]
    more = tag("p", tag("a", f"All {len(keys):,} keys", href=view.address("/keys", of_team=name)))
    heads = ("Name", "Id", "User", "State")
    return [table(heads, rows, empty="No key names this team."), more if len(keys) > _MOST else None]


def _failures(view: View, failures: Rows) -> Markup:
    """Those alike as one row, with the way to the last one and to why it was refused."""

    def row(each: Mapping[str, Any]) -> tuple[Child, ...]:
        why = view.address("/limits", request=each["request"]) if each["status"] == "refused" else None
        return (
            ago(time.time() - each["last"]),
            [tag("span", each["status"], class_=f"badge {each['status']}"), tag("div", each["kind"], class_="sub")],
            f"{each['requests']:,}",
            each["caller"] or "–",
            [
                tag("a", each["message"] or each["kind"] or "without a message",
                    href=view.address(f"/traces/interactions/{each['interaction']}")),
                tag("div", tag("a", "Why was this refused?", href=why), class_="sub") if why else None,
            ],
        )  # fmt: skip

    heads = ("Last", "How", "Requests", "Caller", "Message of the last one")
    return table(heads, [row(each) for each in failures], empty="Nothing.", numbers=("Requests",))
