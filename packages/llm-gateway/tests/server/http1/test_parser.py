"""Bytes in, events out: by table, cut anywhere, and with the memo of the last head against a parser without one."""

from __future__ import annotations

import random

import pytest

from llm_gateway.server.http1.head import Head
from llm_gateway.server.http1.parser import END, Bad, Event, RequestParser

CHUNKED = b"POST / HTTP/1.1\r\nhost: g\r\ntransfer-encoding: chunked\r\n\r\n"


def read(*pieces: bytes, max_head_bytes: int = 4096) -> list[Event]:
    """Events, with neighbouring pieces of a body joined."""
    parser = RequestParser(max_head_bytes=max_head_bytes)
    events: list[Event] = []
    for piece in pieces:
        for event in parser.feed(piece):
            if isinstance(event, bytes) and events and isinstance(events[-1], bytes):
                events[-1] += event
            else:
                events.append(event)
    return events


def shown(events: list[Event]) -> list[object]:
    found: list[object] = []
    for event in events:
        if isinstance(event, Head):
            found.append((event.method, event.path, event.query, tuple(event.headers), event.length))
        elif isinstance(event, Bad):
            found.append(event.status)
        else:
            found.append(event if isinstance(event, bytes) else "end")
    return found


def head(method: str, path: str, *headers: tuple[str, str], query: str = "", length: int | None = 0) -> object:
    return (method, path, query, headers, length)


ACCEPTED: dict[str, tuple[bytes, list[object]]] = {
    "no body": (b"GET /a HTTP/1.1\r\nhost: g\r\n\r\n", [head("GET", "/a", ("host", "g")), "end"]),
    "a body": (
        b"POST /a?b=c HTTP/1.1\r\nHost: g\r\nContent-Length: 3\r\n\r\nxyz",
        [head("POST", "/a", ("host", "g"), ("content-length", "3"), query="b=c", length=3), b"xyz", "end"],
    ),
    "chunks, extension and trailer": (
        b"POST /a HTTP/1.1\r\nhost: g\r\ntransfer-encoding: chunked\r\n\r\n2;x=y\r\nab\r\n1\r\nc\r\n0\r\nt: u\r\n\r\n",
        [head("POST", "/a", ("host", "g"), ("transfer-encoding", "chunked"), length=None), b"abc", "end"],
    ),
    "escapes in the path": (
        b"GET /v1/models/a%2Fb%3Ac HTTP/1.1\r\nhost: g\r\n\r\n",
        [head("GET", "/v1/models/a/b:c", ("host", "g")), "end"],
    ),
    "HTTP/1.0 without a host": (b"GET / HTTP/1.0\r\n\r\n", [head("GET", "/"), "end"]),
    "an IPv6 host": (b"GET / HTTP/1.1\r\nhost: [::1]:80\r\n\r\n", [head("GET", "/", ("host", "[::1]:80")), "end"]),
    "an offer to upgrade": (
        b"GET / HTTP/1.1\r\nhost: g\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n",
        [head("GET", "/", ("host", "g")), "end"],
    ),
    "an offer to upgrade with a body": (
        b"POST / HTTP/1.1\r\nhost: g\r\nconnection: upgrade\r\nupgrade: h2c\r\ncontent-length: 2\r\n\r\nhi"
        b"GET /b HTTP/1.1\r\nhost: g\r\n\r\n",
        [
            head("POST", "/", ("host", "g"), ("content-length", "2"), length=2), b"hi", "end",
            head("GET", "/b", ("host", "g")), "end",
        ],
    ),
}  # fmt: skip

