"""Opening connections: TLS, proxies, several addresses."""

from __future__ import annotations

import asyncio
import os
import socket
from typing import Any

import pytest

from llm_gateway.providers.transport import NativeClient, TransportSettings, create_client
from llm_gateway.providers.transport.dial import Dialer
from llm_gateway.providers.transport.head import Origin
from llm_gateway_sdk.errors import ModelConnectionError, ModelTimeout

pytestmark = pytest.mark.anyio

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


@pytest.mark.parametrize("engine", ["native", "aiohttp"])
async def test_own_authority_is_trusted(engine: Any, serve: Any, answering: Any, certificates: Any) -> None:
    client = create_client(engine, TransportSettings(ca_file=certificates.ca_file))
    async with serve(answering(OK), ssl_context=certificates.server_context()) as upstream:
        for _ in range(3):
            reply = await client.send("POST", upstream.url, [], b"x" * 100_000)
            assert await reply.read() == b"{}"
        assert upstream.connections == 1
        await client.aclose()


@pytest.mark.parametrize("engine", ["native", "aiohttp"])
async def test_unknown_authority_is_refused(engine: Any, serve: Any, answering: Any, certificates: Any) -> None:
    client = create_client(engine)
    async with serve(answering(OK), ssl_context=certificates.server_context()) as upstream:
        with pytest.raises(ModelConnectionError, match="TLS"):
            await client.send("POST", upstream.url, [("authorization", "secret")], b"")
        assert upstream.requests == []
    await client.aclose()


@pytest.mark.parametrize("engine", ["native", "aiohttp"])
async def test_verification_can_be_switched_off(engine: Any, serve: Any, answering: Any, certificates: Any) -> None:
    client = create_client(engine, TransportSettings(verify=False))
    async with serve(answering(OK), ssl_context=certificates.server_context()) as upstream:
        assert await (await client.send("POST", upstream.url, [], b"")).read() == b"{}"
        await client.aclose()


@pytest.mark.parametrize("engine", ["native", "aiohttp"])
async def test_client_certificate_is_shown(engine: Any, serve: Any, answering: Any, certificates: Any) -> None:
    settings = TransportSettings(ca_file=certificates.ca_file, client_cert=certificates.client_file)
    client = create_client(engine, settings)
    async with serve(answering(OK), ssl_context=certificates.server_context(ask_client=True)) as upstream:
        assert await (await client.send("POST", upstream.url, [], b"")).read() == b"{}"
        await client.aclose()


async def test_large_reply_over_tls(serve: Any, answering: Any, certificates: Any) -> None:
    body = os.urandom(3_000_000)
    client = NativeClient(TransportSettings(ca_file=certificates.ca_file, high_water=64 * 1024))
    reply_bytes = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    async with serve(answering(reply_bytes), ssl_context=certificates.server_context()) as upstream:
        assert await (await client.send("POST", upstream.url, [], b"")).read() == body
        reply = await client.send("POST", upstream.url, [], b"")
        pieces = []
        while piece := await reply.receive():
            pieces.append(piece)
            await asyncio.sleep(0.001)
        assert b"".join(pieces) == body
        await client.aclose()


async def test_leaving_over_tls_closes_the_upstream(serve: Any, certificates: Any) -> None:
    async def hangs(peer: Any) -> None:
        await peer.request()
        await peer.gone()

    client = NativeClient(TransportSettings(ca_file=certificates.ca_file))
    async with serve(hangs, ssl_context=certificates.server_context()) as upstream:
        sending = asyncio.ensure_future(client.send("POST", upstream.url, [], b""))
        await upstream.until_asked(1)
        sending.cancel()
        await asyncio.wait_for(upstream.left.wait(), 10)
        await asyncio.gather(sending, return_exceptions=True)
        assert client.pool(upstream.url).size == 0
        await client.aclose()


async def test_handshake_that_hangs_is_a_connect_timeout(serve: Any) -> None:
    async def silent(peer: Any) -> None:
        await peer.gone()

    client = NativeClient()
    descriptors = len(os.listdir("/proc/self/fd"))
    async with serve(silent) as upstream:
        for _ in range(3):
            with pytest.raises(ModelTimeout, match="connect"):
                await client.send("POST", upstream.url.replace("http:", "https:"), [], b"", connect_timeout=0.05)
        await upstream.until_open(0)
    await client.aclose()
    await asyncio.sleep(0.05)
    assert len(os.listdir("/proc/self/fd")) <= descriptors + 1


async def test_handshakes_given_up_at_any_moment_leave_no_descriptor(serve: Any, certificates: Any) -> None:
    async def silent(peer: Any) -> None:
        await peer.gone()

    client = NativeClient(TransportSettings(verify=False))
    async with serve(silent, ssl_context=certificates.server_context()) as upstream:

        async def give_up(turns: int) -> None:
            sending = asyncio.ensure_future(client.send("POST", upstream.url, [], b""))
            for _ in range(turns):
                await asyncio.sleep(0)
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)

        await give_up(50)
        descriptors = len(os.listdir("/proc/self/fd"))
        for turns in range(60):
            await give_up(turns)
        await upstream.until_open(0)
        await asyncio.sleep(0.1)
        assert len(os.listdir("/proc/self/fd")) <= descriptors + 1
        assert client.pool(upstream.url).size == 0
    await client.aclose()


