"""Messages over a byte stream: whole, bounded, answered where the protocol wants an answer."""

from __future__ import annotations

import asyncio
import time

import pytest
from websockets.client import ClientProtocol
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.uri import parse_uri

from llm_gateway.exchange.realtime.message_pace import MessagePace
from llm_gateway.exchange.realtime.peer import Closing, Message, Peer


class Pipe:
    """Two byte streams, each the other's end."""

    def __init__(self) -> None:
        self.up: asyncio.Queue[bytes] = asyncio.Queue()
        self.down: asyncio.Queue[bytes] = asyncio.Queue()

    def client(self, **options: int) -> Peer:
        protocol = ClientProtocol(parse_uri("ws://g/"), state=State.OPEN, **options)  # type: ignore[arg-type]
        return Peer(protocol, self.down.get, self.up.put)

    def server(self, *, max_size: int = 1 << 20) -> Peer:
        return Peer(ServerProtocol(state=State.OPEN, max_size=max_size), self.up.get, self.down.put)


def test_messages_arrive_whole_and_in_order_of_both_kinds() -> None:
    async def main() -> list[Message | None]:
        pipe = Pipe()
        client, server = pipe.client(), pipe.server()
        await client.send(Message(b'{"a": 1}'))
        await client.send(Message(b"\x00\x01", is_text=False))
        return [await server.receive(), await server.receive()]

    assert asyncio.run(main()) == [Message(b'{"a": 1}'), Message(b"\x00\x01", is_text=False)]


def test_a_message_in_fragments_cut_anywhere_is_one_message() -> None:
    async def main() -> Message | None:
        pipe = Pipe()
        protocol = ClientProtocol(parse_uri("ws://g/"), state=State.OPEN)
        protocol.send_text(b"one ", fin=False)
        protocol.send_ping(b"between")
        protocol.send_continuation(b"two", fin=True)
        for byte in b"".join(protocol.data_to_send()):
            await pipe.up.put(bytes([byte]))
        server = pipe.server()
        message = await server.receive()
        assert not pipe.down.empty(), "the ping is answered"
        return message

    assert asyncio.run(main()) == Message(b"one two")


def test_a_close_is_answered_and_ends_what_is_received() -> None:
    async def main() -> tuple[Message | None, Closing, Message | None, Closing]:
        pipe = Pipe()
        client, server = pipe.client(), pipe.server()
        await client.close(Closing(4000, "enough"))
        ended, why = await server.receive(), server.closing
        await client.drain(1)
        await server.send(Message(b"late"))  # goes nowhere, and raises nothing
        return ended, why, await client.receive(), client.closing

    assert asyncio.run(main()) == (None, Closing(4000, "enough"), None, Closing(4000, "enough"))


def test_a_connection_that_breaks_off_is_reported_as_such() -> None:
    async def main() -> tuple[Message | None, Closing]:
        pipe = Pipe()
        server = pipe.server()
        await pipe.up.put(b"")
        return await server.receive(), server.closing

    assert asyncio.run(main()) == (None, Closing(1006))


@pytest.mark.parametrize(
    ("sent", "code"),
    [(b"\x81\x85aaaa" + b"x" * 5, 1009), (b"\xff\xff\xff\xff", 1002), (b"\x81\x01x", 1002)],
    ids=["too large", "no frame", "unmasked"],
)
def test_what_is_too_large_or_no_frame_is_refused_by_code(sent: bytes, code: int) -> None:
    async def main() -> tuple[Message | None, int]:
        pipe = Pipe()
        server = pipe.server(max_size=4)
        await pipe.up.put(sent)
        return await server.receive(), server.closing.code

    assert asyncio.run(main()) == (None, code)


def test_a_closing_is_passed_on_in_a_code_that_may_be_sent() -> None:
    assert Closing(4001, "x").sendable() == Closing(4001, "x")
    assert Closing(1005).sendable().code == 1000
    assert Closing(1006).sendable().code == 1011
    assert Closing(1015).sendable().code == 1011


def test_a_long_reason_is_cut_within_a_control_frame() -> None:
    async def main() -> Closing:
        pipe = Pipe()
        client, server = pipe.client(), pipe.server()
        await server.close(Closing(1008, "ü" * 200))
        await client.receive()
        return client.closing

    closing = asyncio.run(main())
    assert closing.code == 1008
    assert set(closing.reason) == {"ü"}
    assert len(closing.reason.encode()) <= 123


FRAMES = {"ping": b"\x89\x80\0\0\0\0", "pong": b"\x8a\x80\0\0\0\0", "part": b"\x00\x80\0\0\0\0"}


@pytest.mark.parametrize("frame", FRAMES.values(), ids=FRAMES)
def test_frames_without_a_message_do_not_delay_others_and_are_bounded_in_pace(frame: bytes) -> None:
    """As many as come in one read: two hundred thousand of them would be two seconds of work."""

    async def main() -> tuple[float, int]:
        given = [b"\x01\x80\0\0\0\0" + frame * 200_000 if frame[0] == 0 else frame * 200_000]
        loop = asyncio.get_running_loop()
        slept: list[float] = []
        pace = MessagePace(1000.0, lambda: 0.0)

        async def read() -> bytes:
            if given:
                return given.pop()
            return await loop.create_future()

        async def write(data: bytes) -> None:
            assert len(data) < 64 * 1024

        peer = Peer(ServerProtocol(state=State.OPEN), read, write, pace=pace)
        receiving = loop.create_task(peer.receive())
        while len(slept) < 20:
            began = time.thread_time()
            await asyncio.sleep(0)
            slept.append(time.thread_time() - began)
        await asyncio.sleep(0)
        left = len(peer._came) - peer._at
        receiving.cancel()
        return max(slept), left

    longest, left = asyncio.run(main())
    assert longest < 0.1
    assert left > 1_000_000, "the pace holds it up"
