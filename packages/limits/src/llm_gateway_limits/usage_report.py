"""Reads what `usage` has counted: rows by model, caller, label and time, for the administration API and the command
line."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from typing import Any

from llm_gateway_sdk import Entry, Store

from .usage import FIGURES, LOG, counter_of

__all__ = ["DIMENSIONS", "TIMES", "UsageQuery", "usage_of"]

DIMENSIONS = ("project", "model", "provider", "key", "user", "team", "org")
TIMES = {"hour": "%Y-%m-%dT%H:00%z", "day": "%Y-%m-%d", "month": "%Y-%m"}
_BLOCK = 500


@dataclass(frozen=True, slots=True)
class UsageQuery:
    """What is asked for. Raises ValueError where `by` or `only` has a name that no row can have."""

    by: Sequence[str] = ("model",)
    """DIMENSIONS, `label:NAME` and TIMES; empty is one row for all."""
    since: float = 0.0
    until: float = float("inf")
    """Seconds since the epoch; periods that begin in this span count."""
    only: Mapping[str, str] = field(default_factory=dict)
    """Values of dimensions; an empty one is of what has none."""
    zone: tzinfo | None = None
    """Whose hours, days and months; the machine's where it is None."""

    def __post_init__(self) -> None:
        for name in (*self.by, *self.only):
            if name not in DIMENSIONS and not name.startswith("label:") and (name not in TIMES or name in self.only):
                known = ", ".join((*DIMENSIONS, "label:NAME", *TIMES))
                raise ValueError(f'usage is not counted by "{name}"; expected some of {known}')


async def usage_of(store: Store, query: UsageQuery) -> list[dict[str, Any]]:
    """One row per group, in the order of time and then of cost: `group`, which lacks what a caller does not have, and
    FIGURES. `cost` is in nano-dollars. Raises StoreError."""
    rows: dict[str, dict[str, Any]] = {}
    cursor = ""
    while page := await store.read_since(LOG, cursor, limit=1000):
        cursor = page[-1].cursor
        for each in page:
            row = each.event
            if query.since <= row["begins"] < query.until and _fits(row, query.only):
                rows[str(row["id"])] = row
        await asyncio.sleep(0)  # a store in memory answers at once: requests go on between two pages
    groups: dict[tuple[tuple[str, str], ...], list[int]] = defaultdict(lambda: [0] * len(FIGURES))
    listed = list(rows.values())
    for first in range(0, len(listed), _BLOCK):
        block = listed[first : first + _BLOCK]
        states = await store.read([Entry(counter_of(row["id"], figure), 0) for row in block for figure in FIGURES])
        for number, row in enumerate(block):
            sums = groups[tuple(_group(row, query))]
            for place in range(len(FIGURES)):
                sums[place] += states[number * len(FIGURES) + place].settled
        await asyncio.sleep(0)
    found = [{"group": dict(group), **dict(zip(FIGURES, sums, strict=True))} for group, sums in groups.items()]
    return sorted(found, key=lambda row: (_when(row["group"]), -row["cost"], -row["requests"], str(row["group"])))


def value_of(row: Mapping[str, Any], dimension: str) -> str | None:
    """What a row of the log has of a dimension."""
    if dimension.startswith("label:"):
        return (row.get("labels") or {}).get(dimension.removeprefix("label:"))
    return row.get(dimension) or None


def _fits(row: Mapping[str, Any], only: Mapping[str, str]) -> bool:
    return all((value_of(row, dimension) or "") == value for dimension, value in only.items())


def _group(row: Mapping[str, Any], query: UsageQuery) -> Iterable[tuple[str, str]]:
    for name in query.by:
        if name in TIMES:
            yield name, datetime.fromtimestamp(row["begins"], query.zone).strftime(TIMES[name])
        elif (value := value_of(row, name)) is not None:
            yield name, value


def _when(group: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(group.get(name, "") for name in ("month", "day", "hour"))
