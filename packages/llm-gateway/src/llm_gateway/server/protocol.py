"""uvicorn's HTTP protocol with a short way for model routes.

A model route needs none of what ASGI offers between a parser and an application: its request is handed over when its
body is whole, its head and first bytes leave in one write, and a client that leaves cancels the exchange from the
connection's own callback. Everything else (management pages, lifecycle) is uvicorn's. The same application runs under
any ASGI server; this way is only faster.

What a connection may not do: have a head or a body arrive without end or without pace, keep a reply waiting by not
reading it, or get bytes into the middle of a reply by sending nonsense behind a request. Whatever is refused, is
refused in its turn, and the connection closes behind it.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections import deque
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import unquote

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from llm_gateway_sdk import GatewayError, InvalidRequest, Overloaded, PayloadTooLarge

from ..wire.writes import Writes

if TYPE_CHECKING:
    from .app import GatewayApp

__all__ = ["DirectCycle", "GatewayProtocol"]

log = logging.getLogger("llm_gateway.server")

Headers = list[tuple[bytes, bytes]]
TextHeaders = list[tuple[str, str]]

_STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus}
_BODYLESS = (204, 304)
_SLOWEST_BODY = 1024
"""Bytes per second, over the whole of a body, below which its sender is not uploading but holding on."""
_LINGER_SECONDS = 2.0
"""How long what a refused client still sends is read and thrown away: closing on unread bytes would make the kernel
take back the reply."""
_IDLE_GRACE_SECONDS = 0.5
"""At shutdown, how long an idle connection still takes the request that may be on its way."""
_PIPELINED = 8
"""Requests that may wait behind the one that is answered before reading pauses."""
_PIPELINED_BYTES = 1 << 20
_GATHERED_BYTES = 16 * 1024
_WRITTEN_ALONE = 64 * 1024


class DirectCycle:
    """One request and its reply on a connection; the exchange's sink."""

    __slots__ = (
        "_bodyless", "_chunked", "_connection", "_head", "_http10", "_pieces", "body_bytes", "declared_bytes",
        "disconnected", "extra", "headers", "keep_alive", "message_event", "method", "path", "query", "refusal",
        "response_complete", "started", "task", "whole",
    )  # fmt: skip

    def __init__(
        self,
        connection: GatewayProtocol,
        method: str,
        path: str,
        query: str,
        headers: TextHeaders,
        *,
        declared_bytes: int,
        http10: bool,
        keep_alive: bool,
    ) -> None:
        self._connection = connection
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.keep_alive = keep_alive
        self.declared_bytes = declared_bytes
        """What `content-length` says; 0 where it says nothing."""
        self._pieces: list[bytes | bytearray] = []
        self.body_bytes = 0
        self.whole = False
        self.refusal: GatewayError | None = None
        """Why the request is answered without its body, or without all of it."""
        self.started = False
        self.disconnected = False
        self.response_complete = False
        self.message_event = _NO_EVENT
        self.extra: Headers | None = None
        self.task: asyncio.Task[None] | None = None
        self._http10 = http10
        self._bodyless = method == "HEAD"
        self._head: bytes | None = None
        self._chunked = False

    @property
    def client_ip(self) -> str | None:
        client = self._connection.client
        return client[0] if client else None

    def add_body(self, piece: bytes) -> None:
        """Mostly the first piece is all of it. What comes in several is counted as uploading, small ones gathered: a
        piece is an object, and a client may send byte by byte."""
        pieces = self._pieces
        self.body_bytes += len(piece)
        if not pieces:
            pieces.append(piece)
            return
        last = pieces[-1]
        self._connection.gateway.uploading += self.body_bytes if last is pieces[0] else len(piece)
        if isinstance(last, bytearray) and len(last) < _GATHERED_BYTES:
            last += piece
        else:
            pieces.append(piece if len(piece) >= _GATHERED_BYTES else bytearray(piece))

    def take_body(self) -> bytes:
        pieces, self._pieces = self._pieces, []
        if len(pieces) == 1:
            return bytes(pieces[0])
        body = b"".join(pieces)
        self._connection.gateway.uploading -= len(body)
        return body

    async def start(self, status: int, headers: Headers) -> None:
        self.started = True
        pieces = [_STATUS_LINES.get(status) or b"HTTP/1.1 %d \r\n" % status]
        framed = False
        count = 1
        for source in (self._connection.server_state.default_headers, headers, self.extra or ()):
            for name, value in source:
                if name == b"content-length":
                    framed = True
                elif name == b"connection" and value == b"close":
                    self.keep_alive = False
                    continue
                pieces += (name, b": ", value, b"\r\n")
                count += 1
        if status in _BODYLESS:
            self._bodyless = True
        self._chunked = not framed and not self._bodyless and not self._http10
        if not framed and self._http10:
            self.keep_alive = False  # the end of the connection is the end of the body
        if not self.keep_alive:
            pieces.append(b"connection: close\r\n")
            count += 1
        if self._chunked:
            pieces.append(b"transfer-encoding: chunked\r\n")
            count += 1
        head = b"".join(pieces)
        if head.count(b"\n") != count or head.count(b"\r") != count or 0 in head:
            raise ValueError("a reply header holds a line break or NUL")
        self._head = head + b"\r\n"

    async def write(self, data: bytes, *, more: bool) -> None:
        connection = self._connection
        if connection.flow.write_paused and not self.disconnected:
            await connection.drain(self)
        if self.disconnected:
            return
        if self._bodyless:
            data = b""
        elif self._chunked:
            if data:
                data = b"%x\r\n%b\r\n" % (len(data), data) if more else b"%x\r\n%b\r\n0\r\n\r\n" % (len(data), data)
            elif not more:
                data = b"0\r\n\r\n"
        if self._head is not None:
            data, self._head = self._head + data, None
        if data:
            connection.send(data)
        if not more:
            self._complete()

    def write_now(self, data: bytes) -> bool:
        connection = self._connection
        if self._head is not None or self._bodyless or self.disconnected or connection.flow.write_paused:
            return False
        connection.send(b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data)
        return True

    async def abort(self) -> None:
        self.response_complete = True
        self._connection.abort()

    def _complete(self) -> None:
        self.response_complete = True
        connection = self._connection
        if not self.whole:
            connection.close_gently()
        elif not self.keep_alive:
            connection.close()
        connection.on_response_complete()


