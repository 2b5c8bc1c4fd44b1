"""Connections of the native engine: which one is used, how many there are, and that none is lost."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

from llm_gateway.providers.transport import NativeClient, TransportSettings
from llm_gateway_sdk.errors import ModelConnectionError, ModelError, ModelTimeout

pytestmark = pytest.mark.anyio

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


async def slowly(peer: Any) -> None:
    while await peer.request() is not None:
        await asyncio.sleep(0.02)
        await peer.send(OK)


async def test_newest_idle_connection_is_used_first(client: Any, serve: Any) -> None:
    served: list[int] = []

    async def numbered(peer: Any) -> None:
        number = peer.upstream.connections
        while await peer.request() is not None:
            served.append(number)
            await asyncio.sleep(0.01 * number)
            await peer.send(OK)

    async def ask() -> None:
        await (await client.send("POST", upstream.url, [], b"")).read()

    async with serve(numbered) as upstream:
        await asyncio.gather(ask(), ask(), ask())
        for _ in range(3):
            await ask()
        assert served[3:] == [3, 3, 3]


async def test_idle_connections_are_closed_after_their_time(serve: Any) -> None:
    client = NativeClient(TransportSettings(idle_timeout=0.6))
    async with serve(slowly) as upstream:
        await asyncio.gather(*((client.send("POST", upstream.url, [], b"")) for _ in range(3)))
        assert client.pool(upstream.url).idle == 3
        await asyncio.sleep(0.3)
        await client.send("POST", upstream.url, [], b"")
        seen = [client.pool(upstream.url).idle]
        async with asyncio.timeout(60):
            while seen[-1]:
                await asyncio.sleep(0.01)
                seen.append(client.pool(upstream.url).idle)
        assert 1 in seen, "the one that was used again is closed after the others"
        await upstream.until_open(0)
        assert client.pool(upstream.url).size == 0
    await client.aclose()


async def test_waiting_for_a_connection_is_in_order_of_arrival(serve: Any) -> None:
    client = NativeClient(TransportSettings(max_connections=2))
    finished: list[int] = []

    async def ask(number: int) -> None:
        reply = await client.send("POST", upstream.url, [], b"")
        await reply.read()
        finished.append(number)

    async with serve(slowly) as upstream:
        tasks = []
        for number in range(10):
            tasks.append(asyncio.ensure_future(ask(number)))
            await asyncio.sleep(0.001)
        await asyncio.gather(*tasks)
        assert upstream.connections == 2
        assert all(abs(place - number) <= 1 for place, number in enumerate(finished))
    await client.aclose()


async def test_the_bound_is_that_of_each_origin(serve: Any) -> None:
    """Requests that wait for one provider do not delay those for another."""
    client = NativeClient(TransportSettings(max_connections=1))
    async with serve(slowly) as first, serve(slowly) as second:

        async def ask(upstream: Any) -> None:
            await (await client.send("POST", upstream.url, [], b"")).read()

        await asyncio.gather(*(ask(upstream) for upstream in (first, first, first, second, second)))
        assert (first.connections, second.connections) == (1, 1)
        assert client.pool(first.url) is not client.pool(second.url)
    await client.aclose()


async def test_waiting_ends_with_the_deadline(serve: Any) -> None:
    client = NativeClient(TransportSettings(max_connections=1))

    async def hangs(peer: Any) -> None:
        await peer.request()
        await peer.gone()

    loop = asyncio.get_running_loop()
    async with serve(hangs) as upstream:
        first = asyncio.ensure_future(client.send("POST", upstream.url, [], b""))
        await upstream.until_asked(1)
        with pytest.raises(ModelTimeout) as caught:
            await client.send("POST", upstream.url, [], b"", expires=loop.time() + 0.05, reason="first_token")
        assert caught.value.reason == "first_token"
        assert client.pool(upstream.url).waiting == 0
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        assert client.pool(upstream.url).size == 0
    await client.aclose()


async def test_place_of_a_broken_connection_goes_to_who_waits(serve: Any) -> None:
    client = NativeClient(TransportSettings(max_connections=1))

    async def breaks_once(peer: Any) -> None:
        await peer.request()
        await asyncio.sleep(0.02)
        if peer.upstream.connections > 1:
            await peer.send(OK)
            await peer.gone()

    async with serve(breaks_once) as upstream:
        first = asyncio.ensure_future(client.send("POST", upstream.url, [], b""))
        await asyncio.sleep(0)
        second = await client.send("POST", upstream.url, [], b"")
        assert second.status == 200
        with pytest.raises(ModelConnectionError):
            await first
    await client.aclose()


async def test_second_try_gets_a_fresh_connection_at_the_bound_too(serve: Any) -> None:
    """Every connection answers once and closes at its second request, while others wait for a place."""
    client = NativeClient(TransportSettings(max_connections=2))

    async def once(peer: Any) -> None:
        await peer.request()
        await peer.send(OK)
        await peer.request()

    async def ask() -> bytes:
        body: bytes = await (await client.send("POST", upstream.url, [], b"")).read()
        return body

    async with serve(once) as upstream:
        for _ in range(3):
            assert await asyncio.gather(*(ask() for _ in range(6))) == [b"{}"] * 6
        assert client.pool(upstream.url).size <= 2
    await client.aclose()


async def test_giving_up_in_the_moment_of_being_served_loses_no_connection(serve: Any) -> None:
    client = NativeClient(TransportSettings(max_connections=1))
    async with serve(slowly) as upstream:
        first = await client.send("POST", upstream.url, [], b"")
        await first.read()
        pool = client.pool(upstream.url)
        connection = pool.take()
        waiting = asyncio.ensure_future(client.send("POST", upstream.url, [], b""))
        await asyncio.sleep(0)
        assert pool.waiting == 1
        assert connection is not None
        pool.release(connection)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert (pool.size, pool.idle, pool.waiting) == (1, 1, 0)
    await client.aclose()


@pytest.mark.parametrize("bound", [None, 7])
async def test_storm_of_leaving_clients_leaves_nothing_behind(serve: Any, bound: int | None) -> None:
    client = NativeClient(TransportSettings(max_connections=bound))
    chance = random.Random(5)

    async def moody(peer: Any) -> None:
        while await peer.request() is not None:
            match chance.randrange(6):
                case 0:
                    return
                case 1:
                    peer.reset()
                    return
                case 2:
                    await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}")
                    return
                case 3:
                    await peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n")
                    await asyncio.sleep(0.01)
                    await peer.send(b"0\r\n\r\n")
                case _:
                    await asyncio.sleep(chance.random() * 0.01)
                    await peer.send(OK)

    async def ask() -> None:
        loop = asyncio.get_running_loop()
        try:
            reply = await client.send("POST", upstream.url, [], b"", expires=loop.time() + chance.random() * 0.5)
            if chance.random() < 0.2:
                reply.close()
            else:
                await reply.read()
        except ModelError:
            pass

    async def leave(task: asyncio.Task[None]) -> None:
        await asyncio.sleep(chance.random() * 0.05)
        task.cancel()

    async with serve(moody) as upstream:
        for _ in range(4):
            tasks = [asyncio.ensure_future(ask()) for _ in range(100)]
            await asyncio.gather(*(leave(task) for task in tasks if chance.random() < 0.5))
            await asyncio.gather(*tasks, return_exceptions=True)
        pool = client.pool(upstream.url)
        await asyncio.sleep(0.02)
        assert pool.waiting == 0
        assert pool.size == pool.idle
        if bound is not None:
            assert pool.size <= bound
        await upstream.until_open(pool.idle)
        await client.aclose()
        await upstream.until_open(0)
        assert pool.size == 0


async def test_closing_the_client_breaks_off_what_is_open(serve: Any) -> None:
    async def drips(peer: Any) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n")
        await peer.gone()

    client = NativeClient(TransportSettings(max_connections=1))
    async with serve(drips) as upstream:
        reply = await client.send("POST", upstream.url, [], b"")
        waiting = asyncio.ensure_future(client.send("POST", upstream.url, [], b""))
        await asyncio.sleep(0.01)
        await client.aclose()
        assert await reply.receive() == b"hi"
        with pytest.raises(ModelConnectionError, match="client is closed"):
            await reply.receive()
        with pytest.raises(ModelConnectionError, match="client is closed"):
            await waiting
        await upstream.until_open(0)
