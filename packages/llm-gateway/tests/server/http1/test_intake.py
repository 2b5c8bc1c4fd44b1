"""Bytes of a connection for one reader: in order, all of them, and never more at once than is taken."""

from __future__ import annotations

import asyncio
import random

import pytest

from llm_gateway.server.http1.intake import Intake
from llm_gateway_sdk import PayloadTooLarge


class Connection:
    def __init__(self) -> None:
        self.free = asyncio.Event()
        self.free.set()

    def pause_reading(self) -> None:
        assert self.free.is_set(), "paused twice"
        self.free.clear()

    def resume_reading(self) -> None:
        assert not self.free.is_set(), "resumed twice"
        self.free.set()


@pytest.mark.parametrize("seed", range(8))
def test_whatever_the_pieces_are_the_reader_has_all_of_them_in_order(seed: int) -> None:
    chance = random.Random(seed)
    pieces = [chance.randbytes(chance.choice((1, 700, 90_000, 300_000))) for _ in range(30)]

    async def main() -> bytes:
        connection = Connection()
        intake = Intake(connection)

        async def write() -> None:
            for piece in pieces:
                await connection.free.wait()
                intake.feed(piece)
                if chance.random() < 0.5:
                    await asyncio.sleep(0)
            intake.end()

        writing = asyncio.create_task(write())
        found = bytearray()
        while piece := await intake.read():
            assert len(piece) <= 256 * 1024 + 300_000
            found += piece
        await writing
        assert connection.free.is_set()
        return bytes(found)

    assert asyncio.run(main()) == b"".join(pieces)


def test_what_came_before_a_failure_is_read_first() -> None:
    async def main() -> None:
        intake = Intake(Connection())
        intake.feed(b"begun")
        intake.fail(PayloadTooLarge("too long"))
        assert await intake.read() == b"begun"
        for _ in range(2):
            with pytest.raises(PayloadTooLarge, match="too long"):
                await intake.read()

    asyncio.run(main())


def test_a_failure_wakes_the_reader_that_waits() -> None:
    async def main() -> None:
        intake = Intake(Connection())
        reading = asyncio.create_task(intake.read())
        await asyncio.sleep(0)
        intake.fail(PayloadTooLarge("too long"))
        with pytest.raises(PayloadTooLarge):
            await asyncio.wait_for(reading, 10)

    asyncio.run(main())


def test_a_failure_after_the_end_changes_nothing() -> None:
    async def main() -> bytes:
        intake = Intake(Connection())
        intake.end()
        intake.fail(PayloadTooLarge("too long"))
        return await intake.read()

    assert asyncio.run(main()) == b""
