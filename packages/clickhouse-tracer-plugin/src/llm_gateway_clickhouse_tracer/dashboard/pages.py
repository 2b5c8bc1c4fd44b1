"""The pages. Each is a function from rows to HTML."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from llm_gateway_sdk.web import Child, Link, Markup, Shell, current_shell, join, tag
from llm_gateway_sdk.web import page as framed
from llm_gateway_sdk.wire import json

from .charts import Axis, bars, lines
from .controls import address, controls
from .conversation import conversation, load, pretty
from .figures import count, duration, moment, money, share
from .queries import FAILED, PAGE_SIZE, Filter

__all__ = ["interaction_page", "interactions_page", "message_page", "overview_page"]

_SMALL_CHANGE = 0.005
_LANE = 22
_INLINE_RAW = 400_000
"""Longer bodies are offered as files only."""


def page(base: str, title: str, here: str, *content: Child) -> str:
    """`base` is the address below which the dashboard is mounted, without its slash."""
    links = (Link("Overview", f"{base}/", "o"), Link("Interactions", f"{base}/interactions", "i"))
    return framed(Shell("traces", links, f"{base}/static"), title, here, *content)


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
) -> str:
    """`earlier` are the totals of the span before, to compare with."""
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
        _tile("First token", duration(ttft[0]), f"median · p95 {duration(ttft[1])}" if ttft[1] is not None else ""),
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
        tag("section", _charts(chosen, points), class_="charts") if requests else _nothing(),
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
        return "as in the span before"
    return f"{'▲' if part > 0 else '▼'} {abs(part):.0%} on the span before"


def _tile(name: str, value: str, note: str, *, bad: bool = False, link: str | None = None, change: str = "") -> Markup:
    return tag(
        "div" if link is None else "a",
        tag("h2", name),
        tag("p", value, class_="value bad" if bad else "value"),
        tag("p", note, class_="note"),
        tag("p", change, class_="note") if change else None,
        class_="tile",
        href=link,
    )


def _charts(chosen: Filter, points: Sequence[Mapping[str, Any]]) -> list[Markup]:
    axis = Axis(*chosen.span(time.time()), chosen.tzinfo)
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
        lines(
            axis,
            [(p["start"], (p["speed"],)) for p in points],
            ("speed",),
            count,
            "Tokens per second of streams, median",
        ),
    ]


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


def interactions_page(
    base: str,
    chosen: Filter,
    rows: Sequence[Mapping[str, Any]],
    offered: Mapping[str, Sequence[str]],
    total: int | None = None,
) -> str:
    shown = rows[:PAGE_SIZE]
    head = tag("tr", [_heading(base, chosen, name, sort) for name, sort in _COLUMNS])
    return page(
        base,
        "Interactions",
        "Interactions",
        tag("h1", "Interactions", tag("small", f"{count(total)} found", class_="sub") if total is not None else None),
        controls(base, "/interactions", chosen, offered, search=True),
        tag(
            "div",
            tag(
                "table",
                tag("thead", head),
                tag("tbody", [_interaction_row(base, chosen, row) for row in shown]),
                class_="list",
            ),
            class_="scroll panel",
        )
        if shown
        else _nothing(),
        tag(
            "p",
            _pages(base, chosen, rows),
            tag(
                "a",
                "Export as JSON lines",
                href=address(base, "/export.jsonl", chosen),
                class_="button",
                download="traces.jsonl",
            ),
            class_="actions",
        ),
    )


_COLUMNS = (
    ("Started", "newest"), ("Question and answer", ""), ("Model", ""), ("Project", ""), ("Time", "slowest"),
    ("Tokens", "longest"), ("Cost", "dearest"),
)  # fmt: skip


def _heading(base: str, chosen: Filter, name: str, sort: str) -> Markup:
    if not sort:
        return tag("th", name, scope="col")
    other = "oldest" if sort == "newest" and chosen.sort == "newest" else sort
    here = chosen.sort == sort or (sort == "newest" and chosen.sort == "oldest")
    direction = ("ascending" if chosen.sort == "oldest" else "descending") if here else None
    arrow = {"ascending": " ↑", "descending": " ↓", None: ""}[direction]
    link = tag("a", f"{name}{arrow}", href=address(base, "/interactions", chosen, sort=other), title=f"Sort: {other}")
    return tag("th", link, scope="col", aria_sort=direction)


def _pages(base: str, chosen: Filter, rows: Sequence[Mapping[str, Any]]) -> list[Markup]:
    """Links to the pages next to this one."""
    found = []
    if chosen.before or chosen.skip:
        found.append(tag("a", "First page", href=address(base, "/interactions", chosen), class_="button"))
    if chosen.sort != "newest" and chosen.skip:
        back = str(max(0, chosen.skip - PAGE_SIZE))
        found.append(tag("a", "Previous", href=address(base, "/interactions", chosen, skip=back), class_="button"))
    if len(rows) > PAGE_SIZE:
        if chosen.sort == "newest":
            further = {"before": str(rows[PAGE_SIZE - 1]["started"])}
        else:
            further = {"skip": str(chosen.skip + PAGE_SIZE)}
        word = "Older" if chosen.sort == "newest" else "Next"
        found.append(tag("a", word, href=address(base, "/interactions", chosen, **further), class_="button"))
    return found


def _interaction_row(base: str, chosen: Filter, row: Mapping[str, Any]) -> Markup:
    tools = row["tools"]
    return tag(
        "tr",
        tag(
            "td",
            tag("time", moment(row["started"], chosen.tzinfo)[5:], title=f"{row['started']} UTC"),
            tag("div", _badge(row["outcome"])),
        ),
        tag(
            "td",
            tag(
                "a",
                _marked(_excerpt(row["question"], around=chosen.search), chosen.search) or "(no text)",
                href=f"{base}/interactions/{row['interaction_id']}",
                data_row=True,
            ),
            tag(
                "div",
                _marked(
                    _excerpt(row["failure"] if row["outcome"] != "ok" else row["reply"], around=chosen.search),
                    chosen.search,
                ),
                class_="sub",
            ),
            tag("div", "found in an earlier message or an id", class_="sub hit")
            if chosen.search and chosen.search.lower() not in f"{row['question']} {row['reply']}".lower()
            else None,
            tag(
                "div",
                [tag("span", name, class_="chip") for name in tools[:5]],
                tag("span", f"{row['requests']} requests", class_="chip plain") if row["requests"] > 1 else None,
                class_="chips",
            )
            if tools or row["requests"] > 1
            else None,
        ),
        tag("td", _linked(base, chosen, "model", row["models"]), data_name="Model"),
        tag(
            "td",
            _linked(base, chosen, "project", [row["in_project"]]),
            tag("div", _linked(base, chosen, "caller", [row["who"]]), class_="sub"),
            data_name="Project",
        ),
        tag(
            "td",
            duration(row["spent_us"]),
            tag("div", f"first {duration(row['first_us'])}", class_="sub") if row["first_us"] is not None else None,
            data_name="Time",
        ),
        tag("td", f"{count(row['tokens_in'])} → {count(row['tokens_out'])}", data_name="Tokens"),
        tag("td", money(row["cost"]), data_name="Cost"),
    )


def _linked(base: str, chosen: Filter, field: str, names: Sequence[str]) -> list[Child]:
    """Names, each a link to what has that name."""
    shown: list[Child] = []
    for name in names:
        if name:
            link = tag("a", name, href=address(base, "/interactions", chosen, **{field: name}), class_="plain")
            shown += [", ", link] if shown else [link]
    return shown


def interaction_page(base: str, interaction: str, rows: Sequence[Mapping[str, Any]]) -> str:
    last, everything = rows[-1], Filter(range="30d")
    costs = [row["cost_usd"] for row in rows]
    facts = (
        ("Started", f"{moment(rows[0]['ts'])} UTC"),
        ("Project", _linked(base, everything, "project", [last["project"]])),
        ("Caller", _linked(base, everything, "caller", [last["caller"]])),
        ("Session", _linked(base, everything, "session", [last["session_id"]])),
        ("User", _linked(base, everything, "user", [last["user_id"]])),
        ("Model", _linked(base, everything, "model", [last["model_routed"]])),
        ("API", last["adapter"]),
        ("Time", duration(sum(row["duration_us"] for row in rows))),
        ("Tokens", f"{count(_sum(rows, 'input_tokens'))} → {count(_sum(rows, 'output_tokens'))}"),
        (
            "Cost",
            money(
                sum(float(cost) for cost in costs if cost is not None) if any(c is not None for c in costs) else None
            ),
        ),
    )
    return page(
        base,
        "Interaction",
        "",
        tag("h1", "Interaction", _badge(last["status"])),
        tag("p", tag("code", interaction), class_="sub"),
        tag(
            "dl",
            [tag("div", tag("dt", name), tag("dd", value)) for name, value in facts if value],
            class_="facts panel",
        ),
        tag("h2", "Conversation"),
        conversation(load(last["request"]), load(last["response"])),
        tag("div", tag("b", last["error_kind"]), " ", last["error"], class_="failure") if last["error"] else None,
        tag("h2", f"{len(rows)} requests" if len(rows) > 1 else "Request"),
        [_round(base, row, opened=len(rows) == 1) for row in rows],
        tag(
            "p",
            tag(
                "a",
                "Export as JSON lines",
                href=f"{base}/export.jsonl?{urlencode({'interaction': last['interaction_id']})}",
                class_="button",
            ),
            _replay(base, last),
            class_="actions",
        ),
    )


def _replay(base: str, row: Mapping[str, Any]) -> Markup | None:
    """In a console with a playground, the way to send the request again."""
    shell = current_shell.get()
    if shell is None or shell.playground is None or not row["request"]:
        return None
    recorded = f"{base}/requests/{row['request_id']}/request.json"
    query = urlencode({"replay": recorded, "project": row["project"], "model": row["model_routed"]})
    return tag("a", "Replay and compare", href=f"{shell.playground}?{query}", class_="button")


def _round(base: str, row: Mapping[str, Any], *, opened: bool) -> Markup:
    summary = tag(
        "summary",
        tag("time", moment(row["ts"])[11:]),
        _badge(row["status"]),
        tag("span", row["model_answered"] or row["model_routed"] or row["model_requested"] or row["operation"]),
        tag("span", duration(row["duration_us"]), class_="sub"),
        tag("span", f"{count(row['input_tokens'])} → {count(row['output_tokens'])} tokens", class_="sub"),
        [tag("span", name, class_="chip") for name in row["tool_calls"][:6]],
    )
    facts = (
        ("Request id", tag("code", row["request_id"])),
        ("Asked for", row["model_requested"]),
        ("Routed to", f"{row['model_routed']} ({row['provider']})" if row["model_routed"] else ""),
        ("Answered by", row["model_answered"]),
        ("HTTP", f"{row['method']} {row['path']} → {row['http_status']}"),
        ("First token", duration(row["ttft_us"]) if row["ttft_us"] is not None else ""),
        ("Finish", " / ".join(dict.fromkeys(one for one in (row["finish_reason"], row["raw_finish_reason"]) if one))),
        ("Tokens", _tokens(row)),
        ("Cost", money(row["cost_usd"])),
        ("Client", f"{row['client_ip']} {row['user_agent']}".strip()),
        ("Error", f"{row['error_kind']}: {row['error']}" if row["error"] else ""),
        ("Tags", ", ".join(f"{key}={value}" for key, value in row["tags"].items())),
    )
    return tag(
        "details",
        summary,
        tag("dl", [tag("div", tag("dt", name), tag("dd", value)) for name, value in facts if value], class_="facts"),
        _attempts(row),
        tag("div", tag("h3", "Lost in translation"), tag("ul", [tag("li", loss) for loss in row["losses"]]))
        if row["losses"]
        else None,
        _timings(row),
        [_raw(base, row, name) for name in ("request", "response", "original")],
        tag("details", tag("summary", "headers"), tag("pre", pretty(json.dumps_text(row["headers"])))),
        class_="panel round",
        open=opened,
        id=f"r-{row['request_id']}",
    )


def _tokens(row: Mapping[str, Any]) -> str:
    kinds = (
        ("in", "input_tokens"),
        ("from cache", "cache_read_tokens"),
        ("to cache", "cache_write_tokens"),
        ("out", "output_tokens"),
        ("thinking", "reasoning_tokens"),
    )
    words = [f"{row[column]:,} {name}" for name, column in kinds if row[column] is not None]
    return ", ".join(words) + (" (estimated)" if row["usage_estimated"] and words else "")


def _attempts(row: Mapping[str, Any]) -> Markup | None:
    attempts = load_list(row["attempt_log"])
    if not attempts:
        return None
    head = tag(
        "tr", [tag("th", name, scope="col") for name in ("Attempt", "Target", "From", "First token", "To", "Outcome")]
    )
    body = [
        tag(
            "tr",
            tag("td", one.get("model", "")),
            tag("td", one.get("target", "")),
            [
                tag("td", f"{one[key]:,.0f} ms" if one.get(key) is not None else "–")
                for key in ("start_ms", "first_token_ms", "end_ms")
            ],
            tag(
                "td",
                " ".join(str(part) for part in (one.get("status"), one.get("kind"), one.get("error")) if part),
                class_="bad" if one.get("error") else None,
            ),
        )
        for one in attempts
    ]
    return tag(
        "div",
        _waterfall(row, attempts),
        tag("table", tag("thead", head), tag("tbody", body)),
        class_="scroll",
        tabindex="0",
    )


def _waterfall(row: Mapping[str, Any], attempts: Sequence[Mapping[str, Any]]) -> Markup | None:
    """Where the time went: the whole request, and each attempt until its first token and after it."""
    whole = row["duration_us"] / 1000
    if whole <= 0:
        return None

    def bar(at: int, start: float, end: float, kind: str, hint: str) -> Markup:
        x, width = 100 * start / whole, 100 * max(0.0, end - start) / whole
        rect = tag(
            "rect",
            x=f"{x:.2f}%",
            y=at * _LANE + 4,
            width=f"{max(width, 0.3):.2f}%",
            height=_LANE - 8,
            class_=f"fill-{kind}",
        )
        return tag("g", tag("title", hint), rect)

    drawn = [bar(0, 0, whole, "whole", f"whole request: {whole:,.0f} ms")]
    for lane, one in enumerate(attempts, 1):
        start, end = one.get("start_ms") or 0.0, one.get("end_ms")
        end, first = whole if end is None else end, one.get("first_token_ms")
        name = one.get("model") or one.get("target") or f"attempt {lane}"
        if first is None:
            kind = "errors" if one.get("error") else "input"
            drawn.append(bar(lane, start, end, kind, f"{name}: {end - start:,.0f} ms"))
        else:
            drawn.append(bar(lane, start, first, "input", f"{name}: {first - start:,.0f} ms to the first token"))
            drawn.append(bar(lane, first, end, "output", f"{name}: {end - first:,.0f} ms of stream"))
    return tag(
        "svg", drawn, class_="waterfall", height=_LANE * (len(attempts) + 1), role="img",
        aria_label=f"Time of the request and its {len(attempts)} attempts",
    )  # fmt: skip


def load_list(text: str) -> list[dict[str, Any]]:
    try:
        value = json.loads(text) if text else []
    except ValueError:
        return []
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _timings(row: Mapping[str, Any]) -> Markup | None:
    if not row["timings"]:
        return None
    slowest = sorted(row["timings"].items(), key=lambda item: -item[1])
    return tag(
        "details",
        tag("summary", "time in plugins and stages"),
        tag("dl", [tag("div", tag("dt", name), tag("dd", duration(value))) for name, value in slowest], class_="facts"),
    )


def _raw(base: str, row: Mapping[str, Any], name: str) -> Markup | None:
    text = row[name]
    if not text:
        return None
    file = tag("a", "as a file", href=f"{base}/requests/{row['request_id']}/{name}.json")
    if len(text) > _INLINE_RAW:
        return tag("p", f"raw {name}, {len(text):,} characters: ", file)
    return tag("details", tag("summary", f"raw {name}"), tag("p", file), tag("pre", pretty(text)))


def message_page(base: str, title: str, words: str) -> str:
    return page(base, title, "", tag("h1", title), tag("p", words, class_="failure"))


def _badge(status: str) -> Markup:
    return tag(
        "span", status, class_=f"badge {status if status in ('ok', 'error', 'refused', 'cancelled') else 'other'}"
    )


def _excerpt(text: str, length: int = 160, *, around: str = "") -> str:
    """The beginning of a text, or the place in it that was searched for."""
    words = " ".join(str(text).split())
    if len(words) <= length:
        return words
    at = words.lower().find(around.lower()) if around else -1
    if at < length - len(around) - 1:
        return words[: length - 1] + "…"
    start = at - length // 3
    return f"…{words[start : start + length - 2]}…"


def _marked(text: str, search: str) -> list[Child]:
    """The text with each place that was searched for marked."""
    if not search:
        return [text] if text else []
    parts: list[Child] = []
    lower, wanted, start = text.lower(), search.lower(), 0
    while (at := lower.find(wanted, start)) >= 0 and len(lower) == len(text):
        parts += [text[start:at], tag("mark", text[at : at + len(search)])]
        start = at + len(search)
    return [*parts, text[start:]] if text else []


def _sum(rows: Sequence[Mapping[str, Any]], column: str) -> int | None:
    known = [row[column] for row in rows if row[column] is not None]
    return sum(known) if known else None


def _nothing() -> Markup:
    return join(tag("p", "No requests here: choose a longer time or fewer conditions.", class_="empty panel"))
