"""A WebSocket each of whose messages is a separate request, as if it had come by HTTP.

    client ── response.create ──▶ POST to the same path ──▶ the whole walk: who asks, limits, plugins, any provider
    client ◀── one message per event of the reply's stream; an error of any status is an event as well

So no message goes round anything that a request does not: it is authenticated, limited, booked and traced by itself,
and runs on the configuration of its time. Requests of one lane follow each other, those of several run side by side.

When the client leaves, what runs is cancelled as a request is whose client leaves. When the server begins to end, no
further message is taken, and the connection is closed (1001) once what runs is done.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from urllib.parse import quote

from llm_gateway_sdk import DialectError, GatewayError, InvalidRequest, Overloaded, PayloadTooLarge
from llm_gateway_sdk.errors import ErrorInfo
from llm_gateway_sdk.heavy import LIGHT_BYTES, run_aside
from llm_gateway_sdk.operations.response_messages import (
    Create,
    Remembered,
    error_message,
    prepared,
    read_create,
    with_lane,
)
from llm_gateway_sdk.wire import json
from llm_gateway_sdk.wire.sse import SSEDecoder

from ..exchange.body_bounds import refuse_beyond_bounds
from ..exchange.ending import EndReason
from ..exchange.outlet import PiecewiseSink
from ..exchange.realtime.handshake import accept_client
from ..exchange.realtime.message_pace import MessagePace
from ..exchange.realtime.peer import GOING_AWAY, Closing, Message, Peer
from ..exchange.realtime.session_limits import RealtimeLimits
from ..exchange.services import new_id
from .http1.duplex import Duplex
from .http1.head import Head
from .http1.upload import Upload
from .incoming import Incoming

__all__ = ["MessageSession"]

_MOST_WAITING = 64
"""Requests of one connection that run or wait for their turn."""
_CLOSE_SECONDS = 2.0
_OF_THE_HANDSHAKE = frozenset(
    {"connection", "upgrade", "content-type", "content-length", "x-request-id", "idempotency-key"}
)
_END = b"[DONE]"


class MessageSession:
    """`serve` answers one request; `error_body` writes an error in the client's shape."""

    def __init__(
        self,
        incoming: Incoming,
        duplex: Duplex,
        limits: RealtimeLimits,
        serve: Callable[[Incoming], Awaitable[None]],
        error_body: Callable[[ErrorInfo], bytes],
    ) -> None:
        self._incoming = incoming
        self._duplex = duplex
        self._limits = limits
        self._serve = serve
        self._error_body = error_body
        self._remembered = Remembered()
        self._running: dict[asyncio.Task[None], _MessageRequest] = {}
        self._lanes: dict[str | None, asyncio.Task[None]] = {}
        self._loop = asyncio.get_running_loop()
        self._last_message = self._loop.time()

    async def run(self) -> None:
        """Until the connection ends. Raises InvalidRequest for a handshake that is not valid."""
        head = self._incoming.head
        handshake = accept_client(quote(head.path), head.headers, max_message=self._limits.message_bytes)
        self._incoming.keeps_on = True
        await self._incoming.start(101, handshake.headers)
        self._pace = MessagePace(self._limits.messages_per_second, self._loop.time)
        self._peer = Peer(handshake.protocol, self._duplex.read, self._write, pace=self._pace)
        parts = [self._loop.create_task(self._read()), self._loop.create_task(self._watch())]
        closing = Closing(GOING_AWAY)
        try:
            done, _ = await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
            closing = next(part.result() for part in parts if part in done)
        finally:
            for part in parts:
                part.cancel()
            await asyncio.wait(parts)
            await self._end(closing)

    async def _write(self, data: bytes) -> None:
        await self._incoming.write(data, more=True)

    async def _end(self, closing: Closing) -> None:
        for task, request in self._running.items():
            request.disconnected = True
            if not request.keeps_on:
                task.cancel(EndReason.CLIENT_LEFT)
        if self._running:
            await asyncio.wait(list(self._running))
        try:
            async with asyncio.timeout(_CLOSE_SECONDS):
                await self._peer.close(closing)
                await self._peer.drain(_CLOSE_SECONDS)
                await self._incoming.write(b"", more=False)
        except TimeoutError:
            await self._incoming.abort()

    # Messages.

    async def _read(self) -> Closing:
        while (message := await self._peer.receive()) is not None:
            self._last_message = self._loop.time()
            await self._take(message)
            wait = self._pace.count()
            if wait > 0:
                await asyncio.sleep(wait)
        return self._peer.closing.sendable()

    async def _take(self, message: Message) -> None:
        data = message.data
        is_large = len(data) > LIGHT_BYTES
        try:
            if is_large:
                await run_aside(refuse_beyond_bounds, data, self._limits.items)
            create = await run_aside(read_create, data) if is_large else read_create(data)
        except PayloadTooLarge as error:
            await self._report(error, None)
            return
        except DialectError as error:
            await self._report(InvalidRequest(str(error), param=error.path), None)
            return
        if self._duplex.going_away.is_set() or len(self._running) >= _MOST_WAITING:
            full = Overloaded("No further request is accepted on this connection.", retry_after=1.0)
            await self._report(full, create.lane)
            return
        if not create.generates:
            await self._prepare(create)
            return
        request = _MessageRequest(self._incoming, self._peer, create, self._remembered, is_large=is_large)
        before = self._lanes.get(create.lane)
        task = self._loop.create_task(self._answer(request, before))
        self._running[task] = request
        self._lanes[create.lane] = task
        task.add_done_callback(self._answered)

    async def _prepare(self, create: Create) -> None:
        identity = new_id("resp_")
        self._remembered.prepare(self._remembered.complete(create.body), identity)
        for data in prepared(create.body, identity, int(time.time())):
            await self._peer.send(Message(with_lane(data, create.lane)))

    async def _answer(self, request: _MessageRequest, before: asyncio.Task[None] | None) -> None:
        if before is not None:
            await asyncio.wait((before,))
        await request.begin()
        await self._serve(request)

    def _answered(self, task: asyncio.Task[None]) -> None:
        request = self._running.pop(task)
        if self._lanes.get(request.lane) is task:
            del self._lanes[request.lane]
        self._last_message = self._loop.time()
        if not task.cancelled():
            task.exception()  # a client that left is noticed by the reader

    async def _report(self, error: GatewayError, lane: str | None) -> None:
        data = error_message(error.status, self._error_body(error.info()))
        await self._peer.send(Message(with_lane(data, lane)))

    # Time.

    async def _watch(self) -> Closing:
        limits, loop = self._limits, self._loop
        until, pinged = loop.time() + limits.longest, loop.time()
        step = max(0.05, min(x for x in (limits.ping, limits.silence, limits.longest, 15.0) if x > 0) / 2)
        while True:
            now, idle = loop.time(), not self._running
            leaving = self._duplex.going_away.is_set()
            if leaving and idle:
                return Closing(GOING_AWAY, "The gateway is shutting down.")
            if idle and now >= until:
                return Closing(GOING_AWAY, "The connection has reached its longest time.")
            if idle and now - self._last_message >= limits.silence:
                return Closing(GOING_AWAY, "Nothing was received on this connection for too long.")
            if limits.ping > 0 and now - pinged >= limits.ping:
                if now - self._peer.heard > 2 * limits.ping:
                    return Closing(GOING_AWAY)
                pinged = now
                await self._peer.ping()
            if leaving:
                await asyncio.sleep(0.05)
                continue
            try:
                async with asyncio.timeout(step):
                    await self._duplex.going_away.wait()
            except TimeoutError:
                pass


