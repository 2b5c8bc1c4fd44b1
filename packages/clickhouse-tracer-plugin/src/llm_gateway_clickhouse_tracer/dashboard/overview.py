"""The overview: figures of a span, compared with the span before, as tiles, charts and tables."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from llm_gateway_sdk.web import Axis, Child, Markup, Series, chart, tag

from .controls import address, controls
from .figures import count, duration, money, share
from .filter import FAILED, Filter
from .frame import charts_files, nothing, page

__all__ = ["overview_page"]

Points = Sequence[Mapping[str, Any]]

_SMALL_CHANGE: Final = 0.005
_BEFORE: Final = "the span of the same length before"
_FAILURES: Final = (("refused", "refused"), ("error", "failed"), ("cancelled", "cancelled"))
_ORDER: Final = ("ok", "refused", "error", "cancelled")
"""Statuses from the bottom of a bar to its top. What the gateway refused (a limit, a guard, a request that is not
valid) is apart from what failed at a provider."""


def overview_page(
    base: str,
    chosen: Filter,
    sums: Mapping[str, Any],
    points: Points,
    parts: Mapping[str, Sequence[Mapping[str, Any]]],
    offered: Mapping[str, Sequence[str]],
    health: Markup | None = None,
    *,
    earlier: Mapping[str, Any] | None = None,
    statuses: Points = (),
    providers: Points = (),
) -> str:
    """`earlier` are the totals of the span before, to compare with; `statuses` and `providers` the series of each
    status and provider."""
    requests = sums.get("requests", 0)
    latency, ttft = sums.get("latency") or [None] * 3, sums.get("ttft") or [None] * 2

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
            _failures(sums.get("errors"), statuses),
            bad=bool(sums.get("errors")),
            link=listed(status=FAILED),
            change=change("errors"),
        ),
        _tile(
            "Latency, median",
            duration(latency[0]) if requests else "–",
            f"p95 {duration(latency[1])}" if requests else "",
            link=listed(sort="slowest"),
            change=_change(latency[0], (before.get("latency") or [None])[0]) if before.get("requests") else "",
        ),
        _tile(
            "First token, median",
            duration(ttft[0]),
            f"p95 {duration(ttft[1])}" if ttft[1] is not None else "",
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
            f"{count(sums.get('reasoning_tokens') or 0)} thinking{_estimated(sums)}",
            link=listed(sort="longest"),
            change=change("output_tokens"),
        ),
        _tile(
            "Cost",
            money(sums.get("cost")),
            _unpriced(sums) or "list prices",
            link=listed(sort="dearest"),
            change=change("cost"),
        ),
    ]
    return page(
        base,
        "Overview",
        "Overview",
        tag("h1", "Overview"),
        controls(base, "/", chosen, offered),
        health,
        tag("section", tiles, class_="tiles", aria_label="Totals"),
        tag("p", f"▲ ▼ compared with {_BEFORE}", class_="sub compared") if before.get("requests") else None,
        tag("section", _charts(base, chosen, points, statuses, providers), class_="charts") if requests else nothing(),
        charts_files(base) if requests else None,
        tag(
            "section",
            [_breakdown(base, chosen, field, rows) for field, rows in parts.items()],
            class_="breakdowns",
        )
        if requests
        else None,
    )


def _failures(errors: Any, statuses: Points) -> str:
    """How many requests failed, and how."""
    by_status = Counter[str]()
    for point in statuses:
        by_status[point["status"]] += point["requests"]
    kinds = [f"{count(by_status[status])} {name}" for status, name in _FAILURES if by_status[status]]
    return f"{count(errors)} requests{': ' if kinds else ''}{', '.join(kinds)}"


def _change(now: Any, before: Any) -> str:
    """How a figure differs from the one of the span before."""
    if now is None or not before:
        return ""
    part = float(now) / float(before) - 1
    if abs(part) < _SMALL_CHANGE:
        return "as before"
    return f"{'▲' if part > 0 else '▼'} {100 * abs(part):.0f} %"


def _tile(name: str, value: str, note: str, *, bad: bool = False, link: str | None = None, change: str = "") -> Markup:
    return tag(
        "div" if link is None else "a",
        tag("h2", name),
        tag("p", value, class_="value bad" if bad else "value"),
        tag("p", note, class_="note"),
        tag("p", change, class_="note", title=f"compared with {_BEFORE}") if change else None,
        class_="tile",
        href=link,
    )


def _charts(base: str, chosen: Filter, points: Points, statuses: Points, providers: Points) -> list[Markup]:
    def link(changes: Mapping[str, str]) -> str:
        return address(base, "/interactions", chosen, **changes)

    now = time.time()
    axis = Axis(
        *chosen.span(now), zone=chosen.tzinfo, zone_name=chosen.zone, link=link, zoom=address(base, "/", chosen),
        first=chosen.begins(now),
    )  # fmt: skip
    met = {point["status"] for point in statuses}
    ended = sorted(met, key=lambda status: (_ORDER.index(status) if status in _ORDER else len(_ORDER), status))
    by_status = _by_bucket(statuses, "status", ended, lambda point: point["requests"], nothing=0)
    found = [
        chart(
            axis,
            by_status,
            [Series("errors" if status == "error" else status, {"status": status}) for status in ended],
            "Requests",
            unit="count",
            words=count,
            kind="bars",
        ),
        _lines(axis, points, "latency", ("p50", "p95", "p99"), "Latency"),
        _lines(axis, points, "ttft", ("p50", "p95"), "Time to first token"),
        chart(
            axis,
            [(p["start"], (p["input_tokens"] or 0, p["output_tokens"] or 0)) for p in points],
            [Series("input"), Series("output")],
            "Tokens",
            unit="count",
            words=count,
            kind="bars",
        ),
        chart(
            axis,
            [(p["start"], (float(p["cost"] or 0),)) for p in points],
            [Series("cost")],
            "Cost",
            unit="money",
            words=money,
            kind="bars",
        ),
        chart(
            axis,
            [(p["start"], (p["speed"],)) for p in points],
            [Series("speed")],
            "Tokens per second of streams, median",
            unit="count",
            words=count,
        ),
    ]
    return found + _by_provider(axis, providers)


def _lines(axis: Axis, points: Points, figure: str, names: Sequence[str], title: str) -> Markup:
    """Quantiles of a time, which the engine gives as a list."""
    rows = [(point["start"], tuple(point[figure])) for point in points]
    return chart(axis, rows, [Series(name) for name in names], title, unit="duration", words=duration)


def _by_provider(axis: Axis, providers: Points) -> list[Markup]:
    names = list(dict.fromkeys(point["name"] for point in providers))
    if not names:
        return []
    slow = _by_bucket(providers, "name", names, lambda point: point["latency"][1])
    failing = _by_bucket(providers, "name", names, lambda point: 100 * point["errors"] / point["requests"])
    latency = [Series(name, {"provider": name}) for name in names]
    errors = [Series(name, {"provider": name, "status": FAILED}) for name in names]
    return [
        chart(axis, slow, latency, "Latency by provider, p95", unit="duration", words=duration),
        chart(axis, failing, errors, "Errors by provider", unit="percent", words=lambda value: f"{value:.3g} %"),
    ]


def _by_bucket(
    points: Points,
    field: str,
    names: Sequence[str],
    figure: Callable[[Mapping[str, Any]], float],
    *,
    nothing: float | None = None,
) -> list[tuple[int, list[float | None]]]:
    """One entry per bucket, with one value per name of the field; `nothing` where a name has no requests in it."""
    found: dict[int, list[float | None]] = {}
    for point in points:
        values = found.setdefault(point["start"], [nothing] * len(names))
        values[names.index(point[field])] = figure(point)
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
                    title=row["name"] or None,
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


def _estimated(sums: Mapping[str, Any]) -> str:
    number = sums.get("estimated") or 0
    return f", {count(number)} requests estimated" if number else ""


def _unpriced(sums: Mapping[str, Any]) -> str:
    """What the cost lacks; empty where it lacks nothing."""
    wholly, in_part = sums.get("unpriced") or 0, sums.get("priced_in_part") or 0
    words = [f"{count(wholly)} requests without a price"] if wholly else []
    if in_part:
        words.append(f"{count(in_part)} priced in part")
    return ", ".join(words)
