"""Bytes of a connection in, events of its requests out. No socket, no clock, no event loop.

    parser = RequestParser(max_head_bytes=65536)
    for event in parser.feed(data):
        match event:
            case Head():   a request begins
            case bytes():  a piece of its body
            case Bad():    what came cannot be answered as a request; nothing after it is read
            case _:        `END`: the request is whole

llhttp (httptools) decides what valid HTTP/1.1 is. On top of it lie the rules that llhttp leaves to its users: which
versions are served, `Host`, transfer codings, and offers to upgrade, which are declined by reading on as if they had
not been made (RFC 9110, 7.8), unless `takes_offer` accepts it: then the head is the last event, and what came after
it is another protocol's (`rest`).

Clients on a kept connection send the same head again and again, but for the length. The parser remembers the last head
that was accepted on this connection, and begins with one of another connection (`HeadMemory`). Where the next bytes are
equal to it, and only the digits of its one `content-length` differ, the request is what llhttp would find it to be, and
llhttp is not asked. Such heads share `Head.facts`, where the application keeps what follows from a head alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

import httptools

from ...wire.header_names import HeaderNames
from .head import Head, TextHeaders
from .head_memory import HeadMemory, RememberedHead, split_at_length

__all__ = ["END", "Bad", "End", "Event", "RequestParser"]


class End:
    """A request is whole."""


END: Final = End()


@dataclass(slots=True, frozen=True)
class Bad:
    """What came is refused: `status` and `message` for the client, `code` for programs."""

    status: int
    message: str
    code: str


Event = Head | bytes | End | Bad

_INVALID = Bad(400, "The request is not valid HTTP/1.1.", "invalid_http")
_TOO_LARGE = Bad(431, "The request's headers are too large.", "headers_too_large")
_LONGEST_REMEMBERED = 16 * 1024
_HOST = re.compile(r"(?:\[[0-9A-Fa-f:.%]+\]|[A-Za-z0-9._~!$&'()*+;=%-]*)(?::[0-9]*)?")
"""`uri-host [":" port]` of RFC 9110, 7.2; without the comma, by which two hosts would be one."""


class _Stop(Exception):
    """Ends llhttp's work on the bytes after something that was refused."""


