"""One request's life: hooks, target, attempts, reply. Knows no vendor, no socket and no server.

The walk: before_model → target → call → after_model or after_chunk → out, with one loop edge back to the start for
fallbacks, re-evaluation and follow-ups. Streaming and passing through are the same walk with another codec.
"""

from __future__ import annotations

import asyncio
import copy
import logging
import random
import re
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Container, Mapping
from contextlib import aclosing
from dataclasses import replace
from math import inf
from typing import get_args

from llm_gateway_sdk import (
    Adapter,
    Attempt,
    Call,
    Dialect,
    DialectError,
    Echo,
    ErrorClass,
    GatewayError,
    HTTPProvider,
    HTTPReply,
    InvalidRequest,
    LLMRequest,
    LLMResponse,
    Mint,
    ModelError,
    ModelProtocolError,
    ModelStreamError,
    ModelTimeout,
    NotFound,
    Payload,
    RequestContext,
    RequestRejected,
    Route,
    StreamEncoder,
    Usage,
    Verdict,
    WireReply,
    WireRequest,
)
from llm_gateway_sdk.dialect import Headers
from llm_gateway_sdk.dialects.restoring import RestoringDecoder
from llm_gateway_sdk.dialects.tool_names import restore_names
from llm_gateway_sdk.lifecycle import Lifecycle
from llm_gateway_sdk.losses import Losses
from llm_gateway_sdk.response import Accumulator
from llm_gateway_sdk.secrets import is_secret_header
from llm_gateway_sdk.walk import walk
from llm_gateway_sdk.wire import json

from ..models import ModelTarget
from ..wire.crossing import upstream_to_client
from ..wire.headers import bearer_or_key, translate_limits
from .ending import EndReason, end_reason, error_of
from .errors import http_error, refuse_web_page, retry_after_header, scrub, unsendable, verbatim
from .kept import KeptReply
from .outlet import Outlet, Sink
from .pacing import PIECE_BYTES, EventBound, pieces, too_large
from .passthrough import StreamForwarder
from .patch import merge_edit
from .reading import Reading
from .reply import ChunkLoop, stream_error, told_error
from .services import ProjectScope, Services
from .side import list_models, perform_side_operation, refuse_unseen
from .signed import has_signed_thinking, withhold_edited_reply
from .upstream import LIMIT_HEADERS, UpstreamCall, build_call, limit_of_header, limits_of

__all__ = ["Exchange"]

log = logging.getLogger("llm_gateway.exchange")

HeaderList = list[tuple[bytes, bytes]]

_JSON = (b"content-type", b"application/json")
_EVENT_STREAM = (b"content-type", b"text/event-stream; charset=utf-8")
_UNBUFFERED = [
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
]


