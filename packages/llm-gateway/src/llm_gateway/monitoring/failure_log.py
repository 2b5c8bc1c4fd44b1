"""One line in the log for each request that failed, was refused, or was answered by another model than the first.

Requests that succeed at once cost one comparison. A cause that repeats is logged once in a while, with the number of
requests that were left out. What a provider or a client wrote never appears here: kinds, status codes, and what failed
on the way to which host.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Container, Sequence

from llm_gateway_sdk import Attempt, GatewayError, RequestContext

__all__ = ["FailureLog"]

log = logging.getLogger("llm_gateway.requests")

_INTERVAL_SECONDS = 10.0
_MAX_CAUSES = 1000
_MAX_PATH = 200


class FailureLog:
    """An observer of exchanges; the server also reports what it refuses before there is an exchange.

    `logged_elsewhere` has the projects whose plugins write a line for each exchange already.
    """

    needs_usage = needs_reply = False
    follows_attempts = False

    def __init__(self, logged_elsewhere: Container[str] = (), *, clock: Callable[[], float] = time.monotonic) -> None:
        self._logged_elsewhere = logged_elsewhere
        self._clock = clock
        self._causes: dict[tuple[object, ...], list[float]] = {}

    def began(self, ctx: RequestContext) -> None:
        """Nothing is logged at the start."""

    def attempt_began(self, ctx: RequestContext) -> None:
        """Attempts are in the context's list."""

    def attempt_ended(self, ctx: RequestContext) -> None:
        """Attempts are in the context's list."""

    def outgoing_headers(self, ctx: RequestContext) -> Sequence[tuple[str, str]]:
        """None."""
        return ()

    def ended(self, ctx: RequestContext, status: int) -> None:
        """Logs a failure or a fallback."""
        if status < 400 and ctx.error is None and len(ctx.attempts) < 2:
            return
        if status == 499 or ctx.project in self._logged_elsewhere:
            return
        if status < 400 and ctx.error is None:
            self._fallback(ctx)
        else:
            self._failure(ctx, status)

    def refused(self, project: str, method: str, path: str, error: GatewayError, near: str = "") -> None:
        """A request that the server answered with an error before there was an exchange. No plugin knows of it, so
        that no other line can be there. `near` is the path that was probably meant."""
        level = logging.WARNING if error.status >= 500 else logging.INFO
        # Scanners ask for hundreds of paths; that of a client with a misspelled project is not held back by them.
        cause = (project, error.status, error.kind, *near.split("/")[1:2])
        message, values = "refused: %d %s, %s %s", (error.status, error.kind, method, path[:_MAX_PATH])
        if near:
            self._log(level, cause, message + "; probably meant: %s", *values, near[:_MAX_PATH])
        else:
            self._log(level, cause, message, *values)

    def watch(self, control: object) -> None:
        """Nothing to watch."""

    def close(self) -> None:
        """Nothing to close."""

    def _fallback(self, ctx: RequestContext) -> None:
        failed = [attempt for attempt in ctx.attempts[:-1] if attempt.error is not None or (attempt.status or 0) >= 400]
        if not failed:
            return
        last = ctx.attempts[-1]
        how = "retried" if all(attempt.model == last.model for attempt in failed) else "fallback"
        cause = (ctx.project, how, last.model, *((each.model, each.status, each.kind) for each in failed))
        tried = ", ".join(map(_attempt, failed))
        self._log(logging.INFO, cause, "%s: project %s, %s; %s answered", how, ctx.project, tried, last.model)

    def _failure(self, ctx: RequestContext, status: int) -> None:
        kind = ctx.error.recorded_kind if isinstance(ctx.error, GatewayError) else "error"
        attempts = ", ".join(map(_attempt, ctx.attempts)) or "no model was asked"
        level = logging.WARNING if status >= 500 or status < 400 else logging.INFO
        cause = (ctx.project, status, kind, *((each.model, each.status, each.kind) for each in ctx.attempts))
        self._log(
            level,
            cause,
            "failed: %d %s, project %s, %s %s, %s",
            status,
            kind,
            ctx.project,
            ctx.adapter,
            ctx.operation,
            attempts,
        )

    def _log(self, level: int, cause: tuple[object, ...], message: str, *values: object) -> None:
        if not log.isEnabledFor(level):
            return
        now = self._clock()
        seen = self._causes.get(cause)
        if seen is not None and now - seen[0] < _INTERVAL_SECONDS:
            seen[1] += 1
            return
        if seen is None and len(self._causes) >= _MAX_CAUSES:
            self._causes.clear()
        left_out = int(seen[1]) if seen is not None else 0
        self._causes[cause] = [now, 0]
        if left_out:
            message, values = f"{message} (and %d more like it)", (*values, left_out)
        log.log(level, message, *values)


def _attempt(attempt: Attempt) -> str:
    name = f"{attempt.model} ({attempt.target})" if attempt.target else attempt.model
    return f"{name}: {attempt.outcome}"
