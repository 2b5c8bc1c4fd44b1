"""A reader who leaves pieces to a function sleeps until one is left to it; nothing is lost or given twice."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from llm_gateway_sdk.errors import ModelConnectionError, ModelTimeout

pytestmark = pytest.mark.anyio

CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def _sending(*pieces: bytes, end: bytes = b"0\r\n\r\n") -> Any:
    async def handle(peer: Any) -> None:
        await peer.request()
        await peer.send(CHUNKED)
        for piece in pieces:
            await asyncio.sleep(0.01)
            await peer.send(b"%x\r\n%b\r\n" % (len(piece), piece))
        await asyncio.sleep(0.01)
        await peer.send(end)

    return handle


async def test_pieces_that_are_taken_do_not_wake_the_reader(client: Any, serve: Any) -> None:
    async with serve(_sending(b"one", b"two", b"three")) as upstream:
        reply = await client.send("POST", upstream.url, [], b"")
        taken: list[bytes] = []

        assert await reply.receive_past(lambda data: not taken.append(data)) == b""
        assert b"".join(taken) == b"onetwothree"


async def test_the_first_piece_that_is_left_comes_whole_and_in_its_place(client: Any, serve: Any) -> None:
    async with serve(_sending(b"one", b"two", b"three", b"four")) as upstream:
        reply = await client.send("POST", upstream.url, [], b"")
        taken: list[bytes] = []

        def take(data: bytes) -> bool:
            if data == b"three":
                return False
            taken.append(data)
            return True

        assert await reply.receive_past(take) == b"three"
        assert taken == [b"one", b"two"]
        assert await reply.receive() == b"four"
        assert await reply.receive() == b""


async def test_what_was_there_before_comes_first(client: Any, serve: Any) -> None:
    async with serve(_sending(b"one", b"two")) as upstream:
        reply = await client.send("POST", upstream.url, [], b"")
        await asyncio.sleep(0.2)
        taken: list[bytes] = []

        seen = await reply.receive_past(lambda data: not taken.append(data))
        while len(seen + b"".join(taken)) < len(b"onetwo"):  # a busy machine delivers the second piece later
            seen += await reply.receive()
        assert seen + b"".join(taken) == b"onetwo"


async def test_a_break_and_a_time_limit_reach_the_sleeping_reader(client: Any, serve: Any) -> None:
    async with serve(_sending(b"one", b"two", end=b"")) as upstream:
        reply = await client.send("POST", upstream.url, [], b"")
        taken: list[bytes] = []

        with pytest.raises(ModelConnectionError):
            await reply.receive_past(lambda data: not taken.append(data))
        assert b"".join(taken) == b"onetwo"

    async def silent(peer: Any) -> None:
        await peer.request()
        await peer.send(CHUNKED + b"3\r\none\r\n")
        await peer.gone()

    async with serve(silent) as upstream:
        loop = asyncio.get_running_loop()
        reply = await client.send("POST", upstream.url, [], b"", expires=loop.time() + 5)

        def take(data: bytes) -> bool:
            reply.expire_at(loop.time() + 0.05, "idle")
            return True

        if await reply.receive_past(take):  # it came with the head
            reply.expire_at(loop.time() + 0.05, "idle")
        with pytest.raises(ModelTimeout) as caught:
            await reply.receive_past(take)
        assert caught.value.reason == "idle"
