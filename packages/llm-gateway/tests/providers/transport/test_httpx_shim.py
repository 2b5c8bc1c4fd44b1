from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from llm_gateway.providers.transport.httpx_shim import httpx_client

pytestmark = pytest.mark.anyio

OK = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 11\r\nSet-Cookie: a=b\r\n\r\n{"a": true}'


async def test_requests_share_the_pool(client: Any, serve: Any, answering: Any) -> None:
    async with serve(answering(OK)) as upstream, httpx_client(client, base_url=upstream.url) as http:
        for _ in range(3):
            response = await http.post("/x", json={"b": 1}, headers={"x-a": "1"})
            assert response.json() == {"a": True}
        assert upstream.connections == 1
        assert upstream.requests[0].endswith(b'{"b":1}')
        assert b"cookie" not in upstream.requests[2].lower()


async def test_streams_arrive_piece_by_piece(client: Any, serve: Any) -> None:
    go = asyncio.Event()

    async def paced(peer: Any) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n")
        await go.wait()
        await peer.send(b"1\r\nb\r\n0\r\n\r\n")
        await peer.gone()

    async with serve(paced) as upstream, httpx_client(client) as http, http.stream("GET", upstream.url) as response:
        pieces = response.aiter_raw()
        assert await anext(pieces) == b"a"
        go.set()
        assert [piece async for piece in pieces] == [b"b"]


async def test_leaving_a_stream_closes_the_upstream(client: Any, serve: Any) -> None:
    async def drips(peer: Any) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n")
        await peer.gone()

    async with serve(drips) as upstream, httpx_client(client) as http:
        async with http.stream("GET", upstream.url) as response:
            assert response.status_code == 200
        await asyncio.wait_for(upstream.left.wait(), 10)


async def test_redirects_are_not_followed(client: Any, serve: Any, answering: Any) -> None:
    redirect = b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n"
    async with serve(answering(redirect)) as upstream, httpx_client(client) as http:
        assert (await http.get(upstream.url)).status_code == 302


async def test_failures_are_the_exceptions_of_httpx(client: Any, serve: Any) -> None:
    async def moody(peer: Any) -> None:
        request = await peer.request()
        if b"/garbage" in request:
            await peer.send(b"garbage\r\n\r\n")
        elif b"/cut" in request:
            await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab")
        else:
            await peer.gone()

    async with serve(moody) as upstream, httpx_client(client, timeout=60) as http:
        base = f"http://127.0.0.1:{upstream.port}"
        with pytest.raises(httpx.ConnectError):
            await http.get("http://127.0.0.1:9/")
        with pytest.raises(httpx.ReadTimeout):
            await http.get(base + "/hang", timeout=0.1)
        with pytest.raises(httpx.RemoteProtocolError):
            await http.get(base + "/garbage")
        with pytest.raises(httpx.ReadError):
            await http.get(base + "/cut")
        with pytest.raises(httpx.LocalProtocolError):
            await http.get(base, headers={"a": "b\nc"})
