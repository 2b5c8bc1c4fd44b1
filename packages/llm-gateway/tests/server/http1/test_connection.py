"""One connection against a transport in memory: order, refusals, half-closed clients, strangers' uploads."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest

from llm_gateway.server.http1.channel import FULL_READ
from llm_gateway.server.http1.connection import HTTPConnection
from llm_gateway.server.http1.cycle import Cycle
from llm_gateway.server.http1.door import Door, Limits
from llm_gateway.server.slow_readers import SlowReaders
from llm_gateway.server.uploads import UploadPool
from llm_gateway_sdk import GatewayError, Unauthorized

ASK = b"POST /a HTTP/1.1\r\nhost: g\r\ncontent-length: 3\r\n\r\n"


class _Transport(asyncio.Transport):
    def __init__(self, address: str = "192.0.2.1") -> None:
        super().__init__()
        self.written = b""
        self.closed = self.aborted = self.reading_paused = False
        self.eof = False
        self._address = address

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return (self._address, 5) if name == "peername" else default

    def write(self, data: Any) -> None:
        self.written += bytes(data)

    def is_closing(self) -> bool:
        return self.closed or self.aborted

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.aborted = True

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.eof = True

    def get_write_buffer_size(self) -> int:
        return 0

    def pause_reading(self) -> None:
        self.reading_paused = True

    def resume_reading(self) -> None:
        self.reading_paused = False


class _Application:
    """Answers with the body it got, after `pause` seconds."""

    def __init__(self) -> None:
        self.pause = 0.0
        self.handled: list[Cycle] = []
        self.early: Callable[[Cycle], Awaitable[GatewayError | None]] | None = None

    def refuses_early(self, cycle: Cycle) -> GatewayError | None:
        return None

    def takes_upload(self, cycle: Cycle) -> bool:
        return False

    def authenticates_early(self, cycle: Cycle) -> Awaitable[GatewayError | None] | None:
        return self.early(cycle) if self.early is not None else None

    def client_address(self, cycle: Cycle) -> str | None:
        forwarded = dict(cycle.head.headers).get("x-forwarded-for")
        return forwarded or cycle.client_ip

    async def handle(self, cycle: Cycle) -> None:
        self.handled.append(cycle)
        if self.pause:
            await asyncio.sleep(self.pause)
        body = cycle.refusal.message.encode() if cycle.refusal else cycle.take_body()
        status = cycle.refusal.status if cycle.refusal else 200
        await cycle.start(status, [(b"content-length", b"%d" % len(body))])
        await cycle.write(body, more=False)


class _Scene:
    def __init__(self, *, limits: Limits | None = None, pool: int = 1 << 30) -> None:
        loop = asyncio.get_running_loop()
        self.app = _Application()
        limits = limits or Limits()
        self.door = Door(
            self.app, loop, limits=limits, uploads=UploadPool(pool, limits.body_bytes),
            slow_readers=SlowReaders(loop, 1 << 30),
        )  # fmt: skip

    def connect(self, address: str = "192.0.2.1") -> tuple[HTTPConnection, _Transport]:
        connection, transport = HTTPConnection(self.door), _Transport(address)
        connection.connection_made(transport)
        return connection, transport

    async def settle(self, seconds: float = 0.02) -> None:
        await asyncio.sleep(seconds)


def run(scene: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(scene())


def test_pipelined_replies_come_in_order_and_the_memo_changes_nothing() -> None:
    async def main() -> None:
        scene = _Scene()
        scene.app.pause = 0.005
        connection, transport = scene.connect()
        connection.data_received(ASK + b"one" + ASK + b"two" + ASK + b"tri")
        async with asyncio.timeout(20):
            while connection.cycles:
                await scene.settle(0.01)
        await scene.settle(0)

        assert [part[-3:] for part in transport.written.split(b"HTTP/1.1 200 OK")[1:]] == [b"one", b"two", b"tri"]
        assert not transport.closed

    run(main)


def test_a_client_that_half_closes_gets_its_replies() -> None:
    async def main() -> None:
        scene = _Scene()
        scene.app.pause = 0.02
        connection, transport = scene.connect()
        connection.data_received(ASK + b"one" + ASK + b"two")
        assert connection.eof_received() is True
        await scene.settle(0.15)

        assert transport.written.endswith(b"two")
        assert b"connection: close" in transport.written
        assert transport.closed

    run(main)


def test_a_client_that_closes_within_its_request_is_gone() -> None:
    async def main() -> None:
        scene = _Scene()
        connection, _ = scene.connect()
        connection.data_received(ASK + b"o")

        assert connection.eof_received() is False

    run(main)


def test_who_is_asking_is_found_out_before_the_body_is_waited_for() -> None:
    async def refuse(_: Cycle) -> GatewayError | None:
        return Unauthorized("who are you?")

    async def main() -> None:
        scene = _Scene()
        scene.app.early = refuse
        connection, transport = scene.connect()
        connection.data_received(b"POST /a HTTP/1.1\r\nhost: g\r\nexpect: 100-continue\r\ncontent-length: 900\r\n\r\n")
        await scene.settle()

        assert transport.written.startswith(b"HTTP/1.1 401 ")
        assert transport.eof
        connection.data_received(b"x" * 900)
        assert scene.door.uploads.used == 0

    run(main)


def test_a_body_that_comes_with_its_head_is_not_looked_at_twice() -> None:
    async def refuse(_: Cycle) -> GatewayError | None:
        raise AssertionError("the walk authenticates")

    async def main() -> None:
        scene = _Scene()
        scene.app.early = refuse
        connection, transport = scene.connect()
        connection.data_received(ASK + b"one")
        await scene.settle()

        assert transport.written.endswith(b"one")

    run(main)


@pytest.mark.parametrize("proxied", [False, True])
def test_one_address_that_holds_the_memory_for_uploads_leaves_some_to_others(proxied: bool) -> None:
    async def main() -> None:
        body = 100_000
        scene = _Scene(limits=Limits(body_bytes=body), pool=8 * body)
        begin = b"POST /a HTTP/1.1\r\nhost: g\r\ncontent-length: %d\r\n" % body
        strangers = [scene.connect("192.0.2.1" if proxied else "198.51.100.9") for _ in range(16)]
        for connection, _ in strangers:
            connection.data_received(begin + b"x-forwarded-for: 198.51.100.9\r\n\r\n")
            for _ in range(9):
                connection.data_received(b"x" * 10_000)
        known, transport = scene.connect("192.0.2.1")
        known.data_received(begin + b"x-forwarded-for: 203.0.113.5\r\n\r\n")
        for _ in range(10):
            known.data_received(b"y" * 10_000)
        await scene.settle()

        assert b"HTTP/1.1 200 OK" in transport.written
        assert sum(b" 503 " in stranger.written for _, stranger in strangers) >= 8
        for connection, _ in strangers:
            connection.connection_lost(None)
        assert scene.door.uploads.used == 0

    run(main)


@pytest.mark.parametrize("body", [b"", b"abc"])
@pytest.mark.parametrize("chunk", [FULL_READ, 5000])
def test_of_thousands_of_pipelined_requests_few_are_taken_at_once(body: bytes, chunk: int) -> None:
    """They fit into one read: reading all their heads, and counting them again for each, would hold the loop."""

    async def main() -> None:
        scene, sent, most = _Scene(), [], 0
        connection, transport = scene.connect()
        for number in range(4000):
            length = b"content-length: 3\r\n" if body else b""
            sent.append(b"POST /%d HTTP/1.1\r\nhost: g\r\n%s\r\n%s" % (number, length, body))
        data = b"".join(sent)
        async with asyncio.timeout(60):
            while data or connection.cycles:
                if data and not transport.reading_paused:
                    connection.data_received(data[:chunk])
                    data = data[chunk:]
                most = max(most, len(connection.cycles))
                await scene.settle(0)
            await scene.settle()

        assert [cycle.head.path for cycle in scene.app.handled] == [f"/{number}" for number in range(4000)]
        assert transport.written.count(b"HTTP/1.1 200 OK") == 4000
        assert most < 500

    run(main)


def test_what_waits_unread_is_taken_around_bodies_of_any_kind() -> None:
    async def main() -> None:
        scene = _Scene()
        connection, transport = scene.connect()
        few = b"GET /s HTTP/1.1\r\nhost: g\r\n\r\n" * 600
        large = b"POST /l HTTP/1.1\r\nhost: g\r\ncontent-length: 100000\r\n\r\n" + b"x" * 100_000
        chunks = b"POST /c HTTP/1.1\r\nhost: g\r\ntransfer-encoding: chunked\r\n\r\n" + (
            b"%x\r\n%s\r\n0\r\n\r\n" % (90_000, b"y" * 90_000)
        )
        connection.data_received(few + large + few + chunks + few)
        async with asyncio.timeout(60):
            while len(scene.app.handled) < 1802 or connection.cycles:
                await scene.settle(0)

        paths = [cycle.head.path for cycle in scene.app.handled]
        assert paths == ["/s"] * 600 + ["/l"] + ["/s"] * 600 + ["/c"] + ["/s"] * 600
        assert b"x" * 100_000 in transport.written
        assert b"y" * 90_000 in transport.written

    run(main)


def test_a_large_body_leaves_turns_of_the_loop_to_other_connections() -> None:
    async def main() -> None:
        scene = _Scene()
        connection, transport = scene.connect()
        size = 3 * FULL_READ
        connection.data_received(b"POST /a HTTP/1.1\r\nhost: g\r\ncontent-length: %d\r\n\r\n" % size)
        connection.data_received(b"a" * FULL_READ)
        assert transport.reading_paused
        await scene.settle()
        assert not transport.reading_paused

        connection.data_received(b"b" * FULL_READ)
        connection.pause_reading()
        await scene.settle()
        assert transport.reading_paused, "who paused for another reason resumes"
        connection.resume_reading()

        connection.data_received(b"c" * FULL_READ)
        await scene.settle()
        assert transport.written.endswith(b"a" * FULL_READ + b"b" * FULL_READ + b"c" * FULL_READ)

    run(main)


def test_nonsense_after_a_request_ends_the_connection_with_that_reply() -> None:
    async def main() -> None:
        scene = _Scene()
        connection, transport = scene.connect()
        connection.data_received(ASK + b"one" + b"\x00\x01nonsense\r\n\r\n")
        await scene.settle()

        assert transport.written.count(b"HTTP/1.1 ") == 1
        assert transport.written.endswith(b"one")
        assert transport.closed

    run(main)


def test_when_the_server_ends_an_idle_connection_closes_and_a_busy_one_answers_first() -> None:
    async def main() -> None:
        scene = _Scene()
        scene.app.pause = 0.05
        idle, idle_transport = scene.connect()
        busy, busy_transport = scene.connect()
        busy.data_received(ASK + b"one")
        scene.door.draining = True
        for connection in (idle, busy):
            connection.shutdown()
        await scene.settle(0.7)

        assert idle_transport.closed
        assert busy_transport.written.endswith(b"one")
        assert busy_transport.closed

    run(main)


def test_addresses_of_mapped_ipv4_are_shown_as_ipv4() -> None:
    async def main() -> None:
        connection, _ = _Scene().connect("::ffff:192.0.2.7")

        assert connection.client_ip == "192.0.2.7"

    run(main)
