"""The gateway's metrics, read back from their Prometheus text."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

__all__ = ["Sample", "Target", "samples", "targets"]

_LINE = re.compile(r"(?P<name>[a-zA-Z_:][\w:]*)(?:\{(?P<labels>.*)\})? (?P<value>[^ ]+)")
_LABEL = re.compile(r'(?<!\w)(\w++)="((?:[^"\\]|\\.)*)"')
_ESCAPES = {"\\n": "\n", '\\"': '"', "\\\\": "\\"}


@dataclass(frozen=True, slots=True)
class Sample:
    name: str
    labels: Mapping[str, str]
    value: float


def samples(text: str) -> Iterator[Sample]:
    """The samples of an exposition; lines that are no sample are left out."""
    for line in text.splitlines():
        if line.startswith("#") or (match := _LINE.match(line)) is None:
            continue
        try:
            value = float(match["value"])
        except ValueError:
            continue
        labels = {
            name: re.sub(r"\\.", lambda found: _ESCAPES.get(found[0], found[0]), written)
            for name, written in _LABEL.findall(match["labels"] or "")
        }
        yield Sample(match["name"], labels, value)


@dataclass(slots=True)
class Target:
    """What one model of a project has done since the gateway's start."""

    project: str
    model: str
    provider: str
    requests: float = 0
    errors: float = 0
    seconds: float = 0
    timed: float = 0
    cost: float = 0
    by_class: dict[str, float] | None = None
    failed_attempts: float = 0
    """Calls of the provider that failed, those included after which another model answered."""
    buckets: dict[float, float] = field(default_factory=dict)
    """Requests that took at most so many seconds."""

    @property
    def mean(self) -> float | None:
        """Seconds per request."""
        return self.seconds / self.timed if self.timed else None

    def slower_than(self, part: float) -> float | None:
        """Seconds that this part of the requests (0.95: 95 %) did not exceed, read off between two buckets."""
        whole = max(self.buckets.values(), default=0)
        below, before = 0.0, 0.0
        for edge, count in sorted(self.buckets.items()):
            if whole and count >= part * whole:
                if edge == float("inf"):
                    return below
                return below + (edge - below) * (part * whole - before) / max(1e-9, count - before)
            below, before = edge, count
        return None


def targets(found: Iterator[Sample]) -> list[Target]:
    """By project, model and provider, those with most requests first."""
    by_name: dict[tuple[str, str, str], Target] = {}
    classes: dict[tuple[str, str, str], dict[str, float]] = defaultdict(dict)
    for sample in found:
        if "model" not in sample.labels or "provider" not in sample.labels:
            continue
        key = (sample.labels.get("project", ""), sample.labels["model"], sample.labels["provider"])
        target = by_name.setdefault(key, Target(*key))
        match sample.name:
            case "llm_gateway_requests_total":
                target.requests += sample.value
            case "llm_gateway_errors_total":
                target.errors += sample.value
                kind = sample.labels.get("class", "")
                classes[key][kind] = classes[key].get(kind, 0) + sample.value
            case "llm_gateway_upstream_attempts_total" if sample.labels.get("outcome") not in ("ok", "cancelled"):
                target.failed_attempts += sample.value
            case "llm_gateway_request_duration_seconds_bucket":
                edge = float(sample.labels["le"])
                target.buckets[edge] = target.buckets.get(edge, 0) + sample.value
            case "llm_gateway_request_duration_seconds_sum":
                target.seconds += sample.value
            case "llm_gateway_request_duration_seconds_count":
                target.timed += sample.value
            case "llm_gateway_cost_usd_total":
                target.cost += sample.value
    for key, target in by_name.items():
        target.by_class = classes.get(key)
    used = (each for each in by_name.values() if each.requests or each.failed_attempts)
    return sorted(used, key=lambda each: -each.requests)
