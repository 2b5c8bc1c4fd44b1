"""What a provider, or whatever answers in its place, may send after a request: bytes of HTTP, by name, sorted by what
a client may get for them."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable

__all__ = ["EITHER", "NEVER", "NOT_DOCUMENTS", "ODD_REPLIES", "READABLE", "RETRY_AFTER", "plain"]

JSON = b"content-type: application/json"
CHUNKED = b"transfer-encoding: chunked"
ELSEWHERE = b"location: http://elsewhere.example/"
PAGE = b"<html>log in</html>"

Make = Callable[[bytes], bytes]


def plain(body: bytes, *headers: bytes, status: bytes = b"200 OK", length: int | None = None) -> bytes:
    """A reply with a length; of -1 none."""
    lines = [b"HTTP/1.1 " + status, *(headers or (JSON,))]
    if length != -1:
        lines.append(b"content-length: %d" % (len(body) if length is None else length))
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def chunked(body: bytes, *headers: bytes, extension: bytes = b"", trailers: bytes = b"") -> bytes:
    data = b"%x%s\r\n%s\r\n0%s\r\n%s\r\n" % (len(body), extension, body, extension, trailers)
    return plain(data, JSON, CHUNKED, *headers, length=-1)


def coded(body: bytes, coding: bytes = b"gzip") -> bytes:
    return plain(body, JSON, b"content-encoding: " + coding)


READABLE: dict[str, Make] = {
    "100 before": lambda body: b"HTTP/1.1 100 Continue\r\n\r\n" + plain(body),
    "103 before": lambda body: b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n" * 3 + plain(body),
    "201 with an address": lambda body: plain(body, JSON, ELSEWHERE, status=b"201 Created"),
    "206": lambda body: plain(body, status=b"206 Partial Content"),
    "no content type": lambda body: plain(body, b"server: x"),
    "an empty content type": lambda body: plain(body, b"content-type: "),
    "nonsense for a content type": lambda body: plain(body, b"content-type: ;;;=\xff"),
    "gzip": lambda body: coded(gzip.compress(body)),
    "raw deflate": lambda body: coded(zlib.compress(body)[2:-4], b"deflate"),
    "chunks": chunked,
    "chunk extensions": lambda body: chunked(body, extension=b';a=b;c="d;e"'),
    "trailers": lambda body: chunked(body, trailers=b"x: y\r\nset-cookie: a=b\r\n" + ELSEWHERE + b"\r\n"),
    "an end by closing": lambda body: plain(body, length=-1),
    "HTTP/1.0": lambda body: b"HTTP/1.0 200 OK\r\n" + JSON + b"\r\n\r\n" + body,
    "two replies": lambda body: plain(body) * 2,
    "surplus bytes": lambda body: plain(body) + b"junk" * 1000,
    "other letters in headers": lambda body: plain(body, JSON, "x-request-id: \u4e2d".encode()),
    "insane dates": lambda body: plain(
        body, JSON, b"date: yesterday", b"age: -1", b"keep-alive: timeout=99999999999999999999, max=-1"
    ),
}
"""A success that is odd: the client gets the answer."""

NOT_DOCUMENTS: dict[str, Make] = {
    "204": lambda body: plain(body, status=b"204 No Content"),
    "empty": lambda body: plain(b""),
    "a page": lambda body: plain(PAGE, b"content-type: text/html; charset=utf-8"),
    "a page that is called JSON": lambda body: plain(PAGE),
    "XHTML": lambda body: plain(PAGE, b"Content-Type: APPLICATION/XHTML+XML"),
    "plain text": lambda body: plain(b"log in first", b"content-type: text/plain"),
    "UTF-16": lambda body: plain(body.decode().encode("utf-16"), b"content-type: application/json; charset=utf-16"),
    "a byte order mark": lambda body: plain(b"\xef\xbb\xbf" + body),
    "null": lambda body: plain(b"null"),
    "a list": lambda body: plain(b"[]"),
    "shorter than it should be": lambda body: plain(body, length=len(body) - 1),
    "longer than it is": lambda body: plain(body, length=len(body) + 9),
    "gzip that is cut off": lambda body: coded(gzip.compress(body * 50)[:-12]),
    "chunks that are cut off": lambda body: chunked(body)[:-5],
}
"""Successes that no document can be read from. Where a reply may be anything, they are handed on."""

EITHER: dict[str, Make] = {
    "100,000 trailers": lambda body: chunked(body, trailers=b"x: y\r\n" * 100_000),
    "a chunk extension of 100 kB": lambda body: chunked(body, extension=b";a=" + b"x" * 100_000),
}
"""An answer, where all of it was there before the bound was met, or the provider's failure."""

