"""Addresses and request heads: what is computed once per URL, and what once per request. No input or output.

The engine owns the framing of a message and its connection: `content-length`, `transfer-encoding`, `connection` and the
like are written here and dropped where a caller gives them, so that no forwarded header can make two readers disagree
on where a request ends.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

__all__ = ["Origin", "Target", "check_headers", "close_head", "encode_head", "encode_open_head", "prepare"]


@dataclass(frozen=True, slots=True)
class Origin:
    """What a connection pool is keyed by."""

    scheme: str
    host: str
    port: int

    @property
    def authority(self) -> str:
        """As the `host` header and CONNECT write it; the scheme's own port left out."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def address(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


@dataclass(slots=True)
class Target:
    """A URL taken apart, with the request lines that were written for it so far."""

    origin: Origin
    path: str
    """Path and query."""
    starts: dict[str, str] = field(default_factory=dict)
    """By method: request line and `host` header, without the last line end."""

    def add_start(self, method: str, *, proxy_authorization: str | None = None, absolute: bool = False) -> str:
        if not _TOKEN.fullmatch(method):
            raise ValueError(f"no HTTP method: {method!r}")
        path = f"{self.origin.scheme}://{self.origin.authority}{self.path}" if absolute else self.path
        start = f"{method} {path} HTTP/1.1\r\nhost: {self.origin.authority}"
        if proxy_authorization is not None:
            start += f"\r\nproxy-authorization: {proxy_authorization}"
        self.starts[method] = start
        return start


def prepare(url: str) -> Target:
    """Takes an absolute http or https URL apart. Raises ValueError for anything else, and for credentials in it."""
    if _UNSAFE.search(url):
        raise ValueError("a URL holds only printable ASCII without spaces")
    parts = urlsplit(url)
    if parts.scheme not in _PORTS or not parts.hostname:
        raise ValueError("expected an absolute http or https URL")
    if parts.username is not None:
        raise ValueError("credentials in a URL are not sent; give them as a header")
    path = parts.path or "/"
    if parts.query or "?" in url.partition("#")[0]:
        path = f"{path}?{parts.query}"
    return Target(Origin(parts.scheme, parts.hostname, parts.port or _PORTS[parts.scheme]), path)


def encode_head(start: str, headers: Sequence[tuple[str, str]], length: int | None) -> bytes:
    """The head of a request. `length` None writes no `content-length`.

    Raises ValueError for a name or value that is not a header, above all one with CR, LF or NUL.
    """
    pieces = [start]
    for name, value in headers:
        prefix = _PREFIXES.get(name)
        if prefix is None:
            prefix = _learn(name)
        if prefix:
            pieces.append(prefix + value)
        elif name.lower() == "host":
            pieces[0] = _replace_host(pieces[0], value)
    pieces.append("\r\n\r\n" if length is None else f"\r\ncontent-length: {length}\r\n\r\n")
    head = "".join(pieces)
    # Counting the line ends of the whole is much cheaper than looking into each value.
    line_ends = start.count("\n") + len(pieces) + (0 if length is None else 1)
    if head.count("\n") != line_ends or head.count("\r") != line_ends or "\0" in head:
        raise ValueError("a header value holds CR, LF or NUL")
    return head.encode("latin-1")


def encode_open_head(start: str, headers: Sequence[tuple[str, str]], varying: str) -> bytes:
    """The head of requests that differ in one header, up to that header's value. Raises ValueError."""
    return encode_head(start, [*headers, (varying, "")], None).removesuffix(b"\r\n\r\n")


def close_head(head: bytes, value: str, length: int) -> bytes:
    """What `encode_open_head` has begun, to its end. Raises ValueError for a value that is not printable ASCII."""
    if not (value.isascii() and value.isprintable()):
        raise ValueError("a header value is not printable ASCII")
    return b"%b%b\r\ncontent-length: %d\r\n\r\n" % (head, value.encode(), length)


def check_headers(method: str, headers: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """The same refusals for engines that write the head themselves; the framing headers left out."""
    if not _TOKEN.fullmatch(method):
        raise ValueError(f"no HTTP method: {method!r}")
    encode_head("", headers, None)
    return [(name, value) for name, value in headers if name.lower() == "host" or name.lower() not in _OWNED]


def _replace_host(start: str, host: str) -> str:
    line, _, rest = start.partition("\r\nhost: ")
    _, separator, rest = rest.partition("\r\n")
    return f"{line}\r\nhost: {host}{separator}{rest}"


def _learn(name: str) -> str:
    if not _TOKEN.fullmatch(name):
        raise ValueError(f"not a valid header name: {name!r}")
    prefix = "" if name.lower() in _OWNED else f"\r\n{name}: "
    if len(_PREFIXES) < _MAX_LEARNT:
        _PREFIXES[name] = prefix
    return prefix


_PORTS = {"http": 80, "https": 443}
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_UNSAFE = re.compile(r"[^\x21-\x7e]")
_OWNED = frozenset(
    {
        "connection",
        "content-length",
        "expect",
        "host",
        "keep-alive",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
_MAX_LEARNT = 2048  # names come from clients too: the table must not grow with what they invent
_PREFIXES: dict[str, str] = {}
