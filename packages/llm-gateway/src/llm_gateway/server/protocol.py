"""uvicorn's HTTP protocol with a short way for model routes.

A model route needs none of what ASGI offers between a parser and an application: its request is handed over when its
body is whole, its head and first bytes leave in one write, and a client that leaves cancels the exchange from the
connection's own callback. Everything else (management pages, odd requests, lifecycle) is uvicorn's. The same
application runs under any ASGI server; this way is only faster.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import unquote

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

if TYPE_CHECKING:
    from .app import GatewayApp

__all__ = ["DirectCycle", "GatewayProtocol"]

log = logging.getLogger("llm_gateway.server")

Headers = list[tuple[bytes, bytes]]

_STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus}


class DirectCycle:
    """One request and its reply on a connection; the exchange's sink."""

    __slots__ = (
        "_chunked", "_connection", "_head", "body", "body_bytes", "disconnected", "extra", "headers", "keep_alive",
        "message_event", "method", "path", "query", "response_complete", "started", "task", "too_large", "whole",
    )  # fmt: skip

    def __init__(
        self, connection: GatewayProtocol, method: str, path: str, query: str, headers: Headers, keep_alive: bool
    ) -> None:
        self._connection = connection
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.keep_alive = keep_alive
        self.body: list[bytes] = []
        self.body_bytes = 0
        self.whole = False
        self.too_large = False
        self.started = False
        self.disconnected = False
        self.response_complete = False
        self.message_event = _NO_EVENT
        self.extra: Headers | None = None
        self.task: asyncio.Task[None] | None = None
        self._head: bytes | None = None
        self._chunked = False

    @property
    def client_ip(self) -> str | None:
        client = self._connection.client
        return client[0] if client else None

    async def start(self, status: int, headers: Headers) -> None:
        self.started = True
        pieces = [_STATUS_LINES.get(status) or b"HTTP/1.1 %d \r\n" % status]
        chunked = True
        count = 1
        for source in (self._connection.server_state.default_headers, headers, self.extra or ()):
            for name, value in source:
                if name == b"content-length":
                    chunked = False
                elif name == b"connection" and value == b"close":
                    self.keep_alive = False
                    continue
                pieces += (name, b": ", value, b"\r\n")
                count += 1
        if not self.keep_alive:
            pieces.append(b"connection: close\r\n")
            count += 1
        if chunked and status not in (204, 304):
            pieces.append(b"transfer-encoding: chunked\r\n")
            count += 1
        head = b"".join(pieces)
        if head.count(b"\n") != count or head.count(b"\r") != count:
            raise ValueError("a reply header holds a line break")
        self._chunked = chunked and status not in (204, 304)
        self._head = head + b"\r\n"

    async def write(self, data: bytes, *, more: bool) -> None:
        connection = self._connection
        if connection.flow.write_paused and not self.disconnected:
            await connection.flow.drain()
        if self.disconnected:
            return
        if self._chunked:
            if data:
                data = b"%x\r\n%b\r\n" % (len(data), data) if more else b"%x\r\n%b\r\n0\r\n\r\n" % (len(data), data)
            elif not more:
                data = b"0\r\n\r\n"
        if self._head is not None:
            data, self._head = self._head + data, None
        if data:
            connection.transport.write(data)
        if not more:
            self._complete()

    async def abort(self) -> None:
        self.response_complete = True
        self._connection.transport.abort()

    def _complete(self) -> None:
        self.response_complete = True
        connection = self._connection
        if not self.keep_alive or not self.whole:
            connection.transport.close()
        connection.on_response_complete()


class _NoEvent:
    """Stands where uvicorn's own cycle has an event that this one does not need."""

    def set(self) -> None:
        return


_NO_EVENT = _NoEvent()


