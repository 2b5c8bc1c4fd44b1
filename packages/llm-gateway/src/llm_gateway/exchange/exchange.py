"""One request's life: the walk through its hooks, one target after another, and an answer whatever happens.

It knows no vendor, no socket and no server, and owns nothing but the order of things: the request is a `ClientRequest`,
what is written for the client is a `ClientReply`, and what belongs to one attempt a `LiveAttempt`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from functools import partial
from typing import Any

from llm_gateway_sdk import (
    Adapter,
    DialectError,
    GatewayError,
    HTTPProvider,
    HTTPReply,
    InvalidRequest,
    LLMResponse,
    ModelTimeout,
    RequestContext,
    Route,
    StoreUnavailable,
    Verdict,
    WireReply,
    WireRequest,
)
from llm_gateway_sdk.dialect import Headers
from llm_gateway_sdk.heavy import free_aside, is_heavy, run_aside
from llm_gateway_sdk.lifecycle import Lifecycle
from llm_gateway_sdk.walk import walk

from ..models import ModelTarget
from .attempt import LiveAttempt
from .attempts import try_target
from .batches.intake import take_owned
from .batches.uploads import recognise_upload
from .call_plan import CallPlans
from .client import ClientReply
from .client_body import ClientBody
from .delivery.chunks import EVENTS, decoded, decoded_body, deliver_chunks, rest_of
from .delivery.direct import deliver_directly
from .delivery.forward import forward
from .delivery.slicing import in_slices
from .delivery.whole import collect, decode_whole, deliver_response, deliver_whole
from .ending import EndReason, end_reason, ends_the_request, error_of, forget_frames
from .errors import (
    internal_error,
    nameless_model,
    read_http_error,
    refuse_web_page,
    store_away,
    without_quotations,
)
from .headers import find, loss_text
from .held_body import HeldBody
from .kept_reply import HeavyRequest
from .multipart import FormUpload
from .operations import choose_target, perform_operation
from .outlet import ByteSource, Sink
from .references import check_references, may_refer
from .request import ClientRequest
from .rights import check_entry, check_rights
from .services import ProjectScope, Services
from .time_limits import LIMIT_HEADERS, limit_of_header
from .upstream import (
    UpstreamCall,
    belongs_aside,
    build_call,
    check_losses,
    learn_quota,
    secrets_of,
    send_call,
)

__all__ = ["Exchange"]

log = logging.getLogger("llm_gateway.exchange")

_STREAMS = ("text/event-stream", "application/vnd.amazon.eventstream")
_DECODED_AT_ONCE = 64 * 1024
"""Bytes of a kept stream whose decoding holds the event loop for a millisecond or two."""
_GRACE_SECONDS = 0.5
_ATTENDED = ("generate", "count_tokens")
_OWNED = ("batch", "file")
_MAX_ERROR_BYTES = 4 * 1024 * 1024


class Exchange:
    """One per request. `run` answers through the sink, whatever happens, unless it is cancelled."""

    __slots__ = ("_client", "_lifecycle", "_request", "_task", "is_heavy")

    def __init__(
        self,
        services: Services,
        project: ProjectScope,
        adapter: Adapter,
        route: Route,
        wire: WireRequest,
        client_body: ClientBody,
        ctx: RequestContext,
        sink: Sink,
        plans: CallPlans | None = None,
    ) -> None:
        request = self._request = ClientRequest(services, project, adapter, route, wire, client_body, ctx, sink, plans)
        self._task: asyncio.Task[Any] | None = None
        """What runs `run`, once other people's code may take part."""
        memory = project.memory
        attendant = None
        if memory is not None and route.dialect == memory.dialect and ctx.operation in _ATTENDED:
            attendant = memory.attend(request, sink)
        self._client = ClientReply(request, sink if attendant is None else attendant)
        if attendant is not None:
            self._client.attendant, attendant.client = attendant, self._client
        lifecycle = request.chain.lifecycle
        self._lifecycle = Lifecycle(lifecycle, ctx) if lifecycle else None
        looks = bool(lifecycle or request.chain.before)
        self.is_heavy = request.is_large and looks and request.is_heavy
        """Plugins look at a heavy body."""

    def take_aside(self) -> None:
        """The body is heavy: work on the whole of it is done in a thread."""
        self.is_heavy = True
        self._request.take_aside()

    def take(self, form: FormUpload | None, held: HeldBody | None, duplex: ByteSource | None) -> None:
        """`form`: the body is a multipart form, of which `wire.body` has the fields. `held`: the memory of the body,
        which the end of the request gives back, or that of its detached hooks. `duplex`: the client goes on in another
        protocol; a session may last longer than a request."""
        request = self._request
        request.form, request.held = form, held
        if duplex is not None:
            request.duplex = duplex
            request.deadline = request.loop.time() + request.services.realtime.longest

    async def run(self) -> None:
        request = self._request
        ctx = request.ctx
        for observer in request.services.followers:
            observer.began(ctx)
        try:
            try:
                if not LIMIT_HEADERS.isdisjoint(request.header_names):
                    self._take_own_limit()
                await self._walk_in_time()
                if self._client.has_left:
                    self._client.end_unseen()
            except BaseException as error:
                if ends_the_request(error, self._task):
                    raise
                await self._answer_with_error(error)
        except asyncio.CancelledError as cancelled:
            if not await self._answer_cancelled(end_reason(cancelled)):
                raise
        finally:
            if self._client.outlet is not None or self._client.attendant is not None:
                self._client.close()
            self._finish()

    # Ends.

    async def _answer_with_error(self, error: BaseException) -> None:
        """Only cancellation, and a client that can no longer be written to, leave without an answer."""
        ctx = self._request.ctx
        try:
            await self._client.fail(_failure_of(error, ctx))
        except Exception as second:
            log.exception("request %s: its error could not be reported as usual", ctx.request_id)
            ctx.error = second
            await self._client.fail_plainly()

    async def _answer_cancelled(self, reason: EndReason) -> bool:
        """The request ends here: for the log, the metrics and the trace it matters who ended it. False where no client
        is left to be answered."""
        request, client = self._request, self._client
        error, task = error_of(reason), asyncio.current_task(request.loop)
        request.ctx.error = error
        if reason is EndReason.CLIENT_LEFT or task is None:
            client.status = client.status or error.status
            return False
        task.uncancel()
        if not client.started:
            await self._answer_with_error(error)
            return True
        client.status = error.status
        await client.abort()
        return True

    def _finish(self) -> None:
        request, client = self._request, self._client
        ctx, services, chain = request.ctx, request.services, request.chain
        if ctx.error is not None:
            forget_frames(ctx.error)
            if chain.edits_request:
                ctx.error = without_quotations(ctx.error)
        metrics, attempt = ctx.metrics, client.attempt
        metrics.ended = time.time()
        metrics.duration_ms = (metrics.ended - metrics.started) * 1000
        for observer in services.observers:
            observer.ended(ctx, client.status)
        if (lifecycle := self._lifecycle) is not None and lifecycle.is_open:
            ctx.metadata.setdefault("status", client.status)
            services.supervisor.finish(lifecycle)
        if request.known_heavy or (attempt is not None and attempt.is_heavy):
            free_aside(ctx, request, client, attempt)
        if chain.detached:
            ctx.metadata.setdefault("status", client.status)
            _submit_detached(request, attempt)
            return
        if attempt is not None and attempt.retained_bytes:
            services.kept.give_back(attempt.retained_bytes)
        if request.held is not None:
            request.held.give_back()

    # Time.

    def _take_own_limit(self) -> None:
        """`x-llm-gateway-timeout` bounds the request as a whole, tries and fallbacks included."""
        request = self._request
        headers = request.ctx.http_request.headers
        if "x-llm-gateway-timeout" in headers:
            seconds = limit_of_header(headers, "x-llm-gateway-timeout")
            request.deadline = min(request.deadline, request.loop.time() + seconds)
        request.has_own_limit = True

    async def _walk_in_time(self) -> None:
        """Raises TimeoutError. What waits upstream has the deadline too and reports it more precisely; this one covers
        everything else."""
        request = self._request
        deadlines, task = request.services.deadlines, asyncio.current_task(request.loop)
        assert task is not None
        self._task = task
        deadlines.enter(task, request.deadline + _GRACE_SECONDS, request.loop)
        try:
            attendant = self._client.attendant
            recall: Callable[[], Awaitable[None]] | None = None if attendant is None else attendant.recall
            known: Callable[[], Awaitable[bool]] | None = None
            if request.ctx.operation in _OWNED:
                recall, known = self._take_owned, partial(recognise_upload, request)
            await walk(request.ctx, request.chain, self, request.project.limits, self._lifecycle, recall, known)
        except asyncio.CancelledError:
            if deadlines.has_ended(task) and task.uncancel() == 0:
                raise TimeoutError from None
            raise
        finally:
            deadlines.leave(task)

    async def _take_owned(self) -> None:
        """Puts into the request what of a file or batch is kept."""
        request, came = self._request, self._request.wire.body
        await take_owned(request)
        if request.wire.body is not came:
            looks = bool(request.chain.lifecycle or request.chain.before)
            self.is_heavy = request.is_large and looks and request.is_heavy

    # What the walk asks for.

    async def prepare(self) -> None:
        """Decodes a heavy body before plugins look at it, and estimates what it may use."""
        request = self._request
        ctx, chain = request.ctx, request.chain
        payload = ctx.request_payload
        if payload is None or payload.replaced or payload.opened:
            return
        if self._lifecycle is not None:
            await run_aside(ctx.estimate)
        if chain.before:
            await run_aside(payload.prepare)

    def out_of_time(self) -> bool:
        return self._request.loop.time() >= self._request.deadline

    async def answer(self, response: LLMResponse) -> None:
        await self._client.answer(response)

    async def perform(self) -> Verdict | None:
        """The operation itself, on the target that the hooks chose."""
        request, client = self._request, self._client
        ctx = request.ctx
        if request.hides_model:
            raise nameless_model()
        narrowed = False
        if ctx.caller is not None or request.chain.authentication:
            principal = ctx.principal
            narrowed = principal is not None and (principal.models is not None or principal.projects is not None)
        if narrowed:
            check_entry(ctx)
            if ctx.operation not in ("native", "stored"):
                check_rights(ctx, request.project)
        if ctx.streaming:
            client.open_outlet()  # its keep-alives count from here: a provider may think long before its first byte
        target: ModelTarget | None
        if ctx.operation in _ATTENDED:
            target = request.project.registry.resolve(ctx.target_model, ctx.requested_model)
        else:
            target = await choose_target(request, client, narrowed=narrowed)
        return None if target is None else await try_target(request, client, target, self._call)

    # One attempt.

    async def _call(self, attempt: LiveAttempt) -> Verdict | None:
        request, client = self._request, self._client
        http = attempt.target.http
        if request.chain.authentication and http is not None:
            if client.attendant is not None:
                client.attendant.check(http)
            if may_refer(request):
                await check_references(request, http)
        if request.ctx.operation != "generate":
            return await perform_operation(request, client, attempt)
        if http is None:
            return await deliver_directly(request, client, attempt)
        if http.tokens is not None:
            await http.tokens.ready()
        if request.is_large and belongs_aside(request, attempt.target, http, attempt.model):
            call = await run_aside(build_call, request, attempt.target, http, attempt.model)
        else:
            call = build_call(request, attempt.target, http, attempt.model)
        attempt.dialect, attempt.same_dialect, attempt.reply_name = call.dialect, call.same_dialect, call.reply_name
        attempt.field_names = call.dialect.reply_field_names
        losses = call.losses
        if losses:
            attempt.losses = loss_text(losses)
            check_losses(request, losses)
        reply = await self._send(attempt, call, http)
        try:
            entry = attempt.entry
            entry.status = reply.status
            entry.resent = reply.resent
            if attempt.target.quota is not None:
                learn_quota(request, attempt.target, reply)
            if not 200 <= reply.status < 300:
                body = await reply.read(_MAX_ERROR_BYTES, request.make_room)
                sent, names = secrets_of(request, http), call.names
                raise await read_http_error(call.dialect, reply.status, reply.headers, body, sent=sent, names=names)
            attempt.headers = reply.headers
            return await self._deliver(attempt, call, reply)
        finally:
            reply.close()

    async def _send(self, attempt: LiveAttempt, call: UpstreamCall, http: HTTPProvider) -> HTTPReply:
        request, limits = self._request, call.limits
        now = request.loop.time()
        attempt.idle = limits.idle
        expires = attempt.expires = min(request.deadline, now + limits.total)
        reason = "total"
        if request.ctx.streaming and now + limits.first_token < expires:
            expires, reason = now + limits.first_token, "first_token"
        attempt.sent = True
        if http.settings.on_leave == "drain":
            self._client.keep_on(True)
        return await send_call(request, http, call, expires=expires, reason=reason)

    async def _deliver(self, attempt: LiveAttempt, call: UpstreamCall, reply: HTTPReply) -> Verdict | None:
        """A success, on the way that fits what was asked for and what came."""
        request, client = self._request, self._client
        kind = attempt.content_type = find(reply.headers, "content-type")
        if "html" in kind or "HTML" in kind:
            refuse_web_page(kind)
        streamed = kind.startswith(_STREAMS)
        if not request.ctx.streaming:
            if not streamed:
                return await deliver_whole(request, client, attempt, reply, call)
            response = await collect(request, attempt, decoded(request, attempt, reply, call))
            return await deliver_response(request, client, attempt, response)
        if not streamed and kind.startswith("application/json"):
            # Asked for a stream, and got the whole at once.
            return await self._deliver_at_once(attempt, call, reply)
        if call.same_dialect and not request.chain.chunk and call.dialect.sse:
            return await forward(request, client, attempt, reply, call)
        async with aclosing(decoded(request, attempt, reply, call)) as chunks:
            verdict = await deliver_chunks(request, client, attempt, chunks)
        if verdict is None:
            await rest_of(request, reply)  # so that the connection can be used again
        return verdict

    async def _deliver_at_once(self, attempt: LiveAttempt, call: UpstreamCall, reply: HTTPReply) -> Verdict | None:
        request = self._request
        body = await reply.read(request.services.max_reply_bytes, request.make_room)
        wire = WireReply(reply.status, Headers.of(reply.headers), body)
        attempt.is_heavy = is_heavy(body)
        if call.dialect.sse and EVENTS.match(body):
            return await deliver_chunks(request, self._client, attempt, decoded_body(request, attempt, body, call))
        decoding = (call.dialect, wire, request.services.mint, call.names)
        whole = await run_aside(decode_whole, *decoding) if attempt.is_heavy else decode_whole(*decoding)
        whole.final = True
        return await deliver_chunks(request, self._client, attempt, in_slices([whole]))


