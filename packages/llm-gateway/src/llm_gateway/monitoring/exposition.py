"""Writes the figures of all workers for Prometheus, with its own client's families and encoders."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from .snapshots import Totals, add_up

__all__ = ["render"]


def render(snapshots: Iterable[dict[str, Any]], accept: str) -> tuple[bytes, str]:
    """(exposition, content type), in the format that `accept` asks for: Prometheus' text or OpenMetrics."""
    encode, content_type = _encoder(accept)
    return encode(_Totals(add_up(snapshots))), content_type


def _encoder(accept: str) -> tuple[Callable[[Collector], bytes], str]:
    try:
        return choose_encoder(accept)
    except (TypeError, ValueError):  # a version that is none
        return choose_encoder("")


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
