"""A streamed reply on its way out, and its keep-alives."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from llm_gateway.exchange.outlet import Headers, Outlet, PiecewiseSink

PING = b": ping\n\n"


class Sink(PiecewiseSink):
    """A client in memory; `room` is whether a callback may write."""

    keeps_on = False
    disconnected = False

    def __init__(self, *, room: bool = True, fails: bool = False) -> None:
        self.written: list[bytes] = []
        self.started: list[int] = []
        self.room = room
        self.fails = fails
        self.ended = False

    async def start(self, status: int, headers: Headers) -> None:
        self.started.append(status)

    async def write(self, data: bytes, *, more: bool) -> None:
        await asyncio.sleep(0)
        if self.fails:
            raise ConnectionResetError
        self.written.append(data)
        self.ended = not more

    def write_now(self, data: bytes) -> bool:
        if self.room:
            self.written.append(data)
        return self.room

    async def abort(self) -> None: ...


def run(sink: Sink, work: Callable[[Outlet], Awaitable[None]], interval: float = 0.0) -> Outlet:
    async def main() -> Outlet:
        outlet = Outlet(sink, list, interval=interval, keep_alive=PING)
        try:
            await work(outlet)
        finally:
            outlet.stop()
        return outlet

    return asyncio.run(main())


def test_headers_go_out_with_the_first_bytes_and_once() -> None:
    sink = Sink()

    async def work(outlet: Outlet) -> None:
        assert (outlet.opened, outlet.started) == (False, False)
        await outlet.write(b"a")
        await outlet.write(b"b")
        await outlet.end(b"c")

    outlet = run(sink, work)

    assert (sink.started, sink.written, sink.ended) == ([200], [b"a", b"b", b"c"], True)
    assert (outlet.opened, outlet.started) == (True, True)


def test_a_reply_without_content_is_opened_by_its_end() -> None:
    sink = Sink()
    run(sink, lambda outlet: outlet.end())

    assert (sink.started, sink.written, sink.ended) == ([200], [b""], True)


@pytest.mark.parametrize("room", [True, False])
def test_a_callback_writes_where_it_need_not_wait(room: bool) -> None:
    sink = Sink(room=room)

    async def work(outlet: Outlet) -> None:
        assert outlet.write_now(b"too early", 0.0) is False
        await outlet.write(b"a")
        assert outlet.write_now(b"b", 0.0) is room

    run(sink, work)

    assert sink.written == ([b"a", b"b"] if room else [b"a"])


def test_a_silent_stream_is_kept_alive_before_and_after_its_first_bytes() -> None:
    sink = Sink()

    async def work(outlet: Outlet) -> None:
        await asyncio.sleep(0.12)
        assert outlet.opened
        before = len(sink.written)
        await outlet.write(b"a")
        await asyncio.sleep(0.12)
        assert PING in sink.written[:before]
        await outlet.end(b"z")

    run(sink, work, interval=0.04)

    at = sink.written.index(b"a")
    assert PING in sink.written[at:]
    assert (sink.started, sink.written[-1]) == ([200], b"z")


def test_a_stream_that_writes_often_has_no_keep_alives() -> None:
    sink = Sink()

    async def work(outlet: Outlet) -> None:
        for _ in range(10):
            await outlet.write(b"a")
            await asyncio.sleep(0.005)

    run(sink, work, interval=5.0)

    assert PING not in sink.written


@pytest.mark.parametrize("interval", [0.0, 0.03])
def test_no_keep_alive_comes_after_the_end(interval: float) -> None:
    sink = Sink()

    async def work(outlet: Outlet) -> None:
        await outlet.end(b"z")
        await asyncio.sleep(0.1)

    run(sink, work, interval=interval)

    assert sink.written == [b"z"]


def test_a_keep_alive_that_fails_is_left_to_the_next_write() -> None:
    sink = Sink(fails=True)

    async def work(outlet: Outlet) -> None:
        await asyncio.sleep(0.08)
        with pytest.raises(ConnectionResetError):
            await outlet.write(b"a")

    run(sink, work, interval=0.03)