class Exchange:
    """One per request. `run` answers through the sink, whatever happens, unless it is cancelled."""

    def __init__(
        self,
        services: Services,
        project: ProjectScope,
        adapter: Adapter,
        route: Route,
        wire: WireRequest,
        reading: Reading,
        ctx: RequestContext,
        sink: Sink,
    ) -> None:
        self.services = services
        self.project = project
        self.adapter = adapter
        self.route = route
        self.wire = wire
        self.ctx = ctx
        self.sink = sink
        self.client = services.dialects[route.dialect]
        self.chain = project.chain.select(ctx)
        self.lifecycle = Lifecycle(self.chain.lifecycle, ctx) if self.chain.lifecycle else None
        self.outlet: Outlet | None = None
        self.status = 0
        self.reading = reading
        self._kept: list[bytes] = []
        self._kept_bytes = 0
        self._kept_reply: KeptReply | None = None
        self._upstream_headers: list[tuple[str, str]] = []
        self._same_dialect = False
        self._request_losses = Losses("request")
        self._loop = asyncio.get_running_loop()
        self._deadline = self._loop.time() + project.request_timeout
        self._stream_failure: bytes | None = None
        self._forwarder: StreamForwarder | None = None
        self.reply_name: str | None = None
        """The model's name for the reply; None leaves the provider's."""
        self.stream_writer: StreamEncoder | None = None
        """The encoder of what has been sent, which alone can say how it fails."""
        self._total = self._deadline
        self._shortened = False
        """The client has set a limit of its own, so that a time-out says nothing about the provider."""
        self._cooling: list[ModelTarget] = []
        """Targets that were passed over because their breakers are open."""
        self._written = False
        """A reply has been begun other than through the outlet."""
        self.sent: tuple[str, ...] = ()
        """Credentials of the current call, which no error may quote."""

    # The request as a value.

    @property
    def echo(self) -> Echo:
        """The client dialect's memo of the request; decodes it where nobody has."""
        reading = self.reading
        if reading.echo is None and self.ctx.has_request:
            reading.read()
        return reading.echo or Echo(self.ctx.requested_model or "", self.ctx.streaming)

    # The walk.

    async def run(self) -> None:
        ctx = self.ctx
        for observer in self.services.followers:
            observer.began(ctx)
        try:
            try:
                if not LIMIT_HEADERS.isdisjoint(ctx.http_request.headers):
                    self._take_own_limit()
                await self._walk_in_time()
            except Exception as error:
                await self._answer_with_error(error)
        except asyncio.CancelledError as cancelled:
            await self._end_cancelled(cancelled)
        finally:
            if self.outlet is not None:
                self.outlet.stop()
                self.outlet = None  # the two know each other, and would wait for the garbage collector
            self._close_books()

    async def _answer_with_error(self, error: Exception) -> None:
        """Only cancellation, and a client that can no longer be written to, leave without an answer."""
        ctx = self.ctx
        if isinstance(error, GatewayError):
            failure = error
        elif isinstance(error, TimeoutError):
            failure = ModelTimeout("total", "The request did not end within its time limit.")
        elif isinstance(error, DialectError):
            failure = InvalidRequest(str(error), param=error.path)
        else:
            log.error("request %s failed inside the gateway", ctx.request_id, exc_info=error)
            ctx.error = error
            failure = _internal_error()
        try:
            await self._fail(failure)
        except Exception as second:
            log.exception("request %s: its error could not be reported as usual", ctx.request_id)
            ctx.error = second
            await self._fail_plainly()

    async def _end_cancelled(self, cancelled: asyncio.CancelledError) -> None:
        """The request ends here: for the log, the metrics and the trace it matters who ended it. Raises `cancelled`
        where nobody is left to be answered."""
        reason = end_reason(cancelled)
        error = self.ctx.error = error_of(reason)
        task = asyncio.current_task(self._loop)
        if reason is EndReason.CLIENT_LEFT or task is None:
            self.status = self.status or error.status
            raise cancelled
        task.uncancel()
        if self._written:
            self.status = error.status
            await self.sink.abort()
        else:
            await self._answer_with_error(error)

    def _take_own_limit(self) -> None:
        """`x-llm-gateway-timeout` bounds the request as a whole, tries and fallbacks included."""
        headers = self.ctx.http_request.headers
        if "x-llm-gateway-timeout" in headers:
            seconds = limit_of_header(headers, "x-llm-gateway-timeout")
            self._deadline = min(self._deadline, self._loop.time() + seconds)
        self._shortened = True

    async def _walk_in_time(self) -> None:
        """Raises TimeoutError. What waits upstream has the deadline too and tells more precisely; this one is for all
        that has none."""
        deadlines, task = self.services.deadlines, asyncio.current_task(self._loop)
        assert task is not None
        deadlines.enter(task, self._deadline + _GRACE_SECONDS, self._loop)
        try:
            await walk(self.ctx, self.chain, self, self.project.limits, self.lifecycle)
        except asyncio.CancelledError:
            if deadlines.has_ended(task) and task.uncancel() == 0:
                raise TimeoutError from None
            raise
        finally:
            deadlines.leave(task)

    def out_of_time(self) -> bool:
        return self._loop.time() >= self._deadline

    async def perform(self) -> Verdict | None:
        """The operation itself, on the target that the hooks chose."""
        operation = self.ctx.operation
        if self.ctx.streaming:
            self.open_outlet()  # its keep-alives count from here: a provider may think long before its first byte
        if operation == "models":
            await list_models(self)
            return None
        if operation == "native":
            refuse_unseen(self)
            target = self._native_target()
        else:
            target = self.project.registry.resolve(self.ctx.target_model, self.ctx.requested_model)
        return await self._try_target(target)

    def _native_target(self) -> ModelTarget:
        """The model a native call belongs to: the one it names, else the first whose provider has such endpoints."""
        registry, ctx = self.project.registry, self.ctx
        named = registry.find(ctx.target_model or ctx.requested_model)
        if named is not None:
            return named
        spoken = {route.dialect for route in self.adapter.routes}
        candidates = [
            target for target in registry.targets if target.http is not None and target.http.dialect in spoken
        ]
        if not candidates:
            raise NotFound(f"No model of this project has the endpoint {ctx.http_request.path}.")
        return next((target for target in candidates if target.is_default), candidates[0])

    async def _try_target(self, target: ModelTarget) -> Verdict | None:
        """Calls one target, again while its own tries last. Raises the last ModelError."""
        ctx = self.ctx
        http = target.http
        tries = 1
        delay = 1.0
        led_on: Container[str] = ()
        """Classes of errors after which the next model is asked, not the same one again."""
        if http is not None:
            settings = http.settings
            delay = settings.retry_delay
            tries = max(1, settings.retry_attempts)
            if ctx.has_fallback and not settings.retry_attempts_written:
                led_on = _ALL_KINDS if ctx.fallback_kinds is None else ctx.fallback_kinds
        number = 0
        while True:
            number += 1
            target, probe = await self._admit(target)
            http = target.http
            attempt = Attempt(
                target.name, f"{target.provider.name}/{target.upstream_model(ctx.requested_model)}", time.time()
            )
            ctx.attempts.append(attempt)
            ctx.target_model_provider = target.provider.name
            target.in_flight += 1
            for observer in self.services.followers:
                observer.attempt_began(ctx)
            self._stream_failure = None
            told, met_before = False, ctx.error
            try:
                verdict = await self._call(target, attempt)
                target.breaker.success()
                told = True
                if verdict is None and ctx.error is met_before:
                    ctx.error = None  # what earlier attempts met is in the ledger
                return verdict
            except ModelError as error:
                told = self._book_failure(target, attempt, error)
                if number >= tries or error.kind in led_on or not error.retryable or ctx.stream.committed:
                    raise
                pause = self._pause(delay, number, error)
                if pause > _LONGEST_PAUSE or self._loop.time() + pause > self._deadline:
                    raise
                log.info(
                    "request %s: %s failed (%s, status %s), next try in %.2f s",
                    ctx.request_id, target.name, error.kind, attempt.status, pause,
                )  # fmt: skip
            finally:
                if probe and not told:
                    target.breaker.release()
                target.in_flight -= 1
                attempt.ended = time.time()
                for observer in self.services.followers:
                    observer.attempt_ended(ctx)
            await asyncio.sleep(pause)

    async def _admit(self, target: ModelTarget) -> tuple[ModelTarget, bool]:
        """The target that may be called now, and whether the call is a breaker's probe.

        An open breaker diverts a request that has another model to go to. One that has come to the last of its models
        waits for whichever of them recovers first, if that is within its deadline. Where a target is the only one
        anyway, refusing would gain nothing: its calls go through, and the first that succeeds closes the breaker.
        """
        ctx = self.ctx
        if not ctx.has_fallback and ctx.retry_count == 0:
            return target, False
        cooling = self._cooling
        while True:
            soonest, first = inf, target
            for candidate in (target,) if ctx.has_fallback else (target, *cooling):
                wait = candidate.breaker.wait()
                if wait <= 0:
                    return candidate, candidate.breaker.state != "closed"
                if wait < soonest:
                    soonest, first = wait, candidate
            if ctx.has_fallback or soonest > _LONGEST_PAUSE or self._loop.time() + soonest > self._deadline:
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

    def _book_failure(self, target: ModelTarget, attempt: Attempt, error: ModelError) -> bool:
        """Writes the ledger; whether the breaker has learnt something.

        The error's text may quote the request. Where plugins look at errors it is written once they have done so, and
        for a try that another one of the same target follows, which they never see, not at all.
        """
        attempt.error = _summary(error) if self.chain.error else error.message
        attempt.kind = error.kind
        if attempt.status is None:
            attempt.status = error.status
        error.model = target.name
        error.provider = target.provider.name
        if error.kind not in _BREAKING_KINDS:
            target.breaker.success()
            return True
        if self._shortened and isinstance(error, ModelTimeout) and error.reason != "connect":
            return False
        http = target.http
        if error.kind == "rate_limit":
            if error.retry_after is None:
                return False  # it works, and does not say for how long it will not
            if http is not None and http.settings.credentials == "client":
                return False  # the caller's own limit
        target.breaker.failure(error.retry_after)
        return True

    def _pause(self, delay: float, number: int, error: ModelError) -> float:
        backoff = min(delay * 2.0 ** (number - 1), 60.0)
        jittered: float = backoff * random.uniform(0.75, 1.0)
        return max(jittered, error.retry_after or 0.0)

    # Calls.

    async def _call(self, target: ModelTarget, attempt: Attempt) -> Verdict | None:
        http = target.http
        if self.ctx.operation != "generate":
            return await perform_side_operation(self, target, attempt)
        if http is None:
            return await self._call_directly(target, attempt)
        self.sent = self._secrets(http)
        call = build_call(self, target, http)
        reply = await self._send(call, http)
        try:
            attempt.status = reply.status
            attempt.resent = bool(getattr(reply, "resent", False))
            if not 200 <= reply.status < 300:
                body = await reply.read(_MAX_ERROR_BYTES)
                raise http_error(call.dialect, reply.status, reply.headers, body, sent=self.sent, names=call.names)
            content_type = _header(reply.headers, "content-type")
            if "html" in content_type:
                refuse_web_page(reply.headers)
            self._upstream_headers = reply.headers
            self._same_dialect = call.same_dialect
            streamed = content_type.startswith(("text/event-stream", "application/vnd.amazon.eventstream"))
            if not self.ctx.streaming:
                if streamed:
                    return await self._whole(await self._collect(reply, call), attempt)
                return await self._read_whole(reply, call, attempt)
            if not streamed and content_type.startswith("application/json"):
                # Asked for a stream, and got the whole at once.
                whole = _decode_whole(call.dialect, await self._read(reply), reply, self.services.mint, call.names)
                whole.final = True
                return await self._stream(_once(whole), attempt)
            if call.same_dialect and not self.chain.chunk and call.dialect.sse:
                return await self._forward(reply, call, http, attempt)
            async with aclosing(self._decoded(reply, call, http)) as chunks:
                verdict = await self._stream(chunks, attempt)
            if verdict is None:
                await self._rest(reply)  # so that the connection can be used again
            return verdict
        finally:
            reply.close()

    async def _send(self, call: UpstreamCall, http: HTTPProvider) -> HTTPReply:
        settings = http.settings
        now = self._loop.time()
        self._total = min(self._deadline, now + call.limits.total)
        expires, reason = self._total, "total"
        if self.ctx.streaming and now + call.limits.first_token < expires:
            expires, reason = now + call.limits.first_token, "first_token"
        try:
            reply = await http.http.send(
                call.method,
                call.url,
                call.headers,
                call.body,
                connect_timeout=settings.connect_timeout,
                expires=expires,
                reason=reason,
            )
        except ValueError as error:
            raise unsendable(error, self.ctx.request_id) from None
        reply.expire_at(expires, reason)
        return reply

    def _secrets(self, http: HTTPProvider) -> tuple[str, ...]:
        secrets = http.secrets()
        for name, value in http.settings.headers.items():
            if is_secret_header(name):
                secrets = (*secrets, value.removeprefix("Bearer "))
        if http.settings.credentials == "client":
            token = bearer_or_key(self.wire.headers.items)
            return (*secrets, token) if token else secrets
        return secrets

    def _read(self, reply: HTTPReply) -> Awaitable[bytes]:
        return reply.read(self.services.max_reply_bytes)

    async def _read_whole(self, reply: HTTPReply, call: UpstreamCall, attempt: Attempt) -> Verdict | None:
        ctx = self.ctx
        body = await self._read(reply)
        attempt.first_token = ctx.metrics.first_token = time.time()
        dialect, mint = call.dialect, self.services.mint
        if call.same_dialect and ctx.has_fallback and _NAMED_ERROR.search(body):
            # A success by its status alone: it would go to this client as it is, but another model may do better.
            _refuse_failure(_decode_whole(dialect, body, reply, mint))
        if call.same_dialect and not json.is_object(body):
            raise ModelProtocolError(
                "The provider's reply is not what its API promises: the body is not a JSON object."
            )
        if call.same_dialect and not self.chain.after:
            if self._keeps:
                self._keep(body)
                ctx.upstream_response = WireReply(reply.status, Headers.of(reply.headers), body)
                ctx.response_payload = Payload(lambda: _decode_whole(dialect, body, reply, mint))
            if self._wants_usage:
                self.book_usage(dialect.usage_of(b"", body))
            await self._write_body(reply.status, self._renamed(body), self._relayed_headers(reply.headers))
            return None
        payload = Payload(lambda: _decode_whole(dialect, body, reply, mint, call.names))
        ctx.response_payload = payload
        wire = ctx.upstream_response = WireReply(reply.status, Headers.of(reply.headers), body)
        if call.same_dialect:
            verdict = await self.chain.after_model(ctx)
            if verdict is not None and (verdict.action != "reply" or ctx.response is None):
                return verdict
            self.book_usage(payload.value.usage if payload.opened else dialect.usage_of(b"", body))
            if ctx.response_payload is not payload:
                await self.answer(ctx.response or payload.value)
                return None
            before = payload.before_change()
            if before is None:
                await self._write_body(reply.status, self._renamed(body), self._relayed_headers(reply.headers))
            else:
                await self._write_edited(wire, before, payload.value)
            return None
        _refuse_failure(payload.value)
        return await self._whole(payload.value, attempt)

    async def _whole(self, response: LLMResponse, attempt: Attempt) -> Verdict | None:
        """A whole reply in canonical form: hooks, then out in the client's dialect."""
        ctx = self.ctx
        attempt.first_token = ctx.metrics.first_token = ctx.metrics.first_token or time.time()
        if ctx.response_payload is None:
            ctx.response_payload = Payload(None, response)
        verdict = await self.chain.after_model(ctx)
        if verdict is not None and (verdict.action != "reply" or ctx.response is None):
            return verdict
        answer = ctx.response or response
        self.book_usage(answer.usage)
        payload = ctx.response_payload
        if self.chain.after and not payload.replaced and _reasons(answer):
            losses = Losses("response")
            withhold_edited_reply(payload.pristine().choices, answer.choices, losses)
            ctx.losses.extend(losses)
        await self.answer(answer)
        return None

    async def _call_directly(self, target: ModelTarget, attempt: Attempt) -> Verdict | None:
        """A provider over canonical types."""
        ctx, mint = self.ctx, self.services.mint
        request = ctx.request
        self.apply_defaults(request, target)
        self._same_dialect = False
        self._upstream_headers = []
        model = target.upstream_model(ctx.requested_model)
        self.name_reply(model)
        call = Call(ctx.request_id, model, ctx.retry_count, mint.id, mint.now)
        try:
            if not ctx.streaming:
                response = await target.provider.execute(request, call)
                attempt.status = 200
                _refuse_failure(response)
                return await self._whole(response, attempt)
            chunks = target.provider.execute_streaming(request, call)
            attempt.status = 200
            async with aclosing(_lists(chunks)) as lists:
                return await self._stream(lists, attempt)
        except DialectError as error:
            raise ModelProtocolError(str(error)) from None

    async def _collect(self, reply: HTTPReply, call: UpstreamCall) -> LLMResponse:
        """A stream where a whole was asked for."""
        total = Accumulator()
        async with aclosing(self._decoded(reply, call, None)) as lists:
            async for chunks in lists:
                for chunk in chunks:
                    if chunk.error is not None:
                        raise stream_error(chunk.error, sent=self.sent)
                    total.add(chunk)
        return total.value()

    # Streams.

    async def _forward(
        self, reply: HTTPReply, call: UpstreamCall, http: HTTPProvider, attempt: Attempt
    ) -> Verdict | None:
        """Provider and client speak the same dialect and no plugin looks: the events go through as they are."""
        loop = self._loop
        outlet = self.open_outlet()
        forwarder = StreamForwarder(
            call.dialect, max_event_bytes=self.services.max_event_bytes, withhold_usage=call.usage_asked
        )
        idle, total = call.limits.idle, self._total
        keep = self._keeps
        self._forwarder = forwarder
        end: bytes | None = None
        committed = False
        left: list[tuple[bytes, bool, int]] = []
        """A block that `take` could not send on, whether it is released, and how much of the next piece is in it."""

        def take(data: bytes) -> bool:
            """Nearly all of a stream goes on right where it comes in, while the exchange sleeps."""
            if not committed:
                return False
            try:
                block = forwarder.gather(data)
            except DialectError:
                return False  # which is said again to the exchange
            now = loop.time()
            if block:
                released = forwarder.release_plain(block)
                if not released or not outlet.write_now(block, now):
                    left.append((block, released, len(data)))
                    return False
                if keep:
                    self._keep(block)
            reply.expire_at(now + idle if now + idle < total else total, "idle" if now + idle < total else "total")
            return True

        limit, size = self.services.max_reply_bytes, 0
        receive_past = getattr(reply, "receive_past", None)  # other engines have no callback to hand on from
        try:
            while data := await (reply.receive() if receive_past is None else receive_past(take)):
                size += len(data)
                if size > limit:
                    raise too_large(limit)
                if left:
                    block, released, gathered = left.pop()
                    out = (block if released else forwarder.release(block)) + forwarder.feed(data[gathered:])
                elif len(data) <= PIECE_BYTES:
                    out = forwarder.feed(data)
                else:
                    out = await self._feed_in_turns(forwarder, data)
                if out:
                    if keep:
                        self._keep(out)
                    if not committed:
                        committed = self.commit(attempt)
                        out = self._renamed(out)
                    await outlet.write(out)
                if forwarder.error is not None:
                    failure = (forwarder.error_event or b"") + await self._rest(reply)
                    self._stream_failure = scrub(failure, self.sent)
                    raise stream_error(forwarder.error, sent=self.sent)
                if committed:
                    now = loop.time()
                    reply.expire_at(
                        now + idle if now + idle < total else total, "idle" if now + idle < total else "total"
                    )
        except DialectError as error:
            raise ModelProtocolError(str(error)) from None
        except ModelError:
            end = forwarder.close(self.services.mint, broken=True)
            if not forwarder.finished:
                raise
            # The reply is whole; how its connection ended does not matter.
        finally:
            self._end_forward(forwarder, call)
        out = forwarder.close(self.services.mint) if end is None else end
        if out:
            if keep:
                self._keep(out)
            if not committed:
                self.commit(attempt)
                out = self._renamed(out)
            await outlet.write(out)
        if forwarder.error is not None:
            self._stream_failure = scrub(forwarder.error_event or b"", self.sent) or None
            raise stream_error(forwarder.error, sent=self.sent)
        if not forwarder.finished:
            raise ModelStreamError("The provider's stream ended before its end.")
        self.status = 200
        await outlet.end()
        return None

    async def _feed_in_turns(self, forwarder: StreamForwarder, data: bytes) -> bytes:
        out: list[bytes] = []
        for piece in pieces(data):
            out.append(forwarder.feed(piece))
            await asyncio.sleep(0)
        return b"".join(out)

    async def _rest(self, reply: HTTPReply) -> bytes:
        """What a provider still says behind an error event; it may say nothing and keep the connection."""
        reply.expire_at(self._loop.time() + _REST_SECONDS, "idle")
        rest: list[bytes] = []
        try:
            while (data := await reply.receive()) and sum(map(len, rest)) < _MAX_REST_BYTES:
                rest.append(data)
        except ModelError:
            return b""
        return b"".join(rest)

    def _end_forward(self, forwarder: StreamForwarder, call: UpstreamCall) -> None:
        ctx = self.ctx
        if self._wants_usage:
            self.book_usage(call.dialect.usage_of(forwarder.head, forwarder.tail))
        if self._keeps and self._kept:
            kept = self._kept_reply = KeptReply(call.dialect, self._kept, self.services.mint)
            ctx.upstream_response = WireReply(200, Headers.of(self._upstream_headers), b"".join(self._kept))
            ctx.response_payload = Payload(kept.decode)

    async def _decoded(
        self, reply: HTTPReply, call: UpstreamCall, http: HTTPProvider | None
    ) -> AsyncGenerator[list[LLMResponse], None]:
        """The chunks of a provider's stream, those of one read together."""
        decoder = call.dialect.stream_decoder(self.services.mint)
        if call.names:
            decoder = RestoringDecoder(decoder, call.names)
        bound = EventBound(self.services.max_event_bytes) if call.dialect.sse else None
        limit, size = self.services.max_reply_bytes, 0
        idle, total, loop, ctx = call.limits.idle, self._total, self._loop, self.ctx
        try:
            while data := await reply.receive():
                length = len(data)
                size += length
                if size > limit:
                    raise too_large(limit)
                for piece in (data,) if length <= PIECE_BYTES else pieces(data):
                    if bound is not None and (bound.open or piece[-2:] != b"\n\n"):
                        bound.check(piece)
                    chunks = decoder.feed(piece)
                    if chunks:
                        yield chunks
                    if piece is not data:
                        await asyncio.sleep(0)
                if ctx.stream.committed:
                    now = loop.time()
                    reply.expire_at(
                        now + idle if now + idle < total else total, "idle" if now + idle < total else "total"
                    )
        except DialectError as error:
            raise ModelProtocolError(f"The provider's stream is not what its API promises: {error}") from None
        except ModelError:
            if not decoder.finished:
                raise
        try:
            rest = decoder.close()
        except DialectError as error:
            raise ModelProtocolError(f"The provider's stream is not what its API promises: {error}") from None
        if rest:
            yield rest
        if not decoder.finished:
            raise ModelStreamError("The provider's stream ended before its end.")

    async def _stream(self, source: AsyncIterator[list[LLMResponse]], attempt: Attempt) -> Verdict | None:
        return await ChunkLoop(self, attempt).run(source)

    def name_reply(self, upstream_model: str) -> None:
        """Settles how the reply names its model: as the provider does, or as the client has asked."""
        asked = self.ctx.requested_model
        renamed = asked is not None and asked != upstream_model and self.client.wants_asked_name(self.wire)
        self.reply_name = asked if renamed else None

    def _renamed(self, data: bytes) -> bytes:
        """The provider's own reply, or the beginning of its stream."""
        return data if self.reply_name is None else self.client.rename_reply(data, self.reply_name)

    def open_outlet(self) -> Outlet:
        if self.outlet is None:
            encoder = self.client.stream_encoder(Echo(), self.services.mint, Losses("response"))
            self.outlet = Outlet(
                self.sink,
                self._stream_headers,
                interval=self.services.keep_alive_seconds,
                keep_alive=encoder.keep_alive(),
            )
        return self.outlet

    def commit(self, attempt: Attempt) -> bool:
        now = time.time()
        attempt.first_token = self.ctx.metrics.first_token = now
        self.ctx.stream.opened = self.ctx.stream.committed = True
        return True

    # Side operations.

    async def send_side(self, http: HTTPProvider, wire: WireRequest) -> HTTPReply:
        """Calls another endpoint of a provider than its generating one."""
        limits = limits_of(self, http)
        expires = min(self._deadline, self._loop.time() + limits.total)
        items = wire.headers.items
        items.append(("accept-encoding", "identity"))
        items.append(("x-request-id", self.ctx.request_id))
        for observer in self.services.followers:
            for header, value in observer.outgoing_headers(self.ctx):
                wire.headers.set(header, value)
        method, url, headers, body = http.prepare(wire)
        self.sent = self._secrets(http)
        try:
            reply = await http.http.send(
                method,
                url,
                headers.items,
                body,
                connect_timeout=http.settings.connect_timeout,
                expires=expires,
                reason="total",
            )
        except ValueError as error:
            raise unsendable(error, self.ctx.request_id) from None
        reply.expire_at(expires, "total")
        return reply

    async def relay(self, reply: HTTPReply) -> None:
        """Hands a reply on as it comes."""
        self.status = reply.status
        length = _header(reply.headers, "content-length")
        headers = self._relayed_headers(reply.headers)
        if length and reply.status != 204:
            headers.append((b"content-length", length.encode()))
        if coding := _header(reply.headers, "content-encoding"):
            # One that the HTTP client does not decode: the body goes on as it is, and so does its name.
            headers.append((b"content-encoding", coding.encode("latin-1")))
        self.ctx.stream.opened = self._written = True
        await self.sink.start(reply.status, headers)
        try:
            while data := await reply.receive():
                await self.sink.write(data, more=True)
        except ModelError as error:
            # Status and headers are out: only a connection that breaks off can tell.
            self.ctx.error = error
            await self.sink.abort()
            return
        await self.sink.write(b"", more=False)

    async def write_own(self, wire: WireReply) -> None:
        """A reply that the gateway made itself."""
        headers = [*self._own_headers(), *_encoded(wire.headers.items), *self._request_id_header()]
        if "content-type" not in wire.headers:
            headers.append(_JSON)
        await self._write_body(wire.status, wire.body, headers)

    # Replies.

    async def answer(self, response: LLMResponse) -> None:
        """A canonical reply in the client's dialect, as a stream where it asked for one."""
        losses = Losses("response")
        if self.reply_name is not None:
            response = replace(response, model=self.reply_name)
        mint = self.services.mint
        if self.ctx.streaming:
            outlet = self.open_outlet()
            encoder = self.stream_writer = self.client.stream_encoder(self.echo, mint, losses)
            self.ctx.stream.opened = self.ctx.stream.committed = True
            response.final = True
            data = encoder.encode(response) + encoder.close()
            self.status = 200
            await outlet.end(data)
        else:
            wire = self.client.encode_response(response, self.echo, mint, losses)
            headers = [*self._own_headers(), _JSON, *self._limit_headers()]
            await self._write_body(wire.status, wire.body, headers)
        if losses:
            self.ctx.losses.extend(losses)

    async def _write_edited(self, wire: WireReply, came: LLMResponse, edited: LLMResponse) -> None:
        """A reply of the client's own dialect which a plugin has edited: the edit and nothing else."""
        losses = Losses("response")
        mint = self.services.mint
        before = self.client.encode_response(came, self.echo, mint, Losses("response"))
        if _reasons(edited):
            withhold_edited_reply(came.choices, edited.choices, losses)
        after = self.client.encode_response(edited, self.echo, mint, losses)
        self.ctx.losses.extend(losses)
        body = self._renamed(merge_edit(wire.body, before.body, after.body))
        await self._write_body(wire.status, body, self._relayed_headers(wire.headers.items))

    @property
    def _started(self) -> bool:
        """Status and headers are out."""
        return self._written or (self.outlet is not None and self.outlet.started)

    async def _write_body(self, status: int, body: bytes, headers: HeaderList) -> None:
        self.status = status
        headers.append((b"content-length", b"%d" % len(body)))
        self._written = True
        await self.sink.start(status, headers)
        await self.sink.write(body, more=False)

    async def _fail(self, error: GatewayError) -> None:
        """The error in the client's dialect: a status where nothing was sent yet, else its in-stream form."""
        ctx = self.ctx
        ctx.error = ctx.error or error
        outlet = self.outlet
        verbatim_failure = self._stream_failure if self._same_dialect and isinstance(error, ModelStreamError) else None
        if outlet is not None and (outlet.opened or verbatim_failure):
            self.status = self.status or error.status
            if verbatim_failure:
                # The provider's own words, with its 200: nothing of its reply is told otherwise than it was.
                data = verbatim_failure
            elif self._forwarder is not None and self._forwarder.committed:
                begun, mint = self._forwarder, self.services.mint
                data = self.client.break_off(error.info(), begun.head, begun.tail, mint)
            else:
                encoder = self.stream_writer
                if encoder is None:
                    echo = self.reading.echo or Echo(ctx.requested_model or "", True)
                    encoder = self.client.stream_encoder(echo, self.services.mint, Losses("response"))
                data = encoder.fail(error.info())
            await outlet.end(data)
            return
        if outlet is not None:
            outlet.stop()
        info = error.info()
        headers = self._own_headers()
        upstream = isinstance(error, ModelError)
        headers.append((b"x-llm-gateway-error-source", b"upstream" if upstream else b"gateway"))
        if isinstance(error, RequestRejected) and error.limit is not None:
            headers.append((b"x-llm-gateway-limit", _ascii(error.limit)))
        if len(ctx.attempts) > 1:
            headers.append((b"x-should-retry", b"false"))
        if isinstance(error, ModelError) and error.body is not None and verbatim(error, self.client):
            body, status = error.body, error.status
            kept = upstream_to_client(error.headers)
            if len(ctx.attempts) > 1:
                kept = [item for item in kept if item[0] != "x-should-retry"]
            headers.extend(_encoded(kept))
            headers.append(
                (b"content-type", _header(error.headers, "content-type", "application/json").encode("latin-1"))
            )
        else:
            info.request_id = info.request_id or ctx.request_id
            wire = self.client.encode_error(info)
            # A plugin's status stands; other errors take the one that the client's API has for their kind.
            body, status = wire.body, error.status if isinstance(error, RequestRejected) else wire.status
            headers.append(_JSON)
            headers.extend(self._request_id_header(info.request_id))
            if isinstance(error, ModelError):
                limits = self._translated_limits(error.headers)
                if len(ctx.attempts) > 1:
                    limits = [item for item in limits if item[0] != b"x-should-retry"]
                headers.extend(limits)
            wait = retry_after_header(error.retry_after)
            if wait is not None and not any(name == b"retry-after" for name, _ in headers):
                headers.append((b"retry-after", wait))
        await self._write_body(status, body, headers)

    async def _fail_plainly(self) -> None:
        """The last resort, where even reporting an error has failed: nothing here depends on what a plugin or a
        provider has given."""
        if self._started:
            await self.sink.abort()  # the body can't be ended properly, and must not look whole
            return
        error = _internal_error()
        self.status = error.status
        info = error.info()
        info.request_id = self.ctx.request_id
        wire = self.client.encode_error(info)
        request_id = self.ctx.request_id.encode("latin-1", "replace")
        headers = [(b"x-request-id", request_id), (b"x-llm-gateway-error-source", b"gateway"), _JSON]
        await self._write_body(error.status, wire.body, headers)

    # Headers.

    def _own_headers(self) -> HeaderList:
        ctx = self.ctx
        headers: HeaderList = [(b"x-request-id", ctx.request_id.encode("latin-1", "replace"))]
        if ctx.attempts:
            headers.append((b"x-llm-gateway-model", _ascii(ctx.attempts[-1].model)))
            if len(ctx.attempts) > 1:
                headers.append((b"x-llm-gateway-attempts", b"%d" % len(ctx.attempts)))
        if self._request_losses:
            headers.append((b"x-llm-gateway-losses", _loss_header(self._request_losses)))
        if self.services.server_timing or "x-llm-gateway-timing" in ctx.http_request.headers:
            headers.append((b"server-timing", self._server_timing()))
        if ctx.reply_headers:
            headers.extend(_headers_of_plugins(ctx.reply_headers))
        return headers

    def _server_timing(self) -> bytes:
        ctx = self.ctx
        now = time.time()
        entries = [f"total;dur={(now - ctx.metrics.started) * 1000:.2f}"]
        for attempt in ctx.attempts:
            ended = attempt.ended or now
            entries.append(f'upstream;desc="{attempt.model}";dur={(ended - attempt.started) * 1000:.2f}')
        entries.extend(f'plugin;desc="{name}";dur={seconds * 1000:.3f}' for name, seconds in ctx.timings.items())
        return _ascii(", ".join(entries))

    def _relayed_headers(self, upstream: list[tuple[str, str]]) -> HeaderList:
        headers = self._own_headers()
        for name, value in upstream_to_client(upstream):
            headers.append((name.encode("latin-1"), value.encode("latin-1")))
        headers.append((b"content-type", _header(upstream, "content-type", "application/json").encode("latin-1")))
        return headers

    def _limit_headers(self) -> HeaderList:
        if self._same_dialect:
            return _encoded(upstream_to_client(self._upstream_headers))
        if not self._upstream_headers:
            return self._request_id_header()
        return [*self._translated_limits(self._upstream_headers), *self._request_id_header()]

    def _translated_limits(self, headers: list[tuple[str, str]]) -> HeaderList:
        """A provider's limits in the client's terms; without those that can't be read: a good reply stays one."""
        return _encoded(translate_limits(headers, self.client.name, now=time.time()))

    def _request_id_header(self, told: str | None = None) -> HeaderList:
        """The request's id where the client's API has a header of its own for it, which its SDK shows."""
        name = self.client.request_id_header
        if name == "x-request-id":
            return []
        return [(name.encode("latin-1"), (told or self.ctx.request_id).encode("latin-1", "replace"))]

    def _stream_headers(self) -> HeaderList:
        self.ctx.stream.opened = True
        writer = self.stream_writer
        content_type = _EVENT_STREAM if writer is None else (b"content-type", writer.content_type.encode("latin-1"))
        return [*self._own_headers(), content_type, *_UNBUFFERED, *self._limit_headers_once()]

    def _limit_headers_once(self) -> HeaderList:
        return [item for item in self._limit_headers() if item[0] not in (b"cache-control", b"x-accel-buffering")]

    # Accounting.

    @property
    def _keeps(self) -> bool:
        """Somebody wants the reply after it has left, though nobody looks at it on its way."""
        return self.services.keep_replies or bool(self.chain.detached)

    @property
    def _wants_usage(self) -> bool:
        return bool(self.chain.detached) or self.services.needs_usage

    def wants_usage(self) -> bool:
        return self._wants_usage

    def add_losses(self, losses: Losses) -> None:
        """Books what the request's translation lost. Raises InvalidRequest under `strict`."""
        self._request_losses = losses
        if not losses:
            return
        # Each attempt is another translation: what a former one lost has not been sent.
        self.ctx.losses = [*(loss for loss in self.ctx.losses if loss.side != "request"), *losses]
        if self.project.strict:
            refused = [loss.path for loss in losses if loss.kind in ("dropped", "clamped")]
            if refused:
                raise InvalidRequest(
                    f"The model's provider cannot be told: {', '.join(refused)} (strict is on).", param=refused[0]
                )

    def apply_defaults(self, request: LLMRequest, target: ModelTarget) -> None:
        for name, value in target.defaults.items():
            if getattr(request, name) in (None, [], {}):
                setattr(request, name, copy.deepcopy(value))

    def _keep(self, data: bytes) -> None:
        kept = self.services.kept
        if self._kept_bytes + len(data) > kept.per_reply or not kept.take(len(data)):
            self.ctx.attempt_data["reply_truncated"] = True
            return
        self._kept_bytes += len(data)
        self._kept.append(data)

    def book_usage(self, usage: Usage | None) -> None:
        if usage is None:
            return
        metrics = self.ctx.metrics
        if usage.input_tokens is not None:
            metrics.input_tokens = usage.input_tokens
        if usage.output_tokens is not None:
            metrics.output_tokens = usage.output_tokens
        if usage.cache_read_tokens is not None:
            metrics.cache_read_tokens = usage.cache_read_tokens
        if usage.cache_write_tokens is not None:
            metrics.cache_write_tokens = usage.cache_write_tokens
        if usage.reasoning_tokens is not None:
            metrics.reasoning_tokens = usage.reasoning_tokens
        metrics.usage_estimated = usage.estimated
        if metrics.input_tokens is not None or metrics.output_tokens is not None:
            metrics.total_tokens = (metrics.input_tokens or 0) + (metrics.output_tokens or 0)

    def _close_books(self) -> None:
        ctx = self.ctx
        metrics = ctx.metrics
        metrics.ended = time.time()
        metrics.duration_ms = (metrics.ended - metrics.started) * 1000
        for observer in self.services.observers:
            observer.ended(ctx, self.status)
        if self.lifecycle is not None and self.lifecycle.is_open:
            ctx.metadata.setdefault("status", self.status)
            self.services.supervisor.finish(self.lifecycle)
        if self.chain.detached:
            ctx.metadata.setdefault("status", self.status)
            long = self._kept_bytes > _DECODED_AT_ONCE and self.chain.reads_reply
            self.services.supervisor.submit(
                self.chain, ctx, self._kept_bytes, self.services.kept, self._kept_reply if long else None
            )
        elif self._kept_bytes:
            self.services.kept.give_back(self._kept_bytes)


