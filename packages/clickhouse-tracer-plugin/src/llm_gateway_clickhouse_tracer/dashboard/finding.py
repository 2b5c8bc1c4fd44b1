"""Interactions that a filter finds, one interaction, and whole rows for a file.

A page shows fifty interactions of a table that may have tens of millions of rows, so texts are read for these fifty
alone. Which ones they are is found first, from the narrow columns, and by ever longer windows from the end of the span
where the list is in the order of time: most pages need the last minutes of a month. An interaction belongs to the
window in which its first request is. A window is therefore read to the end of the span, and what turns out to have
begun before it is left to the next, longer one.

A search reads the texts of a window. It stops where the next window would take too long, and the page then names the
moment to which it has searched.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from ..database.client import Database
from .filter import SORTS, Filter

__all__ = [
    "PAGE_SIZE",
    "WINDOWS",
    "Found",
    "Page",
    "charged",
    "details",
    "ends",
    "export",
    "found",
    "interactions",
    "rounds",
    "seconds_of",
]

PAGE_SIZE: Final = 50
_EXPORT_CHUNK: Final = 200
_NARROW_CHUNK: Final = 5000
_MAX_ROUNDS: Final = 200
_MOST_CHARGED: Final = 100_000
WINDOWS: Final = (1 / 512, 1 / 64, 1 / 8, 1.0)
"""Parts of the span, counted from where the list begins."""
_GROWTH: Final = 8
_SEARCH_SECONDS: Final = 8.0
"""A longer window is not searched where that would probably take longer than this."""
_SPENT: Final = "toUInt64(max(toUnixTimestamp64Micro(ts) + duration_us) - min(toUnixTimestamp64Micro(ts)))"
"""Microseconds from the first request of an interaction to the end of its last one; requests may overlap."""
_EXACT: Final = "(request_id = {search:String} OR interaction_id = {search:String} OR session_id = {search:String})"
_ANYWHERE: Final = """(positionCaseInsensitiveUTF8(prompt, {search:String}) > 0
    OR positionCaseInsensitiveUTF8(answer, {search:String}) > 0
    OR positionCaseInsensitiveUTF8(request, {search:String}) > 0
    OR positionCaseInsensitiveUTF8(response, {search:String}) > 0
    OR positionCaseInsensitiveUTF8(error, {search:String}) > 0
    OR request_id = {search:String} OR interaction_id = {search:String}
    OR positionCaseInsensitiveUTF8(session_id, {search:String}) > 0
    OR positionCaseInsensitiveUTF8(user_id, {search:String}) > 0 OR has(tool_calls, {search:String}))"""


@dataclass(slots=True, frozen=True)
class Found:
    interactions: int
    requests: int


@dataclass(slots=True, frozen=True)
class Page:
    rows: list[dict[str, Any]]
    """At most one more than a page shows: then there is a further one."""
    searched_since: str = ""
    """The moment (UTC) before which nothing was searched; empty where the whole span was."""


def interactions(database: Database, chosen: Filter, *, thorough: bool = False) -> Page:
    """A page of interactions in the chosen order. `thorough`: search the whole span, however long it takes."""
    if chosen.search and " " not in chosen.search and (named := details(database, chosen, _named(database, chosen))):
        return Page(named)
    if chosen.sort not in ("newest", "oldest"):
        return Page(details(database, chosen, _candidates(database, chosen, "", {})))
    start, end = ends(chosen)
    began = time.monotonic()
    for number, part in enumerate(WINDOWS):
        window, parameters = _window(chosen, start, end, part)
        rows = details(database, chosen, _candidates(database, chosen, window, parameters), window, parameters)
        if len(rows) > PAGE_SIZE or number == len(WINDOWS) - 1:
            return Page(rows)
        spent = time.monotonic() - began
        if chosen.search and not thorough and spent * _GROWTH > _SEARCH_SECONDS:
            return Page(rows, parameters["edge"])
    raise AssertionError("the last window is the whole span")


def found(database: Database, chosen: Filter) -> Found | None:
    """What the filter finds; None for a search, which is not carried on for the sake of a number."""
    if chosen.search:
        return None
    where, parameters = chosen.where()
    rows = database.query(
        f"""SELECT uniq(interaction_id) AS interactions, count() AS requests
        FROM {database.table} WHERE {where}""",
        parameters,
    )
    return Found(int(rows[0]["interactions"]), int(rows[0]["requests"])) if rows else Found(0, 0)


def ends(chosen: Filter) -> tuple[float, float]:
    """The span in Unix seconds, to now at most: the last bucket of a chart has not ended yet."""
    start, end, _ = chosen.span(now := time.time())
    return start, min(end, now)


def _window(chosen: Filter, start: float, end: float, part: float) -> tuple[str, dict[str, Any]]:
    """A condition on when an interaction began; `edge` is the far end of the window. Empty for the whole span."""
    if part == 1:
        return "", {}
    oldest_first = chosen.sort == "oldest"
    last = min(end, seconds_of(chosen.before) + 1) if chosen.before else end
    edge = start + (end - start) * part if oldest_first else last - (last - start) * part
    text = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(edge))
    moment = "toDateTime64({edge:String}, 6, 'UTC')"
    return f"started < {moment}" if oldest_first else f"started >= {moment}", {"edge": text}


def _candidates(database: Database, chosen: Filter, window: str, parameters: dict[str, Any]) -> list[str]:
    """Ids of the interactions that may be on the page, by narrow columns alone."""
    where, values = chosen.where()
    values |= parameters
    in_window = f" AND {window.replace('started', 'ts', 1)}" if window else ""
    if chosen.search:
        values["search"] = chosen.search
        where += f""" AND interaction_id IN (
            SELECT interaction_id FROM {database.table} WHERE {where}{in_window} AND {_ANYWHERE})"""
    having = []
    if chosen.sort == "newest" and chosen.before:
        values["before"] = chosen.before
        having.append("started < parseDateTime64BestEffortOrZero({before:String}, 6, 'UTC')")
    column = {
        "newest": "min(ts) AS started", "oldest": "min(ts) AS started", "slowest": f"{_SPENT} AS spent_us",
        "dearest": "sum(cost_usd) AS cost",
        "longest": "sum(input_tokens) AS tokens_in, sum(output_tokens) AS tokens_out",
        "first": "min(ttft_us) AS first_us", "requests": "count() AS requests",
    }[chosen.sort]  # fmt: skip
    # Some begin before the window and are left out later, hence more than a page.
    many = 2 * (PAGE_SIZE + 1) if window else PAGE_SIZE + 1
    rows = database.query(
        f"""SELECT interaction_id, {column} FROM {database.table} WHERE {where}{in_window}
        GROUP BY interaction_id {"HAVING " + " AND ".join(having) if having else ""}
        ORDER BY {SORTS[chosen.sort]}, interaction_id LIMIT {many}{f" OFFSET {chosen.skip}" if chosen.skip else ""}""",
        values,
    )
    return [row["interaction_id"] for row in rows]


def _named(database: Database, chosen: Filter) -> list[str]:
    """Ids of the interactions of which the search is an id: an index finds these at once in the longest span."""
    where, parameters = chosen.where()
    rows = database.query(
        f"""SELECT DISTINCT interaction_id FROM {database.table} WHERE {where} AND {_EXACT}
        LIMIT {PAGE_SIZE + 1}""",
        {**parameters, "search": chosen.search},
    )
    return [row["interaction_id"] for row in rows]


def details(
    database: Database, chosen: Filter, ids: list[str], window: str = "", parameters: dict[str, Any] | None = None
) -> list[dict[str, Any]]:
    """What a page shows of these interactions, in order, but those that began outside of the window."""
    if not ids:
        return []
    where, values = chosen.where()
    return database.query(
        f"""SELECT
            interaction_id, min(ts) AS started, count() AS requests,
            argMin(prompt, ts) AS question, argMax(answer, ts) AS reply,
            argMax(status, ts) AS outcome, argMax(error, ts) AS failure, argMax(finish_reason, ts) AS finish,
            argMax(error_kind, ts) AS failure_kind, argMax(http_status, ts) AS code,
            arrayDistinct(arrayFlatten(groupArray(tool_calls))) AS tools,
            groupUniqArray(10)(if(model_routed = '', model_requested, model_routed)) AS models,
            groupUniqArray(10)(provider) AS providers,
            argMax(t.project, ts) AS in_project, argMax(t.caller, ts) AS who, argMax(t.team, ts) AS of_team,
            argMax(t.user_id, ts) AS end_user, argMax(t.session_id, ts) AS session, sum(t.attempts) AS tries,
            {_SPENT} AS spent_us, min(ttft_us) AS first_us,
            sum(input_tokens) AS tokens_in, sum(output_tokens) AS tokens_out, sum(cost_usd) AS cost
        FROM {database.table} AS t WHERE {where} AND interaction_id IN {{ids:Array(String)}}
        GROUP BY interaction_id {"HAVING " + window if window else ""} ORDER BY {SORTS[chosen.sort]}, interaction_id
        LIMIT {PAGE_SIZE + 1}""",
        {**values, **(parameters or {}), "ids": ids},
    )


def seconds_of(moment: str) -> float:
    """Unix seconds of a moment of an address (UTC), or now where it is none."""
    try:
        return datetime.fromisoformat(moment).replace(tzinfo=UTC).timestamp()
    except ValueError:
        return time.time()


def rounds(database: Database, interaction: str) -> list[dict[str, Any]]:
    """All requests of one interaction in order. A request's own id finds its interaction too."""
    return database.query(
        f"""SELECT * FROM {database.table}
        WHERE interaction_id = {{id:String}}
            OR interaction_id IN (SELECT interaction_id FROM {database.table} WHERE request_id = {{id:String}})
        ORDER BY ts LIMIT {_MAX_ROUNDS}""",
        {"id": interaction},
    )


