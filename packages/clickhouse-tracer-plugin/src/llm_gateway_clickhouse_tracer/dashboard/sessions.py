"""Sessions that a filter finds: what the requests that name one session add up to.

As with interactions, the ids of a page are found first, from narrow columns, and by ever longer windows from the end of
the span where the list is in the order of time. A session is listed by its last request, so those of a window are
known for good, however far back they go.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from ..database.client import Database
from .filter import SESSION_SORTS, Filter
from .finding import PAGE_SIZE, WINDOWS, ends, seconds_of

__all__ = ["found", "sessions"]

_FIGURES: Final[Mapping[str, str]] = {
    "newest": "max(ts) AS latest",
    "dearest": "sum(cost_usd) AS cost",
    "longest": "sum(input_tokens) AS tokens_in, sum(output_tokens) AS tokens_out",
    "requests": "count() AS requests",
    "failing": "countIf(status != 'ok') AS errors",
}
"""What each order goes by."""


def sessions(database: Database, chosen: Filter) -> list[dict[str, Any]]:
    """A page of sessions in the chosen order, and one more where there is a further page."""
    if chosen.sort != "newest":
        return _details(database, chosen, _candidates(database, chosen))
    start, end = ends(chosen)
    last = seconds_of(chosen.before) + 1 if chosen.before else end
    for part in WINDOWS:
        edge = "" if part == 1 else f"{datetime.fromtimestamp(last - (last - start) * part, UTC):%Y-%m-%d %H:%M:%S}"
        ids = _candidates(database, chosen, edge)
        if len(ids) > PAGE_SIZE or not edge:
            return _details(database, chosen, ids)
    raise AssertionError("the last window is the whole span")


def found(database: Database, chosen: Filter) -> int:
    """How many sessions the filter finds."""
    where, parameters = _where(chosen)
    rows = database.query(
        f"SELECT count() AS n FROM (SELECT session_id FROM {database.table} WHERE {where} GROUP BY session_id)",
        parameters,
    )
    return int(rows[0]["n"]) if rows else 0


def _where(chosen: Filter) -> tuple[str, dict[str, Any]]:
    where, parameters = chosen.where()
    where += " AND session_id != ''"
    if chosen.search:
        where += " AND positionCaseInsensitiveUTF8(session_id, {search:String}) > 0"
        parameters["search"] = chosen.search
    return where, parameters


def _candidates(database: Database, chosen: Filter, edge: str = "") -> list[str]:
    """Ids of the sessions of the page; with `edge`, of those with a request since that moment (UTC)."""
    where, values = _where(chosen)
    if edge:
        where += " AND ts >= toDateTime64({edge:String}, 6, 'UTC')"
        values["edge"] = edge
    having = ""
    if chosen.sort == "newest" and chosen.before:
        having = "HAVING latest < parseDateTime64BestEffortOrZero({before:String}, 6, 'UTC')"
        values["before"] = chosen.before
    rows = database.query(
        f"""SELECT session_id, {_FIGURES[chosen.sort]} FROM {database.table} WHERE {where}
        GROUP BY session_id {having} ORDER BY {SESSION_SORTS[chosen.sort]}, session_id
        LIMIT {PAGE_SIZE + 1}{f" OFFSET {chosen.skip}" if chosen.skip else ""}""",
        values,
    )
    return [row["session_id"] for row in rows]


def _details(database: Database, chosen: Filter, ids: list[str]) -> list[dict[str, Any]]:
    if not ids:
        return []
    where, values = chosen.where()
    return database.query(
        f"""SELECT
            session_id AS session, min(ts) AS first, max(ts) AS latest, count() AS requests,
            uniq(interaction_id) AS interactions, countIf(status != 'ok') AS errors,
            groupUniqArray(10)(if(model_routed = '', model_requested, model_routed)) AS models,
            groupUniqArray(3)(t.caller) AS callers, groupUniqArray(3)(t.user_id) AS users,
            sum(input_tokens) AS tokens_in, sum(output_tokens) AS tokens_out, sum(cost_usd) AS cost
        FROM {database.table} AS t WHERE {where} AND session_id IN {{ids:Array(String)}}
        GROUP BY session_id ORDER BY {SESSION_SORTS[chosen.sort]}, session_id""",
        {**values, "ids": ids},
    )
