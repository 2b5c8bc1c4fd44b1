"""The tries of one target: breaker, ledger, pauses.

`try_target` calls what it is given with its own `LiveAttempt` for each try, and keeps the ledger around it.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Container
from functools import partial
from math import inf
from typing import get_args

from llm_gateway_sdk import (
    Attempt,
    DialectError,
    ErrorClass,
    GatewayError,
    ModelConnectionError,
    ModelError,
    ModelTimeout,
    Verdict,
)
from llm_gateway_sdk.errors import TRANSIENT_KINDS
from llm_gateway_sdk.heavy import run_aside
from llm_gateway_sdk.metering import add_attempt

from ..models import ModelTarget
from .attempt import LiveAttempt
from .client import ClientReply
from .ending import EndReason
from .errors import scrub_error
from .request import ClientRequest
from .upstream import secrets_of
from .usage import count_broken_off, count_unreported

__all__ = ["try_target"]

log = logging.getLogger("llm_gateway.exchange")

LONGEST_PAUSE = 60.0
"""Seconds that a request waits before another try; a client is better served by the provider's 429 than by silence."""
_BREAKER_POLL_SECONDS = 0.25
_LONG_REPLY = 128 * 1024
"""Bytes of a stream whose words take some milliseconds to count."""
_ALL_KINDS: frozenset[str] = frozenset(get_args(ErrorClass))


async def try_target(
    request: ClientRequest,
    client: ClientReply,
    target: ModelTarget,
    call: Callable[[LiveAttempt], Awaitable[Verdict | None]],
) -> Verdict | None:
    """Calls one target, again while its own tries last. Raises the last ModelError."""
    ctx, http = request.ctx, target.http
    tries, delay, number, probe = 1, 1.0, 0, False
    leads_on: Container[str] = ()
    """Kinds of errors after which the next model is asked, not the same one again."""
    if http is not None:
        tries, delay = http.settings.retry_attempts, http.settings.retry_delay
        if ctx.has_fallback and not http.settings.retry_attempts_written:
            leads_on = _ALL_KINDS if ctx.fallback_kinds is None else ctx.fallback_kinds
    while True:
        if client.has_left:
            raise asyncio.CancelledError(EndReason.CLIENT_LEFT)  # what was under way is over, and nothing more is begun
        number += 1
        if ctx.has_fallback or ctx.retry_count:
            target, probe = await _admit(request, target)
        attempt = _begin(request, client, target)
        met_before, learnt = ctx.error, False
        try:
            verdict = await call(attempt)
            target.breaker.success()
            learnt = True
            if verdict is None and ctx.error is met_before:
                ctx.error = None  # what earlier attempts met is in the ledger
            return verdict
        except ModelError as error:
            learnt = _record_failure(request, attempt, error)
            if client.has_left:
                raise asyncio.CancelledError(EndReason.CLIENT_LEFT) from error
            pause = _pause(delay, number, error)
            gone = request.form is not None and not request.form.may_be_sent
            last = gone or number >= tries or error.kind in leads_on or not error.retryable
            if last or ctx.stream.committed or pause > LONGEST_PAUSE or request.loop.time() + pause > request.deadline:
                raise
            attempt.release()
            log.info(
                "request %s: %s failed (%s), next try in %.2f s",
                ctx.request_id, target.name, attempt.entry.outcome, pause,
            )  # fmt: skip
        except BaseException as error:
            if not attempt.sent:
                _note_unsent(attempt, error)
            raise
        finally:
            if probe and not learnt:
                target.breaker.release()
            counting = _end(request, client, attempt)
            if counting is not None:
                await counting
        await asyncio.sleep(pause)


def _begin(request: ClientRequest, client: ClientReply, target: ModelTarget) -> LiveAttempt:
    ctx = request.ctx
    model = target.upstream_model(ctx.requested_model)
    entry = Attempt(target.name, f"{target.provider.name}/{model}", time.time())
    ctx.attempts.append(entry)
    ctx.target_model_provider = target.provider.name
    target.in_flight += 1
    if ctx.losses:
        # Each attempt is another translation: what a former one lost has not been sent.
        ctx.losses = [loss for loss in ctx.losses if loss.side != "request"]
    for observer in request.services.followers:
        observer.attempt_began(ctx)
    attempt = client.attempt = LiveAttempt(target, model, entry, request.services.kept)
    return attempt