NEVER: dict[str, Make] = {
    "only a 100": lambda body: plain(b"", status=b"100 Continue", length=-1),
    "199": lambda body: plain(body, status=b"199 X"),
    "another protocol": lambda body: plain(
        body, b"upgrade: h2c", b"connection: upgrade", status=b"101 Switching Protocols", length=-1
    ),
    **{
        f"{status} elsewhere": lambda body, status=status: plain(body, JSON, ELSEWHERE, status=b"%d X" % status)
        for status in (300, 301, 302, 303, 304, 305, 307, 308, 399)
    },
    "302 without a body": lambda body: plain(b"", ELSEWHERE, status=b"302 Found"),
    "600": lambda body: plain(body, status=b"600 X"),
    "gzip that is none": lambda body: coded(body),
    "gzip with a wrong sum": lambda body: coded(gzip.compress(body)[:-8] + b"\0" * 8),
    "the beginning of gzip": lambda body: coded(gzip.compress(body)[:5]),
    "a chunk without a size": lambda body: plain(b"zz\r\n" + body, JSON, CHUNKED, length=-1),
    "a chunk of a negative size": lambda body: plain(b"-5\r\n" + body, JSON, CHUNKED, length=-1),
    "a chunk without end": lambda body: plain(b"f" * 20 + b"\r\n" + body, JSON, CHUNKED, length=-1),
    "a length and chunks": lambda body: chunked(body, b"content-length: 5"),
    "two lengths": lambda body: plain(body, JSON, b"content-length: 1"),
    "a header of 1 MB": lambda body: plain(body, JSON, b"x-a: " + b"a" * (1 << 20)),
    "20,000 headers": lambda body: plain(body, JSON, *[b"x-a%d: b" % number for number in range(20_000)]),
    "NUL in a header": lambda body: plain(body, JSON, b"x-request-id: a\0b"),
    "a header of two lines": lambda body: plain(body, JSON, b"x-request-id: a\r\n b"),
    "a bare CR": lambda body: plain(body, JSON, b"x-request-id: a\rb"),
    "a header without a colon": lambda body: plain(body, JSON, b"nonsense"),
    "HTTP/0.9": lambda body: body,
    "HTTP/3.7": lambda body: plain(body).replace(b"HTTP/1.1", b"HTTP/3.7", 1),
    "nothing": lambda body: b"",
    "half a status line": lambda body: b"HTTP/1.1 200",
}
"""The provider's failure on every route."""

ODD_REPLIES: dict[str, Make] = {**READABLE, **NOT_DOCUMENTS, **EITHER, **NEVER}

RETRY_AFTER = [
    "0", "-1", "1e400", "inf", "-inf", "nan", "9" * 400, "99999999", "", "  ", "a", "0x10", "1,2", "1.5", "1e-400",
    "1h", "P1D", "59", "61",
    "٣", "²", "\x85", "\u00ff", "Wed, 21 Oct 2015 07:28:00 GMT", "Fri, 31 Dec 9999 23:59:59 GMT",
    "Wednesday, 21-Oct-15 07:28:00 GMT", "Wed Oct 21 07:28:00 2015", "2090-01-01T00:00:00Z",
    "Wed, 21 Oct 99999999999 07:28:00 GMT", "Wed, 32 Oct 2090 07:28:00 GMT", "Wed, 21 Oct 2090 07:28:00 +9999",
    "Wed, 21 Oct 2090 07:28:00", "21 Oct 2090 25:61:61 GMT", "Wed, 21 Oct 0000 07:28:00 GMT",
    "Mon, 01 Jan 0001 00:00:00 +2359", "Wed, 21 Oct 2090 07:28:60 GMT", "Wed, 21 Oct 2090 07:28:00 XYZ",
]  # fmt: skip
"""Waits as numbers, as each form of a date, and as what is neither."""
