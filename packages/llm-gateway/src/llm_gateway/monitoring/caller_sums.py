"""Requests, tokens and cost by what is known of the caller: a team, or a label of the configuration."""

from __future__ import annotations

from typing import Protocol

from llm_gateway_sdk import RequestContext

__all__ = ["CallerSums", "Fold"]


class Fold(Protocol):
    def add(self, name: str, labels: tuple[str, ...], value: float) -> None: ...


class CallerSums:
    """Sums by the labels of a metric. `what` is in the names of the metrics: `llm_gateway_<what>_requests_total`."""

    def __init__(self, what: str) -> None:
        self._name = f"llm_gateway_{what}"
        self._sums: dict[tuple[str, ...], list[float]] = {}

    def __contains__(self, labels: tuple[str, ...]) -> bool:
        return labels in self._sums

    def __len__(self) -> int:
        return len(self._sums)

    def add(self, labels: tuple[str, ...], ctx: RequestContext, nanos: int | None) -> None:
        """Counts a request that has ended; `nanos` is its cost in nano-dollars, None where it is unknown."""
        sums, metrics = self._sums.setdefault(labels, [0, 0, 0, 0.0]), ctx.metrics
        sums[0] += 1
        sums[1] += metrics.input_tokens or 0
        sums[2] += metrics.output_tokens or 0
        if nanos is not None:
            sums[3] += nanos / 1e9

    def fold_into(self, fold: Fold) -> None:
        """Adds the sums to those of the metrics page."""
        for labels, (requests, read, written, dollars) in self._sums.items():
            fold.add(f"{self._name}_requests_total", labels, requests)
            fold.add(f"{self._name}_tokens_total", (*labels, "input"), read)
            fold.add(f"{self._name}_tokens_total", (*labels, "output"), written)
            fold.add(f"{self._name}_cost_usd_total", labels, dollars)
