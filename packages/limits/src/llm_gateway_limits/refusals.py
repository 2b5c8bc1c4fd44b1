"""How a request is refused, so that official SDKs do the right thing: wait and try again, or give up at once."""

from __future__ import annotations

import math
from collections.abc import Sequence

from llm_gateway_sdk import CounterState, RequestRejected

from .amounts import show_amount
from .rules import Rule

__all__ = ["refusal_of", "store_down", "tightest"]


def tightest(rules: Sequence[Rule], states: Sequence[CounterState], resets: Sequence[float | None]) -> int:
    """The position of the limit that is reported: of those that refused the one with the latest time to come back, and
    before all others one that time alone does not help."""
    refused = [position for position, state in enumerate(states) if state.refused]

    def retry(position: int) -> float:
        seconds = states[position].retry_after if rules[position].is_rate else resets[position]
        if rules[position].measure == "concurrent":
            return 1.0
        return math.inf if seconds is None else seconds

    return max(refused, key=lambda position: (retry(position), -position))


def refusal_of(
    rule: Rule, state: CounterState, amount: int, *, whom: str, resets_after: float | None
) -> RequestRejected:
    """`amount` is what the request reserves, in the limit's units."""
    limit = show_amount(rule.measure, (state.limit or 0) * rule.scale)
    whose = f" for {whom}" if whom else ""
    name = f"The limit '{rule.name}'{whose}"
    if rule.measure == "concurrent":
        message = f"{name} is reached: {limit}."
        return _rejected(message, rule, kind="rate_limit", code="rate_limit_exceeded", retry_after=1.0)
    if rule.is_rate:
        wanted = show_amount(rule.measure, amount * rule.scale)
        if state.retry_after is None:
            message = f"{name} allows {limit} at once, and this request may take {wanted}."
            return _rejected(message, rule, kind="rate_limit", code="rate_limit_exceeded", retry_after=None)
        period = f"{rule.window.rolling_seconds:g} s"
        message = f"{name} is reached: {limit} per {period}. Try again in {max(1, math.ceil(state.retry_after))} s."
        return _rejected(message, rule, kind="rate_limit", code="rate_limit_exceeded", retry_after=state.retry_after)
    if state.limit is not None and state.settled + amount <= state.limit:
        message = f"{name} is reserved by requests that are running: {limit}. Try again in a moment."
        return _rejected(message, rule, kind="rate_limit", code="rate_limit_exceeded", retry_after=1.0)
    period = f" this {rule.window.calendar}" if rule.window.calendar else ""
    free = (state.limit or 0) - state.settled - state.open
    if free <= 0:
        message = f"{name} is used up{period}: all of {limit}."
    else:
        left, wanted = (show_amount(rule.measure, each * rule.scale) for each in (free, amount))
        message = f"{name} has {left} of {limit} left{period}, and this request may take {wanted}."
    return _rejected(message, rule, kind="quota", code="insufficient_quota", retry_after=None)


def _rejected(message: str, rule: Rule, *, kind: str, code: str, retry_after: float | None) -> RequestRejected:
    return RequestRejected(
        message,
        status=429,
        code=code,
        kind=kind,  # type: ignore[arg-type]
        retry_after=None if retry_after is None else max(0.001, retry_after),
        limit=rule.name,
    )


def store_down(limit: str) -> RequestRejected:
    message = "Limits can't be checked at the moment. Try again shortly."
    return RequestRejected(message, status=503, code="limits_unavailable", retry_after=2.0, limit=limit)