_NAMED_ERROR = re.compile(rb'"error"\s*:\s*[^n\s]|"status"\s*:\s*"failed"')
"""Stands in every reply that tells of an error, and in few others."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]+")
_BREAKING_KINDS = frozenset({"overloaded", "timeout", "upstream", "unknown", "rate_limit"})
_DECODED_AT_ONCE = 64 * 1024
"""Bytes of a kept stream whose decoding holds the event loop for a millisecond or two."""
_ALL_KINDS: frozenset[str] = frozenset(get_args(ErrorClass))
_LONGEST_PAUSE = 60.0
"""Seconds that a request waits before another try; a client is better served by the provider's 429 than by silence."""
_REST_SECONDS = 0.5
_GRACE_SECONDS = 0.5
_BREAKER_POLL_SECONDS = 0.25
_MAX_REST_BYTES = 64 * 1024
_MAX_ERROR_BYTES = 4 * 1024 * 1024


def _summary(error: ModelError) -> str:
    """A failure without a word of the provider's."""
    return f"{type(error).__name__} ({error.kind}, {error.status})"


def _internal_error() -> GatewayError:
    return GatewayError("The gateway failed; its log has the cause.", code="internal_error")


def _refuse_failure(response: LLMResponse) -> None:
    """Raises ModelError where a whole reply tells of an error."""
    if response.error is not None:
        raise told_error(response.error)


