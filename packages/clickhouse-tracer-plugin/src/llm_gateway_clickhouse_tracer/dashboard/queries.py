"""The figures of a span. Values travel as parameters; only names from this package's tables are ever formatted."""

from __future__ import annotations

import time
from typing import Any

from ..client import Database
from .filter import FIELDS, Filter

__all__ = ["breakdown", "choices", "series", "totals"]


def totals(database: Database, chosen: Filter) -> dict[str, Any]:
    where, parameters = chosen.where()
    found = database.query(
        f"""SELECT
            count() AS requests, countIf(status != 'ok') AS errors, uniqExact(interaction_id) AS interactions,
            quantilesTDigest(0.5, 0.95, 0.99)(duration_us) AS latency,
            quantilesTDigest(0.5, 0.95)(ttft_us) AS ttft,
            sum(input_tokens) AS input_tokens, sum(output_tokens) AS output_tokens,
            sum(cache_read_tokens) AS cache_read_tokens, sum(reasoning_tokens) AS reasoning_tokens,
            sum(cost_usd) AS cost, countIf(cost_usd IS NULL AND status = 'ok') AS unpriced,
            countIf(stream) AS streams, countIf(attempts > 1) AS retried
        FROM {database.table} WHERE {where}""",
        parameters,
    )
    return found[0] if found else {}


def series(database: Database, chosen: Filter) -> list[dict[str, Any]]:
    """One entry per bucket, empty ones included, so that a gap is a gap."""
    where, parameters = chosen.where()
    _, _, bucket = chosen.span(time.time())
    return database.query(
        f"""SELECT
            toUnixTimestamp(toStartOfInterval(ts, toIntervalSecond({bucket}))) AS start,
            count() AS requests, countIf(status != 'ok') AS errors,
            quantilesTDigest(0.5, 0.95, 0.99)(duration_us) AS latency,
            quantilesTDigest(0.5, 0.95)(ttft_us) AS ttft,
            sum(input_tokens) AS input_tokens, sum(output_tokens) AS output_tokens, sum(cost_usd) AS cost,
            quantileTDigestIf(0.5)(
                t.output_tokens * 1e6 / (t.duration_us - t.ttft_us), t.stream AND t.duration_us > t.ttft_us
            ) AS speed
        FROM {database.table} AS t WHERE {where} GROUP BY start ORDER BY start""",
        parameters,
    )


def breakdown(database: Database, chosen: Filter, field: str) -> list[dict[str, Any]]:
    where, parameters = chosen.where()
    column = FIELDS[field]
    return database.query(
        f"""SELECT
            {column} AS name, count() AS requests, countIf(status != 'ok') AS errors,
            quantilesTDigest(0.5, 0.95)(duration_us) AS latency, quantilesTDigest(0.5)(ttft_us)[1] AS ttft,
            sum(input_tokens) AS input_tokens, sum(output_tokens) AS output_tokens, sum(cost_usd) AS cost
        FROM {database.table} WHERE {where} GROUP BY name ORDER BY requests DESC LIMIT 12""",
        parameters,
    )


def choices(database: Database, chosen: Filter) -> dict[str, list[str]]:
    """What the selection boxes offer: values of the time range, whatever else is chosen."""
    where, parameters = Filter(range=chosen.range).where()
    found = database.query(
        f"""SELECT
            arraySort(groupUniqArray(100)(project)) AS project, arraySort(groupUniqArray(100)(model_routed)) AS model,
            arraySort(groupUniqArray(20)(status)) AS status, arraySort(groupUniqArray(100)(caller)) AS caller
        FROM {database.table} WHERE {where}""",
        parameters,
    )
    return {name: [value for value in values if value] for name, values in (found[0] if found else {}).items()}
