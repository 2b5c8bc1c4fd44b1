"""The list of interactions: its columns, its order, the way to the next page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from llm_gateway_sdk.web import Child, Markup, tag

from .controls import address, controls
from .figures import count, duration, moment, money
from .filter import Filter
from .finding import PAGE_SIZE, Page
from .frame import badge, linked, nothing, page

__all__ = ["interactions_page"]

_COLUMNS: Final = (
    ("Started", "newest"), ("Question and answer", ""), ("Model", ""), ("Project", ""), ("Time", "slowest"),
    ("Tokens", "longest"), ("Cost", "dearest"),
)  # fmt: skip


def interactions_page(
    base: str,
    chosen: Filter,
    found: Page,
    offered: Mapping[str, Sequence[str]],
    total: int | None = None,
) -> str:
    rows = found.rows
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
            class_="actions",
        ),
    )


def _heading(base: str, chosen: Filter, name: str, sort: str) -> Markup:
    if not sort:
        return tag("th", name, scope="col")
    other = "oldest" if sort == "newest" and chosen.sort == "newest" else sort
    here = chosen.sort == sort or (sort == "newest" and chosen.sort == "oldest")
    direction = ("ascending" if chosen.sort == "oldest" else "descending") if here else None
    arrow = {"ascending": " ↑", "descending": " ↓", None: ""}[direction]
    link = tag("a", f"{name}{arrow}", href=address(base, "/interactions", chosen, sort=other), title=f"Sort: {other}")
    return tag("th", link, scope="col", aria_sort=direction)


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


def _interaction_row(base: str, chosen: Filter, row: Mapping[str, Any]) -> Markup:
    tools = row["tools"]
    return tag(
        "tr",
        tag(
            "td",
            tag("time", moment(row["started"], chosen.tzinfo)[5:], title=f"{row['started']} UTC"),
            tag("div", badge(row["outcome"])),
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
        tag("td", linked(base, chosen, "model", row["models"]), data_name="Model"),
        tag(
            "td",
            linked(base, chosen, "project", [row["in_project"]]),
            tag("div", linked(base, chosen, "caller", [row["who"]]), class_="sub"),
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
