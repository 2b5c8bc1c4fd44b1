"""The walk of one request: authentication, admission, hooks, the call, and the way back to the start.

    authenticate → before_request → ┌ before_model → perform ┐→ done
                                    └───── again ← on_model_error

The gateway and the test harness use this one implementation; what differs between them is `Performer`: how a target is
called and how a reply is written. The loop's one edge back to the start serves fallbacks, re-evaluation and follow-ups.
"""

from __future__ import annotations

import copy
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from .calling import Verdict, run_authentication
from .context import Engine, RequestContext
from .errors import GatewayError, ModelError, RequestRejected, Unauthorized
from .hooks import ActiveChain
from .lifecycle import Lifecycle
from .payload import Payload
from .request import LLMRequest
from .response import LLMResponse

__all__ = ["Performer", "WalkLimits", "walk"]


class Performer(Protocol):
    """What the walk leaves to its caller."""

    async def perform(self) -> Verdict | None:
        """Does the request's operation on the target that the hooks chose, and writes the reply.

        Returns None where that is done, else what an `after_model` or `after_chunk` hook decided. Raises ModelError
        where the target failed, GatewayError for the rest.
        """
        ...

    async def answer(self, response: LLMResponse) -> None:
        """Writes a reply that a plugin has given."""
        ...

    def out_of_time(self) -> bool:
        """Whether no other pass may begin."""
        ...

    is_heavy: bool
    """Whether the request's body is so large that work on it is done in a thread, by `prepare`."""

    async def prepare(self) -> None:
        """Does ahead of the hooks what they would do on the event loop by looking at the request."""
        ...


@dataclass(slots=True, frozen=True)
class WalkLimits:
    max_retries: int = 3
    """Passes after a failure."""
    max_turns: int = 10
    """Follow-ups."""


async def walk(
    ctx: RequestContext,
    chain: ActiveChain,
    performer: Performer,
    limits: WalkLimits,
    lifecycle: Lifecycle | None = None,
    recall: Callable[[], Awaitable[None]] | None = None,
    known: Callable[[], Awaitable[bool]] | None = None,
) -> None:
    """Returns when the reply is written. Raises GatewayError where the client is to get an error.

    `recall` is awaited once, when it is known who is asking and before any other hook sees the request. A caller
    that gives a `lifecycle` ends it, after the reply and whatever became of that. `known` puts into the context who is
    asking, where that is certain by other means than the chain's authentication; it returns whether it is.
    """
    if chain.authentication or lifecycle is not None or recall is not None:
        verdict = await _enter(ctx, chain, performer, lifecycle, recall, known)
        if verdict is not None:
            if verdict.action == "reply" and ctx.response is not None:
                await performer.answer(ctx.response)
                return
            raise _refusal_of(verdict)
    while True:
        if performer.is_heavy:
            await performer.prepare()
        verdict = await chain.before_model(ctx)
        if verdict is None:
            try:
                verdict = await performer.perform()
            except ModelError as error:
                verdict = await _on_model_error(ctx, chain, error)
        if verdict is None:
            return
        if verdict.action == "refuse":
            raise _refusal_of(verdict)
        if verdict.action == "again":
            _begin_again(ctx, performer, verdict, limits)
            continue
        if ctx.response is not None:
            await performer.answer(ctx.response)
        return


def _refusal_of(verdict: Verdict) -> GatewayError:
    return verdict.error or RequestRejected(f"Plugin '{verdict.plugin}' refused.", plugin=verdict.plugin)


async def _enter(
    ctx: RequestContext,
    chain: ActiveChain,
    performer: Performer,
    lifecycle: Lifecycle | None,
    recall: Callable[[], Awaitable[None]] | None,
    known: Callable[[], Awaitable[bool]] | None,
) -> Verdict | None:
    """Who is asking, and whether they may: once per request."""
    if chain.authentication and (known is None or not await known()):
        verdict = await run_authentication(chain.authentication, ctx)
        if verdict is not None and verdict.action != "again":
            return verdict
        if ctx.principal is None and ctx.caller is None:
            Engine.withhold_request(ctx)
            raise Unauthorized("A valid credential is needed.", code="invalid_api_key")
    if recall is not None:
        await recall()
    if lifecycle is None:
        return None
    if performer.is_heavy:
        await performer.prepare()
    return await lifecycle.begin()


async def _on_model_error(ctx: RequestContext, chain: ActiveChain, error: ModelError) -> Verdict | None:
    """Lets the plugins see the failure. Raises it where they do not turn it into something else."""
    ctx.error = error
    ctx.response_payload = None  # what came of the failed attempt is not a reply
    message = error.message
    verdict = await chain.on_model_error(ctx)
    if ctx.attempts and ctx.attempts[-1].kind is not None:
        # Plugins have seen it: what they hid of its text is not in the ledger either.
        ctx.attempts[-1].error = str(ctx.error)
    if verdict is not None and not ctx.stream.committed:
        return verdict
    final = ctx.error
    if final is not error or error.message != message:
        # A plugin has put the error in other words: the provider's own body is no longer the reply.
        if isinstance(final, ModelError):
            final.body = None
            final.info().message = final.message
        elif not isinstance(final, GatewayError):
            final = RequestRejected(str(final), status=error.status)
    assert isinstance(final, GatewayError)
    raise final


def _begin_again(ctx: RequestContext, performer: Performer, verdict: Verdict, limits: WalkLimits) -> None:
    messages = Engine.take_follow_up(ctx)
    base = ctx.base_request_payload
    if messages is not None:
        ctx.turn_count += 1
        if ctx.turn_count > limits.max_turns:
            raise RequestRejected(
                f"Plugin '{verdict.plugin}' asked for more than {limits.max_turns} follow-ups (maxTurns).",
                plugin=verdict.plugin,
            )
        extended = copy.deepcopy(ctx.base_request)
        extended.messages.extend(messages)
        base = ctx.base_request_payload = Payload(None, extended)
    else:
        ctx.retry_count += 1
        if ctx.retry_count > limits.max_retries or performer.out_of_time():
            if isinstance(ctx.error, GatewayError):
                raise ctx.error
            raise RequestRejected(
                f"Plugin '{verdict.plugin}' asked for more than {limits.max_retries} attempts (maxRetries).",
                plugin=verdict.plugin,
            )
    Engine.begin_attempt(ctx, _afresh(base))


def _afresh(base: Payload[LLMRequest] | None) -> Payload[LLMRequest] | None:
    """The request without what the hooks of a former pass have made of it."""
    if base is None:
        return None
    return Payload(None, copy.deepcopy(base.value)) if base.replaced else Payload(base.pristine)
