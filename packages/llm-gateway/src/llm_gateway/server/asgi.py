"""The gateway as an ASGI application, for other servers (uvicorn, hypercorn) and for tests.

    app = ASGIForm(gateway_app, startup=control.startup, shutdown=control.shutdown)

Requests enter by the same door as those of the gateway's own server: `GatewayApp.handle`.

A plain ASGI endpoint that awaits its upstream is not notified when its client has gone; it must ask. Asking is
`receive()`, which would need a task per request; the watch steps that coroutine by hand instead, from the future that
it waits for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any

from llm_gateway_sdk import GatewayError, PayloadTooLarge

from ..exchange.ending import EndReason
from ..exchange.outlet import PiecewiseSink
from .app import GatewayApp
from .client_address import peer_of
from .http1.duplex import Duplex
from .http1.head import Head
from .http1.upload import Upload
from .pages import Message, Receive, Scope, Send

if TYPE_CHECKING:
    from .asgi_session import ASGISession

__all__ = ["ASGIForm", "ASGIRequest", "DisconnectWatch"]

Headers = list[tuple[bytes, bytes]]
Work = Callable[[], Awaitable[None]]


class ASGIForm:
    """`startup` and `shutdown` are called with the server's lifespan."""

    def __init__(
        self,
        app: GatewayApp,
        *,
        startup: Work | None = None,
        shutdown: Work | None = None,
    ) -> None:
        self._app = app
        self._startup = startup
        self._shutdown = shutdown
        self._sessions: set[ASGISession] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.lifespan(receive, send, self._startup, self._end)
        elif scope["type"] == "http":
            await self._http(scope, receive, send)
        else:
            await self._session(scope, receive, send)

    async def _session(self, scope: Scope, receive: Receive, send: Send) -> None:
        from .asgi_session import ASGISession  # the library of frames, which few gateways need

        session = ASGISession(scope, receive, send)
        self._sessions.add(session)
        try:
            await session.serve(self._app)
        finally:
            self._sessions.discard(session)

    def go_away(self) -> None:
        """Sessions under way end once what runs in them is done."""
        for session in self._sessions:
            session.go_away()

    async def _end(self) -> None:
        self.go_away()
        if self._shutdown is not None:
            await self._shutdown()

    @staticmethod
    async def lifespan(receive: Receive, send: Send, startup: Work | None, shutdown: Work | None) -> None:
        for phase, work in (("startup", startup), ("shutdown", shutdown)):
            await receive()
            if work is not None:
                await work()
            await send({"type": f"lifespan.{phase}.complete"})

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = ASGIRequest(scope, send)
        request.refusal = self._app.refuses_early(request)
        if request.refusal is None and not await request.read_body(receive, self._app.limits.body_bytes):
            return  # the client left before its request was whole
        task = asyncio.current_task()
        assert task is not None
        serving = False

        def leave() -> None:
            request.disconnected = True
            if serving and not request.keeps_on:
                task.cancel(EndReason.CLIENT_LEFT)

        watch = DisconnectWatch(receive, leave)
        if watch.fired:
            return  # a task that cancels itself would be cancelled wherever it waits next
        serving = True
        try:
            await self._app.handle(request)
        except asyncio.CancelledError:
            if not watch.fired:
                raise
            # The client left: the upstream call and the books are closed, and no reply is due.
            task.uncancel()
        finally:
            if not watch.fired:
                watch.close()


class ASGIRequest(PiecewiseSink):
    """A request that came by ASGI, and its reply."""

    def __init__(self, scope: Scope, send: Send) -> None:
        headers = [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in scope["headers"]]
        length = next((value for name, value in headers if name == "content-length"), None)
        self.head = Head(
            scope["method"], scope["path"], scope["query_string"].decode("latin-1"), headers,
            int(length) if length is not None and length.isascii() and length.isdigit() else None,
        )  # fmt: skip
        client = scope.get("client")
        self.client_ip: str | None = peer_of(client[0]) if client else None
        self.refusal: GatewayError | None = None
        self.upload: Upload | None = None
        self.duplex: Duplex | None = None
        self.extra: Headers | None = None
        self.started = False
        self.ended = False
        self.disconnected = False
        self.keeps_on = False
        self._send = send
        self._body = b""

    async def read_body(self, receive: Receive, limit: int) -> bool:
        """False where the client left before the body was whole. A body beyond `limit` sets `refusal`."""
        pieces, size, more = [], 0, True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return False
            piece = message.get("body", b"")
            size += len(piece)
            if size > limit:
                self.refusal = PayloadTooLarge(f"The body is larger than {limit} bytes.")
                return True
            pieces.append(piece)
            more = message.get("more_body", False)
        self._body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        return True

    def take_body(self) -> bytes:
        body, self._body = self._body, b""
        return body

    async def start(self, status: int, headers: Headers) -> None:
        self.started = True
        if self.disconnected:
            return
        if self.extra:
            headers = [*headers, *self.extra]
        await self._send({"type": "http.response.start", "status": status, "headers": headers})

    async def write(self, data: bytes, *, more: bool) -> None:
        if not more:
            self.ended = True
        if self.disconnected:
            return
        await self._send({"type": "http.response.body", "body": data, "more_body": more})

    def write_now(self, data: bytes) -> bool:
        return False  # ASGI's `send` may always have to wait

    async def abort(self) -> None:
        """The server closes a connection whose reply was begun and not ended."""
        self.ended = True


class DisconnectWatch:
    """Calls `gone` once when the client leaves; `close` ends the watch."""

    __slots__ = ("_coroutine", "_future", "_gone", "_receive", "_task", "fired")

    def __init__(self, receive: Receive, gone: Callable[[], object]) -> None:
        self._receive = receive
        self._gone = gone
        self._future: asyncio.Future[Any] | None = None
        self._task: asyncio.Task[None] | None = None
        self.fired = False
        self._coroutine: Coroutine[Any, Any, Message] | None = None
        self._ask()

    def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            return
        if self._future is not None:
            self._future.remove_done_callback(self._wake)
            self._future = None
        if self._coroutine is not None:
            self._coroutine.close()
            self._coroutine = None

    def _ask(self) -> None:
        coroutine = self._receive()
        if not isinstance(coroutine, Coroutine):
            self._task = asyncio.ensure_future(self._wait(coroutine))
            return
        self._coroutine = coroutine
        self._step()

    def _wake(self, _: asyncio.Future[Any]) -> None:
        self._future = None
        self._step()

    def _step(self) -> None:
        coroutine = self._coroutine
        while coroutine is not None:
            try:
                waiting = coroutine.send(None)
            except StopIteration as stop:
                if stop.value["type"] == "http.disconnect":
                    self._coroutine = None
                    self._fire()
                    return
                # More of a body that is not wanted any more.
                coroutine = self._coroutine = self._receive()  # type: ignore[assignment]
                continue
            except asyncio.CancelledError:
                self._coroutine = None
                return
            if waiting is None:
                asyncio.get_running_loop().call_soon(self._step)
                return
            if not asyncio.isfuture(waiting):
                raise TypeError("the ASGI server's receive() waits for something other than an asyncio future")
            waiting._asyncio_future_blocking = False
            self._future = waiting
            waiting.add_done_callback(self._wake)
            return

    async def _wait(self, first: Awaitable[Message]) -> None:
        message = await first
        while message["type"] != "http.disconnect":
            message = await self._receive()
        self._fire()

    def _fire(self) -> None:
        self.fired = True
        self._gone()