class _NoEvent:
    """Stands where uvicorn's own cycle has an event that this one does not need."""

    def set(self) -> None:
        return


_NO_EVENT = _NoEvent()


class _Stop(Exception):
    """Ends the parser's work on bytes behind something that was refused."""


class GatewayProtocol(HttpToolsProtocol):
    gateway: GatewayApp

    def __init__(self, config: Any, server_state: Any, app_state: Any, _loop: Any = None) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.gateway = cast("GatewayApp", config.loaded_app)
        self.pipeline: deque[Any] = deque()
        self._direct: DirectCycle | None = None
        """The newest request, while it is one of ours."""
        self._answering: DirectCycle | None = None
        self._deaf = False
        """Nothing that comes is read any more: it was refused, or is another protocol."""
        self._draining = False
        self._closing = False
        self._head_bytes = 0
        self._reading = False
        self._in_body = False
        self._begun = 0.0
        self._last_data = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self.writes = self.gateway.writes or Writes(self.loop)
        self.gateway.writes = self.writes
        self._idle_since = 0.0
        self._text_headers: TextHeaders = []
        self._declared_bytes = 0

    # The connection.

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._become_idle()

    def send(self, data: bytes) -> None:
        """Writes at the end of the loop's turn, with the others; what is large is worth a write of its own."""
        if len(data) > _WRITTEN_ALONE:
            self.writes.flush()
            self.write_out(data)
        else:
            self.writes.add(self, data)

    def write_out(self, data: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(data)

    def close(self) -> None:
        """Ends the connection behind what has been written."""
        self.writes.flush()
        self.transport.close()

    def abort(self) -> None:
        """Breaks the connection off; what was written before may still arrive."""
        self.writes.flush()
        self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        self._unset_keepalive_if_required()
        cycles = {id(cycle): cycle for cycle in (self._answering, self._direct, *(entry[0] for entry in self.pipeline))}
        super().connection_lost(exc)
        for cycle in cycles.values():
            if isinstance(cycle, DirectCycle) and not cycle.response_complete:
                cycle.disconnected = True
                cycle.take_body()
                if cycle.task is not None:
                    cycle.task.cancel()

    def data_received(self, data: bytes) -> None:
        if self._deaf:
            return
        began_before = self._reading and not self._in_body
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as offer:
            if not self._deaf:
                self._decline(data[offer.args[0] :])
            return
        except httptools.HttpParserError:
            self._refuse(InvalidRequest("The request is not valid HTTP/1.1.", code="invalid_http"))
            return
        if self._reading:
            self._last_data = self.loop.time()
            if began_before and not self._in_body:
                # A header that never ends is seen by no callback of the parser.
                self._count_head(len(data))
            if self._timer is None and not self._deaf:
                self._timer = self.loop.call_later(self.gateway.header_timeout, self._check_pace)
        elif self._timer is not None:
            self._stop_timer()

    def _decline(self, rest: bytes) -> None:
        """A server may ignore an offer to upgrade (RFC 9110, 7.8), and this one does. The parser has stopped behind the
        head for the other protocol to go on: it is given the request again, without the offer."""
        lines = [
            b"%b: %b\r\n" % (name, value)
            for name, value in self._raw_headers()
            if name not in (b"upgrade", b"http2-settings", b"connection")
        ]
        method = self.parser.get_method()
        self.parser = httptools.HttpRequestParser(self)
        self.data_received(b"%b %b HTTP/1.1\r\n%b\r\n%b" % (method, self.url, b"".join(lines), rest))

    def _become_idle(self) -> None:
        """The timer outlives requests: one that finds a later idle time goes on to its end."""
        self._idle_since = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def timeout_keep_alive_handler(self) -> None:
        self.timeout_keep_alive_task = None
        if self._reading or not (self.cycle is None or self.cycle.response_complete):
            return  # it is armed again when the reply is complete
        left = self._idle_since + self.timeout_keep_alive - self.loop.time()
        if left > _CLOCK_STEP:
            self.timeout_keep_alive_task = self.loop.call_later(left, self.timeout_keep_alive_handler)
        else:
            super().timeout_keep_alive_handler()

    def shutdown(self) -> None:
        """The server ends: what was begun is finished, and the connection closes behind it."""
        self._draining = True
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete:
            cycle.keep_alive = False
        elif not self._reading:
            # A client may have sent its next request already.
            self.loop.call_later(_IDLE_GRACE_SECONDS, self._close_if_idle)

    def _close_if_idle(self) -> None:
        if not self._reading and (self.cycle is None or self.cycle.response_complete):
            self.close()

    async def drain(self, cycle: DirectCycle) -> None:
        """Waits until the client has taken what was written. One that takes nothing at all is cut off in time."""
        transport, gateway = self.transport, self.gateway
        while self.flow.write_paused and not cycle.disconnected:
            left = transport.get_write_buffer_size()
            try:
                async with asyncio.timeout(gateway.idle_timeout):
                    await self.flow.drain()
            except TimeoutError:
                if transport.get_write_buffer_size() >= left:
                    log.info("a client took nothing of its reply for %g s", gateway.idle_timeout)
                    transport.abort()
                    await self.flow.drain()

    def close_gently(self) -> None:
        """Ends the connection so that the client can still read the reply: it may be in the middle of sending."""
        self._deaf = self._closing = True
        self._stop_timer()
        transport = self.transport
        if transport.is_closing():
            return
        self.writes.flush()
        if not transport.can_write_eof():
            transport.close()
            return
        self.flow.resume_reading()
        transport.write_eof()
        self.loop.call_later(_LINGER_SECONDS, transport.close)

    def on_response_complete(self) -> None:
        self._answering = None
        self.server_state.total_requests += 1
        if self._closing or self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)
        else:
            self._become_idle()

    # The parser's callbacks.

    def on_message_begin(self) -> None:
        if self._deaf:
            raise _Stop
        self.url = b""
        self._text_headers = []
        self.expect_100_continue = False
        self._declared_bytes = 0
        self._head_bytes = 0
        self._reading = True
        self._in_body = False
        self._begun = self._last_data = self.loop.time()

    def on_url(self, url: bytes) -> None:
        self.url += url
        self._count_head(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count_head(len(name) + len(value))
        if self._in_body:
            return  # a trailer is no header
        known = _NAMES.get(name)
        if known is None:
            known = _learn(name)
        text = value.decode("latin-1")
        self._text_headers.append((known, text))
        if known == "content-length":
            self._declared_bytes = int(value) if value.isdigit() else 0  # of bytes only 0 to 9 are digits
        elif known == "expect" and text.lower() == "100-continue":
            self.expect_100_continue = True

    def on_headers_complete(self) -> None:
        parser = self.parser
        if parser.should_upgrade():
            if parser.get_method() == b"CONNECT":
                self._refuse(InvalidRequest("This is no proxy.", status=405))
            return
        url = self.url
        path, query = _PATHS.get(url) or _take_apart(url)
        self._in_body = True
        if self.gateway.is_management(path):
            self._direct = None
            headers = self._raw_headers()
            super().on_message_begin()
            self.headers, self.url = headers, url
            self.scope["headers"] = headers
            super().on_headers_complete()
            if self._draining:
                self.cycle.keep_alive = False
            return
        http10 = parser.get_http_version() == "1.0"
        keep_alive = parser.should_keep_alive() and not (http10 or self._draining)
        cycle = DirectCycle(
            self,
            parser.get_method().decode("ascii"),
            path,
            query,
            self._text_headers,
            declared_bytes=self._declared_bytes,
            http10=http10,
            keep_alive=keep_alive,
        )
        former = self.cycle
        self._direct = cycle
        self.cycle = cycle  # type: ignore[assignment]
        if former is not None and not former.response_complete:
            # Pipelined: it waits for its turn.
            self.pipeline.appendleft((cycle, None))
            self._pause_if_full()
            return
        refusal = self.gateway.refuses_early(cycle)
        if refusal is not None:
            self._refuse(refusal)
        elif self.expect_100_continue:
            self.send(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        cycle = self._direct
        if cycle is None:
            super().on_body(body)
            return
        if cycle.refusal is not None or cycle.response_complete:
            return
        cycle.add_body(body)
        if cycle.body_bytes > self.gateway.max_body_bytes:
            self._refuse(PayloadTooLarge(f"The body is larger than {self.gateway.max_body_bytes} bytes."))
            return
        if self.gateway.uploading > self.gateway.max_uploading:
            self._refuse(Overloaded("The gateway is receiving as much as it can hold.", retry_after=1.0))
        elif self.pipeline:
            self._pause_if_full()

    def on_message_complete(self) -> None:
        if self._deaf or not self._in_body:
            return  # refused, or an upgrade that is about to be declined
        self._reading = False
        cycle = self._direct
        if cycle is None:
            super().on_message_complete()
            return
        cycle.whole = True
        if not self.pipeline or not self._queued(cycle):
            self._run(cycle)

    def _raw_headers(self) -> Headers:
        return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in self._text_headers]

    # Requests in their turn.

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        """A pipelined request's turn, or one of uvicorn's own."""
        if not isinstance(cycle, DirectCycle):
            super()._start_asgi_task(cycle, app)
        elif cycle.whole or cycle.refusal is not None:
            self._run(cycle)
        else:
            refusal = self.gateway.refuses_early(cycle)
            if refusal is not None:
                self._refuse(refusal)
            elif self.expect_100_continue and not cycle.body_bytes:
                self.send(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _queued(self, cycle: DirectCycle) -> bool:
        return any(entry[0] is cycle for entry in self.pipeline)

    def _pause_if_full(self) -> None:
        """Reading goes on behind a request that is being answered, so that its client's leaving is noticed; it pauses
        where more is sent than may wait."""
        waiting = sum(entry[0].body_bytes for entry in self.pipeline if isinstance(entry[0], DirectCycle))
        if len(self.pipeline) >= _PIPELINED or waiting > _PIPELINED_BYTES:
            self.flow.pause_reading()

    def _run(self, cycle: DirectCycle) -> None:
        if cycle.task is not None:
            return
        self._answering = cycle
        task = cycle.task = self.loop.create_task(self._handle(cycle))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _handle(self, cycle: DirectCycle) -> None:
        try:
            await self.gateway.handle(cycle)
        except asyncio.CancelledError:
            if not cycle.disconnected:
                self.abort()  # the server is told to end now
                raise
        except Exception:
            log.exception("a request failed at the server's edge")
            self.abort()
        else:
            if not cycle.response_complete and not cycle.disconnected:
                self.abort()  # never leave a client waiting for the rest

    # Refusals.

    def _refuse(self, error: GatewayError) -> None:
        """The request being read is answered with `error`, and nothing behind it is read."""
        if self._deaf:
            return
        self._deaf = True
        self._stop_timer()
        cycle = self.cycle
        if cycle is None or cycle.response_complete:
            self._refuse_head(error)
        elif isinstance(cycle, DirectCycle) and self._reading and self._in_body and not cycle.whole:
            # Its route is known, so that its client gets the error in its own form.
            cycle.refusal = error
            cycle.keep_alive = False
            cycle.take_body()
            if not self._queued(cycle):
                self._run(cycle)
        else:
            # It comes behind a request that is still being answered; that answer is the last one.
            cycle.keep_alive = False

    def _refuse_head(self, error: GatewayError) -> None:
        """An answer to what never became a request: no route is known, so no client's form either."""
        body = b'{"error":{"message":"%b","type":"invalid_request_error","param":null,"code":null}}' % (
            error.message.encode()
        )
        self.writes.flush()
        self.transport.write(
            b"%bcontent-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%b"
            % (_STATUS_LINES[error.status], len(body), body)
        )
        self.close_gently()

    def _count_head(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > self.gateway.max_header_bytes and not self._deaf:
            self._refuse(
                GatewayError(
                    "The request's headers are too large.", status=431, kind="bad_request", code="headers_too_large"
                )
            )

    def _check_pace(self) -> None:
        """A head must be whole in time; a body must keep coming, and not in drops."""
        self._timer = None
        if not self._reading or self._deaf or self.transport.is_closing():
            return
        now, patience = self.loop.time(), self.gateway.header_timeout
        if self.flow.read_paused:
            due = now + patience  # it is we who do not read
            self._begun += patience
        elif not self._in_body:
            due = self._begun + patience
        else:
            arrived = self._direct.body_bytes if self._direct is not None else 0
            due = min(self._last_data + patience, self._begun + patience + arrived / _SLOWEST_BODY)
        if now + 0.01 < due:
            self._timer = self.loop.call_later(due - now, self._check_pace)
            return
        if self._in_body and self._direct is None:
            self.close()  # one of uvicorn's own
            return
        self._refuse(GatewayError("The request did not come in time.", status=408, kind="timeout", code="slow_request"))

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _learn(name: bytes) -> str:
    known = sys.intern(name.decode("latin-1").lower())
    if len(_NAMES) < _MAX_LEARNT:
        _NAMES[name] = known
    return known


def _take_apart(url: bytes) -> tuple[str, str]:
    """Path and query of a request's target."""
    parsed = httptools.parse_url(url)
    path = (parsed.path or b"/").decode("ascii", "replace")
    if "%" in path:
        path = unquote(path)
    query = parsed.query.decode("latin-1") if parsed.query else ""
    if not query and len(url) <= _LONGEST_LEARNT and len(_PATHS) < _MAX_LEARNT:
        _PATHS[url] = path, query
    return path, query


_NAMES: dict[bytes, str] = {}
_PATHS: dict[bytes, tuple[str, str]] = {}
_MAX_LEARNT = 2048
_LONGEST_LEARNT = 256
"""Clients may invent names and paths: the tables must not grow with them."""
_CLOCK_STEP = 0.01
"""uvloop's clock has milliseconds."""
