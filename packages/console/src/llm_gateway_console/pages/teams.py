"""Teams: what each spends, who is in it, and which limits hold for it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from starlette.responses import Response

from llm_gateway_sdk.web import Child, Markup, tag

from ..areas import AreaFailure, recorded_by
from . import spans
from .key_list import state_of
from .spans import Span
from .view import View, dollars, table

__all__ = ["shown"]

_NANO: Final = 1e9


@dataclass(slots=True)
class _Team:
    requests: int = 0
    errors: int = 0
    tokens: int = 0
    cost: float = 0.0
    keys: list[str] = field(default_factory=list)
    users: set[str] = field(default_factory=set)
    limits: list[Mapping[str, Any]] = field(default_factory=list)


async def shown(view: View) -> Response:
    """Those that spend most first."""
    span = spans.chosen(view)
    teams: dict[str, _Team] = defaultdict(_Team)
    problem = None
    try:
        figures = await recorded_by(view.host, "team", span.query)
    except AreaFailure as failure:
        figures, problem = {}, str(failure)
    for name, row in figures.items():
        team = teams[name]
        team.requests, team.errors = row["requests"], row["errors"]
        team.tokens = (row["input_tokens"] or 0) + (row["output_tokens"] or 0)
        team.cost = float(row["cost"] or 0)
    keys = await _all(view, "/keys", "limit")
    for key in keys or ():
        if key.get("team") and state_of(key) == "active":
            teams[key["team"]].keys.append(key["name"])
            if key.get("user"):
                teams[key["team"]].users.add(key["user"])
    for row in await _all(view, "/limits", "size") or ():
        if row["subject"].get("team"):
            teams[row["subject"]["team"]].limits.append(row)
    return _page(view, span, teams, problem)


async def _all(view: View, path: str, size: str) -> list[Mapping[str, Any]] | None:
    """All pages of a list, whose parameter `size` is the rows of a page; None where the API has no such list."""
    found: list[Mapping[str, Any]] = []
    after = ""
    while True:
        answer = await view.ask("GET", path, query={size: "1000", **({"after": after} if after else {})})
        if not answer.ok:
            return None
        found += answer.body["items"]
        after = answer.body["next"] or ""
        if not after:
            return found


def _page(view: View, span: Span, teams: Mapping[str, _Team], problem: str | None) -> Response:
    ordered = sorted(teams.items(), key=lambda each: (-each[1].cost, -each[1].requests, each[0]))
    whole = sum(team.cost for team in teams.values())
    heads = ("Team", "Cost", "Requests", "Errors", "Tokens", "Keys", "Limits")
    return view.page(
        "Teams",
        spans.ranges(view, "/teams", span),
        tag("p", problem, class_="failure") if problem else None,
        table(
            heads,
            [_row(view, span, name, team, whole) for name, team in ordered],
            empty="There are no teams: no key and no recorded request names one.",
            numbers=("Cost", "Requests", "Errors", "Tokens", "Keys"),
        ),
    )


def _row(view: View, span: Span, name: str, team: _Team, whole: float) -> tuple[Child, ...]:
    listed = view.traces(team=name or "(none)", **span.query)
    one = view.address("/team", name=name or "(none)", **span.address)
    failed = view.traces(team=name or "(none)", **span.query, status="failed")
    share = _share(team.cost, whole)
    return (
        tag("a", name or "(none)", href=one),
        [dollars(team.cost), tag("div", share, class_="sub")],
        tag("a", f"{team.requests:,}", href=listed) if listed and team.requests else f"{team.requests:,}",
        tag("a", f"{team.errors:,}", href=failed) if failed and team.errors else f"{team.errors:,}",
        f"{team.tokens:,}",
        tag("a", f"{len(team.keys)}", href=view.address("/keys", of_team=name, state="active")) if team.keys else "0",
        _limits(team.limits),
    )


def _share(cost: float, whole: float) -> str:
    if not whole:
        return ""
    return "under 1 % of all" if 0 < cost < whole / 100 else f"{100 * cost / whole:.0f} % of all"


def _limits(rows: Sequence[Mapping[str, Any]]) -> Child:
    if not rows:
        return "–"
    fullest = sorted(rows, key=lambda row: (row["settled"] + row["open"]) / (row["of"] or 1), reverse=True)
    return [_meter(row) for row in fullest[:3]]


def _meter(row: Mapping[str, Any]) -> Markup:
    used, of = row["settled"] + row["open"], row["of"]
    part = used / of if of else 0.0
    scale, unit = (_NANO, "$") if row["measure"] == "cost" else (1.0, "")
    words = f"{unit}{used / scale:,.6g} of {unit}{of / scale:,.6g}" if of else "no limit"
    return tag(
        "div",
        tag("span", f"{row['limit']}: {words}", class_="sub"),
        tag(
            "meter", f"{part:.0%}", min="0", max="1", low="0.8", high="0.999", optimum="0",
            value=f"{min(part, 1):.4f}",
            aria_label=f"{row['limit']}: {part:.0%} used",
        ),
    )  # fmt: skip
