"""Bytes of a connection that has left HTTP: handed on in order, at the reader's pace."""

from __future__ import annotations

import asyncio

from llm_gateway.server.http1.duplex import Duplex


class Connection:
    def __init__(self) -> None:
        self.paused = 0
        self.resumed = 0

    def pause_reading(self) -> None:
        self.paused += 1

    def resume_reading(self) -> None:
        self.resumed += 1


def test_what_came_is_read_in_order_and_then_the_end() -> None:
    async def main() -> list[bytes]:
        duplex = Duplex(Connection())
        duplex.feed(b"a")
        duplex.feed(b"b")
        found = [await duplex.read()]
        asyncio.get_running_loop().call_soon(duplex.feed, b"c")
        found.append(await duplex.read())
        asyncio.get_running_loop().call_soon(duplex.end)
        found.append(await duplex.read())
        return found

    assert asyncio.run(main()) == [b"ab", b"c", b""]


def test_reading_pauses_while_what_came_is_not_taken() -> None:
    async def main() -> None:
        connection = Connection()
        duplex = Duplex(connection)
        duplex.feed(b"x" * (256 * 1024))
        assert connection.paused == 0
        duplex.feed(b"x")
        duplex.feed(b"x")
        assert (connection.paused, connection.resumed) == (1, 0)
        assert len(await duplex.read()) == 256 * 1024 + 2
        assert connection.resumed == 1

    asyncio.run(main())


def test_the_end_of_the_server_is_an_event() -> None:
    async def main() -> bool:
        duplex = Duplex(Connection())
        duplex.go_away()
        return await duplex.going_away.wait()

    assert asyncio.run(main())
