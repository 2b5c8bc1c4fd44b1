"""Heads that are known from other connections."""

from __future__ import annotations

import pytest

from llm_gateway.server.http1.head import Head
from llm_gateway.server.http1.head_memory import HeadMemory
from llm_gateway.server.http1.parser import END, Bad, Event, RequestParser


def ask(body: bytes, *, key: bytes = b"k", length: bytes | None = None) -> bytes:
    digits = b"%d" % len(body) if length is None else length
    return b"POST /a HTTP/1.1\r\nHost: g\r\nX-Key: %b\r\nContent-Length: %b\r\nAccept: */*\r\n\r\n%b" % (
        key,
        digits,
        body,
    )


def read(heads: HeadMemory | None, data: bytes) -> list[Event]:
    """The events of a new connection."""
    return RequestParser(max_head_bytes=4096, heads=heads).feed(data)


def test_a_new_connection_knows_the_heads_of_others() -> None:
    heads = HeadMemory()
    (first, *_), (second, *rest) = read(heads, ask(b"one")), read(heads, ask(b"three"))
    at_once = RequestParser(max_head_bytes=4096, heads=heads).read_whole(ask(b"four"))

    assert isinstance(first, Head)
    assert isinstance(second, Head)
    assert at_once is not None
    assert second.facts is first.facts is at_once[0].facts
    assert (second.length, rest, at_once[1]) == (5, [b"three", END], b"four")


@pytest.mark.parametrize(
    "data",
    [
        ask(b"one", key=b"other"), ask(b"one", length=b"+3"), ask(b"one", length=b"3, 3"), ask(b"one", length=b"3 "),
        ask(b"one", length=b"3\r\nContent-Length: 4"), ask(b"one")[:40], ask(b"one").replace(b"Length: ", b"Length:"),
        ask(b"one").replace(b"Host: g", b"Host: g\r\nHost: h"), b"GET / HTTP/1.1\r\nHost: g\r\n\r\n",
        b"\r\n" + ask(b"one"),
        ask(b"one") + b"nonsense",
        ask(b"one").replace(b"Content-Length: 3", b"Transfer-Encoding: chunked") + b"0\r\n\r\n",
    ],
    ids=range(12),
)  # fmt: skip
def test_what_is_read_is_the_same_with_and_without_them(data: bytes) -> None:
    heads = HeadMemory()
    read(heads, ask(b"one"))

    def seen(events: list[Event]) -> list[object]:
        return [
            (event.method, event.path, event.headers, event.length) if isinstance(event, Head) else event
            for event in events
        ]

    at_once = RequestParser(max_head_bytes=4096, heads=heads).read_whole(data)
    found, plain = seen(read(heads, data)), seen(read(None, data))
    assert at_once is None
    assert found == plain
    assert any(isinstance(event, (Bad, tuple)) for event in plain) or len(data) == 40


def test_few_are_kept_and_none_that_is_long() -> None:
    heads = HeadMemory()
    for number in range(1000):
        read(heads, ask(b"one", key=b"%d" % number))
    assert 100 < len(heads) <= 256
    read(heads, ask(b"one", key=b"k" * 4100))
    assert heads.find(ask(b"one", key=b"k" * 4100)) is None
    assert heads.find(ask(b"one", key=b"999")) is not None
    heads.clear()
    assert heads.find(ask(b"one", key=b"999")) is None
