"""Figures by labels of the caller: those that the configuration names, each with a closed set of values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from llm_gateway_sdk import RequestContext

__all__ = ["MAX_VALUES", "LabelFigures"]

MAX_VALUES = 200
"""Values of one label with figures of their own; those after them are counted as `other`."""


class _Fold(Protocol):
    def add(self, name: str, labels: tuple[str, ...], value: float) -> None: ...


class LabelFigures:
    """Requests, tokens and cost by project, label and its value. A caller without the label is in none of them."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = tuple(dict.fromkeys(names))
        self._sums: dict[tuple[str, str, str], list[float]] = {}
        self._values: dict[str, set[str]] = {name: set() for name in self._names}

    def add(self, ctx: RequestContext, nanos: int | None) -> None:
        """Counts a request that has ended; `nanos` is its cost in nano-dollars, None where it is unknown."""
        principal = ctx.principal
        if principal is None or not principal.labels:
            return
        metrics = ctx.metrics
        for name in self._names:
            value = principal.labels.get(name)
            if not value:
                continue
            values = self._values[name]
            if value not in values:
                if len(values) < MAX_VALUES:
                    values.add(value)
                else:
                    value = "other"
            known = self._sums.setdefault((ctx.project, name, value), [0, 0, 0, 0.0])
            known[0] += 1
            known[1] += metrics.input_tokens or 0
            known[2] += metrics.output_tokens or 0
            if nanos is not None:
                known[3] += nanos / 1e9

    def fold_into(self, fold: _Fold) -> None:
        """Adds the figures to those of the metrics page."""
        for key, (requests, read, written, dollars) in self._sums.items():
            fold.add("llm_gateway_label_requests_total", key, requests)
            fold.add("llm_gateway_label_tokens_total", (*key, "input"), read)
            fold.add("llm_gateway_label_tokens_total", (*key, "output"), written)
            fold.add("llm_gateway_label_cost_usd_total", key, dollars)
