"""One request and its reply on a connection: what the application gets of a request, and the exchange's sink."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from io import BytesIO
from typing import Protocol

from llm_gateway_sdk import GatewayError

from .duplex import Duplex
from .head import Head
from .upload import Upload

__all__ = ["STATUS_LINES", "ConnectionSide", "Cycle", "Headers"]

Headers = list[tuple[bytes, bytes]]

STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus}
_BODYLESS = (204, 304)
_WITHOUT_LENGTH = (101, *_BODYLESS)
_LINE_OF = b": ".join
_END = b"content-length: %d\r\n\r\n"
_LAST_END = b"content-length: %d\r\nconnection: close\r\n\r\n"
_LONG = 1 << 20
"""Bytes that are not copied to be written."""


class Shared(Protocol):
    date_line: bytes
    """The `Date` header of replies, with its line end."""

    def count_upload(self, cycle: Cycle, size: int) -> None:
        """More (or, below zero, less) of its body is held."""
        ...


class Held(Protocol):
    """What the reply holds of the room for long ones."""

    def leave(self) -> int: ...

    def go_on(self) -> None: ...


class ConnectionSide(Protocol):
    """What a cycle needs of its connection."""

    write_paused: bool

    @property
    def door(self) -> Shared:
        """What the connection shares with others."""
        ...

    def send(self, data: bytes) -> None:
        """Writes at the end of the loop's turn."""
        ...

    async def wait_writable(self, held: int) -> None:
        """Waits until the client has taken what was written, or has left; so many further bytes wait with it."""
        ...

    def abort(self) -> None: ...

    def on_response_complete(self, cycle: Cycle) -> None: ...


