"""Figures by the caller's team: a closed set of labels, whatever tokens of an issuer name."""

from __future__ import annotations

from typing import Protocol

from llm_gateway_sdk import RequestContext

__all__ = ["MAX_TEAMS", "TeamFigures"]

MAX_TEAMS = 1000
"""Teams with figures of their own; those after them are counted as `other`."""


class _Fold(Protocol):
    def add(self, name: str, labels: tuple[str, ...], value: float) -> None: ...


class TeamFigures:
    """Requests, tokens and cost by project and team. A request without a team is in none of them."""

    def __init__(self) -> None:
        self._teams: dict[tuple[str, str], list[float]] = {}

    def add(self, ctx: RequestContext, nanos: int | None) -> None:
        """Counts a request that has ended; `nanos` is its cost in nano-dollars, None where it is unknown."""
        team = ctx.principal.team if ctx.principal is not None else None
        if not team:
            return
        key = (ctx.project, team)
        known = self._teams.get(key)
        if known is None:
            if len(self._teams) >= MAX_TEAMS:
                key = (ctx.project, "other")
            known = self._teams.setdefault(key, [0, 0, 0, 0.0])
        metrics = ctx.metrics
        known[0] += 1
        known[1] += metrics.input_tokens or 0
        known[2] += metrics.output_tokens or 0
        if nanos is not None:
            known[3] += nanos / 1e9

    def fold_into(self, fold: _Fold) -> None:
        """Adds the figures to those of the metrics page."""
        for key, (requests, read, written, dollars) in self._teams.items():
            fold.add("llm_gateway_team_requests_total", key, requests)
            fold.add("llm_gateway_team_tokens_total", (*key, "input"), read)
            fold.add("llm_gateway_team_tokens_total", (*key, "output"), written)
            fold.add("llm_gateway_team_cost_usd_total", key, dollars)
