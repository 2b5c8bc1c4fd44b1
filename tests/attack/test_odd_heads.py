"""Heads that two servers may read differently: none hides a request from the gateway, or shows it one too many.

Each is tried in one piece, byte by byte, and after an equal-looking head of the same connection, which the parser
remembers. What follows a head that is refused is never read; what follows one that is taken is the next request.
"""

from __future__ import annotations

import pytest

from llm_gateway.server.http1.head import Head
from llm_gateway.server.http1.parser import Bad, RequestParser

NEXT = b"GET /next HTTP/1.1\r\nhost: g\r\n\r\n"
REMEMBERED = b"POST /a HTTP/1.1\r\nhost: g\r\ncontent-length: 5\r\n\r\nhello"
EMPTY = b"0\r\n\r\n"


def post(*lines: bytes, line: bytes = b"POST /a HTTP/1.1", end: bytes = b"\r\n") -> bytes:
    return end.join([line, b"host: g", *lines, b"", b""])


CODINGS = [
    b"transfer-encoding : chunked", b"transfer-encoding: \x0bchunked", b"transfer-encoding: chunked\0",
    b"transfer-encoding:\r\n chunked", b" transfer-encoding: chunked", b"\ttransfer-encoding: chunked",
    b"transfer-encoding: xchunked", b"transfer-encoding: chunked;q=1", b"transfer-encoding: identity",
    b"transfer-encoding: chunked, identity", b"transfer-encoding: ,chunked", b"transfer-encoding: chunked,",
    b'transfer-encoding: "chunked"', b"transfer\xc2\xadencoding: chunked", b"transfer-encoding\0: chunked",
    b"transfer-encoding\xa0: chunked", b"x: y\ntransfer-encoding: chunked", b"x: y\rtransfer-encoding: chunked",
    b"transfer-encoding: chunked\r", b"transfer-encoding: cow", b"transfer-encoding:",
    b"transfer-encoding: chunked\x0b", b"transfer-encoding: chun\tked", b"transfer-encoding: \xa0chunked",
]  # fmt: skip
LENGTHS = [
    b"content-length: +5", b"content-length: -5", b"content-length: 5, 5", b"content-length: 5,6",
    b"content-length: 0x5", b"content-length: 5 5", b"content-length: 5\0", b"content-length : 5",
    b"content-length:\r\n 5", b"content-length: 5e0", b"content-length: 5.0", b"content-length: 99999999999999999999",
    b"content-length: 18446744073709551621", b"content-length:", b"content-length: \xb2", b"content-length: _5",
    b"content-length: 1_0", b"content-length  : 5", b"content-length: 5\rcontent-length: 0", b"content-length: '5'",
    b"content-length: 5;", b"content-length: 5\x0c",
]  # fmt: skip
LINES = [
    b"GET\t/a HTTP/1.1", b" GET /a HTTP/1.1", b"GET /a HTTP/1.1 ", b"GET /a HTTP/1.1\0", b"GET /a\0 HTTP/1.1",
    b"GET /a\x0b HTTP/1.1", b"get /a HTTP/1.1", b"GET /a http/1.1", b"GET /a HTTP/1.01", b"GET /a HTTP/01.1",
    b"GET /a HTTP/1", b"GET /a HTTP/1.2", b"GET /a HTTP/11", b"GET a HTTP/1.1", b"PRI * HTTP/2.0",
    b"FOO /a HTTP/1.1", b"G@T /a HTTP/1.1", b"GET ?a HTTP/1.1", b"GET /a HTTP/1.1\r", b"SOURCE /a ICE/1.0",
    b"DESCRIBE /a RTSP/1.0", b"GET /a HTTPS/1.1", b"GET /a\xff HTTP/1.1", b"GET /\xc3\xa9 HTTP/1.1",
]  # fmt: skip
FIELDS = [
    b"x y: z", b"x\0: z", b": z", b"x", b"x: \0z", b"x: \x7fz", b"x: \x01z", b"x\xe9: z", b"(x): z", b"x: z\r",
    b"x\r: z", b"x: a\r\n b", b"x: a\r\n\tb", b"x;: z", b"host: h", b"Host : g", b"HOST: g", b"x: z\n",
]  # fmt: skip
HOSTS = [
    b"g g",
    b"g\tg",
    b"g:a",
    b"g:80:80",
    b"[::1",
    b"::1",
    b"g?x",
    b"g#x",
    b"g\\x",
    b"\xc3\xa9",
    b"http://g",
    b"a,b",
]
CHUNKS = [
    b"5\nhello\n0\n\n", b"5 \r\nhello\r\n", b" 5\r\nhello\r\n", b"+5\r\nhello\r\n", b"0x5\r\nhello\r\n",
    b"5;a\nb\r\nhello\r\n", b"5;\0\r\nhello\r\n", b'5;a="\r\n"\r\nhello\r\n', b"5\r\nhelloX", b"5\r\nhello",
    b"5\r\nhello\r", b"5\r\nhello\n", b"\r\n5\r\nhello\r\n", b"10000000000000005\r\nhello\r\n", b"-1\r\nhello\r\n",
    b"\r\n\r\n", b"0\n\r\n", b"0\r\n\n", b"0\r\n x: y\r\n\r\n", b"0\r\nx\r\n\r\n", b"5\r\r\nhello\r\n",
    b"5\x0b\r\nhello\r\n", b"5,\r\nhello\r\n", b"5_\r\nhello\r\n",
]  # fmt: skip

