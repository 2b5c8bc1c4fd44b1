"""Connections for other protocols: opened as for requests, paced both ways, and closed after what was written."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest

from llm_gateway.providers.transport import NativeClient, TransportSettings
from llm_gateway_sdk import ModelConnectionError

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def served(handler: Handler) -> AsyncIterator[int]:
    """A server on a port; at the end its connections are over."""
    running = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        over = asyncio.Event()
        running.append(over)
        try:
            await handler(reader, writer)
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
            over.set()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    for over in running:
        await asyncio.wait_for(over.wait(), 5)
    server.close()
    await server.wait_closed()


def test_bytes_go_both_ways_and_the_end_is_seen() -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readexactly(5))

    async def main() -> tuple[bytes, bytes]:
        async with served(echo) as port:
            client = NativeClient()
            stream = await client.open_stream(f"http://127.0.0.1:{port}/any")
            await stream.write(b"hello")
            found = await stream.read(), await stream.read()
            await stream.write(b"after the end")
            stream.close()
            await client.aclose()
        return found

    assert asyncio.run(main()) == (b"hello", b"")


def test_a_writer_waits_for_a_server_that_reads_slowly() -> None:
    async def main() -> None:
        go_on = asyncio.Event()
        received = 0

        async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal received
            await go_on.wait()
            while data := await reader.read(1 << 20):
                received += len(data)

        async with served(slow) as port:
            client = NativeClient()
            stream = await client.open_stream(f"http://127.0.0.1:{port}/")

            async def send() -> None:
                for _ in range(64):
                    await stream.write(b"x" * (1 << 20))

            sending = asyncio.create_task(send())
            done, _ = await asyncio.wait((sending,), timeout=0.3)
            assert not done, "64 MiB do not fit into buffers"
            go_on.set()
            await asyncio.wait_for(sending, 20)
            stream.close()
            await client.aclose()
        assert received == 64 << 20

    asyncio.run(main())


def test_nothing_that_listens_is_a_connection_error() -> None:
    async def main() -> None:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            await NativeClient().open_stream(f"http://127.0.0.1:{unused.getsockname()[1]}/")

    with pytest.raises(ModelConnectionError, match="refused"):
        asyncio.run(main())


def test_a_proxy_is_asked_for_a_tunnel_also_without_tls() -> None:
    async def main() -> bytes:
        asked = b""

        async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal asked
            asked = await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            await writer.drain()
            await asyncio.sleep(0.05)  # what comes together with the reply is not the proxy's
            writer.write(b"through")
            await reader.read()

        async with served(proxy) as port:
            client = NativeClient(TransportSettings(proxy=f"http://127.0.0.1:{port}"))
            stream = await client.open_stream("http://provider.test/v1/realtime")
            assert await stream.read() == b"through"
            stream.close()
            await client.aclose()
        return asked

    assert asyncio.run(main()).startswith(b"CONNECT provider.test:80 HTTP/1.1\r\n")
