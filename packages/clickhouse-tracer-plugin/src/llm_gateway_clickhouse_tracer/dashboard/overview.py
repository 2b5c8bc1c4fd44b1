"""The overview: figures of a span, compared with the span before, as tiles, charts and tables."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from llm_gateway_sdk.web import Child, Markup, join, tag

from .charts import Axis, bars, lines
from .controls import address, controls
from .figures import count, duration, money, share
from .filter import FAILED, Filter
from .frame import nothing, page, script

__all__ = ["overview_page"]

_SMALL_CHANGE: Final = 0.005


def overview_page(
    base: str,
    chosen: Filter,
    sums: Mapping[str, Any],
    points: Sequence[Mapping[str, Any]],
    parts: Mapping[str, Sequence[Mapping[str, Any]]],
    offered: Mapping[str, Sequence[str]],
    health: Markup | None = None,
    *,
    earlier: Mapping[str, Any] | None = None,
    providers: Sequence[Mapping[str, Any]] = (),
) -> str:
    """`earlier` are the totals of the span before, to compare with; `providers` the series of each provider."""
    requests = sums.get("requests", 0)
    latency, ttft = sums.get("latency") or [None] * 3, sums.get("ttft") or [None] * 2
    unpriced = sums.get("unpriced") or 0

    def listed(**changes: str) -> str:
        return address(base, "/interactions", chosen, **changes)

    before = earlier or {}

    def change(column: str) -> str:
        return _change(sums.get(column), before.get(column))

    tiles = [
        _tile(
            "Requests",
            count(requests),
            f"{count(sums.get('interactions'))} interactions",
            link=listed(),
            change=change("requests"),
        ),
        _tile(
            "Errors",
            share(sums.get("errors"), requests),
            f"{count(sums.get('errors'))} requests",
            bad=bool(sums.get("errors")),
            link=listed(status=FAILED),
            change=change("errors"),
        ),
        _tile(
            "Latency",
            duration(latency[0]) if requests else "–",
            f"median · p95 {duration(latency[1])}" if requests else "",
            link=listed(sort="slowest"),
            change=_change(latency[0], (before.get("latency") or [None])[0]) if before.get("requests") else "",
        ),
        _tile(
            "First token",
            duration(ttft[0]),
            f"median · p95 {duration(ttft[1])}" if ttft[1] is not None else "",
            link=listed(sort="first"),
        ),
        _tile(
            "Tokens in",
            count(sums.get("input_tokens")),
            f"{share(sums.get('cache_read_tokens'), sums.get('input_tokens'))} from cache",
            link=listed(sort="longest"),
            change=change("input_tokens"),
        ),
        _tile(
            "Tokens out",
            count(sums.get("output_tokens")),
            f"{count(sums.get('reasoning_tokens') or 0)} thinking",
            link=listed(sort="longest"),
            change=change("output_tokens"),
        ),
        _tile(
            "Cost",
            money(sums.get("cost")),
            f"{count(unpriced)} requests without a price" if unpriced else "list prices",
            link=listed(sort="dearest"),
            change=change("cost"),
        ),
    ]
    return page(
        base,
        "Overview",
        "Overview",
        tag("h1", "Overview"),
        controls(base, "/", chosen, offered, search=False),
        health,
        tag("section", tiles, class_="tiles", aria_label="Totals"),
        tag("section", _charts(base, chosen, points, providers), class_="charts") if requests else nothing(),
        script(base, "charts.js") if requests else None,
        tag(
            "section",
            [_breakdown(base, chosen, field, rows) for field, rows in parts.items()],
            class_="breakdowns",
        )
        if requests
        else None,
    )


def _change(now: Any, before: Any) -> str:
    """How a figure differs from the one of the span before."""
    if now is None or not before:
        return ""
    part = float(now) / float(before) - 1
    if abs(part) < _SMALL_CHANGE:
        return "same as previous"
    return f"{'▲' if part > 0 else '▼'} {100 * abs(part):.0f} % vs previous"


def _tile(name: str, value: str, note: str, *, bad: bool = False, link: str | None = None, change: str = "") -> Markup:
    return tag(
        "div" if link is None else "a",
        tag("h2", name),
        tag("p", value, class_="value bad" if bad else "value"),
        tag("p", note, class_="note"),
        tag("p", change, class_="note", title="compared with the span of the same length before") if change else None,
        class_="tile",
        href=link,
    )


def _charts(
    base: str, chosen: Filter, points: Sequence[Mapping[str, Any]], providers: Sequence[Mapping[str, Any]]
) -> list[Markup]:
    axis = Axis(
        *chosen.span(time.time()), chosen.tzinfo, address(base, "/interactions", chosen), address(base, "/", chosen)
    )
    named = list(dict.fromkeys(point["name"] for point in providers))
    slow = _by_bucket(providers, named, lambda point: point["latency"][1])
    failing = _by_bucket(providers, named, lambda point: 100 * point["errors"] / point["requests"])
    return [
        bars(
            axis,
            [(p["start"], (p["requests"] - p["errors"], p["errors"])) for p in points],
            ("ok", "errors"),
            count,
            "Requests",
        ),
        lines(axis, [(p["start"], tuple(p["latency"])) for p in points], ("p50", "p95", "p99"), duration, "Latency"),
        lines(axis, [(p["start"], tuple(p["ttft"])) for p in points], ("p50", "p95"), duration, "Time to first token"),
        bars(
            axis,
            [(p["start"], (p["input_tokens"] or 0, p["output_tokens"] or 0)) for p in points],
            ("input", "output"),
            count,
            "Tokens",
        ),
        bars(axis, [(p["start"], (p["cost"] or 0,)) for p in points], ("cost",), money, "Cost"),
        lines(axis, slow, named, duration, "Latency by provider, p95") if named else join(None),
        lines(axis, failing, named, lambda value: f"{value:.3g} %", "Errors by provider") if named else join(None),
        lines(
            axis,
            [(p["start"], (p["speed"],)) for p in points],
            ("speed",),
            count,
            "Tokens per second of streams, median",
        ),
    ]


def _by_bucket(
    points: Sequence[Mapping[str, Any]], names: Sequence[str], figure: Callable[[Mapping[str, Any]], float]
) -> list[tuple[int, list[float | None]]]:
    """One entry per bucket, with one value per name; None where a name has no requests in it."""
    found: dict[int, list[float | None]] = {}
    for point in points:
        values = found.setdefault(point["start"], [None] * len(names))
        values[names.index(point["name"])] = figure(point)
    return list(found.items())


def _breakdown(base: str, chosen: Filter, field: str, rows: Sequence[Mapping[str, Any]]) -> Markup:
    most = max((row["requests"] for row in rows), default=1)
    lines_ = [
        tag(
            "tr",
            tag(
                "td",
                tag(
                    "a",
                    row["name"] or "(none)",
                    href=address(base, "/interactions", chosen, **{field: row["name"] or "(none)"}),
                ),
                tag("span", class_=f"meter w{round(20 * row['requests'] / most)}"),
            ),
            tag("td", count(row["requests"])),
            tag("td", _errors_of(base, chosen, field, row), class_="bad" if row["errors"] else None),
            tag("td", duration(row["latency"][0])),
            tag("td", duration(row["latency"][1])),
            tag("td", count((row["input_tokens"] or 0) + (row["output_tokens"] or 0))),
            tag("td", money(row["cost"])),
        )
        for row in rows
    ]
    head = tag(
        "tr",
        [
            tag("th", name, scope="col")
            for name in (field.title(), "Requests", "Errors", "p50", "p95", "Tokens", "Cost")
        ],
    )
    return tag(
        "div",
        tag("h2", f"By {field}"),
        tag("div", tag("table", tag("thead", head), tag("tbody", lines_)), class_="scroll"),
        class_="panel",
    )


def _errors_of(base: str, chosen: Filter, field: str, row: Mapping[str, Any]) -> Child:
    if not row["errors"] or field == "status":
        return count(row["errors"])
    changes = {field: row["name"] or "(none)", "status": FAILED}
    return tag("a", count(row["errors"]), href=address(base, "/interactions", chosen, **changes))
