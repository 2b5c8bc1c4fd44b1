"""Providers without HTTP: they take and give canonical values."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from time import perf_counter

from llm_gateway_sdk import Call, DialectError, InvalidRequest, LLMResponse, ModelProtocolError, Verdict
from llm_gateway_sdk.heavy import run_aside
from llm_gateway_sdk.losses import Losses

from ..attempt import LiveAttempt
from ..client import ClientReply
from ..errors import refuse_failure
from ..request import ClientRequest
from ..upstream import apply_defaults, reply_name
from .chunks import deliver_chunks
from .slicing import slices
from .whole import deliver_response

__all__ = ["deliver_directly"]

_TURN_SECONDS = 0.002


async def deliver_directly(request: ClientRequest, client: ClientReply, attempt: LiveAttempt) -> Verdict | None:
    """Calls the provider and answers with its reply. Raises ModelError."""
    ctx, mint, target = request.ctx, request.services.mint, attempt.target
    payload = ctx.request_payload
    if request.is_heavy and payload is not None:
        attempt.is_heavy = True
        await run_aside(payload.prepare)
    decoded = ctx.request
    apply_defaults(decoded, target)
    try:
        request.dialect.check_portable(decoded, Losses("request"))
    except DialectError as error:
        raise InvalidRequest(str(error), param=error.path, code=error.code) from None
    attempt.reply_name = reply_name(request, attempt.model)
    call = Call(ctx.request_id, attempt.model, ctx.retry_count, mint.id, mint.now, request.is_heavy)
    attempt.sent = True
    try:
        if not ctx.streaming:
            response = await target.provider.execute(decoded, call)
            attempt.entry.status = 200
            refuse_failure(response)
            return await deliver_response(request, client, attempt, response)
        chunks = target.provider.execute_streaming(decoded, call)
        attempt.entry.status = 200
        async with aclosing(_batches(chunks)) as batches:
            return await deliver_chunks(request, client, attempt, batches)
    except DialectError as error:
        raise ModelProtocolError(str(error)) from None


async def _batches(chunks: AsyncIterator[LLMResponse]) -> AsyncGenerator[list[LLMResponse], None]:
    """Closes the provider's iterator with itself: what that holds is let go when the reply ends, however it ends.

    A provider that never waits keeps no other request from its turn.
    """
    began = perf_counter()
    try:
        async for chunk in chunks:
            for piece in slices(chunk):
                yield [piece]
            if perf_counter() - began > _TURN_SECONDS:
                await asyncio.sleep(0)
                began = perf_counter()
    finally:
        close = getattr(chunks, "aclose", None)
        if close is not None:
            await close()
