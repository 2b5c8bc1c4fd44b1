"""The client's side of one request: its dialect, and everything that is written for it.

A reply is written exactly once. Whole replies go to the sink at once; streams go through an outlet, which is opened by
their first content or by a keep-alive. What is written comes from the one attempt that is given: nothing here remembers
an attempt that failed before it sent anything.
"""

from __future__ import annotations

import time

from llm_gateway_sdk import (
    Echo,
    ErrorInfo,
    GatewayError,
    LLMResponse,
    ModelError,
    ModelStreamError,
    Payload,
    RequestRejected,
    StreamEncoder,
    WireReply,
)
from llm_gateway_sdk.heavy import run_aside
from llm_gateway_sdk.losses import Losses
from llm_gateway_sdk.values import replace
from llm_gateway_sdk.wire import json
from llm_gateway_sdk.wire.pieces import joined

from ..wire.crossing import upstream_to_client
from . import headers as reply_headers
from .attempt import LiveAttempt
from .ending import EndReason, error_of
from .errors import internal_error, retry_after_header, verbatim
from .outlet import Headers, Outlet, Sink
from .patch import Comparison, merge_edit, merge_seen
from .request import ClientRequest
from .services import Attendant
from .signed_reasoning import has_signed_thinking, withhold_edited_reply
from .thoughts import settle_thoughts

__all__ = ["ClientReply"]


