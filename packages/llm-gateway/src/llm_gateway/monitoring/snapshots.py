"""The figures of several workers together. Plain JSON and arithmetic; the parent of the workers uses it too.

A snapshot is `{"values": {family: [[labels, value], …]}, "plugins": {family: [kind, [[labels, value], …]]}}`. A
histogram's value is the list of its buckets' counts, the last one unbounded, and then the sum.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .families import FAMILIES, Family

__all__ = ["Totals", "add_up", "counters_of", "retire"]

Labels = tuple[str, ...]
Totals = dict[str, tuple[Family, dict[Labels, Any]]]


def add_up(snapshots: Iterable[dict[str, Any]]) -> Totals:
    totals: Totals = {}
    for snapshot in snapshots:
        for name, samples in snapshot["values"].items():
            family = FAMILIES.get(name)
            if family is not None:
                _add(totals, name, family, samples)
        for name, (kind, samples) in snapshot["plugins"].items():
            if name not in FAMILIES:
                _add(totals, name, Family(kind, ("project", "plugin"), "A plugin's own figure."), samples)
    return totals


def retire(retired: dict[str, Any] | None, last: dict[str, Any] | None) -> dict[str, Any]:
    """What workers that have ended leave behind: their counters, without which the sums would fall when one dies.

    `retired` is what former ones left, `last` the last snapshot of the one that has just ended.
    """
    ended = _counters(snapshot for snapshot in (retired, last) if snapshot is not None)
    restarts = ended["values"].setdefault("llm_gateway_worker_restarts_total", [[[], 0]])
    restarts[0][1] += 1
    return ended


def counters_of(snapshot: dict[str, Any]) -> dict[str, Any]:
    """The figures of a worker that does not answer now: what it has counted, and nothing of its state."""
    return _counters([snapshot])


def _counters(snapshots: Iterable[dict[str, Any]]) -> dict[str, Any]:
    totals = add_up(snapshots)
    counters: dict[str, Any] = {"values": {}, "plugins": {}}
    for name, (family, values) in totals.items():
        if family.kind != "gauge":
            samples = [[list(labels), value] for labels, value in values.items()]
            if name in FAMILIES:
                counters["values"][name] = samples
            else:
                counters["plugins"][name] = [family.kind, samples]
    return counters


def _add(totals: Totals, name: str, family: Family, samples: Iterable[tuple[list[str], Any]]) -> None:
    _, values = totals.setdefault(name, (family, {}))
    for labels, value in samples:
        key = tuple(labels)
        former = values.get(key)
        if former is None:
            values[key] = value
        elif isinstance(value, list):
            values[key] = [a + b for a, b in zip(former, value, strict=True)]
        elif family.over_workers == "sum":
            values[key] = former + value
        else:
            values[key] = (max if family.over_workers == "max" else min)(former, value)