def _decode_whole(
    dialect: Dialect, body: bytes, reply: HTTPReply, mint: Mint, names: Mapping[str, str] | None = None
) -> LLMResponse:
    try:
        whole = dialect.decode_response(WireReply(reply.status, Headers.of(reply.headers), body), mint)
        return restore_names(whole, names) if names else whole
    except (DialectError, ValueError) as error:
        raise ModelProtocolError(f"The provider's reply is not what its API promises: {error}") from None


async def _once(chunk: LLMResponse) -> AsyncIterator[list[LLMResponse]]:
    yield [chunk]


async def _lists(chunks: AsyncIterator[LLMResponse]) -> AsyncGenerator[list[LLMResponse], None]:
    """Closes the provider's iterator with itself: what that holds is let go when the reply ends, however it ends."""
    try:
        async for chunk in chunks:
            yield [chunk]
    finally:
        close = getattr(chunks, "aclose", None)
        if close is not None:
            await close()


def _reasons(response: LLMResponse) -> bool:
    return has_signed_thinking([choice.message for choice in response.choices])


def _header(headers: list[tuple[str, str]], name: str, default: str = "") -> str:
    for key, value in headers:
        if key == name:
            return value
    return default


def _encoded(headers: list[tuple[str, str]]) -> HeaderList:
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]


def _ascii(text: str) -> bytes:
    return text.encode("ascii", "replace")


_FRAMING_HEADERS = frozenset({"connection", "content-encoding", "content-length", "content-type", "transfer-encoding"})


def _headers_of_plugins(headers: Mapping[str, str]) -> HeaderList:
    """What plugins add; what frames the body is not theirs to say."""
    return [
        (_ascii(name), _ascii(_CONTROL.sub(" ", str(value))))
        for name, value in ((name.strip().lower(), value) for name, value in headers.items())
        if name not in _FRAMING_HEADERS and _TOKEN.fullmatch(name)
    ]


def _loss_header(losses: Losses) -> bytes:
    said = [str(loss) for loss in losses]
    text = "; ".join(said)
    while len(text) > 1000 and said:
        said.pop()
        text = "; ".join(said) + f"; … and {len(losses) - len(said)} more"
    return _ascii(_CONTROL.sub(" ", text))