class ClientReply:
    """One per request."""

    attendant: Attendant | None = None
    """Keeps the reply for a client that may refer to it later."""
    outlet: Outlet | None = None
    status = 0
    """What went out, or is about to."""
    started = False
    """A whole reply, or a relayed one, was begun."""
    unanswered = False
    """The client had left before its reply was begun."""
    attempt: LiveAttempt | None = None
    """The attempt that runs, or ran last: what its translation lost is reported also where it failed."""
    _begun_by: LiveAttempt | None = None
    """The attempt whose content has been sent."""

    def __init__(self, request: ClientRequest, sink: Sink) -> None:
        self.request = request
        self._sink = sink

    # A client that leaves.

    @property
    def has_left(self) -> bool:
        """Seen only where what was under way went on without the client; else the exchange is cancelled."""
        return self._sink.disconnected

    def keep_on(self, keeps_on: bool) -> None:
        """Whether what is under way goes on where the client leaves."""
        self._sink.keeps_on = keeps_on

    def end_unseen(self) -> None:
        """The reply was read to its end for the sake of its counts; its client had left."""
        ctx, left = self.request.ctx, error_of(EndReason.CLIENT_LEFT)
        ctx.error = ctx.error or left
        if self.unanswered:
            self.status = left.status

    # The attempt that is answered from.

    def commit(self, attempt: LiveAttempt) -> None:
        """The attempt's first content is about to be sent: the reply is its reply from here on."""
        ctx = self.request.ctx
        attempt.entry.first_token = ctx.metrics.first_token = time.time()
        ctx.stream.opened = ctx.stream.committed = True
        self._begun_by = attempt

    def close(self) -> None:
        """No more keep-alives. Those that know each other part, else they would wait for the garbage collector."""
        if self.outlet is not None:
            self.outlet.stop()
            self.outlet = None
        if self.attendant is not None:
            self.attendant.client = None

    # Streams.

    def open_outlet(self) -> Outlet:
        if self.outlet is None:
            services = self.request.services
            encoder = self.request.dialect.stream_encoder(Echo(), services.mint, Losses("response"))
            keep_alive, interval = encoder.keep_alive(), services.keep_alive_seconds
            self.outlet = Outlet(self._sink, self._stream_headers, interval=interval, keep_alive=keep_alive)
        return self.outlet

    def _stream_headers(self) -> Headers:
        request = self.request
        request.ctx.stream.opened = True
        self.unanswered = self._sink.disconnected
        return reply_headers.stream(request.ctx, request.dialect, self._begun_by, timed=request.is_timed)

    def stream_encoder(self, losses: Losses) -> StreamEncoder:
        request = self.request
        echo = request.echo if self.attendant is None else self.attendant.echo(request.echo)
        return request.dialect.stream_encoder(echo, request.services.mint, losses)

    # Replies.

    async def answer(self, response: LLMResponse, attempt: LiveAttempt | None = None) -> None:
        """A canonical reply in the client's dialect, as a stream where it asked for one. `attempt` is where it comes
        from; None where a plugin gave it."""
        request = self.request
        losses = Losses("response", None if attempt is None else attempt.field_names)
        if request.is_heavy:
            await request.prepare_echo()
        if attempt is not None and attempt.reply_name is not None:
            response = replace(response, model=attempt.reply_name)
        request.dialect.report_unwritten(response, losses)
        response = settle_thoughts(request, attempt, response, losses)
        if request.ctx.streaming:
            outlet = self.open_outlet()
            encoder = self.stream_encoder(losses)
            if attempt is not None:
                attempt.writer = encoder
                self._begun_by = attempt
            request.ctx.stream.opened = request.ctx.stream.committed = True
            response.final = True
            if attempt is not None and attempt.is_heavy:
                data = await run_aside(lambda: joined([encoder.encode(response), encoder.close()]))
            else:
                data = encoder.encode(response) + encoder.close()
            self.status = 200
            await outlet.end(data)
        else:
            echo = request.echo if self.attendant is None else self.attendant.echo(request.echo)
            encode, mint = request.dialect.encode_response, request.services.mint
            if attempt is not None and attempt.is_heavy:
                wire = await run_aside(encode, response, echo, mint, losses)
            else:
                wire = encode(response, echo, mint, losses)
            limits = reply_headers.limits(request.ctx, request.dialect, attempt)
            await self.write(wire.status, wire.body, [*self._own_headers(), reply_headers.JSON, *limits])
        if losses:
            request.ctx.losses += losses

    async def relay_whole(self, wire: WireReply, attempt: LiveAttempt) -> None:
        """A reply of the client's own dialect, as it came."""
        body = wire.body
        if attempt.reply_name is not None:
            body = await run_aside(self.renamed, body, attempt) if attempt.is_heavy else self.renamed(body, attempt)
        request, upstream, kind = self.request, wire.headers.items, attempt.content_type
        headers = reply_headers.own(request.ctx, self.attempt, timed=request.is_timed, with_plugins=False)
        lines = reply_headers.lines_of_plugins(request.ctx) if request.ctx.reply_headers else b""
        if not self._send_whole(wire.status, headers, lines + reply_headers.relayed_lines(upstream, kind), body):
            await self.write(wire.status, body, self._own_headers() + reply_headers.relayed(upstream, kind))

    def _send_whole(self, status: int, headers: Headers, lines: bytes, body: bytes) -> bool:
        """Where the sink takes a whole reply at once, it gets it; see `Cycle.send_whole`."""
        sink = self._sink
        if self.started:
            return False
        self.status, self.unanswered = status, sink.disconnected
        self.started = sink.send_whole(status, headers, lines, body)
        return self.started

    async def relay_edited(self, wire: WireReply, payload: Payload[LLMResponse], attempt: LiveAttempt) -> None:
        """A reply of the client's own dialect which plugins may have edited: the edit and nothing else. Where a plugin
        edits all that it sees, nothing stays that it could not see."""
        if self.request.is_heavy:
            await self.request.prepare_echo()
        asked = wire, payload, attempt
        body = await run_aside(self._edited, *asked) if attempt.is_heavy else self._edited(*asked)
        await self.relay_whole(WireReply(wire.status, wire.headers, body), attempt)

    def _edited(self, wire: WireReply, payload: Payload[LLMResponse], attempt: LiveAttempt) -> bytes:
        """The body of `relay_edited`."""
        request = self.request
        dialect, mint, edited = request.dialect, request.services.mint, payload.value
        after = written = came = None
        original = wire.body
        if request.chain.edits_reply and dialect.reads_all_of(wire) and (came := payload.pristine()) == edited:
            return original
        echo, losses = request.echo, Losses("response", attempt.field_names)
        if request.chain.edits_reply:
            written = Comparison(original)
            after = dialect.encode_response(edited, echo, mint, losses)
            if written.has_duplicate_keys:
                original = json.dumps(json.loads(original))  # of two values of a key the one that was read
            elif written.is_same(after.body):
                return original
        before = dialect.encode_response(came := came or payload.pristine(), echo, mint, Losses("response"))
        if has_signed_thinking([choice.message for choice in edited.choices]):
            losses, after = Losses("response", attempt.field_names), None
            withhold_edited_reply(came.choices, edited.choices, losses)
        after = after or dialect.encode_response(edited, echo, mint, losses)
        request.ctx.losses.extend(losses)
        merge = merge_edit if written is None or written.is_covered(before.body) else merge_seen
        return merge(original, before.body, after.body)

    async def own(self, wire: WireReply) -> None:
        """A reply that the gateway made itself."""
        request = self.request
        headers = self._own_headers() + reply_headers.encode(wire.headers.items)
        headers.extend(reply_headers.request_id(request.ctx, request.dialect))
        if "content-type" not in wire.headers:
            headers.append(reply_headers.JSON)
        await self.write(wire.status, wire.body, headers)

    def renamed(self, data: bytes, attempt: LiveAttempt) -> bytes:
        """The provider's own reply, or the beginning of its stream, with the model named as the client did."""
        return data if attempt.reply_name is None else self.request.dialect.rename_reply(data, attempt.reply_name)

    async def write(self, status: int, body: bytes, headers: Headers) -> None:
        if self._send_whole(status, headers, b"", body):
            return
        self.status, self.unanswered, self.started = status, self._sink.disconnected, True
        headers += ((b"content-length", b"%d" % len(body)),)
        await self._sink.start(status, headers)
        await self._sink.write(body, more=False)

    # Relays: bodies of no dialect, handed on as they come.

    async def begin_relay(self, status: int, upstream: list[tuple[str, str]]) -> None:
        kind = reply_headers.find(upstream, "content-type")
        headers = self._own_headers() + reply_headers.relayed(upstream, kind)
        length = reply_headers.find(upstream, "content-length")
        if length and status != 204:
            headers.append((b"content-length", length.encode()))
        if coding := reply_headers.find(upstream, "content-encoding"):
            # One that the HTTP client does not decode: the body goes on as it is, and so does its name.
            headers.append((b"content-encoding", coding.encode("latin-1")))
        self.status, self.unanswered = status, self._sink.disconnected
        self.request.ctx.stream.opened = self.started = True
        await self._sink.start(status, headers)

    async def switch_protocols(self, headers: Headers) -> None:
        """The head after which what `relay` hands on is not HTTP."""
        self.status = 101
        self.request.ctx.stream.opened = self.started = True
        await self._sink.start(101, self._own_headers() + headers)

    async def relay(self, data: bytes) -> None:
        await self._sink.write(data, more=True)

    async def end_relay(self) -> None:
        await self._sink.write(b"", more=False)

    async def abort(self) -> None:
        """Status and headers are out: only a connection that breaks off can tell of a failure."""
        await self._sink.abort()

    # Errors.

    async def fail(self, error: GatewayError) -> None:
        """The error in the client's dialect: a status where nothing was sent yet, else its in-stream form."""
        ctx = self.request.ctx
        ctx.error = ctx.error or error
        outlet = self.outlet
        as_it_came = isinstance(error, ModelStreamError) and verbatim(error, self.request.dialect)
        if outlet is not None and (outlet.opened or as_it_came):
            self.status = self.status or error.status
            # A provider's own words go out with its 200: nothing of its reply is changed.
            data = error.body if as_it_came and isinstance(error, ModelError) else self._error_event(error)
            if as_it_came and self._begun_by is None:
                self._begun_by = self.attempt
            await outlet.end(data or b"")
            return
        if outlet is not None:
            outlet.stop()
        if isinstance(error, ModelError) and error.body is not None and verbatim(error, self.request.dialect):
            headers = reply_headers.with_source(self._own_headers(), self.request.ctx, error)
            kept = upstream_to_client(error.headers)
            if len(ctx.attempts) > 1:
                kept = [item for item in kept if item[0] != "x-should-retry"]
            headers.extend(reply_headers.encode(kept))
            headers.extend(reply_headers.content_type(error.headers))
            await self.write(error.status, error.body, headers)
        else:
            await self._fail_translated(error)

    def _error_event(self, error: GatewayError) -> bytes:
        request, begun = self.request, self._begun_by
        mint = request.services.mint
        if begun is not None and begun.begins_with:
            return request.dialect.break_off(error.info(), begun.begins_with, begun.ends_with, mint)
        encoder = begun.writer if begun is not None else None
        if encoder is None:
            encoder = request.dialect.stream_encoder(request.echo_if_read, mint, Losses("response"))
        return encoder.fail(error.info())

    async def _fail_translated(self, error: GatewayError) -> None:
        request = self.request
        ctx, dialect = request.ctx, request.dialect
        info = error.info()
        info.request_id = info.request_id or ctx.request_id
        wire = self._encode_error(info)
        headers = reply_headers.with_source(self._own_headers(), self.request.ctx, error)
        headers.append(reply_headers.JSON)
        headers.extend(reply_headers.request_id(ctx, dialect, info.request_id))
        headers.extend(reply_headers.of_error(wire.headers.items, headers))
        if isinstance(error, ModelError):
            limits = reply_headers.translated_limits(dialect, error.headers)
            headers.extend(item for item in limits if len(ctx.attempts) == 1 or item[0] != b"x-should-retry")
        wait = retry_after_header(error.retry_after)
        if wait is not None and not any(name == b"retry-after" for name, _ in headers):
            headers.append((b"retry-after", wait))
        await self.write(_status_of(error, wire), wire.body, headers)

    def _encode_error(self, info: ErrorInfo) -> WireReply:
        """In the shape of the route's form, where that has a shape for errors."""
        form = self.request.route.form
        own = None if form is None else form.encode_error(info)
        return own or self.request.dialect.encode_error(info)

    async def fail_plainly(self) -> None:
        """The last resort, where even reporting an error has failed: nothing here depends on what a plugin or a
        provider has given."""
        if self.started or (self.outlet is not None and self.outlet.started):
            await self._sink.abort()  # the body can't be ended properly, and must not look whole
            return
        request_id = self.request.ctx.request_id
        info = internal_error().info()
        info.request_id = request_id
        wire = self._encode_error(info)
        await self.write(internal_error().status, wire.body, reply_headers.of_refusal(request_id))

    def _own_headers(self) -> Headers:
        request = self.request
        return reply_headers.own(request.ctx, self.attempt, timed=request.is_timed)


def _status_of(error: GatewayError, wire: WireReply) -> int:
    """A plugin's status stays; other errors take the one that the client's API has for their kind. So does a spent
    budget: at some vendors a 429 is one that their clients try again."""
    if isinstance(error, RequestRejected) and not (error.status == 429 and error.kind == "quota"):
        return error.status
    return wire.status
