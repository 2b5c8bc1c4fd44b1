"""How the native engine reads replies off a connection, and when it uses a connection again."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from llm_gateway.providers.transport import NativeClient, TransportSettings
from llm_gateway_sdk.errors import ModelProtocolError

pytestmark = pytest.mark.anyio

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
STREAM = (
    b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"5;ext=1\r\nhello\r\n7\r\n, world\r\n0\r\nX-Trailer: t\r\n\r\n"
)


async def test_replies_cut_at_every_byte_are_the_same(client: Any, serve: Any) -> None:
    async def cut(peer: Any) -> None:
        while (request := await peer.request()) is not None:
            place = int(request.rpartition(b"\n")[2])
            await peer.send(STREAM[:place])
            await asyncio.sleep(0.002)
            await peer.send(STREAM[place:])

    async with serve(cut) as upstream:
        for place in range(1, len(STREAM)):
            reply = await client.send("POST", upstream.url, [], b"%d" % place)
            assert reply.headers == [("content-type", "text/event-stream"), ("transfer-encoding", "chunked")]
            assert await reply.read() == b"hello, world"
        assert upstream.connections == 1


async def test_reply_that_comes_byte_by_byte(client: Any, serve: Any) -> None:
    async def drip(peer: Any) -> None:
        await peer.request()
        for place in range(len(STREAM)):
            await peer.send(STREAM[place : place + 1])
            await asyncio.sleep(0)
        await peer.gone()

    async with serve(drip) as upstream:
        reply = await client.send("POST", upstream.url, [], b"")
        pieces = []
        while piece := await reply.receive():
            pieces.append(piece)
        assert b"".join(pieces) == b"hello, world"


async def test_what_is_there_already_comes_in_one_piece(client: Any, serve: Any) -> None:
    sent = asyncio.Event()

    async def events(peer: Any) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n1\r\nb\r\n")
        for _ in range(3):
            await peer.send(b"1\r\nc\r\n")
            await asyncio.sleep(0.005)
        sent.set()
        await peer.gone()

    async with serve(events) as upstream:
        reply = await client.send("POST", upstream.url, [], b"")
        await sent.wait()
        await asyncio.sleep(0.05)
        assert await reply.receive() == b"abccc"
        reply.close()


async def test_a_large_reply_comes_whole_and_leaves_turns_of_the_loop_to_others(client: Any, serve: Any) -> None:
    size = 16 << 20

    async def large(peer: Any) -> None:
        for _ in range(2):
            await peer.request()
            await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + b"a" * size)

    async with serve(large) as upstream:
        for _ in range(2):
            reply = await client.send("POST", upstream.url, [], b"")
            turns, reading = 0, asyncio.ensure_future(reply.read())
            while not reading.done():
                await asyncio.sleep(0)
                turns += 1
            assert reading.result() == b"a" * size
            assert turns > size >> 19
        assert upstream.connections == 1


async def test_first_bytes_do_not_wait_for_more(client: Any, serve: Any) -> None:
    async def paced(peer: Any) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n")
        await peer.gone()

    async with serve(paced) as upstream:
        reply = await client.send("POST", upstream.url, [], b"")
        async with asyncio.timeout(1):
            assert await reply.receive() == b"a"
        reply.close()


@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        OK + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
        OK + b"surplus",
    ],
)
async def test_connections_that_are_not_used_again(client: Any, serve: Any, answering: Any, reply: bytes) -> None:
    async with serve(answering(reply)) as upstream:
        for _ in range(3):
            assert await (await client.send("POST", upstream.url, [], b"")).read() == b"{}"
        assert upstream.connections == 3
        assert client.pool(upstream.url).size == 0


async def test_old_protocol_with_keep_alive_is_used_again(client: Any, serve: Any, answering: Any) -> None:
    reply = b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\n{}"
    async with serve(answering(reply)) as upstream:
        for _ in range(3):
            await (await client.send("POST", upstream.url, [], b"")).read()
        assert upstream.connections == 1


async def test_late_surplus_is_never_taken_for_the_next_reply(client: Any, serve: Any) -> None:
    sent = asyncio.Event()

    async def poisons(peer: Any) -> None:
        while await peer.request() is not None:
            await peer.send(OK)
            await asyncio.sleep(0.02)
            await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
            sent.set()

    async with serve(poisons) as upstream:
        for _ in range(3):
            assert await (await client.send("POST", upstream.url, [], b"")).read() == b"{}"
            await sent.wait()
            sent.clear()
            await asyncio.sleep(0.05)
        assert upstream.connections == 3


async def test_reply_before_the_request_was_read_ends_the_connection(client: Any, serve: Any) -> None:
    async def impatient(peer: Any) -> None:
        await peer.reader.readuntil(b"\r\n\r\n")
        await peer.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\n{}")
        await asyncio.sleep(0.2)

    async with serve(impatient) as upstream:
        reply = await client.send("POST", upstream.url, [], bytes(32 * 1024 * 1024))
        assert reply.status == 413
        assert await reply.read() == b"{}"
        assert client.pool(upstream.url).size == 0


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: %s\r\n" % (n, b"v" * 1000) for n in range(70)),
        b"HTTP/1.1 200 OK\r\nX: " + b"v" * 70_000,
        b"HTTP/1.1 200 OK\r\nX: " + b"v" * 70_000 + b"\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 3000,
        b"HTTP/1.1 200 " + b"v" * 70_000,
    ],
)
async def test_heads_have_a_bound(client: Any, serve: Any, head: bytes) -> None:
    async def floods(peer: Any) -> None:
        await peer.request()
        await peer.send(head)
        await peer.gone()

    async with serve(floods) as upstream:
        async with asyncio.timeout(3):
            with pytest.raises(ModelProtocolError, match="too large"):
                await client.send("POST", upstream.url, [], b"")
        await upstream.until_open(0)


async def test_large_head_within_the_bound_passes(client: Any, serve: Any, answering: Any) -> None:
    value = "v" * 60_000
    async with serve(
        answering(b"HTTP/1.1 200 OK\r\nX: %s\r\nContent-Length: 2\r\n\r\n{}" % value.encode())
    ) as upstream:
        reply = await client.send("POST", upstream.url, [], b"")
        assert reply.headers[0] == ("x", value)
        assert await reply.read() == b"{}"


@pytest.mark.parametrize("flood", [b"X: %s\r\n" % (b"t" * 1000), b"t" * 1000])
async def test_trailers_have_a_bound(client: Any, serve: Any, flood: bytes) -> None:
    async def floods(peer: Any) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n")
        for _ in range(2000):
            await peer.send(flood)

    async with serve(floods) as upstream:
        reply = await client.send("POST", upstream.url, [], b"")
        assert await reply.receive() == b"a"
        async with asyncio.timeout(3):
            with pytest.raises(ModelProtocolError, match="trailers"):
                await reply.receive()


async def test_switching_protocols_is_refused(client: Any, serve: Any, answering: Any) -> None:
    reply = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n"
    async with serve(answering(reply)) as upstream:
        with pytest.raises(ModelProtocolError, match="protocol"):
            await client.send("POST", upstream.url, [], b"")


async def test_slow_reader_slows_the_upstream_down(serve: Any) -> None:
    sent = 0

    async def fast(peer: Any) -> None:
        nonlocal sent
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        piece = b"%x\r\n%s\r\n" % (16384, bytes(16384))
        for _ in range(2000):
            await peer.send(piece)
            sent += 16384
        await peer.send(b"0\r\n\r\n")
        await peer.gone()

    client = NativeClient(TransportSettings(high_water=64 * 1024))
    async with serve(fast) as upstream:
        reply = await client.send("POST", upstream.url, [], b"")
        await asyncio.sleep(0.2)
        stalled_at = sent
        await asyncio.sleep(0.1)
        held = sum(len(chunk) for chunk in reply.body.chunks)

        assert sent == stalled_at < 2000 * 16384
        assert held <= 64 * 1024 + 256 * 1024
        total = 0
        while piece := await reply.receive():
            total += len(piece)
        assert total == 2000 * 16384
    await client.aclose()


async def test_names_that_upstreams_invent_are_not_remembered_for_ever(client: Any, serve: Any) -> None:
    from llm_gateway.providers.transport import connection

    async def inventive(peer: Any) -> None:
        number = 0
        while await peer.request() is not None:
            names = b"".join(b"X-%d: 1\r\n" % n for n in range(number, number + 1000))
            number += 1000
            await peer.send(b"HTTP/1.1 200 OK\r\n" + names + b"Content-Length: 2\r\n\r\n{}")

    async with serve(inventive) as upstream:
        for _ in range(4):
            reply = await client.send("POST", upstream.url, [], b"")
            assert len(reply.headers) == 1001
        assert len(connection._NAMES) <= 2048


async def test_whole_body_is_read_after_a_pause(serve: Any, answering: Any) -> None:
    client = NativeClient(TransportSettings(high_water=1024))
    async with serve(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n" + bytes(3_000_000))) as upstream:
        reply = await client.send("POST", upstream.url, [], b"")
        await asyncio.sleep(0.05)
        assert len(await reply.read()) == 3_000_000
    await client.aclose()
