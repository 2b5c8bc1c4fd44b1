"""The gateway's own server: it ends without cutting off what it began."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from llm_gateway.exchange.ending import EndReason, end_reason
from llm_gateway.server.http1.cycle import Cycle
from llm_gateway.server.http1.door import Door, Limits
from llm_gateway.server.server import Server
from llm_gateway.server.slow_readers import SlowReaders
from llm_gateway.server.uploads import UploadPool
from llm_gateway_sdk import GatewayError

ASK = b"GET /a HTTP/1.1\r\nhost: g\r\n\r\n"


class _Application:
    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.reasons: list[EndReason] = []

    def refuses_early(self, _: Cycle) -> GatewayError | None:
        return None

    def takes_duplex(self, _: Cycle) -> bool:
        return False

    def takes_upload(self, _: Cycle) -> bool:
        return False

    def authenticates_early(self, _: Cycle) -> None:
        """Everyone may ask."""

    def client_address(self, cycle: Cycle) -> str | None:
        return cycle.client_ip

    async def handle(self, cycle: Cycle) -> None:
        text = b"done"
        try:
            await asyncio.sleep(self.seconds)
        except asyncio.CancelledError as cancelled:
            self.reasons.append(end_reason(cancelled))
            task = asyncio.current_task()
            assert task is not None
            task.uncancel()
            text = b"gone"
        await cycle.start(200, [(b"content-length", b"4")])
        await cycle.write(text, more=False)


def serving(seconds: float, drain: float) -> tuple[Server, _Application, int]:
    loop = asyncio.get_running_loop()
    app = _Application(seconds)
    listener = socket.create_server(("127.0.0.1", 0))
    door = Door(
        app, loop, limits=Limits(), uploads=UploadPool(1 << 20, 1 << 20), slow_readers=SlowReaders(loop, 1 << 30)
    )
    server = Server(door, [listener], drain_seconds=drain)
    server.start()
    port: int = server.addresses()[0][1]
    return server, app, port


def run(scene: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(scene(), 20))


async def ask(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(ASK)
    await writer.drain()
    await asyncio.sleep(0.05)
    return reader, writer


def test_what_is_in_flight_ends_and_new_connections_are_refused_at_once() -> None:
    async def main() -> None:
        server, app, port = serving(0.5, drain=5.0)
        serve = asyncio.ensure_future(server.serve())
        reader, writer = await ask(port)
        server.stop()
        await asyncio.sleep(0.05)
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)
        assert (await reader.read()).endswith(b"done")
        await serve
        assert app.reasons == []
        writer.close()

    run(main)


def test_what_takes_longer_than_the_drain_is_given_the_reason_and_a_last_word() -> None:
    async def main() -> None:
        server, app, port = serving(60, drain=0.2)
        serve = asyncio.ensure_future(server.serve())
        reader, writer = await ask(port)
        server.stop()
        assert (await reader.read()).endswith(b"gone")
        await serve
        assert app.reasons == [EndReason.SHUTDOWN]
        writer.close()

    run(main)


def test_a_second_stop_breaks_off() -> None:
    async def main() -> None:
        server, _, port = serving(60, drain=60)
        serve = asyncio.ensure_future(server.serve())
        reader, writer = await ask(port)
        server.stop()
        await asyncio.sleep(0.1)
        server.stop()
        try:
            rest = await reader.read()
        except ConnectionError:
            rest = b""
        assert rest == b""
        await asyncio.wait_for(serve, 5)
        writer.close()

    run(main)


def test_replies_have_the_date() -> None:
    async def main() -> None:
        server, _, port = serving(0, drain=1)
        serve = asyncio.ensure_future(server.serve())
        reader, writer = await ask(port)
        head = await reader.readuntil(b"\r\n\r\n")
        assert b"\r\ndate: " in head
        assert head.count(b" GMT\r\n") == 1
        writer.close()
        server.stop()
        await serve

    run(main)
