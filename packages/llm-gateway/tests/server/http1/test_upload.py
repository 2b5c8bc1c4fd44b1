"""A body that is handed on while it arrives."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from llm_gateway.server.http1.upload import Upload
from llm_gateway_sdk import GatewayError


class Connection:
    """Notes what is asked of it; `pace` of the connection is this object too."""

    def __init__(self) -> None:
        self.events: list[str] = []

    def pause_reading(self) -> None:
        self.events.append("pause")

    def resume_reading(self) -> None:
        self.events.append("resume")

    def hold(self) -> None:
        self.events.append("hold")

    def go_on(self) -> None:
        self.events.append("go on")


def run(work: Callable[[Upload, Connection], Awaitable[None]], length: int | None = None) -> Connection:
    connection = Connection()
    asyncio.run(_started(work, Upload(length, connection, connection), connection))  # type: ignore[arg-type]
    return connection


async def _started(
    work: Callable[[Upload, Connection], Awaitable[None]], upload: Upload, connection: Connection
) -> None:
    await work(upload, connection)


def test_what_has_come_is_taken_in_one_piece_until_the_end() -> None:
    async def work(upload: Upload, connection: Connection) -> None:
        for piece in (b"a", b"b"):
            upload.feed(piece)
        assert await upload.read() == b"ab"
        upload.feed(b"c")
        upload.end()
        assert [await upload.read(), await upload.read(), await upload.read()] == [b"c", b"", b""]

    assert run(work).events == []


@pytest.mark.parametrize("what", ["piece", "end", "error"])
def test_a_reader_waits_for_what_is_to_come(what: str) -> None:
    async def work(upload: Upload, connection: Connection) -> None:
        reading = asyncio.ensure_future(upload.read())
        await asyncio.sleep(0)
        assert not reading.done()
        if what == "piece":
            upload.feed(b"a")
            assert await reading == b"a"
        elif what == "end":
            upload.end()
            assert await reading == b""
        else:
            upload.fail(GatewayError("broken off"))
            with pytest.raises(GatewayError, match="broken off"):
                await reading

    run(work)


def test_reading_from_the_client_pauses_while_much_waits_and_goes_on_when_it_is_taken() -> None:
    async def work(upload: Upload, connection: Connection) -> None:
        upload.feed(b"x" * 256 * 1024)
        assert connection.events == []
        upload.feed(b"y")
        upload.feed(b"z")
        assert connection.events == ["hold", "pause"]
        assert len(await upload.read()) == 256 * 1024 + 2
        assert connection.events == ["hold", "pause", "go on", "resume"]

    run(work)


def test_what_came_before_a_failure_is_still_read() -> None:
    async def work(upload: Upload, connection: Connection) -> None:
        upload.feed(b"a")
        upload.fail(GatewayError("broken off"))
        assert await upload.read() == b"a"
        with pytest.raises(GatewayError):
            await upload.read()

    run(work)


def test_a_body_that_is_whole_cannot_fail_any_more() -> None:
    async def work(upload: Upload, connection: Connection) -> None:
        upload.end()
        upload.fail(GatewayError("too late"))
        assert await upload.read() == b""

    run(work)


def test_a_reader_that_gave_up_is_not_woken() -> None:
    async def work(upload: Upload, connection: Connection) -> None:
        reading = asyncio.ensure_future(upload.read())
        await asyncio.sleep(0)
        reading.cancel()
        upload.feed(b"a")
        assert await upload.read() == b"a"

    run(work)