class GatewayProtocol(HttpToolsProtocol):
    """Bounds the head's size and the time for reading a request, which uvicorn does not."""

    gateway: GatewayApp

    def __init__(self, config: Any, server_state: Any, app_state: Any, _loop: Any = None) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.gateway = cast("GatewayApp", config.loaded_app)
        self.pipeline: deque[Any] = deque()
        self._direct: DirectCycle | None = None
        self._head_bytes = 0
        self._reading = False
        self._reading_timer: asyncio.TimerHandle | None = None
        self._path = ""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_reading_timer()
        direct = self._direct
        super().connection_lost(exc)
        for cycle in (direct, *(entry[0] for entry in self.pipeline)):
            if isinstance(cycle, DirectCycle) and not cycle.response_complete:
                cycle.disconnected = True
                if cycle.task is not None:
                    cycle.task.cancel()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._reading:
            if self._reading_timer is None or self._path:
                # A head must be whole in time; a body must keep coming.
                self._stop_reading_timer()
                self._reading_timer = self.loop.call_later(self.gateway.header_timeout, self._reading_took_too_long)
        elif self._reading_timer is not None:
            self._stop_reading_timer()

    def on_message_begin(self) -> None:
        self.url = b""
        self.headers = []
        self.expect_100_continue = False
        self._head_bytes = 0
        self._reading = True
        self._path = ""

    def on_url(self, url: bytes) -> None:
        self.url += url
        self._count_head(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        self.headers.append((name, value))
        self._count_head(len(name) + len(value))
        if name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True

    def on_headers_complete(self) -> None:
        if self._head_bytes < 0:
            return  # refused already
        parsed = httptools.parse_url(self.url)
        path = (parsed.path or b"/").decode("ascii", "replace")
        if "%" in path:
            path = unquote(path)
        self._path = path
        if self.gateway.is_management(path) or self.parser.should_upgrade():
            self._direct = None
            headers, url = self.headers, self.url
            super().on_message_begin()
            self.headers, self.url = headers, url
            self.scope["headers"] = headers
            super().on_headers_complete()
            return
        parser = self.parser
        keep_alive = parser.should_keep_alive() and parser.get_http_version() != "1.0"
        query = parsed.query.decode("latin-1") if parsed.query else ""
        cycle = DirectCycle(self, parser.get_method().decode("ascii"), path, query, self.headers, keep_alive)
        former = self.cycle
        self._direct = cycle
        self.cycle = cycle  # type: ignore[assignment]
        if former is not None and not former.response_complete:
            # Pipelined: it waits for its turn.
            self.flow.pause_reading()
            self.pipeline.appendleft((cycle, None))
            return
        if self.gateway.refuses_early(cycle):
            cycle.too_large = True
            self._run(cycle)
        elif self.expect_100_continue:
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        cycle = self._direct
        if cycle is None:
            super().on_body(body)
            return
        if cycle.too_large or cycle.response_complete:
            return
        cycle.body_bytes += len(body)
        if cycle.body_bytes > self.gateway.max_body_bytes:
            cycle.too_large = True
            cycle.body.clear()
            if not self._queued(cycle):
                self._run(cycle)
            return
        cycle.body.append(body)

    def on_message_complete(self) -> None:
        self._reading = False
        if self._head_bytes < 0:
            return
        cycle = self._direct
        if cycle is None:
            super().on_message_complete()
            return
        cycle.whole = True
        if not cycle.too_large and not self._queued(cycle):
            self._run(cycle)

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        """A pipelined request's turn, or one of uvicorn's own."""
        if not isinstance(cycle, DirectCycle):
            super()._start_asgi_task(cycle, app)
        elif cycle.whole or cycle.too_large:
            self._run(cycle)

    def _queued(self, cycle: DirectCycle) -> bool:
        return any(entry[0] is cycle for entry in self.pipeline)

    def _run(self, cycle: DirectCycle) -> None:
        if cycle.task is not None:
            return
        task = cycle.task = self.loop.create_task(self._handle(cycle))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _handle(self, cycle: DirectCycle) -> None:
        try:
            await self.gateway.handle(cycle)
        except asyncio.CancelledError:
            if not cycle.disconnected:
                self.transport.abort()  # the server is told to end now
                raise
        except Exception:
            log.exception("a request failed at the server's edge")
            self.transport.abort()
        else:
            if not cycle.response_complete and not cycle.disconnected:
                self.transport.abort()  # never leave a client waiting for the rest

    def _count_head(self, size: int) -> None:
        if self._head_bytes < 0:
            return
        self._head_bytes += size
        if self._head_bytes > self.gateway.max_header_bytes:
            self._head_bytes = -1
            self._refuse_head(431, "The request's headers are too large.")

    def _reading_took_too_long(self) -> None:
        self._reading_timer = None
        if not self.transport.is_closing():
            if self.cycle is None or self.cycle.response_complete or (self._head_bytes >= 0 and not self._path):
                self._refuse_head(408, "The request did not come in time.")
            self.transport.close()

    def _refuse_head(self, status: int, message: str) -> None:
        body = b'{"error":{"message":"%b","type":"invalid_request_error","param":null,"code":null}}' % message.encode()
        self.transport.write(
            b"%bcontent-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%b"
            % (_STATUS_LINES[status], len(body), body)
        )
        self.transport.close()

    def _stop_reading_timer(self) -> None:
        if self._reading_timer is not None:
            self._reading_timer.cancel()
            self._reading_timer = None
