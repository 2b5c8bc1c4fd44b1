"""Clients that close their side: those who left are distinguished from those who wait."""

from __future__ import annotations

import asyncio
import socket
from typing import Any, cast

import pytest

from llm_gateway.server.http1.half_close import HalfClosed


class _Transport:
    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def get_extra_info(self, name: str) -> Any:
        return self._connection if name == "socket" else None

    def is_closing(self) -> bool:
        return False


class _Connection:
    def __init__(self, connection: socket.socket) -> None:
        self.loop = asyncio.get_running_loop()
        self.transport = cast(asyncio.Transport, _Transport(connection))
        self._socket = connection
        self.probes = 0
        self.aborted = False

    def probe(self) -> None:
        self.probes += 1
        self._socket.send(b"0")

    def abort(self) -> None:
        self.aborted = True


@pytest.mark.parametrize("left", [True, False])
def test_one_probe_distinguishes_them(left: bool) -> None:
    async def main() -> None:
        listener = socket.create_server(("127.0.0.1", 0))
        client = socket.create_connection(listener.getsockname())
        server, _ = listener.accept()
        if left:
            client.close()
        else:
            client.shutdown(socket.SHUT_WR)
        connection = _Connection(server)
        watch = HalfClosed(connection)
        await asyncio.sleep(0.6)
        watch.end()

        assert connection.aborted is left
        assert connection.probes == 1
        for each in (client, server, listener):
            each.close()

    asyncio.run(main())


def test_a_reply_that_comes_soon_needs_no_probe() -> None:
    async def main() -> None:
        one, other = socket.socketpair()
        connection = _Connection(one)
        watch = HalfClosed(connection)
        await asyncio.sleep(0.05)
        watch.end()
        await asyncio.sleep(0.4)

        assert connection.probes == 0
        one.close()
        other.close()

    asyncio.run(main())