def charged(database: Database, chosen: Filter) -> list[dict[str, Any]]:
    """What limits count of each request, newest first: time, who asked, model, tokens, cost. At most a hundred
    thousand, the newest ones."""
    where, parameters = chosen.where()
    return database.query(
        f"""SELECT
            toUnixTimestamp64Micro(ts) / 1e6 AS time, caller AS key, user_id AS user, team, org, labels, project,
            model_requested AS model, provider, client_ip AS ip, input_tokens, output_tokens,
            toFloat64(cost_usd) AS cost
        FROM {database.table} WHERE {where} AND status != 'refused' ORDER BY ts DESC LIMIT {_MOST_CHARGED}""",
        parameters,
    )


def export(
    database: Database, chosen: Filter, interaction: str = "", columns: Sequence[str] = ()
) -> Iterator[dict[str, Any]]:
    """Rows, oldest first, a few hundred at a time; of `columns` alone a few thousand."""
    where, parameters = chosen.where()
    if interaction:
        where, parameters = "interaction_id = {interaction:String}", {"interaction": interaction}
    elif chosen.search:
        where += f" AND {_ANYWHERE}"
        parameters["search"] = chosen.search
    chunk = _NARROW_CHUNK if columns else _EXPORT_CHUNK
    last = ("1970-01-01 00:00:00", "")
    while True:
        found = database.query(
            f"""SELECT {", ".join(columns) or "*"} FROM {database.table} WHERE {where}
            AND ts >= toDateTime64({{last_ts:String}}, 6, 'UTC')
            AND (ts, request_id) > (toDateTime64({{last_ts:String}}, 6, 'UTC'), {{last_id:String}})
            ORDER BY ts, request_id LIMIT {chunk}""",
            {**parameters, "last_ts": last[0], "last_id": last[1]},
        )
        yield from found
        if len(found) < chunk:
            return
        last = (found[-1]["ts"], found[-1]["request_id"])
