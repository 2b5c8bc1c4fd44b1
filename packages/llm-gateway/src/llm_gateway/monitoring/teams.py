"""Figures by the caller's team: a closed set of labels, whatever tokens of an issuer name."""

from __future__ import annotations

from llm_gateway_sdk import RequestContext

from .caller_sums import CallerSums, Fold

__all__ = ["MAX_TEAMS", "TeamFigures"]

MAX_TEAMS = 1000
"""Teams with figures of their own; those after them are counted as `other`."""


class TeamFigures:
    """Requests, tokens and cost by project and team. A request without a team is in none of them."""

    def __init__(self) -> None:
        self._sums = CallerSums("team")

    def add(self, ctx: RequestContext, nanos: int | None) -> None:
        """Counts a request that has ended; `nanos` is its cost in nano-dollars, None where it is unknown."""
        team = ctx.principal.team if ctx.principal is not None else None
        if not team:
            return
        key = (ctx.project, team)
        if key not in self._sums and len(self._sums) >= MAX_TEAMS:
            key = (ctx.project, "other")
        self._sums.add(key, ctx, nanos)

    def fold_into(self, fold: Fold) -> None:
        """Adds the figures to those of the metrics page."""
        self._sums.fold_into(fold)