REFUSED = {
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "two hosts": b"GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n",
    "two hosts in HTTP/1.0": b"GET / HTTP/1.0\r\nhost: a\r\nhost: b\r\n\r\n",
    "a host that is a list": b"GET / HTTP/1.1\r\nhost: a, b\r\n\r\n",
    "a host with a path": b"GET / HTTP/1.1\r\nhost: a/b\r\n\r\n",
    "a host with a user": b"GET / HTTP/1.1\r\nhost: u@a\r\n\r\n",
    "a compressed transfer coding": b"POST / HTTP/1.1\r\nhost: g\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "a coding in two lines": (
        b"POST / HTTP/1.1\r\nhost: g\r\ntransfer-encoding: gzip\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"
    ),
    "chunked twice": b"POST / HTTP/1.1\r\nhost: g\r\ntransfer-encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "chunks in HTTP/1.0": b"POST / HTTP/1.0\r\nhost: g\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "HTTP/2.0": b"GET / HTTP/2.0\r\nhost: g\r\n\r\n",
    "HTTP/0.9": b"GET /\r\n\r\n",
    "CONNECT": b"CONNECT a:1 HTTP/1.1\r\nhost: a:1\r\n\r\n",
    "length and chunks": b"POST / HTTP/1.1\r\nhost: g\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
    "two lengths": b"POST / HTTP/1.1\r\nhost: g\r\ncontent-length: 1\r\ncontent-length: 1\r\n\r\nx",
    "nonsense": b"\x16\x03\x01\x02\x00",
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_requests_are_read_whole_and_byte_by_byte(name: str) -> None:
    data, expected = ACCEPTED[name]

    assert shown(read(data)) == expected
    assert shown(read(*(bytes([byte]) for byte in data))) == expected


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_valid_is_refused_and_nothing_after_it_is_read(name: str) -> None:
    after = b"GET /smuggled HTTP/1.1\r\nhost: g\r\n\r\n"
    for pieces in ([REFUSED[name] + after], [REFUSED[name], after]):
        events = shown(read(*pieces))
        assert events, name
        assert isinstance(events[-1], int), name
        assert 400 <= events[-1] < 500
        assert not any(isinstance(event, tuple) and event[1] == "/smuggled" for event in events)


@pytest.mark.parametrize(
    "pieces",
    [
        [b"GET / HTTP/1.1\r\nhost: g\r\nx: " + b"a" * 5000 + b"\r\n\r\n"],
        [b"GET /" + b"a" * 5000],
        [b"GET / HTTP/1.1\r\nhost: g\r\n", *[b"x: " + b"a" * 90 + b"\r\n"] * 60],
        [b"GET / HTTP/1.1\r\nhost: g\r\nx: ", *[b"a" * 90] * 60],
        [
            b"POST / HTTP/1.1\r\nhost: g\r\ntransfer-encoding: chunked\r\n\r\n0\r\n",
            *[b"x: " + b"a" * 90 + b"\r\n"] * 60,
        ],
    ],
    ids=["a long value", "a long target", "many headers", "a value without end", "trailers without end"],
)
def test_a_head_has_a_bound(pieces: list[bytes]) -> None:
    assert shown(read(*pieces))[-1] == 431


def test_thousands_of_pipelined_offers_to_upgrade_are_all_declined() -> None:
    offer = b"GET / HTTP/1.1\r\nhost: g\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n"

    assert shown(read(offer * 3000)) == [head("GET", "/", ("host", "g")), "end"] * 3000


def test_only_http_1_1_gets_a_continue() -> None:
    for version, expected in ((b"1.1", True), (b"1.0", False)):
        data = b"POST / HTTP/%b\r\nhost: g\r\nexpect: 100-continue\r\ncontent-length: 3\r\n\r\n" % version
        first = read(data)[0]
        assert isinstance(first, Head)
        assert first.expects_continue is expected


# The memo of the last head.


def ask(path: bytes, body: bytes, name: bytes = b"content-length") -> bytes:
    return b"POST %b HTTP/1.1\r\nHost: g\r\nX-Key: k\r\n%b: %d\r\nAccept: */*\r\n\r\n%b" % (path, name, len(body), body)