class Cycle:
    """`refusal` is set where the request is answered without its body, or without all of it."""

    # What most cycles never change is of the class: there are many of them, and each has twenty attributes.
    _first = b""
    """The body, as long as it has come in one piece."""
    _gathered: BytesIO | None = None
    held = 0
    """Bytes that count as uploading."""
    share: str | None = None
    """Whose share of the memory for uploads they are."""
    body_bytes = 0
    whole = False
    refusal: GatewayError | None = None
    started = False
    disconnected = False
    keeps_on = False
    response_complete = False
    extra: Headers | None = None
    """Further headers of the reply (CORS)."""
    task: asyncio.Task[None] | None = None
    upload: Upload | None = None
    """The body, where it is handed on while it arrives."""
    duplex: Duplex | None = None
    """What the client sends after its head, where that offered another protocol and the offer is taken."""
    _long_reply: Held | None = None
    _unsent_head: bytes | None = None
    _chunked = False

    def __init__(
        self, connection: ConnectionSide, head: Head, client_ip: str | None, *, keep_alive: bool, body: bytes = b""
    ) -> None:
        """`body` where all of it has come with the head."""
        if body:
            self._first = body
            self.body_bytes = len(body)
        self._connection = connection
        self.head = head
        self.client_ip = client_ip
        """Who is connected; a proxy, where one is in front."""
        self.keep_alive = keep_alive
        self._bodyless = head.method == "HEAD"

    # The request.

    def add_body(self, piece: bytes) -> None:
        """Mostly the first piece is all of it. What comes in several is counted as uploading, and written to one buffer
        as it comes: to join 60 MB at the end would hold the event loop, and a client may send byte by byte."""
        self.body_bytes += len(piece)
        if self._gathered is None:
            if not self._first:
                self._first = piece
                return
            self._gathered = BytesIO()
            self._gathered.write(self._first)
            self._first = b""
        held = self.body_bytes - self.held
        self.held = self.body_bytes
        self._connection.door.count_upload(self, held)
        self._gathered.write(piece)

    def take_body(self) -> bytes:
        """The body; a second time it is empty."""
        first, self._first = self._first, b""
        gathered = self._gathered
        if gathered is None:
            return first
        self._gathered = None
        self._connection.door.count_upload(self, -self.held)
        self.held = 0
        return gathered.getvalue()  # without a copy

    # The reply.

    async def start(self, status: int, headers: Headers) -> None:
        """Raises ValueError where a header would break the head."""
        self.started = True
        if self.extra is not None:
            headers = [*headers, *self.extra]
        names = dict(headers)
        if b"connection" in names:
            kept = [(name, value) for name, value in headers if name != b"connection" or value != b"close"]
            if len(kept) < len(headers):
                headers, self.keep_alive = kept, False
        lines, count = b"\r\n".join([*map(_LINE_OF, headers), b""]), len(headers)
        if lines.count(b"\n") != count or lines.count(b"\r") != count or 0 in lines:
            raise ValueError("a reply header holds a line break or NUL")
        status_line = STATUS_LINES[status] if status in STATUS_LINES else b"HTTP/1.1 %d \r\n" % status
        head = status_line + self._connection.door.date_line + lines
        if status == 101:
            self._connection.send(head + b"\r\n")  # another protocol goes on after it
            return
        if status in _BODYLESS:
            self._bodyless = True
        if b"content-length" in names:
            self._chunked = False
        elif self.head.http10:
            self._chunked = self.keep_alive = False  # the end of the connection is the end of the body
        else:
            self._chunked = not self._bodyless
        if not self.keep_alive:
            head += b"connection: close\r\n"
        self._unsent_head = head + (b"transfer-encoding: chunked\r\n\r\n" if self._chunked else b"\r\n")

    async def write(self, data: bytes, *, more: bool) -> None:
        connection = self._connection
        if connection.write_paused and not self.disconnected:
            await self._wait_writable(len(data))
        if self.disconnected or self.response_complete:
            return
        if self._bodyless:
            data = b""
        elif len(data) > _LONG:
            self._send_long(data, more=more)
            data = b""
        elif self._chunked:
            if data:
                data = b"%x\r\n%b\r\n" % (len(data), data) if more else b"%x\r\n%b\r\n0\r\n\r\n" % (len(data), data)
            elif not more:
                data = b"0\r\n\r\n"
        if self._unsent_head is not None:
            data, self._unsent_head = self._unsent_head + data, None
        if data:
            connection.send(data)
        if not more:
            self.response_complete = True
            connection.on_response_complete(self)

    def hold(self, reply: Held) -> None:
        self._long_reply = reply

    async def _wait_writable(self, size: int) -> None:
        """What the reply holds meanwhile is the client's, and no other reply waits for it."""
        reply = self._long_reply
        if reply is None:
            await self._connection.wait_writable(size)
            return
        held = reply.leave()
        try:
            await self._connection.wait_writable(size + held)
        finally:
            reply.go_on()

    def _send_long(self, data: bytes, *, more: bool) -> None:
        """Without a copy, which would hold the event loop."""
        connection = self._connection
        head, self._unsent_head = self._unsent_head or b"", None
        if self._chunked:
            head += b"%x\r\n" % len(data)
        if head:
            connection.send(head)
        connection.send(data)
        if self._chunked:
            connection.send(b"\r\n" if more else b"\r\n0\r\n\r\n")

    def send_whole(self, status: int, headers: Headers, lines: bytes, body: bytes) -> bool:
        """A whole reply in one write: `headers`, its length, and `lines`, further headers as they are sent, which hold
        nothing that would break the head. False, and nothing done, where that would have to wait or is not as plain.
        Raises ValueError where a header would break the head."""
        connection = self._connection
        if self.started or self.disconnected or connection.write_paused or self._bodyless or self.head.http10:
            return False
        if (size := len(body)) > _LONG:  # which is not copied
            return False
        if self.extra is not None:
            headers = [*headers, *self.extra]
        written, count = b"\r\n".join([*map(_LINE_OF, headers), b""]), len(headers)
        if b"connection" in written or status not in STATUS_LINES or status in _WITHOUT_LENGTH:
            return False
        if written.count(b"\n") != count or written.count(b"\r") != count or 0 in written:
            raise ValueError("a reply header holds a line break or NUL")
        self.started = self.response_complete = True
        end = _END if self.keep_alive else _LAST_END
        date = connection.door.date_line
        connection.send(b"".join((STATUS_LINES[status], date, written, lines, end % size, body)))
        connection.on_response_complete(self)
        return True

    def write_now(self, data: bytes) -> bool:
        connection, size = self._connection, len(data)
        if self._unsent_head is not None or self._bodyless or self.disconnected or connection.write_paused:
            return False
        if size > _LONG:
            return False
        connection.send(b"%x\r\n%b\r\n" % (size, data) if self._chunked else data)
        return True

    @property
    def probe(self) -> bytes:
        """Bytes that a client that is still there takes for nothing: an interim reply before the head, and in a
        chunked body a leading zero of the next chunk's size. Empty where there are none."""
        if not self.started or self._unsent_head is not None:
            return b"" if self.head.http10 else STATUS_LINES[100] + b"\r\n"
        return b"0" if self._chunked else b""

    async def abort(self) -> None:
        """Breaks the connection off: the reply is not whole and must not look so."""
        self.response_complete = True
        self._connection.abort()

    def leave(self) -> None:
        """The client has gone."""
        self.disconnected = True
        self.take_body()
        if self.duplex is not None:
            self.duplex.end()
        if self.task is not None and not self.keeps_on:
            self.task.cancel()