async def test_plain_requests_go_through_a_proxy_in_absolute_form(serve: Any, answering: Any) -> None:
    async with serve(answering(OK)) as proxy:
        client = NativeClient(TransportSettings(proxy=f"http://user:p%40ss@127.0.0.1:{proxy.port}"))
        reply = await client.send("POST", "http://models.example:8080/v1", [], b"x")
        assert await reply.read() == b"{}"
        lines = proxy.requests[0].split(b"\r\n")
        assert lines[0] == b"POST http://models.example:8080/v1 HTTP/1.1"
        assert b"host: models.example:8080" in lines
        assert b"proxy-authorization: Basic dXNlcjpwQHNz" in lines
        await client.aclose()


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
    writer.close()


async def tunnel(peer: Any) -> None:
    request = await peer.request()
    address = request.split(b" ")[1].decode().split(":")
    reader, writer = await asyncio.open_connection(address[0], int(address[1]))
    try:
        await peer.send(b"HTTP/1.1 200 Connection established\r\nX: y\r\n\r\n")
        await asyncio.gather(pump(peer.reader, writer), pump(reader, peer.writer), return_exceptions=True)
    finally:
        writer.transport.abort()


async def test_tls_goes_through_a_tunnel(serve: Any, answering: Any, certificates: Any) -> None:
    async with (
        serve(answering(OK), ssl_context=certificates.server_context()) as upstream,
        serve(tunnel) as proxy,
    ):
        settings = TransportSettings(proxy=f"http://u:p@127.0.0.1:{proxy.port}", ca_file=certificates.ca_file)
        client = NativeClient(settings)
        for _ in range(2):
            assert await (await client.send("POST", upstream.url, [("a", "secret")], b"")).read() == b"{}"
        assert proxy.connections == 1
        assert proxy.requests[0].startswith(b"CONNECT 127.0.0.1:%d HTTP/1.1\r\n" % upstream.port)
        assert b"proxy-authorization: Basic dTpw\r\n" in proxy.requests[0]
        assert b"secret" not in b"".join(proxy.requests)
        assert b"proxy-authorization" not in b"".join(upstream.requests)
        await client.aclose()


async def test_refused_tunnel_is_a_connection_error(serve: Any, answering: Any) -> None:
    async with serve(answering(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")) as proxy:
        client = NativeClient(TransportSettings(proxy=f"http://127.0.0.1:{proxy.port}"))
        with pytest.raises(ModelConnectionError, match="407"):
            await client.send("POST", "https://models.example/v1", [], b"")
        await proxy.until_open(0)
        await client.aclose()


class Names:
    """A resolver that gives a name the addresses of the test."""

    def __init__(self, *addresses: tuple[str, int]) -> None:
        self.addresses = addresses
        self.asked = 0

    async def getaddrinfo(self, *_: Any, **__: Any) -> list[Any]:
        self.asked += 1
        await asyncio.sleep(0.01)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", address) for address in self.addresses]


class Loop:
    """The running loop with the resolver of the test."""

    def __init__(self, names: Names) -> None:
        self._loop = asyncio.get_running_loop()
        self.getaddrinfo = names.getaddrinfo

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loop, name)


def dialer(names: Names, **settings: Any) -> Dialer:
    return Dialer(Origin("http", "models.example", 80), TransportSettings(**settings), None, Loop(names))  # type: ignore[arg-type]


async def test_next_address_is_tried_when_one_refuses(serve: Any, answering: Any) -> None:
    async with serve(answering(OK)) as upstream:
        names = Names(("127.0.0.1", 9), ("127.0.0.2", 9), ("127.0.0.1", upstream.port))
        protocol = await dialer(names, happy_eyeballs_delay=5).dial(Recorder)
        assert protocol.port == upstream.port
        protocol.transport.abort()


async def test_address_that_does_not_answer_delays_only_shortly(serve: Any, answering: Any) -> None:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(0)
    fillers = [socket.socket() for _ in range(4)]
    for filler in fillers:
        filler.setblocking(False)
        filler.connect_ex(listener.getsockname())
    loop = asyncio.get_running_loop()
    async with serve(answering(OK)) as upstream:
        names = Names(listener.getsockname(), ("127.0.0.1", upstream.port))
        start = loop.time()
        protocol = await dialer(names, happy_eyeballs_delay=0.05).dial(Recorder)
        assert protocol.port == upstream.port
        assert loop.time() - start < 1
        protocol.transport.abort()
    for each in [listener, *fillers]:
        each.close()


async def test_all_addresses_failing_is_one_error() -> None:
    with pytest.raises(ModelConnectionError, match="refused"):
        await dialer(Names(("127.0.0.1", 9), ("127.0.0.2", 9))).dial(Recorder)


async def test_many_connections_ask_for_the_name_once(serve: Any, answering: Any) -> None:
    async with serve(answering(OK)) as upstream:
        names = Names(("127.0.0.1", upstream.port))
        one = dialer(names)
        protocols = await asyncio.gather(*(one.dial(Recorder) for _ in range(20)))
        protocols.append(await one.dial(Recorder))
        assert names.asked == 1
        for protocol in protocols:
            protocol.transport.abort()


class Recorder(asyncio.Protocol):
    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.port = transport.get_extra_info("peername")[1]


async def test_small_writes_are_not_delayed(client: Any, serve: Any, answering: Any) -> None:
    async with serve(answering(OK)) as upstream:
        await (await client.send("POST", upstream.url, [], b"")).read()
        connection = client.pool(upstream.url).take()
        sock = connection._transport.get_extra_info("socket")
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        connection.abort()
