"""The bytes of replies, by table."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from llm_gateway.server.http1.cycle import Cycle
from llm_gateway.server.http1.head import Head


class _Connection:
    def __init__(self) -> None:
        self.door = SimpleNamespace(date_line=b"date: now\r\n", count_upload=self.count_upload)
        self.write_paused = False
        self.sent = b""
        self.pieces: list[bytes] = []
        self.uploaded = 0
        self.completed: list[Cycle] = []
        self.aborted = False

    def send(self, data: bytes) -> None:
        self.sent += data
        self.pieces.append(data)

    async def wait_writable(self, held: int) -> None:
        assert self.write_paused, "nothing is paused"
        self.waited = held
        await asyncio.sleep(0)

    def count_upload(self, cycle: Cycle, size: int) -> None:
        self.uploaded += size

    def abort(self) -> None:
        self.aborted = True

    def on_response_complete(self, cycle: Cycle) -> None:
        self.completed.append(cycle)


def cycle(method: str = "POST", *, http10: bool = False) -> tuple[Cycle, _Connection]:
    connection = _Connection()
    head = Head(method, "/a", "", [], 0, http10=http10)
    return Cycle(connection, head, "192.0.2.1", keep_alive=not http10), connection


@pytest.mark.parametrize(
    ("method", "http10", "status", "headers", "pieces", "expected"),
    [
        ("POST", False, 200, [(b"content-length", b"2")], [b"hi"], b"content-length: 2\r\n\r\nhi"),
        (
            "POST", False, 200, [], [b"ab", b"c", b""],
            b"transfer-encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n",
        ),
        ("POST", True, 200, [], [b"ab", b"c"], b"connection: close\r\n\r\nabc"),
        ("HEAD", False, 200, [(b"content-length", b"2")], [b"hi"], b"content-length: 2\r\n\r\n"),
        ("POST", False, 204, [], [b""], b"date: now\r\n\r\n"),
        (
            "POST", False, 413, [(b"connection", b"close"), (b"content-length", b"1")], [b"x"],
            b"content-length: 1\r\nconnection: close\r\n\r\nx",
        ),
    ],
    ids=["length", "chunks", "HTTP/1.0", "HEAD", "no content", "close"],
)  # fmt: skip
def test_replies(
    method: str, http10: bool, status: int, headers: list[tuple[bytes, bytes]], pieces: list[bytes], expected: bytes
) -> None:
    replied, connection = cycle(method, http10=http10)

    async def reply() -> None:
        await replied.start(status, headers)
        for number, piece in enumerate(pieces, 1):
            await replied.write(piece, more=number < len(pieces))

    asyncio.run(reply())

    assert connection.sent.startswith(b"HTTP/1.1 %d " % status)
    assert connection.sent.endswith(expected)
    assert connection.completed == [replied]


@pytest.mark.parametrize("value", [b"a\r\nx-evil: 1", b"a\nb", b"a\0b", b"\r"])
def test_a_header_cannot_break_out(value: bytes) -> None:
    with pytest.raises(ValueError, match="line break or NUL"):
        asyncio.run(cycle()[0].start(200, [(b"x", value)]))
    with pytest.raises(ValueError, match="line break or NUL"):
        cycle()[0].send_whole(200, [(b"x", value)], b"", b"hi")


def test_a_whole_reply_at_once_is_what_its_parts_are() -> None:
    for keep_alive in (True, False):
        parts, one = cycle(), cycle()
        for replied, _ in (parts, one):
            replied.keep_alive = keep_alive
            replied.extra = [(b"vary", b"origin")]

        async def reply(replied: Cycle = parts[0]) -> None:
            await replied.start(429, [(b"a", b"1"), (b"b", b"2"), (b"content-length", b"2")])
            await replied.write(b"hi", more=False)

        asyncio.run(reply())
        assert one[0].send_whole(429, [(b"a", b"1")], b"b: 2\r\n", b"hi")

        assert sorted(one[1].sent.split(b"\r\n")) == sorted(parts[1].sent.split(b"\r\n"))
        assert one[1].sent.endswith(b"\r\n\r\nhi")
        assert one[1].completed == [one[0]]


@pytest.mark.parametrize("case", ["HEAD", "1.0", "paused", "gone", "begun", "204", "101", "599", "close"])
def test_what_is_not_as_plain_is_not_sent_at_once(case: str) -> None:
    replied, connection = cycle("HEAD" if case == "HEAD" else "POST", http10=case == "1.0")
    connection.write_paused = case == "paused"
    replied.disconnected = case == "gone"
    replied.started = case == "begun"
    status = int(case) if case.isdigit() else 200

    assert not replied.send_whole(status, [(b"connection", b"close")] if case == "close" else [], b"", b"hi")
    assert connection.sent == b""
    assert not connection.completed


def test_pieces_of_a_body_count_as_uploading_until_it_is_taken() -> None:
    one, connection = cycle()
    one.add_body(b"whole")
    assert (connection.uploaded, one.take_body()) == (0, b"whole")

    several, connection = cycle()
    for _ in range(1000):
        several.add_body(b"x" * 100)
    assert connection.uploaded == 100_000
    assert several.take_body() == b"x" * 100_000
    assert connection.uploaded == 0


def test_a_probe_changes_nothing_for_a_client_that_reads() -> None:
    waiting, _ = cycle()
    assert waiting.probe == b"HTTP/1.1 100 Continue\r\n\r\n"
    old, _ = cycle(http10=True)
    assert old.probe == b""

    streaming, connection = cycle()

    async def stream() -> None:
        await streaming.start(200, [])
        await streaming.write(b"ab", more=True)
        connection.send(streaming.probe)
        await streaming.write(b"c", more=False)

    asyncio.run(stream())

    assert connection.sent.endswith(b"2\r\nab\r\n01\r\nc\r\n0\r\n\r\n")


@pytest.mark.parametrize("more", [True, False])
def test_what_is_long_is_written_without_a_copy(more: bool) -> None:
    one, connection = cycle()
    data = b"x" * (2 << 20)

    async def main() -> None:
        await one.start(200, [(b"content-type", b"text/event-stream")])
        assert not one.write_now(data)
        await one.write(data, more=more)

    asyncio.run(main())

    assert any(each is data for each in connection.pieces)
    head, _, body = connection.sent.partition(b"\r\n\r\n")
    assert b"transfer-encoding: chunked" in head
    assert body == b"200000\r\n" + data + (b"\r\n" if more else b"\r\n0\r\n\r\n")
    assert one.response_complete is not more


def test_a_long_whole_reply_is_not_copied_to_be_sent() -> None:
    one, connection = cycle()
    assert not one.send_whole(200, [(b"a", b"1")], b"", bytes((1 << 20) + 1))
    assert connection.sent == b""
    assert not one.started


class _Held:
    def __init__(self) -> None:
        self.steps: list[str] = []

    def leave(self) -> int:
        self.steps.append("leave")
        return 1000

    def go_on(self) -> None:
        self.steps.append("go on")


def test_what_a_reply_holds_is_the_clients_while_that_is_waited_for() -> None:
    replied, connection = cycle()
    held = _Held()
    replied.hold(held)

    async def reply() -> None:
        await replied.start(200, [])
        await replied.write(b"abc", more=True)
        assert held.steps == []
        connection.write_paused = True
        waiting = asyncio.ensure_future(replied.write(b"defg", more=True))
        await asyncio.sleep(0)
        assert held.steps == ["leave"]
        await waiting

    asyncio.run(reply())

    assert held.steps == ["leave", "go on"]
    assert connection.waited == 1004