def _failure_of(error: BaseException, ctx: RequestContext) -> GatewayError:
    """What the client is answered with. What is not foreseen is logged, and recorded as it is."""
    if isinstance(error, GatewayError):
        return error
    if isinstance(error, TimeoutError):
        return ModelTimeout("total", "The request did not end within its time limit.")
    if isinstance(error, DialectError):
        return InvalidRequest(str(error), param=error.path)
    if isinstance(error, StoreUnavailable):
        log.warning("request %s needs the store: %s", ctx.request_id, error)
        return store_away()
    log.error("request %s failed inside the gateway", ctx.request_id, exc_info=error)
    failure = internal_error()
    ctx.error = error if isinstance(error, Exception) else failure
    return failure


def _submit_detached(request: ClientRequest, attempt: LiveAttempt | None) -> None:
    """What the hooks look at is decoded before them where it is long; the memory that it takes is given back after
    them."""
    services, chain, ctx = request.services, request.chain, request.ctx
    retained, kept = 0, None
    if attempt is not None:
        retained = attempt.retained_bytes
        kept = attempt.kept if retained > _DECODED_AT_ONCE and chain.reads_reply else None
    is_heavy = request.is_heavy or (attempt is not None and attempt.is_heavy)
    reply = HeavyRequest(ctx, kept) if is_heavy else kept
    services.supervisor.submit(chain, ctx, retained, services.kept, reply, request.held)
