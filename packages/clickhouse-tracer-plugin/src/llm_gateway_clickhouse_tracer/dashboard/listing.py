"""The list of interactions: its columns, its order, the way to the next page."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from llm_gateway_sdk.web import Child, Markup, tag
from llm_gateway_sdk.wire import json

from .alike import runs
from .controls import address, controls
from .figures import count, duration, moment, money
from .filter import Filter
from .finding import PAGE_SIZE, Found, Page
from .frame import badge, linked, marked, nothing, page, script

__all__ = ["COLUMNS", "Column", "interactions_page", "tail_event"]


@dataclass(slots=True, frozen=True)
class Column:
    key: str
    title: str
    cell: Callable[[str, Filter, Mapping[str, Any]], Child]
    """From the base address, the filter and a row."""
    sort: str = ""
    """The order that the column's heading asks for."""
    shown: bool = False
    """Without being chosen."""


def _name(field: str, column: str) -> Callable[[str, Filter, Mapping[str, Any]], Child]:
    """Values of a row, each a link to what has them."""

    def cell(base: str, chosen: Filter, row: Mapping[str, Any]) -> Child:
        values = row.get(column) or ""
        return linked(base, chosen, field, [values] if isinstance(values, str) else values)

    return cell


COLUMNS: Final = (
    Column("started", "Started", lambda base, chosen, row: _started(chosen, row), "newest", shown=True),
    Column("text", "Question and answer", lambda base, chosen, row: _texts(base, chosen, row), shown=True),
    Column("model", "Model", _name("model", "models"), shown=True),
    Column("provider", "Provider", _name("provider", "providers")),
    Column("project", "Project", _name("project", "in_project"), shown=True),
    Column("team", "Team", _name("team", "of_team")),
    Column("caller", "Caller", _name("caller", "who"), shown=True),
    Column("session", "Session", _name("session", "session")),
    Column("user", "User", _name("user", "end_user")),
    Column("time", "Time", lambda base, chosen, row: duration(row["spent_us"]), "slowest", shown=True),
    Column("first", "First token", lambda base, chosen, row: duration(row["first_us"]), "first"),
    Column(
        "tokens", "Tokens", lambda base, chosen, row: f"{count(row['tokens_in'])} → {count(row['tokens_out'])}",
        "longest", shown=True,
    ),
    Column("cost", "Cost", lambda base, chosen, row: _cost(row), "dearest", shown=True),
    Column("requests", "Requests", lambda base, chosen, row: count(row["requests"]), "requests"),
    Column("attempts", "Attempts", lambda base, chosen, row: count(row.get("tries"))),
    Column("kind", "Error", _name("kind", "failure_kind")),
    Column("code", "HTTP", lambda base, chosen, row: str(row.get("code") or "–")),
    Column("finish", "Finish", lambda base, chosen, row: row.get("finish") or "–"),
)  # fmt: skip
"""All columns of the list. Which of them are shown is kept in the reader's browser."""


def interactions_page(
    base: str,
    chosen: Filter,
    found: Page,
    offered: Mapping[str, Sequence[str]],
    total: Found | None = None,
) -> str:
    """`total` is what the filter finds on all pages; None where that is not known."""
    rows = found.rows
    shown = rows[:PAGE_SIZE]
    head = tag("tr", [_heading(base, chosen, column) for column in COLUMNS])
    return page(
        base,
        "Interactions",
        "Interactions",
        tag("h1", "Interactions", tag("small", _total(total), class_="sub") if total is not None else None),
        controls(base, "/interactions", chosen, offered, search="Search prompts, answers, ids…", tools=True),
        _choosing(base, chosen),
        tag(
            "div",
            tag(
                "table",
                tag("thead", head),
                tag("tbody", [_run(base, chosen, run) for run in runs(shown)]),
                class_="list",
            ),
            class_="scroll panel",
        )
        if shown
        else nothing(),
        _searched(base, chosen, found.searched_since),
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
            tag(
                "a",
                "Export as CSV",
                href=address(base, "/export.csv", chosen),
                class_="button",
                download="requests.csv",
            ),
            class_="actions",
        ),
        script(base, "list.js"),
    )


def _total(total: Found) -> str:
    """Charts and tables count requests, the list has a line for each interaction: so the heading has both."""
    return f"{count(total.interactions)} found, {count(total.requests)} request{'s' * (total.requests != 1)}"


def _heading(base: str, chosen: Filter, column: Column) -> Markup:
    sort = column.sort
    look: dict[str, str | bool] = {"scope": "col", "data_col": column.key, "hidden": not column.shown}
    if not sort:
        return tag("th", column.title, **look)
    other = "oldest" if sort == "newest" and chosen.sort == "newest" else sort
    here = chosen.sort == sort or (sort == "newest" and chosen.sort == "oldest")
    direction = ("ascending" if chosen.sort == "oldest" else "descending") if here else None
    arrow = {"ascending": " ↑", "descending": " ↓", None: ""}[direction]
    link = tag(
        "a", f"{column.title}{arrow}", href=address(base, "/interactions", chosen, sort=other), title=f"Sort: {other}"
    )
    return tag("th", link, **look, aria_sort=direction)


