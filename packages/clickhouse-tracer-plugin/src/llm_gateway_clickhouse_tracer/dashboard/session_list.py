"""The list of sessions, each of which leads to its requests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from llm_gateway_sdk.web import Child, Markup, tag

from .controls import address, controls
from .figures import count, duration, moment, money, seconds
from .filter import FAILED, Filter
from .finding import PAGE_SIZE
from .frame import linked, marked, page

__all__ = ["sessions_page"]

PATH: Final = "/sessions"


@dataclass(slots=True, frozen=True)
class _Column:
    title: str
    sort: str = ""
    """The order that the heading asks for."""
    number: bool = False


_COLUMNS: Final = (
    _Column("Session"), _Column("First request"), _Column("Last request", "newest"),
    _Column("Requests", "requests", number=True), _Column("Errors", "failing", number=True), _Column("Models"),
    _Column("Tokens", "longest", number=True), _Column("Cost", "dearest", number=True),
)  # fmt: skip


def sessions_page(
    base: str, chosen: Filter, rows: Sequence[Mapping[str, Any]], offered: Mapping[str, Sequence[str]], total: int
) -> str:
    """`rows` are those of the page, and one more where there is a further page."""
    shown = rows[:PAGE_SIZE]
    head = tag("tr", [_heading(base, chosen, column) for column in _COLUMNS])
    listed = tag(
        "div",
        tag(
            "table",
            tag("thead", head),
            tag("tbody", [_row(base, chosen, row) for row in shown]),
            class_="list sessions",
        ),
        class_="scroll panel",
    )
    return page(
        base,
        "Sessions",
        "Sessions",
        tag("h1", "Sessions", tag("small", f"{count(total)} found", class_="sub")),
        controls(base, PATH, chosen, offered, search="Part of a session's id…"),
        listed if shown else _nothing(chosen),
        tag("p", _pages(base, chosen, rows), class_="actions"),
    )


def _nothing(chosen: Filter) -> Markup:
    if chosen.search or chosen.fields:
        words = "No session here: choose a longer time or fewer conditions."
    else:
        words = "No request of this time names a session. Clients name one in a header, such as x-session-id."
    return tag("p", words, class_="empty panel")


def _heading(base: str, chosen: Filter, column: _Column) -> Markup:
    look = "number" if column.number else None
    if not column.sort:
        return tag("th", column.title, scope="col", class_=look)
    here = chosen.sort == column.sort
    link = tag(
        "a", f"{column.title} ↓" if here else column.title, href=address(base, PATH, chosen, sort=column.sort),
        title=f"Sort: {column.sort}",
    )  # fmt: skip
    return tag("th", link, scope="col", class_=look, aria_sort="descending" if here else None)


def _row(base: str, chosen: Filter, row: Mapping[str, Any]) -> Markup:
    # The list of requests has other orders, and searches other things than a session's id.
    plain = replace(chosen, search="", sort="newest", before="", skip=0)
    this = {"session": row["session"]}
    cells: tuple[Child, ...] = (
        [
            tag("div", tag(
                "a", marked(row["session"], chosen.search), href=address(base, "/interactions", plain, **this),
                title=row["session"], data_row=True, class_="id",
            )),
            tag("div", _people(base, plain, row), class_="sub"),
        ],
        _moment(chosen, row["first"]),
        [
            _moment(chosen, row["latest"]),
            " ",
            tag("div", "after ", duration(1e6 * (seconds(row["latest"]) - seconds(row["first"]))), class_="sub")
            if row["requests"] > 1
            else None,
        ],
        [
            count(row["requests"]),
            " ",
            tag("div", f"{count(row['interactions'])} interaction{'s' * (row['interactions'] > 1)}", class_="sub")
            if row["interactions"] != row["requests"]
            else None,
        ],
        tag("a", count(row["errors"]), href=address(base, "/interactions", plain, **this, status=FAILED), class_="bad")
        if row["errors"]
        else "0",
        linked(base, plain, "model", sorted(row["models"])),
        f"{count(row['tokens_in'])} → {count(row['tokens_out'])}",
        money(row["cost"]),
    )  # fmt: skip
    return tag(
        "tr",
        [
            tag("td", cell, data_name=column.title if number else None, class_="number" if column.number else None)
            for number, (column, cell) in enumerate(zip(_COLUMNS, cells, strict=True))
        ],
    )


def _people(base: str, chosen: Filter, row: Mapping[str, Any]) -> list[Child]:
    callers, users = (sorted(filter(None, row[name])) for name in ("callers", "users"))
    shown: list[Child] = [*linked(base, chosen, "caller", callers)]
    return [*shown, " for " if shown and users else None, *linked(base, chosen, "user", users)]


def _moment(chosen: Filter, when: str) -> Markup:
    return tag("time", moment(when, chosen.tzinfo)[5:], title=f"{when} UTC")


def _pages(base: str, chosen: Filter, rows: Sequence[Mapping[str, Any]]) -> list[Markup]:
    found = []
    if chosen.before or chosen.skip:
        found.append(tag("a", "First page", href=address(base, PATH, chosen), class_="button"))
    if len(rows) > PAGE_SIZE:
        newest = chosen.sort == "newest"
        further = {"before": str(rows[PAGE_SIZE - 1]["latest"])} if newest else {"skip": str(chosen.skip + PAGE_SIZE)}
        word = "Older" if newest else "Next"
        found.append(tag("a", word, href=address(base, PATH, chosen, **further), class_="button"))
    return found
