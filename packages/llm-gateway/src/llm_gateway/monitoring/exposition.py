"""Adds up the figures of several workers and writes them for Prometheus, with its own client's families and encoders.

A snapshot is JSON: `{"values": {family: [[labels, value], …]}, "plugins": {family: [kind, [[labels, value], …]]}}`. A
histogram's value is the list of its buckets' counts, the last one unbounded, and then the sum.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from .families import FAMILIES, Family

__all__ = ["add_up", "render"]

Labels = tuple[str, ...]
Totals = dict[str, tuple[Family, dict[Labels, Any]]]


def render(snapshots: Iterable[dict[str, Any]], accept: str) -> tuple[bytes, str]:
    """(exposition, content type), in the format that `accept` asks for: Prometheus' text or OpenMetrics."""
    encode, content_type = _encoder(accept)
    return encode(_Totals(add_up(snapshots))), content_type


def _encoder(accept: str) -> tuple[Callable[[Collector], bytes], str]:
    try:
        return choose_encoder(accept)
    except ValueError:  # a version that is none
        return choose_encoder("")


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


class _Totals(Collector):
    def __init__(self, totals: Totals) -> None:
        self._totals = totals

    def collect(self) -> Iterator[Metric]:
        for name, (family, values) in self._totals.items():
            match family.kind:
                case "counter":
                    counter = CounterMetricFamily(name, family.help, labels=family.labels)
                    for labels, value in values.items():
                        counter.add_metric(labels, value)
                    yield counter
                case "gauge":
                    gauge = GaugeMetricFamily(name, family.help, labels=family.labels)
                    for labels, value in values.items():
                        gauge.add_metric(labels, value)
                    yield gauge
                case "histogram":
                    histogram = HistogramMetricFamily(name, family.help, labels=family.labels)
                    for labels, value in values.items():
                        histogram.add_metric(labels, _buckets(family.buckets, value), value[-1])
                    yield histogram


def _buckets(bounds: tuple[float, ...], counts: list[float]) -> list[tuple[str, float]]:
    """Cumulative counts by upper bound."""
    found: list[tuple[str, float]] = []
    total = 0.0
    for bound, count in zip((*map(repr, bounds), "+Inf"), counts, strict=False):
        total += count
        found.append((bound, total))
    return found
