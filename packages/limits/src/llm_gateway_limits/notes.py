"""What is noted of a request: for its client in headers, for the log, and for the figures of the limits."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from llm_gateway_sdk import CounterState, RequestContext, RequestRejected

from .applied import Applied, shown_of
from .headers import limit_headers
from .plans import Plan, Shown
from .records import Records

__all__ = ["Notes"]


class Notes:
    def __init__(self, records: Records, *, shown: bool) -> None:
        """`shown`: clients get headers."""
        self._records = records
        self.shown = shown

    def refused(self, ctx: RequestContext, refusal: RequestRejected) -> None:
        self._records.counts["refused_total"] += 1
        if refusal.retry_after is None:
            ctx.reply_headers["x-should-retry"] = "false"  # official SDKs would try a spent budget again
        self._records.name_request(ctx.request_id)

    def note(self, ctx: RequestContext, applied: Sequence[Applied], states: Sequence[CounterState]) -> None:
        """All that there is to note of limits that let the request through."""
        for each in applied:
            self._records.remember(each.term)
        for each, state in zip(applied, states, strict=False):
            if state.limit is not None and state.exceeded and not each.rule.enforce:
                self._records.counts["shadow_total"] += 1
                self._records.event("shadow", each, state, request=ctx.request_id)
        if self.shown:
            terms = [each.term for each in applied]
            self._show(ctx, limit_headers(shown_of(terms, states), ctx.client_dialect, time.time()))

    def show_plan(self, ctx: RequestContext, plan: Plan, states: Sequence[CounterState], now: float) -> None:
        """The headers of all limits of a plan: all that there is to note after its first request."""
        shown, second, dialect = plan.shown, int(now), ctx.client_dialect
        if shown is None or shown.states is not states or shown.second != second or shown.dialect != dialect:
            headers = limit_headers(shown_of(plan.terms, states), dialect, now)
            shown = plan.shown = Shown(states, second, dialect, headers)
        self._show(ctx, shown.headers)

    def _show(self, ctx: RequestContext, headers: Mapping[str, str]) -> None:
        ctx.reply_headers.update(headers)
        if "x-llm-gateway-limit-warning" in headers:
            self._records.counts["warned_total"] += 1
