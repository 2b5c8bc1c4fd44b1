"""Calls of a provider's endpoints next to its generating one, and the relay of what they answer."""

from __future__ import annotations

from llm_gateway_sdk import HTTPProvider, HTTPReply, ModelError, ModelProtocolError, Verdict, WireRequest
from llm_gateway_sdk.metering import record

from .attempt import LiveAttempt
from .client import ClientReply
from .request import ClientRequest
from .upstream import finish_headers, limits_of, send
from .usage import usage_in_body

__all__ = ["MAX_ERROR_BYTES", "WATCHED_BYTES", "call_endpoint", "protocol_error", "relay"]

MAX_ERROR_BYTES = 4 * 1024 * 1024
WATCHED_BYTES = 4096
"""Of the beginning and of the end of a body that is handed on: where its usage is."""
_ESTIMATED = frozenset({"embed", "rerank", "moderate", "speech"})
"""Operations that use what they are sent, whether the provider counts it or not."""


async def call_endpoint(
    request: ClientRequest, attempt: LiveAttempt, http: HTTPProvider, wire: WireRequest
) -> HTTPReply:
    """Until status and headers have come. Raises ModelError."""
    expires = min(request.deadline, request.loop.time() + limits_of(request, http).total)
    finish_headers(request, wire)
    if http.tokens is not None:
        await http.tokens.ready()
    method, url, headers, body = await request.work(http.prepare, wire)
    attempt.sent = True
    reply = await send(request, http, method, url, headers.items, body, expires=expires, reason="total")
    attempt.entry.status = reply.status
    return reply


async def relay(request: ClientRequest, client: ClientReply, attempt: LiveAttempt, reply: HTTPReply) -> Verdict | None:
    """Hands a reply on as it comes, and looks at its ends for what it has used."""
    begin = end = b""
    await client.begin_relay(reply.status, reply.headers)
    try:
        while data := await reply.receive():
            if len(begin) < WATCHED_BYTES:
                begin += data[: WATCHED_BYTES - len(begin)]
            end = (end + data)[-WATCHED_BYTES:]
            await client.relay(data)
    except ModelError as error:
        # Status and headers are out: only a connection that breaks off can tell.
        request.ctx.error = error
        await client.abort()
        return None
    if request.ctx.operation != "count_tokens":
        record(attempt.entry, usage_in_body(begin, end))
    attempt.settled = attempt.entry.usage is not None or request.ctx.operation not in _ESTIMATED
    await client.end_relay()
    return None


def protocol_error(reason: str) -> ModelProtocolError:
    return ModelProtocolError(f"The provider's reply is not what its API promises: {reason}")
