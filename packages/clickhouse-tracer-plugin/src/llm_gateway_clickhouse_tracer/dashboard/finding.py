"""Interactions that a filter finds, one interaction, and whole rows for a file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from ..client import Database
from .filter import SORTS, Filter

__all__ = ["PAGE_SIZE", "export", "found", "interactions", "rounds"]

PAGE_SIZE: Final = 50
_EXPORT_CHUNK: Final = 200
_MAX_ROUNDS: Final = 200


def interactions(database: Database, chosen: Filter) -> list[dict[str, Any]]:
    """A page of interactions, newest first; one entry more than a page tells that there is another."""
    where, parameters = _searched(database, chosen)
    having, offset = "", ""
    if chosen.sort != "newest":
        offset = f" OFFSET {chosen.skip}"
    elif chosen.before:
        parameters |= {"before": chosen.before}
        having = "HAVING started < parseDateTime64BestEffortOrZero({before:String}, 6, 'UTC')"
    return database.query(
        f"""SELECT
            interaction_id, min(ts) AS started, count() AS requests,
            argMin(prompt, ts) AS question, argMax(answer, ts) AS reply,
            argMax(status, ts) AS outcome, argMax(error, ts) AS failure, argMax(finish_reason, ts) AS finish,
            arrayDistinct(arrayFlatten(groupArray(tool_calls))) AS tools,
            groupUniqArray(10)(model_routed) AS models, any(t.project) AS in_project, any(t.caller) AS who,
            any(t.session_id) AS session,
            sum(duration_us) AS spent_us, min(ttft_us) AS first_us,
            sum(input_tokens) AS tokens_in, sum(output_tokens) AS tokens_out, sum(cost_usd) AS cost
        FROM {database.table} AS t WHERE {where}
        GROUP BY interaction_id {having} ORDER BY {SORTS[chosen.sort]}, interaction_id
        LIMIT {PAGE_SIZE + 1}{offset}""",
        parameters,
    )


def found(database: Database, chosen: Filter) -> int:
    """How many interactions the filter finds, searched texts left out of account where they are not."""
    where, parameters = _searched(database, chosen)
    rows = database.query(f"SELECT uniqExact(interaction_id) AS n FROM {database.table} WHERE {where}", parameters)
    return int(rows[0]["n"]) if rows else 0


def _searched(database: Database, chosen: Filter) -> tuple[str, dict[str, Any]]:
    where, parameters = chosen.where()
    if chosen.search:
        parameters |= {"search": chosen.search}
        where += f""" AND interaction_id IN (
            SELECT interaction_id FROM {database.table} WHERE {where} AND (
                positionCaseInsensitiveUTF8(prompt, {{search:String}}) > 0
                OR positionCaseInsensitiveUTF8(answer, {{search:String}}) > 0
                OR positionCaseInsensitiveUTF8(request, {{search:String}}) > 0
                OR positionCaseInsensitiveUTF8(response, {{search:String}}) > 0
                OR positionCaseInsensitiveUTF8(error, {{search:String}}) > 0
                OR request_id = {{search:String}} OR interaction_id = {{search:String}}
                OR positionCaseInsensitiveUTF8(session_id, {{search:String}}) > 0
                OR positionCaseInsensitiveUTF8(user_id, {{search:String}}) > 0 OR has(tool_calls, {{search:String}})
            ))"""
    return where, parameters


def rounds(database: Database, interaction: str) -> list[dict[str, Any]]:
    """All requests of one interaction in order. A request's own id finds its interaction too."""
    return database.query(
        f"""SELECT * FROM {database.table}
        WHERE interaction_id = {{id:String}}
            OR interaction_id IN (SELECT interaction_id FROM {database.table} WHERE request_id = {{id:String}})
        ORDER BY ts LIMIT {_MAX_ROUNDS}""",
        {"id": interaction},
    )


def export(database: Database, chosen: Filter, interaction: str = "") -> Iterator[dict[str, Any]]:
    """Whole rows, oldest first, fetched a few hundred at a time."""
    where, parameters = chosen.where()
    if interaction:
        where, parameters = "interaction_id = {interaction:String}", {"interaction": interaction}
    elif chosen.search:
        where += " AND (positionCaseInsensitiveUTF8(request, {search:String}) > 0"
        where += " OR positionCaseInsensitiveUTF8(response, {search:String}) > 0)"
        parameters |= {"search": chosen.search}
    last = ("1970-01-01 00:00:00", "")
    while True:
        found = database.query(
            f"""SELECT * FROM {database.table} WHERE {where}
            AND (ts, request_id) > (toDateTime64({{last_ts:String}}, 6, 'UTC'), {{last_id:String}})
            ORDER BY ts, request_id LIMIT {_EXPORT_CHUNK}""",
            {**parameters, "last_ts": last[0], "last_id": last[1]},
        )
        yield from found
        if len(found) < _EXPORT_CHUNK:
            return
        last = (found[-1]["ts"], found[-1]["request_id"])