def test_equal_heads_share_their_facts_and_keep_their_own_lengths() -> None:
    parser = RequestParser(max_head_bytes=4096)
    first = parser.feed(ask(b"/a", b"one"))
    second = parser.feed(ask(b"/a", b"three-and-more"))
    other = parser.feed(ask(b"/b", b"x"))

    heads = [events[0] for events in (first, second, other)]
    assert all(isinstance(each, Head) for each in heads)
    one, two, three = heads
    assert isinstance(one, Head)
    assert isinstance(two, Head)
    assert isinstance(three, Head)
    assert one.facts is two.facts
    assert three.facts is not one.facts
    assert (one.length, two.length) == (3, 14)
    assert ("content-length", "14") in two.headers
    assert ("content-length", "3") in one.headers
    assert second[1:] == [b"three-and-more", END]


def test_a_whole_request_with_the_head_that_is_remembered_is_read_at_once() -> None:
    parser = RequestParser(max_head_bytes=4096)
    assert parser.read_whole(ask(b"/a", b"one")) is None, "no head is remembered yet"
    first = parser.feed(ask(b"/a", b"one"))[0]
    whole = parser.read_whole(ask(b"/a", b"four"))

    assert isinstance(first, Head)
    assert whole is not None
    head, body = whole
    assert (head.length, head.facts, body) == (4, first.facts, b"four")
    assert head.headers == [(name, "4" if name == "content-length" else value) for name, value in first.headers]
    assert parser.feed(ask(b"/a", b"again"))[1:] == [b"again", END]


def test_anything_else_is_not_read_at_once() -> None:
    others = [
        ask(b"/b", b"one"), ask(b"/a", b""), ask(b"/a", b"one")[:-1], ask(b"/a", b"one") + b"G",
        ask(b"/a", b"one")[:30],
        ask(b"/a", b"one").replace(b": 3", b": +3"), ask(b"/a", b"one").replace(b": 3", b": 03x"), b"",
    ]  # fmt: skip
    for data in others:
        parser = RequestParser(max_head_bytes=4096)
        parser.feed(ask(b"/a", b"one"))
        assert parser.read_whole(data) is None, data
    parser = RequestParser(max_head_bytes=4096)
    parser.feed(ask(b"/a", b"one") + ask(b"/a", b"three")[:-2])
    assert parser.read_whole(ask(b"/a", b"one")) is None, "the body before it is still to come"


SUSPICIOUS_LENGTHS = [b"+3", b"-3", b"0x3", b"3, 3", b"3 3", b"", b"3\r\ncontent-length: 4", b"9" * 30, b"\xb2"]


@pytest.mark.parametrize("length", SUSPICIOUS_LENGTHS)
def test_a_length_that_is_not_plain_digits_is_not_taken_by_the_memo(length: bytes) -> None:
    parser = RequestParser(max_head_bytes=4096)
    parser.feed(ask(b"/a", b"one"))
    data = b"POST /a HTTP/1.1\r\nHost: g\r\nX-Key: k\r\ncontent-length: %b\r\nAccept: */*\r\n\r\none" % length

    assert isinstance(parser.feed(data)[-1], Bad)


def test_with_and_without_the_memo_the_same_is_read() -> None:
    """Random pipelines of few heads, cut anywhere; without a memo each request has its own connection."""
    chance = random.Random(20)
    for _ in range(300):
        requests = [
            chance.choice(
                [
                    ask(b"/a", b"x" * chance.choice([0, 1, 7, 300])),
                    ask(b"/a", b"y" * chance.choice([0, 1, 7, 300]), b"Content-Length"),
                    b"GET /a HTTP/1.1\r\nhost: g\r\n\r\n",
                    b"POST /c HTTP/1.1\r\nhost: g\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n",
                    ask(b"/a", b"POST /evil HTTP/1.1\r\nhost: g\r\ncontent-length: 0\r\n\r\n"),
                ]
            )
            for _ in range(chance.randrange(1, 7))
        ]
        expected = [event for request in requests for event in shown(read(request))]
        data = b"".join(requests)
        cuts = sorted(chance.randrange(len(data) + 1) for _ in range(chance.randrange(4)))
        pieces = [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]

        assert shown(read(*pieces)) == expected


def test_a_closed_parser_reads_nothing() -> None:
    parser = RequestParser(max_head_bytes=1000)
    request = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"
    assert len(parser.feed(request)) == 2

    parser.close()

    assert parser.feed(request) == []
