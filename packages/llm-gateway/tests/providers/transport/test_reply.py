"""A reply's body as its reader sees it, whatever the order in which bytes, the end, a failure and a time limit come."""

from __future__ import annotations

import asyncio
from math import inf

import pytest

from llm_gateway.providers.transport.reply import Reply
from llm_gateway_sdk.errors import ModelConnectionError, ModelError, ModelProtocolError, ModelTimeout

pytestmark = pytest.mark.anyio


class Wire:
    """The provider's side: a connection on which a body arrives as the test has it."""

    def __init__(self, reply: Reply) -> None:
        self.loop = asyncio.get_running_loop()
        self.chunks: list[bytes] = []
        self.size = 0
        self.timer_at = inf
        self.resumed = 0
        self.armed: list[float] = []
        self.reply = reply
        reply.body = self

    def bring(self, piece: bytes) -> None:
        self.chunks.append(piece)
        self.size += len(piece)
        if self.size > self.reply.patience:
            self.reply.wake()

    def end(self) -> None:
        self.reply.rest, self.reply.body = self.take(), None
        self.reply.wake()

    def take(self) -> bytes:
        data = b"".join(self.chunks)
        self.chunks, self.size = [], 0
        return data

    def take_pieces(self) -> list[bytes]:
        pieces, self.chunks, self.size = self.chunks, [], 0
        return pieces

    def resume(self) -> None:
        self.resumed += 1

    def arm(self, when: float) -> None:
        self.armed.append(when)
        self.timer_at = when

    def break_off(self, error: ModelError) -> None:
        self.reply.error, self.reply.body = error, None
        self.reply.wake()


def arriving() -> tuple[Reply, Wire]:
    reply = Reply(inf, "total")
    return reply, Wire(reply)


async def test_pieces_come_in_order_and_the_end_is_empty() -> None:
    reply, wire = arriving()
    wire.bring(b"a")
    wire.bring(b"b")
    assert await reply.receive() == b"ab"
    wire.loop.call_soon(wire.bring, b"c")
    assert await reply.receive() == b"c"
    wire.bring(b"d")
    wire.end()
    assert [await reply.receive() for _ in range(3)] == [b"d", b"", b""]


async def test_a_body_that_breaks_off_gives_what_came_and_then_its_error_each_time() -> None:
    reply, wire = arriving()
    reply.rest = b"half"
    wire.break_off(ModelConnectionError("gone"))
    assert await reply.receive() == b"half"
    for _ in range(2):
        with pytest.raises(ModelConnectionError, match="gone"):
            await reply.receive()


async def test_a_body_is_read_whole_up_to_its_limit_exactly() -> None:
    for size, fits in ((9, True), (10, True), (11, False)):
        reply, wire = arriving()
        reading = asyncio.ensure_future(reply.read(limit=10))
        await asyncio.sleep(0)
        wire.bring(b"x" * size)
        wire.loop.call_soon(lambda wire=wire: wire.end() if wire.reply.body is not None else None)
        if fits:
            assert await asyncio.wait_for(reading, 10) == b"x" * size
        else:
            with pytest.raises(ModelProtocolError, match="larger than the 10 bytes"):
                await asyncio.wait_for(reading, 10)
            assert reply.body is None, "the rest is not waited for"
        assert reply.patience == 0


@pytest.mark.parametrize("limit", [3, 4, None])
async def test_a_body_that_is_whole_already_is_held_to_the_limit_too(limit: int | None) -> None:
    reply, wire = arriving()
    wire.bring(b"four")
    wire.end()
    if limit == 3:
        with pytest.raises(ModelProtocolError):
            await reply.read(limit)
    else:
        assert await reply.read(limit) == b"four"


async def test_a_second_reader_is_refused_and_the_first_goes_on() -> None:
    reply, wire = arriving()
    first = asyncio.ensure_future(reply.receive())
    await asyncio.sleep(0)
    with pytest.raises(RuntimeError, match="already being received"):
        await reply.receive()
    wire.bring(b"x")
    assert await asyncio.wait_for(first, 10) == b"x"


async def test_a_reader_that_is_cancelled_closes_the_connection() -> None:
    reply, wire = arriving()
    reading = asyncio.ensure_future(reply.receive())
    await asyncio.sleep(0)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert wire.reply.body is None
    with pytest.raises(ModelConnectionError, match="closed early"):
        await reply.receive()


async def test_after_its_time_an_unfinished_body_ends_in_a_timeout_and_a_complete_one_is_given_out() -> None:
    reply, wire = arriving()
    wire.bring(b"x")
    reply.expire_at(wire.loop.time() - 1, "idle")
    with pytest.raises(ModelTimeout, match="idle"):
        await reply.receive()

    reply, wire = arriving()
    wire.bring(b"x")
    wire.end()
    reply.expire_at(wire.loop.time() - 1, "idle")
    assert await reply.receive() == b"x"


async def test_the_connections_timer_is_armed_only_for_an_earlier_time() -> None:
    reply, wire = arriving()
    for when in (50.0, 80.0, 20.0, 20.0):
        reply.expire_at(when, "total")
    assert wire.armed == [50.0, 20.0]
    assert (reply.deadline, reply.reason) == (20.0, "total")


async def test_closing_twice_and_after_the_end_is_harmless() -> None:
    reply, wire = arriving()
    wire.bring(b"x")
    reply.close()
    reply.close()
    with pytest.raises(ModelConnectionError):
        await reply.receive()

    done, wire = arriving()
    wire.end()
    done.close()
    assert await done.receive() == b""


async def test_a_long_body_is_joined_in_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing on the event loop copies all of it at once."""
    reply, wire = arriving()
    steps: list[int] = []
    take = wire.take

    def taken() -> bytes:
        steps.append(wire.size)
        return take()

    monkeypatch.setattr(wire, "take", taken)
    pieces = [bytes([number]) * (256 << 10) for number in range(100)]

    async def provide() -> None:
        for piece in pieces:
            wire.bring(piece)
            await asyncio.sleep(0)
        wire.end()

    providing = asyncio.create_task(provide())
    assert await reply.read() == b"".join(pieces)
    await providing
    assert max(steps) <= 2 << 20