def _end(request: ClientRequest, client: ClientReply, attempt: LiveAttempt) -> Awaitable[None] | None:
    """Notes that it has ended, and what it has used; of a long reply what is returned does that."""
    http = attempt.target.http
    if http is not None and http.settings.on_leave == "drain":
        client.keep_on(False)
    attempt.target.in_flight -= 1
    attempt.entry.ended = time.time()
    count: Callable[[ClientRequest, LiveAttempt], None] | None = None
    if not attempt.settled and request.wants_usage:
        full = http is not None and http.settings.on_leave == "full"
        count = partial(count_broken_off, bills_all=full and (client.has_left or attempt.given_up))
    elif request.retains:
        count = count_unreported
    if count is not None:
        if attempt.is_heavy or attempt.sent_bytes > _LONG_REPLY:
            return _end_aside(request, attempt, count)
        count(request, attempt)
    if request.long_reply is not None:
        request.long_reply.close()
    add_attempt(request.ctx.metrics, attempt.entry)
    for observer in request.services.followers:
        observer.attempt_ended(request.ctx)
    return None


async def _end_aside(
    request: ClientRequest, attempt: LiveAttempt, count: Callable[[ClientRequest, LiveAttempt], None]
) -> None:
    """The same where each word of a long reply is looked at."""
    try:
        await run_aside(count, request, attempt)
    finally:
        if request.long_reply is not None:
            request.long_reply.close()
        add_attempt(request.ctx.metrics, attempt.entry)
        for observer in request.services.followers:
            observer.attempt_ended(request.ctx)


async def _admit(request: ClientRequest, target: ModelTarget) -> tuple[ModelTarget, bool]:
    """The target that may be called now, and whether the call is a breaker's probe.

    An open breaker diverts a request that has another model to go to. One that has come to the last of its models
    waits for whichever of them recovers first, if that is within its deadline. Where a target is the only one anyway,
    refusing would gain nothing, and there is no choice here: its calls go through, and the first that succeeds
    closes the breaker.
    """
    ctx, cooling = request.ctx, request.cooling
    while True:
        soonest, first = inf, target
        for candidate in (target,) if ctx.has_fallback else (target, *cooling):
            wait = candidate.breaker.wait()
            if wait <= 0:
                return candidate, candidate.breaker.state != "closed"
            if wait < soonest:
                soonest, first = wait, candidate
        if ctx.has_fallback or soonest > LONGEST_PAUSE or request.loop.time() + soonest > request.deadline:
            if target not in cooling:
                cooling.append(target)
            raise ModelError(
                f"The model '{first.name}' is cooling down after failures.",
                status=503,
                code="model_cooling_down",
                kind="overloaded",
                retry_after=soonest,
                retryable=False,
                model=first.name,
                provider=first.provider.name,
            )
        # Another request's probe may close a breaker before its time.
        await asyncio.sleep(min(soonest, _BREAKER_POLL_SECONDS))


def _record_failure(request: ClientRequest, attempt: LiveAttempt, error: ModelError) -> bool:
    """Writes the ledger; whether the breaker has learnt something.

    The error's text may quote the request. Where plugins look at errors it is written once they have done so, and for a
    try that another one of the same target follows, which they never see, not at all.
    """
    entry, target = attempt.entry, attempt.target
    http = target.http
    if http is not None:
        scrub_error(error, secrets_of(request, http))
    entry.error = _without_words(error) if request.chain.error else error.message
    entry.kind = error.kind
    if isinstance(error, (ModelConnectionError, ModelTimeout)):
        entry.reason = error.reason
        attempt.given_up = isinstance(error, ModelTimeout) and error.sent and attempt.sent
    if entry.status is None:
        entry.status = error.status
    error.model = target.name
    error.provider = target.provider.name
    if error.kind not in TRANSIENT_KINDS:
        target.breaker.success()
        return True
    if error.info().of_output:
        return False  # one conversation that always ends so must not keep the others away
    if request.has_own_limit and isinstance(error, ModelTimeout) and error.reason != "connect":
        return False
    if error.kind == "rate_limit":
        if error.retry_after is None:
            return False  # it works, and does not say for how long it will not
        if http is not None and http.settings.credentials == "client":
            return False  # the caller's own limit
    target.breaker.failure(error.retry_after)
    return True


def _note_unsent(attempt: LiveAttempt, error: BaseException) -> None:
    """Writes that nothing went out: such a try costs nothing, whatever was reserved for it."""
    entry = attempt.entry
    entry.error = f"It was not sent ({type(error).__name__})."
    if isinstance(error, GatewayError):
        entry.kind = error.kind
    elif isinstance(error, DialectError):
        entry.kind = "bad_request"


def _without_words(error: ModelError) -> str:
    """A failure without a word of the provider's."""
    return f"{type(error).__name__} ({error.kind}, {error.status})"


def _pause(delay: float, number: int, error: ModelError) -> float:
    backoff = min(delay * 2.0 ** (number - 1), LONGEST_PAUSE)
    jittered: float = backoff * random.uniform(0.75, 1.0)
    return max(jittered, error.retry_after or 0.0)
