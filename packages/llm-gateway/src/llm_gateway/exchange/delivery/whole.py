"""A whole reply: untouched, edited, or translated."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from typing import ParamSpec, TypeVar

from llm_gateway_sdk import (
    Dialect,
    DialectError,
    Headers,
    HTTPReply,
    LLMResponse,
    Mint,
    ModelProtocolError,
    ModelStreamError,
    Payload,
    Verdict,
    WireReply,
)
from llm_gateway_sdk.chunk_loop import reported_error
from llm_gateway_sdk.dialects.tool_names import restore_names
from llm_gateway_sdk.heavy import LIGHT_BYTES, is_heavy, run_aside
from llm_gateway_sdk.losses import Losses
from llm_gateway_sdk.metering import record
from llm_gateway_sdk.response import Accumulator
from llm_gateway_sdk.wire import json
from llm_gateway_sdk.wire.pieces import found, has_any

from ..attempt import LiveAttempt
from ..client import ClientReply
from ..errors import refuse_failure, scrub, scrub_info
from ..request import ClientRequest
from ..signed_reasoning import has_signed_thinking, withhold_edited_reply
from ..upstream import UpstreamCall, secrets_of
from .chunks import EVENTS, decoded_body

__all__ = ["collect", "decode_whole", "deliver_response", "deliver_whole"]

P = ParamSpec("P")
T = TypeVar("T")

_BEYOND_LIGHT = LIGHT_BYTES + 1
_NAMED_ERROR = re.compile(rb'"error"\s*:\s*[^n\s]|"status"\s*:\s*"failed"')
"""Is in every reply that reports an error, and in few others."""
_AHEAD = 4096
"""Bytes at the beginning of a body in which nearly all have the sign of an answer."""
_LONGEST_SIGN = 256
"""Bytes of a sign with the white space in it."""


async def deliver_whole(
    request: ClientRequest, client: ClientReply, attempt: LiveAttempt, reply: HTTPReply, call: UpstreamCall
) -> Verdict | None:
    """Reads the body and answers with it, or gives what a hook decided. Raises ModelError."""
    ctx, chain = request.ctx, request.chain
    body = await reply.read(request.services.max_reply_bytes, request.make_room)
    attempt.entry.first_token = ctx.metrics.first_token = time.time()
    dialect, mint, names = call.dialect, request.services.mint, call.names
    wire = WireReply(reply.status, Headers.of(reply.headers), body)
    heavy = attempt.is_heavy = body[LIGHT_BYTES:_BEYOND_LIGHT] != b"" and is_heavy(body)
    if body[:1] != b"{" and dialect.sse and EVENTS.match(body):
        # Some servers stream whatever was asked for, and call it a document.
        collected = await collect(request, attempt, decoded_body(request, attempt, body, call))
        return await deliver_response(request, client, attempt, collected)
    if not call.same_dialect:
        payload = ctx.response_payload = Payload(lambda: decode_whole(dialect, wire, mint, names))
        ctx.upstream_response = wire
        if heavy:
            await run_aside(payload.prepare)
        response = payload.value
        if response.error is not None:
            refuse_failure(response)
        return await deliver_response(request, client, attempt, response)
    if ctx.has_fallback and await _aside(heavy, _search, _NAMED_ERROR, body):
        # A success by its status alone: it would go to this client as it is, but another model may do better.
        refuse_failure(await _aside(heavy, decode_whole, dialect, wire, mint, names))
    if not json.is_object(body):
        raise ModelProtocolError("The provider's reply is not what its API promises: the body is not a JSON object.")
    sign = dialect.answer_sign
    if sign is not None and not sign.search(body, 0, _AHEAD) and not await _aside(heavy, _search, sign, body):
        decoded = await _aside(heavy, decode_whole, dialect, wire, mint, names)  # raises where there is no answer
        if ctx.has_fallback or not has_any(body, b'"error"'):
            refuse_failure(decoded)  # clients would not see that a bare error is one
        elif (http := attempt.target.http) is not None:
            body = wire.body = scrub(body, secrets_of(request, http))
    if chain.after:
        return await _deliver_looked_at(request, client, attempt, wire, call)
    entry = attempt.entry
    if request.wants_usage:
        usage = await run_aside(dialect.usage_of, b"", body) if heavy else dialect.usage_of(b"", body)
        record(entry, usage)
    if request.retains and (request.shows_reply or entry.input_precision is None or entry.output_precision is None):
        attempt.retain(body)
        ctx.upstream_response = wire
        ctx.response_payload = Payload(lambda: decode_whole(dialect, wire, mint, names))
        if attempt.truncated:
            ctx.reply_truncated = True
    attempt.settled = True
    await client.relay_whole(wire, attempt)
    return None


def _search(sign: re.Pattern[bytes], body: bytes) -> bool:
    return found(sign, body, _LONGEST_SIGN) is not None


async def _aside(heavy: bool, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    return await run_aside(work, *args, **kwargs) if heavy else work(*args, **kwargs)


async def _deliver_looked_at(
    request: ClientRequest, client: ClientReply, attempt: LiveAttempt, wire: WireReply, call: UpstreamCall
) -> Verdict | None:
    """A reply of the client's dialect which plugins look at: what they leave alone goes out as it came."""
    ctx, dialect, mint = request.ctx, call.dialect, request.services.mint
    payload = Payload(lambda: decode_whole(dialect, wire, mint, call.names))
    if attempt.is_heavy:
        await run_aside(payload.prepare)
    ctx.response_payload = payload
    ctx.upstream_response = wire
    if request.chain.edits_reply and payload.value.error is not None:
        refuse_failure(payload.value)  # plugins see the text of an error where errors are
    verdict = await request.chain.after_model(ctx)
    usage = payload.value.usage if payload.opened else None
    record(attempt.entry, usage or dialect.usage_of(b"", wire.body))
    attempt.settled = True
    if verdict is not None and (verdict.action != "reply" or ctx.response is None):
        return verdict
    if ctx.response_payload is not payload:
        await client.answer(ctx.response or payload.value, attempt)
        return None
    if request.chain.edits_reply or payload.changed:
        await client.relay_edited(wire, payload, attempt)
    else:
        await client.relay_whole(wire, attempt)
    return None


