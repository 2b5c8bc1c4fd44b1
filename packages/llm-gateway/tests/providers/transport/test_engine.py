"""What both engines promise: requests, replies, failures, time limits."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from typing import Any

import pytest

from llm_gateway.providers.transport import TransportSettings, create_client
from llm_gateway_sdk.errors import ModelConnectionError, ModelProtocolError, ModelTimeout

pytestmark = pytest.mark.anyio

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


async def test_request_and_reply_cross_as_they_are(any_client: Any, serve: Any, answering: Any) -> None:
    async with serve(answering(OK)) as upstream:
        reply = await any_client.send("POST", upstream.url, [("X-Key", "k\xe9y"), ("x-a", "1"), ("x-a", "2")], b"body")

        assert reply.status == 200
        assert reply.headers == [("content-type", "application/json"), ("content-length", "2")]
        assert await reply.read() == b"{}"
        head, _, body = upstream.requests[0].partition(b"\r\n\r\n")
        lines = head.lower().split(b"\r\n")
        assert lines[0] == b"post /v1/chat?a=1 http/1.1"
        assert b"host: 127.0.0.1:%d" % upstream.port in lines
        assert b"x-key: k\xe9y" in lines or b"x-key: k\xc3\xa9y" in lines
        assert [line for line in lines if line.startswith(b"x-a")] == [b"x-a: 1", b"x-a: 2"]
        assert body == b"body"


async def test_connection_is_reused(any_client: Any, serve: Any, answering: Any) -> None:
    async with serve(answering(OK)) as upstream:
        for _ in range(5):
            reply = await any_client.send("POST", upstream.url, [], b"x")
            assert await reply.read() == b"{}"
            reply.close()
        assert upstream.connections == 1
        assert len(upstream.requests) == 5


async def test_reused_connection_closed_before_a_byte_is_replaced_once(any_client: Any, serve: Any) -> None:
    async def one_reply_per_connection(peer: Any) -> None:
        await peer.request()
        await peer.send(OK)
        await peer.request()

    async with serve(one_reply_per_connection) as upstream:
        first = await any_client.send("POST", upstream.url, [], b"1")
        await first.read()
        second = await any_client.send("POST", upstream.url, [], b"2")

        assert await second.read() == b"{}"
        assert not first.resent
        assert second.resent
        assert [request[-1:] for request in upstream.requests] == [b"1", b"2", b"2"]


async def test_request_is_not_sent_a_third_time(any_client: Any, serve: Any) -> None:
    async def only_the_first(peer: Any) -> None:
        await peer.request()
        if peer.upstream.connections == 1:
            await peer.send(OK)
            await peer.request()

    async with serve(only_the_first) as upstream:
        await (await any_client.send("POST", upstream.url, [], b"1")).read()
        with pytest.raises(ModelConnectionError, match="before it replied"):
            await any_client.send("POST", upstream.url, [], b"2")
        assert len(upstream.requests) == 3


async def test_fresh_connection_closed_before_a_byte_is_not_tried_again(any_client: Any, serve: Any) -> None:
    async def silent(peer: Any) -> None:
        await peer.request()

    async with serve(silent) as upstream:
        with pytest.raises(ModelConnectionError):
            await any_client.send("POST", upstream.url, [], b"1")
        assert len(upstream.requests) == 1


async def test_no_second_try_once_a_byte_of_the_reply_came(client: Any, serve: Any) -> None:
    """Only the native engine can tell: aiohttp does not say whether a part of a status line came."""

    async def breaks_in_the_head(peer: Any) -> None:
        await peer.request()
        await peer.send(OK)
        await peer.request()
        await peer.send(b"HTTP/1.1 20")

    async with serve(breaks_in_the_head) as upstream:
        await (await client.send("POST", upstream.url, [], b"1")).read()
        with pytest.raises(ModelConnectionError):
            await client.send("POST", upstream.url, [], b"2")
        assert len(upstream.requests) == 2


@pytest.mark.parametrize(
    ("head", "part"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n", b"12345"),
        (CHUNKED, b"5\r\n12345\r\n"),
        (CHUNKED, b"5\r\n12345"),
        (CHUNKED, b"5\r\n12345\r\n0\r\n"),
    ],
)
@pytest.mark.parametrize("ending", ["close", "reset"])
async def test_body_that_breaks_off_is_an_error(
    any_client: Any, serve: Any, head: bytes, part: bytes, ending: str
) -> None:
    async def breaks(peer: Any) -> None:
        await peer.request()
        await peer.send(head + part)
        await asyncio.sleep(0.02)
        if ending == "reset":
            peer.reset()

    async with serve(breaks) as upstream:
        reply = await any_client.send("POST", upstream.url, [], b"")
        assert await reply.receive() == b"12345"
        for _ in range(2):
            with pytest.raises(ModelConnectionError):
                await reply.receive()


async def test_body_until_the_connection_ends(any_client: Any, serve: Any) -> None:
    async def old_fashioned(peer: Any) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.0 200 OK\r\n\r\nall ")
        await asyncio.sleep(0.01)
        await peer.send(b"of it")

    async with serve(old_fashioned) as upstream:
        reply = await any_client.send("POST", upstream.url, [], b"")
        assert await reply.read() == b"all of it"
        assert await reply.receive() == b""


async def test_interim_replies_are_skipped(any_client: Any, serve: Any, answering: Any) -> None:
    interim = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
    async with serve(answering(interim + OK)) as upstream:
        for _ in range(2):
            reply = await any_client.send("POST", upstream.url, [], b"x")
            assert (reply.status, [name for name, _ in reply.headers]) == (200, ["content-type", "content-length"])
            assert await reply.read() == b"{}"
        assert upstream.connections == 1


@pytest.mark.parametrize(
    ("method", "reply"),
    [
        ("POST", b"HTTP/1.1 204 No Content\r\n\r\n"),
        ("GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n"),
        ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"),
        ("HEAD", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
    ],
)
async def test_replies_without_body(any_client: Any, serve: Any, answering: Any, method: str, reply: bytes) -> None:
    async with serve(answering(reply)) as upstream:
        for _ in range(2):
            received = await any_client.send(method, upstream.url, [], b"")
            assert await received.read() == b""


@pytest.mark.parametrize(
    "encode",
    [
        ("gzip", gzip.compress),
        ("gzip", lambda body: gzip.compress(body[:1000]) + gzip.compress(body[1000:])),
        ("deflate", zlib.compress),
        ("deflate", lambda body: zlib.compress(body, wbits=-15)),
    ],
)
async def test_unasked_compression_is_undone(any_client: Any, serve: Any, answering: Any, encode: Any) -> None:
    body = b"0123456789" * 300_000
    name, compress = encode
    packed = compress(body)
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: {name}\r\nContent-Length: {len(packed)}\r\nX-A: 1\r\n\r\n".encode()
    async with serve(answering(head + packed)) as upstream:
        reply = await any_client.send("POST", upstream.url, [], b"")
        assert reply.headers == [("x-a", "1")]
        assert await reply.read() == body


@pytest.mark.parametrize("damage", [lambda packed: packed[:-9], lambda packed: b"\xff" * len(packed)])
async def test_damaged_compression_is_an_error(any_client: Any, serve: Any, answering: Any, damage: Any) -> None:
    packed = damage(gzip.compress(b"hello" * 100))
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(packed)}\r\n\r\n".encode()
    async with serve(answering(head + packed)) as upstream:
        reply = await any_client.send("POST", upstream.url, [], b"")
        with pytest.raises(ModelProtocolError, match="compressed"):
            await reply.read()


async def test_small_compressed_body_does_not_become_a_large_one(any_client: Any, serve: Any, answering: Any) -> None:
    packed = gzip.compress(bytes(64 * 1024 * 1024), 1)
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(packed)}\r\n\r\n".encode()
    async with serve(answering(head + packed)) as upstream:
        reply = await any_client.send("POST", upstream.url, [], b"")
        assert len(await reply.receive()) <= 1024 * 1024
        with pytest.raises(ModelProtocolError, match="larger"):
            await reply.read(4 * 1024 * 1024)


async def test_read_refuses_more_than_its_limit(any_client: Any, serve: Any, answering: Any) -> None:
    async with serve(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\n" + bytes(2_000_000))) as upstream:
        reply = await any_client.send("POST", upstream.url, [], b"")
        with pytest.raises(ModelProtocolError, match="1000000 bytes"):
            await reply.read(1_000_000)
        reply = await any_client.send("POST", upstream.url, [], b"")
        assert len(await reply.read(2_000_000)) == 2_000_000


@pytest.mark.parametrize(
    "garbage",
    [
        b"SMTP ready\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nX: a\x00b\r\n\r\n",
    ],
)
async def test_garbage_is_a_protocol_error(any_client: Any, serve: Any, answering: Any, garbage: bytes) -> None:
    async with serve(answering(garbage)) as upstream:
        with pytest.raises(ModelProtocolError):
            await any_client.send("POST", upstream.url, [], b"")
        await upstream.until_open(0)


@pytest.mark.parametrize("name", ["a\r\nb", "a b", "a:", "", "a\0"])
async def test_header_names_cannot_smuggle(any_client: Any, name: str) -> None:
    with pytest.raises(ValueError):
        await any_client.send("POST", "http://127.0.0.1:9/", [(name, "x")], b"")


@pytest.mark.parametrize("value", ["a\r\nb: c", "a\nb", "a\rb", "a\0", "\u20ac\n"])
async def test_header_values_cannot_smuggle(any_client: Any, value: str) -> None:
    with pytest.raises(ValueError):
        await any_client.send("POST", "http://127.0.0.1:9/", [("a", value)], b"")


@pytest.mark.parametrize("url", ["/v1", "ftp://a/", "http://a/b c", "http://a/\r\nx", "http://u:p@a/", "http://\xe9/"])
async def test_urls_that_are_not_sent(any_client: Any, url: str) -> None:
    with pytest.raises(ValueError):
        await any_client.send("POST", url, [], b"")


async def test_framing_headers_of_the_caller_are_dropped(any_client: Any, serve: Any, answering: Any) -> None:
    headers = [("Content-Length", "99"), ("Transfer-Encoding", "chunked"), ("Connection", "close"), ("x-a", "1")]
    async with serve(answering(OK)) as upstream:
        await (await any_client.send("POST", upstream.url, headers, b"four")).read()
        sent = upstream.requests[0].lower()
        assert sent.count(b"content-length: 4\r\n") == 1
        assert b"transfer-encoding" not in sent
        assert b"connection: close" not in sent
        assert b"x-a: 1" in sent


async def test_time_limits_name_their_reason(any_client: Any, serve: Any) -> None:
    async def slow(peer: Any) -> None:
        await peer.request()
        if len(peer.upstream.requests) > 1:
            await peer.send(CHUNKED + b"2\r\nhi\r\n")
        await peer.gone()

    loop = asyncio.get_running_loop()
    async with serve(slow) as upstream:
        start = loop.time()
        with pytest.raises(ModelTimeout) as caught:
            await any_client.send("POST", upstream.url, [], b"", expires=start + 0.5, reason="first_token")
        assert caught.value.reason == "first_token"
        assert 0.49 <= loop.time() - start < 30
        await asyncio.wait_for(upstream.left.wait(), 10)

        upstream.left.clear()
        reply = await any_client.send("POST", upstream.url, [], b"", expires=loop.time() + 60)
        assert await reply.receive() == b"hi"
        start = loop.time()
        reply.expire_at(start + 0.1, "idle")
        with pytest.raises(ModelTimeout) as caught:
            await reply.receive()
        assert caught.value.reason == "idle"
        assert 0.09 <= loop.time() - start < 30
        await asyncio.wait_for(upstream.left.wait(), 10)
        with pytest.raises(ModelTimeout):
            await reply.receive()


async def test_limit_can_be_moved_while_waiting(any_client: Any, serve: Any) -> None:
    async def slow(peer: Any) -> None:
        await peer.request()
        await peer.send(CHUNKED)
        await asyncio.sleep(0.3)
        await peer.send(b"2\r\nhi\r\n")
        await peer.gone()

    loop = asyncio.get_running_loop()
    async with serve(slow) as upstream:
        reply = await any_client.send("POST", upstream.url, [], b"", expires=loop.time() + 60)
        reply.expire_at(loop.time() + 0.25, "total")
        loop.call_soon(reply.expire_at, loop.time() + 60, "total")
        assert await reply.receive() == b"hi"
        loop.call_later(0.05, reply.expire_at, loop.time() + 0.1, "idle")
        with pytest.raises(ModelTimeout, match="idle"):
            await reply.receive()


async def test_limit_that_passed_unnoticed_ends_the_next_receive(any_client: Any, serve: Any) -> None:
    async def endless(peer: Any) -> None:
        await peer.request()
        await peer.send(CHUNKED)
        while True:
            await peer.send(b"2\r\nhi\r\n")
            await asyncio.sleep(0.01)

    loop = asyncio.get_running_loop()
    async with serve(endless) as upstream:
        reply = await any_client.send("POST", upstream.url, [], b"", expires=loop.time() + 60)
        reply.expire_at(loop.time() + 0.1, "total")
        await asyncio.sleep(0.2)
        with pytest.raises(ModelTimeout, match="total"):
            await reply.receive()
        await upstream.until_open(0)


async def test_cancelling_closes_the_upstream(any_client: Any, serve: Any) -> None:
    async def hangs(peer: Any) -> None:
        await peer.request()
        if len(peer.upstream.requests) > 1:
            await peer.send(CHUNKED)
        await peer.gone()

    async with serve(hangs) as upstream:
        sending = asyncio.ensure_future(any_client.send("POST", upstream.url, [], b""))
        await upstream.until_asked(1)
        sending.cancel()
        await asyncio.wait_for(upstream.left.wait(), 10)
        with pytest.raises(asyncio.CancelledError):
            await sending

        upstream.left.clear()
        reply = await any_client.send("POST", upstream.url, [], b"")
        receiving = asyncio.ensure_future(reply.receive())
        await asyncio.sleep(0.05)
        receiving.cancel()
        await asyncio.wait_for(upstream.left.wait(), 10)
        with pytest.raises(asyncio.CancelledError):
            await receiving


async def test_closing_an_unfinished_reply_closes_the_upstream(any_client: Any, serve: Any) -> None:
    async def drips(peer: Any) -> None:
        await peer.request()
        await peer.send(CHUNKED + b"2\r\nhi\r\n")
        await peer.gone()

    async with serve(drips) as upstream:
        reply = await any_client.send("POST", upstream.url, [], b"")
        assert await reply.receive() == b"hi"
        reply.close()
        reply.close()
        await asyncio.wait_for(upstream.left.wait(), 10)
        with pytest.raises(ModelConnectionError):
            await reply.receive()


async def test_thousand_requests_at_once(any_client: Any, serve: Any) -> None:
    everybody = asyncio.Event()

    async def together(peer: Any) -> None:
        while (request := await peer.request()) is not None:
            if len(peer.upstream.requests) == 1000:
                everybody.set()
            await everybody.wait()
            await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n" + request[-4:])

    async def ask(number: int) -> bytes:
        reply = await any_client.send("POST", upstream.url, [], b"%04d" % number, connect_timeout=20)
        body: bytes = await reply.read()
        return body

    async with serve(together) as upstream:
        bodies = await asyncio.gather(*(ask(number) for number in range(1000)))
        assert bodies == [b"%04d" % number for number in range(1000)]


async def test_refused_connection_is_reported_without_the_address(any_client: Any) -> None:
    with pytest.raises(ModelConnectionError, match="refused") as caught:
        await any_client.send("POST", "http://127.0.0.1:9/", [], b"")
    assert "127.0.0.1" not in caught.value.message


@pytest.mark.parametrize("engine", ["native", "aiohttp"])
async def test_connecting_has_its_own_limit(engine: Any, serve: Any, answering: Any) -> None:
    """A listener with a full backlog does not answer to a connection attempt, as a host behind a firewall."""
    import socket

    listener = socket.socket()
    fillers = []
    try:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
            fillers.append(filler)
        client = create_client(engine)
        loop = asyncio.get_running_loop()
        start = loop.time()
        with pytest.raises(ModelTimeout) as caught:
            await client.send(
                "POST",
                f"http://127.0.0.1:{listener.getsockname()[1]}/",
                [],
                b"",
                connect_timeout=0.1,
                expires=start + 60,
            )
        assert caught.value.reason == "connect"
        assert loop.time() - start < 30
        await client.aclose()
    finally:
        for each in [listener, *fillers]:
            each.close()


async def test_closed_client_sends_nothing(any_client: Any, serve: Any, answering: Any) -> None:
    async with serve(answering(OK)) as upstream:
        await (await any_client.send("POST", upstream.url, [], b"")).read()
        await any_client.aclose()
        await upstream.until_open(0)
        with pytest.raises(ModelConnectionError, match="closed"):
            await any_client.send("POST", upstream.url, [], b"")


def test_unknown_engine_is_refused() -> None:
    with pytest.raises(ValueError, match="known: native, aiohttp"):
        create_client("curl")  # type: ignore[arg-type]


def test_settings_are_values() -> None:
    assert len({TransportSettings(), TransportSettings(), TransportSettings(ca_file="x")}) == 2
