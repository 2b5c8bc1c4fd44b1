"""A connection's transport: writes, back pressure and ways to end it, on a transport in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest

from llm_gateway.server.http1.channel import Channel
from llm_gateway.server.http1.door import Door, Limits
from llm_gateway.server.slow_readers import HELD_BYTES
from llm_gateway.server.uploads import UploadPool


class Transport:
    """Notes what happens to it, in order. `unread` is what its client has not taken."""

    def __init__(self, *, half_close: bool = True) -> None:
        self.events: list[str | bytes] = []
        self.half_close = half_close
        self.unread = 0
        self.closing = False

    def write(self, data: bytes) -> None:
        self.events.append(data)

    def close(self) -> None:
        self.closing = True
        self.events.append("close")

    def abort(self) -> None:
        self.closing = True
        self.events.append("abort")

    def write_eof(self) -> None:
        self.events.append("end of output")

    def can_write_eof(self) -> bool:
        return self.half_close

    def pause_reading(self) -> None:
        self.events.append("pause")

    def resume_reading(self) -> None:
        self.events.append("resume")

    def is_closing(self) -> bool:
        return self.closing

    def get_write_buffer_size(self) -> int:
        return self.unread


def run(
    work: Callable[[Channel, Transport], Awaitable[None]], *, idle: float = 75.0, half_close: bool = True
) -> Transport:
    async def main() -> Transport:
        loop = asyncio.get_running_loop()
        readers: set[Any] = set()
        door = Door(
            cast("Any", None), loop, limits=Limits(idle_timeout=idle), uploads=UploadPool(100, 10), slow_readers=readers
        )
        try:
            channel, transport = Channel(door), Transport(half_close=half_close)
            channel.connection_made(cast("asyncio.Transport", transport))
            await work(channel, transport)
        finally:
            door.close()
        return transport

    return asyncio.run(main())


def test_small_writes_of_one_turn_go_out_together() -> None:
    async def work(channel: Channel, transport: Transport) -> None:
        channel.send(b"a")
        channel.send(b"b")
        assert transport.events == []
        await asyncio.sleep(0.01)
        assert b"".join(cast("list[bytes]", transport.events)) == b"ab"

    run(work)


def test_a_large_write_goes_out_at_once_after_what_was_before_it() -> None:
    async def work(channel: Channel, transport: Transport) -> None:
        channel.send(b"a")
        channel.send(b"x" * 70_000)
        assert transport.events == [b"a", b"x" * 70_000]

    run(work)


@pytest.mark.parametrize("way", ["close", "abort"])
def test_what_was_written_goes_before_the_end(way: str) -> None:
    async def work(channel: Channel, transport: Transport) -> None:
        channel.send(b"a")
        getattr(channel, way)()
        channel.write_out(b"too late")

    assert run(work).events == [b"a", way]


def test_a_refused_client_can_read_the_reply_while_it_still_sends() -> None:
    async def work(channel: Channel, transport: Transport) -> None:
        channel.pause_reading()
        channel.send(b"no")
        channel.close_gently()
        assert transport.events == ["pause", b"no", "resume", "end of output"]

    run(work)


def test_a_transport_without_half_close_is_closed() -> None:
    async def work(channel: Channel, transport: Transport) -> None:
        channel.send(b"no")
        channel.close_gently()
        channel.close_gently()

    assert run(work, half_close=False).events == [b"no", "close"]


def test_reading_is_paused_and_resumed_once() -> None:
    async def work(channel: Channel, transport: Transport) -> None:
        for _ in range(2):
            channel.pause_reading()
        for _ in range(2):
            channel.resume_reading()

    assert run(work).events == ["pause", "resume"]


def test_a_writer_waits_until_its_client_has_read() -> None:
    async def work(channel: Channel, transport: Transport) -> None:
        channel.pause_writing()
        assert channel in cast("set[Any]", channel.door.slow_readers)
        waiting = asyncio.ensure_future(channel.wait_writable())
        await asyncio.sleep(0.01)
        assert not waiting.done()
        channel.resume_writing()
        await asyncio.wait_for(waiting, 1)
        assert channel not in cast("set[Any]", channel.door.slow_readers)

    assert run(work).events == []


def test_what_waits_with_a_client_counts_as_unread() -> None:
    class Readers(set[Any]):
        def weigh(self, reader: Channel) -> None:
            assert reader in self
            self.weighed = reader.unread_bytes()

    readers = Readers()

    async def work(channel: Channel, transport: Transport) -> None:
        transport.unread = 10
        channel.door.slow_readers = readers
        channel.pause_writing()
        waiting = asyncio.ensure_future(channel.wait_writable(2 * HELD_BYTES))
        await asyncio.sleep(0)
        assert channel.unread_bytes() == readers.weighed == 10 + 2 * HELD_BYTES
        channel.resume_writing()
        await waiting
        assert channel.unread_bytes() == 10

    run(work)


def test_a_client_that_takes_nothing_is_cut_off() -> None:
    async def work(channel: Channel, transport: Transport) -> None:
        transport.unread = 10
        channel.pause_writing()
        await asyncio.wait_for(channel.wait_writable(), 1)

    assert run(work, idle=0.02).events == ["abort"]


def test_a_client_that_takes_a_little_is_waited_for() -> None:
    async def work(channel: Channel, transport: Transport) -> None:
        transport.unread = 10_000
        channel.pause_writing()
        waiting = asyncio.ensure_future(channel.wait_writable())
        for _ in range(20):
            transport.unread -= 100
            await asyncio.sleep(0.01)
        assert not waiting.done()
        channel.resume_writing()
        await waiting

    assert run(work, idle=0.08).events == []


def test_a_connection_that_is_lost_wakes_its_writer_and_leaves_the_door() -> None:
    async def work(channel: Channel, transport: Transport) -> None:
        channel.pause_writing()
        waiting = asyncio.ensure_future(channel.wait_writable())
        await asyncio.sleep(0)
        transport.closing = True
        channel.connection_lost(None)
        await asyncio.wait_for(waiting, 1)
        assert channel.door.connections == set()

    run(work)