async def deliver_response(
    request: ClientRequest, client: ClientReply, attempt: LiveAttempt, response: LLMResponse
) -> Verdict | None:
    """A whole reply in canonical form: hooks, then out in the client's dialect."""
    ctx, chain = request.ctx, request.chain
    attempt.entry.first_token = ctx.metrics.first_token = ctx.metrics.first_token or time.time()
    record(attempt.entry, response.usage)
    attempt.settled = True
    if ctx.response_payload is None:
        ctx.response_payload = Payload(None, response)
    verdict = await chain.after_model(ctx) if chain.after else None
    if verdict is not None and (verdict.action != "reply" or ctx.response is None):
        return verdict
    answer = ctx.response or response
    payload = ctx.response_payload
    signed = chain.after and payload is not None and not payload.replaced
    if signed and has_signed_thinking([choice.message for choice in answer.choices]):
        assert payload is not None
        losses = Losses("response", attempt.field_names)
        pristine = await _aside(attempt.is_heavy, payload.pristine)
        withhold_edited_reply(pristine.choices, answer.choices, losses)
        ctx.losses.extend(losses)
    await client.answer(answer, attempt)
    return None


async def collect(
    request: ClientRequest, attempt: LiveAttempt, stream: AsyncGenerator[list[LLMResponse], None]
) -> LLMResponse:
    """A stream where a whole was asked for."""
    total = Accumulator()
    try:
        async with aclosing(stream) as batches:
            async for chunks in batches:
                for chunk in chunks:
                    if chunk.error is not None:
                        http = attempt.target.http
                        scrub_info(chunk.error, () if http is None else secrets_of(request, http))
                        raise reported_error(chunk.error, ModelStreamError)
                    total.add(chunk)
    except BaseException:
        attempt.partial = total.value()
        raise
    return await run_aside(total.value) if attempt.is_heavy else total.value()


def decode_whole(dialect: Dialect, wire: WireReply, mint: Mint, names: Mapping[str, str]) -> LLMResponse:
    """Raises ModelProtocolError."""
    try:
        whole = dialect.decode_response(wire, mint)
        if not whole.choices and whole.error is None:
            raise DialectError("it holds no answer")
        return restore_names(whole, names) if names else whole
    except (DialectError, ValueError) as error:
        raise ModelProtocolError(f"The provider's reply is not what its API promises: {error}") from None
