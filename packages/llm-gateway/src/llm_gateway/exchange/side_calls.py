"""Calls of a provider's endpoints next to its generating one, and the relay of what they answer."""

from __future__ import annotations

from llm_gateway_sdk import HTTPProvider, HTTPReply, ModelError, Verdict, WireRequest
from llm_gateway_sdk.http import StreamingHTTPClient
from llm_gateway_sdk.metering import record
from llm_gateway_sdk.operations.owned import OwnedForm

from .attempt import HeaderPairs, LiveAttempt
from .client import ClientReply
from .errors import unsendable
from .multipart import FormBody
from .promised import first_pieces, reply_kind
from .request import ClientRequest
from .time_limits import limits_of
from .upstream import finish_headers, learn_quota, send
from .usage import usage_in_body

__all__ = ["MAX_ERROR_BYTES", "WATCHED_BYTES", "call_endpoint", "note_usage", "relay"]

MAX_ERROR_BYTES = 4 * 1024 * 1024
WATCHED_BYTES = 4096
"""Of the beginning and of the end of a body that is handed on: where its usage is."""
_ESTIMATED = frozenset({"embed", "rerank", "moderate", "image", "speech", "transcribe"})
"""Operations that use what they are sent, whether or not the provider counts it."""


async def call_endpoint(
    request: ClientRequest, attempt: LiveAttempt, http: HTTPProvider, wire: WireRequest, form: FormBody | None = None
) -> HTTPReply:
    """Until status and headers have come. `form` is sent in place of the body of `wire`, which has its fields. Raises
    ModelError."""
    expires = min(request.deadline, request.loop.time() + limits_of(request.ctx.http_request.headers, http).total)
    finish_headers(request, wire)
    if http.tokens is not None:
        await http.tokens.ready()
    method, url, headers, body = await request.work(http.prepare, wire)
    attempt.sent = True
    if form is not None:
        reply = await _send_form(request, http, method, url, headers.items, form, expires)
    else:
        reply = await send(request, http, method, url, headers.items, body, expires=expires, reason="total")
    attempt.entry.status = reply.status
    if attempt.target.quota is not None:
        learn_quota(request, attempt.target, reply)
    return reply


async def _send_form(
    request: ClientRequest,
    http: HTTPProvider,
    method: str,
    url: str,
    headers: HeaderPairs,
    form: FormBody,
    expires: float,
) -> HTTPReply:
    client, connect_timeout = http.http, http.settings.connect_timeout
    if not isinstance(client, StreamingHTTPClient):
        body = b"".join([piece async for piece in form])
        return await send(request, http, method, url, headers, body, expires=expires, reason="total")
    try:
        reply = await client.send_streamed(
            method, url, headers, form, form.length,
            connect_timeout=connect_timeout, expires=expires, reason="total",
        )  # fmt: skip
    except ValueError as error:
        raise unsendable(error, request.ctx.request_id) from None
    reply.expire_at(expires, "total")
    return reply


async def relay(request: ClientRequest, client: ClientReply, attempt: LiveAttempt, reply: HTTPReply) -> Verdict | None:
    """Hands a reply on as it comes, and looks at its ends for what it has used. Raises ModelError for one that can't be
    read, or is not what its API promises, while there is still another answer."""
    begin = end = b""
    if request.ctx.operation in ("native", "stored"):
        # Files are handed out in the coding in which the provider keeps them.
        reply.keep_coding()
    try:
        data: bytes | None = await first_pieces(reply_kind(request, reply.headers), reply)
    except ModelError as error:
        if request.ctx.operation in ("native", "stored") and request.wire.method not in ("GET", "HEAD"):
            error.retryable = False  # the vendor has done what was asked: not a second time
        raise
    await client.begin_relay(reply.status, reply.headers)
    try:
        while data := await reply.receive() if data is None else data:
            if len(begin) < WATCHED_BYTES:
                begin += data[: WATCHED_BYTES - len(begin)]
            end = (end + data)[-WATCHED_BYTES:]
            await client.relay(data)
            data = None
    except ModelError as error:
        # Status and headers are out: only a connection that breaks off can tell.
        request.ctx.error = error
        await client.abort()
        return None
    note_usage(request, attempt, begin, end)
    await client.end_relay()
    return None


def note_usage(request: ClientRequest, attempt: LiveAttempt, begin: bytes, end: bytes) -> None:
    """Puts on the books what the beginning and the end of a reply report. What they do not report is estimated."""
    operation, form = request.ctx.operation, request.route.form
    if operation != "count_tokens":
        usage = usage_in_body(begin, end, None if isinstance(form, OwnedForm) else form)
        asked = attempt.reported.pieces if attempt.reported is not None else None
        if usage is not None and usage.pieces is None:
            usage.pieces = asked
        if usage is not None and usage.input_tokens is None and operation in _ESTIMATED:
            attempt.reported = usage
        else:
            record(attempt.entry, usage)
    attempt.settled = attempt.entry.usage is not None or operation not in _ESTIMATED
