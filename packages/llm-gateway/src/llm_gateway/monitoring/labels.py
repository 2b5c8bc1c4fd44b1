"""Figures by labels of the caller: those that the configuration names, each with a closed set of values."""

from __future__ import annotations

from collections.abc import Sequence

from llm_gateway_sdk import RequestContext

from .caller_sums import CallerSums, Fold

__all__ = ["MAX_VALUES", "LabelFigures"]

MAX_VALUES = 200
"""Values of one label with figures of their own; those after them are counted as `other`."""


class LabelFigures:
    """Requests, tokens and cost by project, label and its value. A caller without the label is in none of them."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = tuple(dict.fromkeys(names))
        self._sums = CallerSums("label")
        self._values: dict[str, set[str]] = {name: set() for name in self._names}

    def add(self, ctx: RequestContext, nanos: int | None) -> None:
        """Counts a request that has ended; `nanos` is its cost in nano-dollars, None where it is unknown."""
        principal = ctx.principal
        if principal is None or not principal.labels:
            return
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
            self._sums.add((ctx.project, name, value), ctx, nanos)

    def fold_into(self, fold: Fold) -> None:
        """Adds the figures to those of the metrics page."""
        self._sums.fold_into(fold)
