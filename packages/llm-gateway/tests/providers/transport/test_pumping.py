"""Bodies that are sent while they arrive, no faster than they are taken."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, cast

import pytest

from llm_gateway.providers.transport.pumping import Pumping
from llm_gateway_sdk.errors import ModelError


class Transport:
    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.closing = False

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def is_closing(self) -> bool:
        return self.closing


class Connection(Pumping):
    def __init__(self, transport: Transport) -> None:
        super().__init__()
        self.loop = asyncio.get_running_loop()
        self._transport = cast("Any", transport)
        self.broken: list[ModelError] = []

    def break_off(self, error: ModelError) -> None:
        self.broken.append(error)


async def body(*pieces: bytes | Exception) -> AsyncIterator[bytes]:
    for piece in pieces:
        await asyncio.sleep(0)
        if isinstance(piece, Exception):
            raise piece
        yield piece


def run(work: Callable[[Connection, Transport], Awaitable[None]]) -> None:
    async def main() -> None:
        transport = Transport()
        await work(Connection(transport), transport)

    asyncio.run(main())


def test_pieces_are_written_in_order_and_the_connection_is_free_again() -> None:
    async def work(connection: Connection, transport: Transport) -> None:
        await connection.pump(body(b"a", b"b"))
        assert (transport.written, connection.pumping, connection.broken) == ([b"a", b"b"], False, [])

    run(work)


def test_writing_waits_while_the_other_side_is_full() -> None:
    async def work(connection: Connection, transport: Transport) -> None:
        connection.pause_writing()
        sending = asyncio.ensure_future(connection.pump(body(b"a")))
        await asyncio.sleep(0.01)
        assert (transport.written, connection.pumping) == ([], True)
        connection.resume_writing()
        await asyncio.wait_for(sending, 1)
        assert transport.written == [b"a"]

    run(work)


def test_a_connection_that_closes_ends_the_sending_and_is_not_used_again() -> None:
    async def work(connection: Connection, transport: Transport) -> None:
        transport.closing = True
        await connection.pump(body(b"a", b"b"))
        assert (transport.written, connection.pumping) == ([], True)

    run(work)


def test_what_the_body_raises_breaks_the_connection_off_and_is_raised() -> None:
    async def work(connection: Connection, transport: Transport) -> None:
        with pytest.raises(LookupError, match="gone"):
            await connection.pump(body(b"a", LookupError("gone")))
        assert [error.message for error in connection.broken] == ["The request's body ended early."]
        assert connection.pumping is True

    run(work)
