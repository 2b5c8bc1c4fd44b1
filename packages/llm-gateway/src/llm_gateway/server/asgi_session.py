"""A WebSocket that another server has taken, as a connection that has left HTTP.

    messages of ASGI ── frames ──▶ the session, which reads and writes bytes as on the gateway's own connections
    messages of ASGI ◀── frames ──

The session is a server to these frames, so this side is a client (the `websockets` library's, without IO). Pings of the
session are answered here at once; whether the real client still answers is the other server's to find out.
"""

from __future__ import annotations

import asyncio

from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import Event, State
from websockets.uri import WebSocketURI

from llm_gateway_sdk import GatewayError

from ..exchange.ending import EndReason
from ..exchange.outlet import PiecewiseSink
from .app import GatewayApp
from .client_address import peer_of
from .http1.duplex import Duplex
from .http1.head import Head
from .http1.upload import Upload
from .pages import Message, Receive, Scope, Send

__all__ = ["ASGISession"]

Headers = list[tuple[bytes, bytes]]

_LOST = frozenset({1005, 1006})
"""How ASGI names a connection that ended without a close."""
_OF_THE_HANDSHAKE = frozenset({b"upgrade", b"connection", b"sec-websocket-accept", b"sec-websocket-protocol"})
_OWN_KEY = "bGxtLWdhdGV3YXktYXNnaQ=="
"""The handshake is the other server's, possibly by HTTP/2; the session checks one that is made here."""


class ASGISession(PiecewiseSink):
    """An Incoming: the request for the session, what the client sends in it, and what goes back."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in scope["headers"]]
        own = ("upgrade", "connection")
        headers = [item for item in headers if item[0] not in own and not item[0].startswith("sec-websocket-")]
        headers += [
            ("upgrade", "websocket"), ("connection", "Upgrade"), ("sec-websocket-version", "13"),
            ("sec-websocket-key", _OWN_KEY),
        ]  # fmt: skip
        if offered := ", ".join(scope.get("subprotocols") or ()):
            headers.append(("sec-websocket-protocol", offered))
        query = scope["query_string"].decode("latin-1")
        self.head = Head("GET", scope["path"], query, headers, 0, keep_alive=False, upgrades=True)
        client = scope.get("client")
        self.client_ip: str | None = peer_of(client[0]) if client else None
        self.refusal: GatewayError | None = None
        self.extra: Headers | None = None
        self.upload: Upload | None = None
        self.duplex: Duplex | None = Duplex(self)
        self.disconnected = False
        self.keeps_on = False
        self._receive, self._send = receive, send
        self._can_answer = "websocket.http.response" in (scope.get("extensions") or {})
        self._frames = ClientProtocol(WebSocketURI(False, "", 80, "/", ""), state=State.OPEN, max_size=None)
        self._pieces: list[bytes] = []
        self._is_text = True
        self._is_open = self._is_closed = False
        self._flowing = asyncio.Event()
        self._flowing.set()

    async def serve(self, app: GatewayApp) -> None:
        """The whole session. The connection has not been accepted."""
        await self._receive()  # websocket.connect
        task = asyncio.current_task()
        assert task is not None
        reader = asyncio.ensure_future(self._read(task))
        try:
            if app.takes_duplex(self):
                self.refusal = app.refuses_early(self)
            else:
                self.duplex = None
                self.head.upgrades = False
            await app.handle(self)
        except asyncio.CancelledError:
            if not self.disconnected:
                raise
            task.uncancel()
        finally:
            reader.cancel()
            await asyncio.wait((reader,))
            await self._end()

    def go_away(self) -> None:
        if self.duplex is not None:
            self.duplex.go_away()

    # What the client sends.

    def pause_reading(self) -> None:
        self._flowing.clear()

    def resume_reading(self) -> None:
        self._flowing.set()

    async def _read(self, serving: asyncio.Task[None]) -> None:
        message: Message = {}
        while message.get("type") != "websocket.disconnect":
            await self._flowing.wait()
            message = await self._receive()
            if self._frames.state is not State.OPEN:
                continue
            if message["type"] == "websocket.disconnect":
                code = message.get("code") or 1005
                if code not in _LOST:
                    self._frames.send_close(code, message.get("reason") or "")
            elif (text := message.get("text")) is not None:
                self._frames.send_text(text.encode())
            else:
                self._frames.send_binary(message.get("bytes") or b"")
            self._hand_on()
        self._is_closed = True
        if self.duplex is not None:
            self.duplex.end()
        self.disconnected = True
        if not self.keeps_on:
            serving.cancel(EndReason.CLIENT_LEFT)

    def _hand_on(self) -> None:
        data = b"".join(self._frames.data_to_send())
        if data and self.duplex is not None:
            self.duplex.feed(data)

    # What goes back.

    async def start(self, status: int, headers: Headers) -> None:
        if status == 101:
            named = dict(headers).get(b"sec-websocket-protocol")
            kept = [(name, value) for name, value in headers if name not in _OF_THE_HANDSHAKE]
            accept: Message = {"type": "websocket.accept", "headers": [*kept, *(self.extra or ())]}
            if named is not None:
                accept["subprotocol"] = named.decode("latin-1")
            self._is_open = True
            await self._give(accept)
        elif self._can_answer:
            headers = [*headers, *(self.extra or ())]
            await self._give({"type": "websocket.http.response.start", "status": status, "headers": headers})

    async def write(self, data: bytes, *, more: bool) -> None:
        if not self._is_open:
            if self._can_answer:
                await self._give({"type": "websocket.http.response.body", "body": data, "more_body": more})
                self._is_closed = self._is_closed or not more
            return
        if data:
            self._frames.receive_data(data)
            for event in self._frames.events_received():
                await self._take(event)
            self._hand_on()
        if not more:
            await self._end()

    def write_now(self, data: bytes) -> bool:
        return False  # ASGI's `send` may always have to wait

    async def abort(self) -> None:
        await self._end(1011)

    def take_body(self) -> bytes:
        return b""

    async def _take(self, event: Event) -> None:
        """A frame of the session: a message when it is whole."""
        if not isinstance(event, Frame):
            return
        if event.opcode is Opcode.CLOSE:
            code = self._frames.close_rcvd
            await self._end(*((code.code, code.reason) if code is not None else ()))
        elif event.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            if event.opcode is not Opcode.CONT:
                self._is_text = event.opcode is Opcode.TEXT
            self._pieces.append(bytes(event.data))
            if event.fin:
                data, self._pieces = b"".join(self._pieces), []
                body: Message = {"text": data.decode()} if self._is_text else {"bytes": data}
                await self._give({"type": "websocket.send", **body})

    async def _end(self, code: int = 1000, reason: str = "") -> None:
        """Closes; before it was accepted that refuses it (403), where the server has no other reply."""
        if not self._is_closed:
            self._is_closed = True
            await self._give({"type": "websocket.close", "code": code, "reason": reason})

    async def _give(self, message: Message) -> None:
        if self.disconnected:
            return
        try:
            await self._send(message)
        except (OSError, RuntimeError):  # servers differ in how they say that the client has left
            self._is_closed = True