def _searched(base: str, chosen: Filter, since: str) -> Markup | None:
    """How far a search has come that would have taken too long."""
    if not since:
        return None
    further = tag("a", "Search the whole range", href=address(base, "/interactions", chosen, thorough="1"))
    return tag(
        "p",
        f"Searched back to {moment(since, chosen.tzinfo)}. ",
        further,
        " (this may take a minute).",
        class_="panel",
        role="status",
    )


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


def _run(base: str, chosen: Filter, run: Sequence[Mapping[str, Any]]) -> list[Markup]:
    """Of rows that failed alike the first one has a button, with which a script opens and closes the others."""
    if len(run) == 1:
        return [_interaction_row(base, chosen, run[0])]
    last = moment(run[-1]["started"], chosen.tzinfo)[5:]
    button = tag(
        "button", f"{len(run) - 1} more alike, to {last}", type="button", class_="alike", data_alike=len(run) - 1
    )
    return [_interaction_row(base, chosen, run[0], button), *(_interaction_row(base, chosen, row) for row in run[1:])]


def _interaction_row(base: str, chosen: Filter, row: Mapping[str, Any], more: Markup | None = None) -> Markup:
    return tag(
        "tr",
        [
            tag(
                "td",
                column.cell(base, chosen, row),
                more if column.key == "text" else None,
                data_col=column.key,
                data_name=column.title if column.key not in ("started", "text") else None,
                hidden=not column.shown,
            )
            for column in COLUMNS
        ],
        data_id=row["interaction_id"],
    )


def _without_text(row: Mapping[str, Any]) -> str:
    """What was refused before all plugins had read it has no text in its record: it could hold what they hide."""
    return "(text not recorded)" if row["outcome"] == "refused" else "(no text)"


def _cost(row: Mapping[str, Any]) -> str:
    """Of what was refused before a call there is nothing to pay, and so nothing unknown."""
    return "–" if row["cost"] is None and row["outcome"] == "refused" else money(row["cost"])


def _started(chosen: Filter, row: Mapping[str, Any]) -> Child:
    return [
        tag("time", moment(row["started"], chosen.tzinfo)[5:], title=f"{row['started']} UTC"),
        tag("div", badge(row["outcome"])),
    ]


def _texts(base: str, chosen: Filter, row: Mapping[str, Any]) -> Child:
    tools, below = row["tools"], row["failure"] if row["outcome"] != "ok" else row["reply"]
    chips = [
        *(tag("span", name, class_="chip") for name in tools[:5]),
        *([tag("span", f"{row['requests']} requests", class_="chip plain")] if row["requests"] > 1 else []),
    ]
    elsewhere = chosen.search and chosen.search.lower() not in f"{row['question']} {row['reply']}".lower()
    return [
        tag(
            "a",
            marked(_excerpt(row["question"], around=chosen.search), chosen.search) or _without_text(row),
            href=f"{base}/interactions/{row['interaction_id']}",
            data_row=True,
        ),
        tag("div", marked(_excerpt(below, around=chosen.search), chosen.search), class_="sub"),
        tag("div", "found in an earlier message or an id", class_="sub hit") if elsewhere else None,
        tag("div", chips, class_="chips") if chips else None,
    ]


def tail_event(base: str, chosen: Filter, rows: Sequence[Mapping[str, Any]]) -> bytes:
    """A server-sent event with rows for the top of the list."""
    made = [{"id": row["interaction_id"], "html": str(_interaction_row(base, chosen, row))} for row in rows]
    return f"retry: 1000\nid: {time.time():.0f}\ndata: {json.dumps_text(made)}\n\n".encode(errors="replace")


def _choosing(base: str, chosen: Filter) -> Markup:
    """Which columns are shown, and whether new interactions appear by themselves."""
    boxes = [
        tag("label", tag("input", type="checkbox", value=column.key, checked=column.shown), f" {column.title}")
        for column in COLUMNS
        if column.key != "text"
    ]
    newest = chosen.sort == "newest" and not (chosen.before or chosen.search or chosen.until)
    return tag(
        "div",
        tag("details", tag("summary", "Columns"), tag("div", boxes, class_="boxes"), id="columns"),
        tag(
            "label",
            tag("input", type="checkbox", id="tail", data_tail=address(base, "/tail", chosen)),
            " live: new ones appear at the top",
        )
        if newest
        else None,
        tag("span", role="status", id="tail-state", class_="sub"),
        class_="choosing",
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
