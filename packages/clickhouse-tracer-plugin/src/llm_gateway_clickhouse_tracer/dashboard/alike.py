"""Rows of a list that failed alike, one after another, as a client that tries again and again leaves them.

The first of them is shown with the number of the others, to be opened: a page of the list is then not filled by one key
that is over its limit.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any, Final

__all__ = ["LEAST", "runs"]

LEAST: Final = 3
"""Fewer are shown one by one."""
_NUMBERS: Final = re.compile(r"\d[\d.,]*")


def runs(rows: Sequence[Mapping[str, Any]]) -> list[list[Mapping[str, Any]]]:
    """The rows in their order, those of a run together; what did not fail is a run of one."""
    return [run for _, found in groupby(rows, _alike) for run in _cut(list(found))]


def _cut(run: list[Mapping[str, Any]]) -> list[list[Mapping[str, Any]]]:
    return [run] if len(run) >= LEAST else [[row] for row in run]


def _alike(row: Mapping[str, Any]) -> tuple[Any, ...]:
    if row["outcome"] in ("ok", "cancelled"):
        return (row["interaction_id"],)
    text = _NUMBERS.sub("0", str(row["failure"]))
    return row["outcome"], row.get("who"), row.get("failure_kind"), row.get("code"), text