class RequestParser:
    """The requests of one connection. `max_head_bytes` bounds a request line with its headers. `takes_offer` decides
    whether a head that offers WebSocket is taken at its word."""

    def __init__(
        self,
        *,
        max_head_bytes: int,
        takes_offer: Callable[[Head], bool] | None = None,
        heads: HeadMemory | None = None,
    ) -> None:
        """`heads` are those of other connections."""
        self._max_head_bytes = max_head_bytes
        self._heads = heads
        self._takes_offer = takes_offer
        self.rest = b""
        """After a head that `upgrades`: what came with it. No more is read."""
        self._llhttp: httptools.HttpRequestParser | None = None
        """Made when it is first needed: a connection on which only known heads come has none."""
        self._events: list[Event] = []
        self._left = 0
        """Bytes of the body of a remembered head that are still to come."""
        self._in_message = False
        self.is_between_requests = True
        """No part of a request has come since the last one was whole."""
        self._in_body = False
        self._offer = False
        self._dead = False
        self._url = b""
        self._headers: TextHeaders = []
        self._head_bytes = 0
        self._chunk: bytes = b""
        """What began with the request line that llhttp reads; empty where the head came in pieces."""
        self._remembered: RememberedHead | None = None

    def feed(self, data: bytes) -> list[Event]:
        """The events that `data` brings. After `Bad` there are no more."""
        events = self._events = []
        if self._dead:
            return events
        while data and not self._in_message:
            if self._left:
                piece = data[: self._left]
                self._left -= len(piece)
                events.append(piece)
                if not self._left:
                    events.append(END)
                data = data[len(piece) :]
                continue
            rest = self._recall(data)
            if rest is None:
                break
            data = rest
        if data:
            self._read(data)
        self.is_between_requests = not (self._in_message or self._left)
        return events

    def read_whole(self, data: bytes) -> tuple[Head, bytes] | None:
        """The head and the body of a request, where `data` is one whole request with the head that is remembered, and
        nothing has come before it: what most requests are. None leaves `data` to `feed`."""
        remembered = self._remembered or self._recognise(data)
        if remembered is None or not self.is_between_requests or not data.startswith(remembered.before) or self._dead:
            return None
        begin, after = remembered.digits_at, remembered.after
        end = data.find(b"\r", begin, begin + 11)
        digits = data[begin:end]
        if not after or end < 0 or not digits.isdigit() or not data.startswith(after, end):
            return None
        length, start = int(digits), end + remembered.after_length
        if not length or len(data) != start + length:
            return None
        return Head.like(remembered.head, remembered.place, length), data[start:]

    def close(self) -> None:
        """Nothing more is read. llhttp holds this object's methods, and this object may hold its connection's: without
        this they would wait for the garbage collector."""
        self._dead = True
        self._takes_offer = None
        self._llhttp = None

    def _recognise(self, data: bytes) -> RememberedHead | None:
        """The first head of this connection, where another connection had it too."""
        if self._heads is not None and self.is_between_requests and not self._dead:
            self._remembered = self._heads.find(data)
        return self._remembered

    def _recall(self, data: bytes) -> bytes | None:
        """Reads a request with the head that is remembered; what is left of `data`, or None where it has another."""
        remembered = self._remembered or self._recognise(data)
        if remembered is None or not data.startswith(remembered.before):
            return None
        begin = remembered.digits_at
        after = remembered.after
        events = self._events
        if not after:
            events += (Head.like(remembered.head, -1, 0), END)
            return data[begin:]
        end = data.find(b"\r", begin, begin + 11)
        digits = data[begin:end]
        if end < 0 or not digits.isdigit() or not data.startswith(after, end):
            return None
        length = int(digits)
        begin = end + remembered.after_length
        body = data[begin : begin + length]
        left = self._left = length - len(body)
        head = Head.like(remembered.head, remembered.place, length)
        if left:
            events += (head, body) if body else (head,)
        else:
            events += (head, body, END) if body else (head, END)
        return data[begin + length :]

    def _read(self, data: bytes) -> None:
        """Has llhttp read `data`, again after each offer to upgrade in it."""
        began_before = self._in_message and not self._in_body
        if not self._in_message:
            self._chunk = data
        rest: bytes | memoryview = data
        while rest:
            if self._llhttp is None:
                self._llhttp = httptools.HttpRequestParser(self)
            try:
                self._llhttp.feed_data(rest)
            except httptools.HttpParserUpgrade as offer:
                self._chunk = b""
                rest = memoryview(rest)[offer.args[0] :]
                if not self._dead and self._accept():
                    self.rest = bytes(rest)
                    return
                if not self._decline():
                    return
                continue
            except httptools.HttpParserError:
                self._refuse(_INVALID)
            break
        self._chunk = b""
        if began_before and self._in_message and not self._in_body:
            self._count(len(data))  # a header that never ends is seen by no callback

    def _accept(self) -> bool:
        """Whether the offer of the head that was just read is taken: the head is the last event then."""
        llhttp = self._llhttp
        if (
            llhttp is None
            or self._takes_offer is None
            or llhttp.get_method() != b"GET"
            or llhttp.get_http_version() != "1.1"
        ):
            return False
        if not _offers_websocket(self._headers):
            return False
        path, query = _PATHS.get(self._url) or _take_apart(self._url)
        head = Head("GET", path, query, self._headers, 0, keep_alive=False, upgrades=True)
        if not self._takes_offer(head):
            return False
        self._dead = True
        self._in_message = False
        self._events.append(head)
        return True

    def _decline(self) -> bool:
        """llhttp has stopped after a head, for another protocol to go on. It reads the head again, without the
        offer."""
        former = self._llhttp
        if self._dead or former is None:
            return False
        self._offer = self._in_message = False
        lines = [
            f"{name}: {value}\r\n".encode("latin-1")
            for name, value in self._headers
            if name not in ("upgrade", "http2-settings", "connection")
        ]
        method = former.get_method()
        llhttp = self._llhttp = httptools.HttpRequestParser(self)
        try:
            llhttp.feed_data(b"%b %b HTTP/1.1\r\n%b\r\n" % (method, self._url, b"".join(lines)))
        except httptools.HttpParserError:
            self._refuse(_INVALID)
        return not self._dead

    def _refuse(self, bad: Bad) -> None:
        if not self._dead:
            self._dead = True
            self._events.append(bad)

    def _count(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > self._max_head_bytes and not self._dead:
            self._refuse(_TOO_LARGE)

    # llhttp's callbacks.

    def on_message_begin(self) -> None:
        if self._dead:
            raise _Stop
        self._url = b""
        self._headers = []
        self._head_bytes = 0
        self._in_message = True
        self._in_body = self._offer = False

    def on_url(self, url: bytes) -> None:
        self._url += url
        self._count(len(url))
        if self._dead:
            raise _Stop

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head_bytes += len(name) + len(value)
        if self._head_bytes > self._max_head_bytes:
            self._refuse(_TOO_LARGE)
        if self._dead:
            raise _Stop
        if self._in_body:
            return  # a trailer is not a header
        self._headers.append((_NAMES[name], value.decode("latin-1")))

    def on_headers_complete(self) -> None:
        llhttp = self._llhttp
        if self._dead or llhttp is None:
            raise _Stop
        method = llhttp.get_method().decode("ascii")
        version = llhttp.get_http_version()
        if method == "CONNECT":
            self._refuse(Bad(405, "CONNECT is not served here.", "method_not_allowed"))
            raise _Stop
        found = _judge(self._headers, version)
        if isinstance(found, Bad):
            self._refuse(found)
            raise _Stop
        if llhttp.should_upgrade():
            self._offer = True
            return
        self._in_body = True
        path, query = _PATHS.get(self._url) or _take_apart(self._url)
        http10 = version == "1.0"
        head = Head(
            method, path, query, self._headers, found.length,
            http10=http10, keep_alive=llhttp.should_keep_alive() and not http10,
            expects_continue=found.expects_continue and not http10,
        )  # fmt: skip
        self._remember(head, chunked=found.length is None)
        self._events.append(head)

    def on_body(self, body: bytes) -> None:
        self._events.append(body)

    def on_message_complete(self) -> None:
        if self._dead:
            raise _Stop
        if self._offer:
            return  # it is about to be declined
        self._in_message = self._in_body = False
        self._events.append(END)

    def _remember(self, head: Head, *, chunked: bool) -> None:
        data, self._chunk = self._chunk, b""
        if not data or chunked or head.expects_continue or not head.keep_alive or data[:1] in (b"\r", b"\n"):
            return
        end = data.find(b"\r\n\r\n") + 4
        if end < 4 or end > _LONGEST_REMEMBERED:
            return
        raw = data[:end]
        names = [name for name, _ in head.headers]
        if "content-length" not in names:
            self._remembered = RememberedHead(raw, b"", head, -1, len(raw), 0)
            return
        parts = split_at_length(raw)
        if parts is not None and names.count("content-length") == 1 and int(parts[1]) == head.length:
            place, (before, _, after) = names.index("content-length"), parts
            self._remembered = RememberedHead(before, after, head, place, len(before), len(after))
            if self._heads is not None:
                self._heads.add(self._remembered)


def _offers_websocket(headers: TextHeaders) -> bool:
    """Whether WebSocket, and nothing else, is offered by a request without a body (RFC 6455, 4.1)."""
    offers = [value.strip().lower() for name, value in headers if name == "upgrade"]
    bodies = any(name == "transfer-encoding" or (name == "content-length" and value != "0") for name, value in headers)
    return offers == ["websocket"] and not bodies


@dataclass(slots=True, frozen=True)
class _Framing:
    length: int | None
    expects_continue: bool


def _judge(headers: TextHeaders, version: str) -> _Framing | Bad:
    """The rules that llhttp leaves to its users."""
    if version not in ("1.0", "1.1"):
        return Bad(400, f"HTTP/{version} is not served here; send HTTP/1.1.", "invalid_http")
    hosts, codings = [], []
    length: int | None = 0
    expects_continue = False
    for name, value in headers:
        if name == "host":
            hosts.append(value)
        elif name == "content-length":
            digits = value.strip(" \t")  # blanks around a value are not part of it
            length = int(digits) if digits.isascii() and digits.isdigit() else 0
        elif name == "transfer-encoding":
            codings.append(value)
        elif name == "expect":
            expects_continue = expects_continue or value.strip().lower() == "100-continue"
    if len(hosts) > 1 or (not hosts and version == "1.1"):
        return Bad(400, "A request has exactly one Host header.", "invalid_host")
    if hosts and _HOST.fullmatch(hosts[0].strip()) is None:
        return Bad(400, "The Host header is not valid.", "invalid_host")
    if codings:
        if version == "1.0" or len(codings) > 1 or codings[0].strip().lower() != "chunked":
            return Bad(400, "`chunked` is the only transfer coding that is accepted.", "invalid_transfer_coding")
        length = None
    return _Framing(length, expects_continue)


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


_NAMES = HeaderNames()
_PATHS: dict[bytes, tuple[str, str]] = {}
_MAX_LEARNT = 2048
_LONGEST_LEARNT = 256
"""Clients may invent paths: the table must not grow with them."""