class _MessageRequest(PiecewiseSink):
    """One message as a request, and its reply as messages: an Incoming."""

    def __init__(
        self, handshake: Incoming, peer: Peer, create: Create, remembered: Remembered, *, is_large: bool
    ) -> None:
        self._is_large = is_large
        self._peer = peer
        self._create = create
        self._remembered = remembered
        self._body: dict[str, object] = {}
        self._sent = b""
        self._status = 0
        self._events: SSEDecoder | None = None
        self._error: list[bytes] = []
        came = handshake.head
        headers = [
            (name, value)
            for name, value in came.headers
            if name not in _OF_THE_HANDSHAKE and not name.startswith("sec-websocket-")
        ]
        self.head = Head("POST", came.path, came.query, [*headers, ("content-type", "application/json")], 0)
        self.client_ip = handshake.client_ip
        self.refusal: GatewayError | None = None
        self.extra: list[tuple[bytes, bytes]] | None = None
        self.upload: Upload | None = None
        self.duplex: Duplex | None = None
        self.keeps_on = False
        self.disconnected = False
        self.lane = create.lane

    async def begin(self) -> None:
        """Its turn has come: what it continues is known by now."""
        self._body = self._remembered.complete(self._create.body)
        is_large = self._is_large or self._body is not self._create.body
        self._sent = await run_aside(json.dumps, self._body) if is_large else json.dumps(self._body)
        self.head.length = len(self._sent)

    def take_body(self) -> bytes:
        body, self._sent = self._sent, b""
        return body

    async def start(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        self._status = status
        kind = next((value for name, value in headers if name == b"content-type"), b"")
        if status == 200 and kind.startswith(b"text/event-stream"):
            self._events = SSEDecoder()

    async def write(self, data: bytes, *, more: bool) -> None:
        if self._events is not None:
            for event in self._events.feed(data):
                if event.data != _END:
                    self._remembered.take(self._body, event.data)
                    await self._send(event.data)
            return
        self._error.append(data)
        if not more:
            await self._send(error_message(self._status, b"".join(self._error)))

    def write_now(self, data: bytes) -> bool:
        return False  # to the other side of a WebSocket one may always have to wait

    async def abort(self) -> None:
        """The reply broke off and can't be finished."""
        await self._send(error_message(502, b""))

    async def _send(self, data: bytes) -> None:
        if not self.disconnected:
            await self._peer.send(Message(with_lane(data, self.lane)))