REFUSED = [
    *[post(coding) + EMPTY for coding in CODINGS],
    *[post(coding, b"content-length: 5") + EMPTY for coding in [*CODINGS, b"transfer-encoding: chunked"]],
    *[post(b"content-length: 5", coding) + EMPTY for coding in [*CODINGS, b"transfer-encoding: chunked"]],
    *[post(length) + b"hello" for length in LENGTHS],
    *[post(length, b"content-length: 5") + b"hello" for length in LENGTHS],
    *[post(line=line) for line in LINES],
    *[post(field) for field in FIELDS],
    *[b"GET /a HTTP/1.1\r\nhost: " + host + b"\r\n\r\n" for host in HOSTS],
    *[post(b"transfer-encoding: chunked") + chunk + EMPTY for chunk in CHUNKS],
    post(end=b"\n"),
    post(end=b"\r"),
    b"GET /a HTTP/1.1\r\nhost: g\r\n\n",
]

TAKEN = {
    post(b"transfer-encoding:\tchunked") + EMPTY: b"",
    post(b"transfer-encoding: CHUNKED ") + b"5;a=b;c\r\nhello\r\n" + EMPTY: b"hello",
    post(b"Transfer-Encoding:chunked") + b"0000005\r\nhello\r\n" + EMPTY: b"hello",
    post(b"transfer-encoding: chunked") + b"0\r\nx: y\r\nhost: h\r\n\r\n": b"",
    post(b"content-length: \t5") + b"hello": b"hello",
    post(b"content-length: 5 \t") + b"hello": b"hello",
    post(b"content-length: 05") + b"hello": b"hello",
    post(b"content_length: 5"): b"",
    post(b"transfer_encoding: chunked"): b"",
    post(b"te: chunked"): b"",
    post(b"trailer: content-length"): b"",
    post(b"connection: content-length"): b"",
    b"\r\n\r\n" + post(): b"",
}


def read(*pieces: bytes) -> tuple[list[tuple[str, int | None, bytes]], int | None]:
    """(path, length, body) of each request, and the status of a refusal."""
    parser, found, status = RequestParser(max_head_bytes=4096), list[tuple[str, int | None, bytes]](), None
    for piece in pieces:
        for event in parser.feed(piece):
            if isinstance(event, Head):
                found.append((event.path, event.length, b""))
            elif isinstance(event, Bad):
                status = event.status
            elif isinstance(event, bytes):
                path, length, body = found[-1]
                found[-1] = path, length, body + event
    return found, status


def ways(data: bytes) -> list[tuple[list[tuple[str, int | None, bytes]], int | None]]:
    """As one piece, byte by byte, and after a head that the parser remembers, without what that one brings."""
    after, status = read(REMEMBERED, data)
    assert after[0] == ("/a", 5, b"hello")
    return [read(data), read(*[bytes([byte]) for byte in data]), (after[1:], status)]


@pytest.mark.parametrize("data", REFUSED, ids=ascii)
def test_what_may_be_read_in_two_ways_is_refused_and_nothing_after_it_is_read(data: bytes) -> None:
    for found, status in ways(data + NEXT):
        assert status is not None
        assert 400 <= status < 500
        assert "/next" not in [path for path, _, _ in found]


@pytest.mark.parametrize("data", TAKEN, ids=ascii)
def test_what_is_taken_ends_at_its_length(data: bytes) -> None:
    for found, status in ways(data + NEXT):
        assert status is None
        [(_, length, body), following] = found
        assert body == TAKEN[data]
        assert length is None or length == len(body)
        assert following == ("/next", 0, b"")
