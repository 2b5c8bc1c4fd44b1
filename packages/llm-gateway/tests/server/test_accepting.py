"""Connections that wait together are taken together."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from typing import cast

import pytest

from llm_gateway.server.accepting import Accepting

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
        accepting = Accepting(asyncio.get_running_loop(), [listener], _Hello, shared=False)
        said = [await asyncio.to_thread(client.recv, 10) for client in clients]
        accepting.close()

        assert said == [b"hello"] * 40

    _run(scene, clients=40)


def test_one_turn_of_the_loop_takes_many() -> None:
    async def scene(listener: socket.socket, clients: list[socket.socket]) -> None:
        accepting = Accepting(asyncio.get_running_loop(), [listener], _Hello, shared=False)
        left = await _after_one_turn(listener)
        accepting.close()

        assert left == 0

    _run(scene, clients=40)


def test_with_other_workers_a_turn_takes_a_few_and_leaves_the_rest_to_them() -> None:
    async def scene(listener: socket.socket, clients: list[socket.socket]) -> None:
        accepting = Accepting(asyncio.get_running_loop(), [listener], _Hello, shared=True)
        left = await _after_one_turn(listener)
        accepting.close()

        assert 20 < left < 40

    _run(scene, clients=40)


def test_after_close_nothing_more_is_taken() -> None:
    async def scene(listener: socket.socket, clients: list[socket.socket]) -> None:
        Accepting(asyncio.get_running_loop(), [listener], _Hello, shared=False).close()
        await asyncio.sleep(0.01)

        assert _waiting(listener) == 3

    _run(scene, clients=3)


async def _after_one_turn(listener: socket.socket) -> int:
    """How many of forty wait when the first have been taken."""
    for _ in range(1000):
        left = _waiting(listener)
        if left < 40:
            return left
        await asyncio.sleep(0)
    return 40


def _waiting(listener: socket.socket) -> int:
    """How many connections are established and not taken yet, as Linux tells of a listening socket (tcp_info)."""
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
