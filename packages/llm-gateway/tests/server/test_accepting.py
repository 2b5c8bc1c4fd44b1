"""Connections that wait together are taken together."""

from __future__ import annotations

import asyncio
import errno
import socket
import sys
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from typing import cast

import pytest

from llm_gateway.server.accepting import Acceptor

uvloop = pytest.importorskip("uvloop")
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's view of a listening socket")

Scene = Callable[[socket.socket, list[socket.socket]], Awaitable[None]]


class _Hello(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(b"hello")
        self._transport.close()


def test_all_that_wait_are_taken_and_served() -> None:
    async def scene(listener: socket.socket, clients: list[socket.socket]) -> None:
        accepting = Acceptor(asyncio.get_running_loop(), [listener], _Hello, shared=False)
        accepting.start()
        words = [await asyncio.to_thread(client.recv, 10) for client in clients]
        await accepting.close()

        assert words == [b"hello"] * 40

    _run(scene, clients=40)


def test_one_turn_of_the_loop_takes_many() -> None:
    async def scene(listener: socket.socket, clients: list[socket.socket]) -> None:
        accepting = Acceptor(asyncio.get_running_loop(), [listener], _Hello, shared=False)
        accepting.start()
        left = await _after_one_turn(listener)
        await accepting.close()

        assert left == 0

    _run(scene, clients=40)


def test_with_other_workers_a_turn_takes_a_few_and_leaves_the_rest_to_them() -> None:
    async def scene(listener: socket.socket, clients: list[socket.socket]) -> None:
        accepting = Acceptor(asyncio.get_running_loop(), [listener], _Hello, shared=True)
        accepting.start()
        left = await _after_one_turn(listener)
        await accepting.close()

        assert 20 < left < 40

    _run(scene, clients=40)


def test_what_waits_at_the_end_is_served_and_later_connections_are_refused() -> None:
    async def scene(listener: socket.socket, clients: list[socket.socket]) -> None:
        address = listener.getsockname()
        accepting = Acceptor(asyncio.get_running_loop(), [listener], _Hello, shared=True)
        await accepting.close()

        assert [await asyncio.to_thread(client.recv, 10) for client in clients] == [b"hello"] * 12
        with pytest.raises(ConnectionRefusedError):
            await asyncio.to_thread(socket.create_connection, address, 1)

    _run(scene, clients=12)


def test_without_descriptors_the_log_reports_it_and_accepting_goes_on_later(caplog: pytest.LogCaptureFixture) -> None:
    async def scene(listener: socket.socket, clients: list[socket.socket]) -> None:
        exhausted = _Exhausted(listener)
        accepting = Acceptor(asyncio.get_running_loop(), cast("list[socket.socket]", [exhausted]), _Hello, shared=False)
        accepting.start()
        await asyncio.sleep(0.2)
        assert exhausted.asked == 1, "it must not ask again and again"
        exhausted.exhausted = False

        assert [await asyncio.to_thread(client.recv, 10) for client in clients] == [b"hello"] * 3
        await accepting.close()

    _run(scene, clients=3)

    assert ["Raise the limit of open files" in record.getMessage() for record in caplog.records] == [True]


class _Exhausted:
    """A listening socket of a process that has no descriptors left."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self.exhausted = True
        self.asked = 0
        self.fileno = listener.fileno
        self.setblocking = listener.setblocking
        self.close = listener.close

    def accept(self) -> tuple[socket.socket, object]:
        if self.exhausted:
            self.asked += 1
            raise OSError(errno.EMFILE, "Too many open files")
        return self._listener.accept()


async def _after_one_turn(listener: socket.socket) -> int:
    """How many of forty wait when the first have been taken."""
    for _ in range(1000):
        left = _waiting(listener)
        if left < 40:
            return left
        await asyncio.sleep(0)
    return 40


def _waiting(listener: socket.socket) -> int:
    """How many connections are established and not taken yet, as Linux reports of a listening socket (tcp_info)."""
    return int.from_bytes(listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)[24:28], "little")


def _run(scene: Scene, *, clients: int) -> None:
    async def main() -> None:
        with ExitStack() as stack:
            listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=64))
            waiting = [
                stack.enter_context(socket.create_connection(listener.getsockname(), timeout=10))
                for _ in range(clients)
            ]
            await scene(listener, waiting)
            await asyncio.sleep(0.05)  # those that were taken are served

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
