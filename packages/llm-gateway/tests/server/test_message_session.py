"""A WebSocket whose messages are requests: their order, their replies, and how the connection ends."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.uri import parse_uri

from llm_gateway.exchange.realtime.session_limits import RealtimeLimits
from llm_gateway.server.http1.duplex import Duplex
from llm_gateway.server.http1.head import Head
from llm_gateway.server.incoming import Incoming
from llm_gateway.server.message_session import MessageSession
from llm_gateway_sdk import InvalidRequest

EVENTS = [(b"content-type", b"text/event-stream")]


class Connection:
    """Both the server's side of the handshake and the client."""

    def __init__(self, serve: Callable[[Incoming], Awaitable[None]], **limits: float) -> None:
        self.client = ClientProtocol(parse_uri("ws://127.0.0.1/v1/responses"))
        asked = self.client.connect()
        headers = [(name.lower(), value) for name, value in asked.headers.raw_items()]
        self.head = Head("GET", "/v1/responses", "", [*headers, ("authorization", "Bearer k")], None, upgrades=True)
        self.client_ip = "127.0.0.1"
        self.refusal = self.extra = self.upload = None
        self.disconnected = self.keeps_on = False
        self.duplex = Duplex(cast(Any, self))
        self.status = 0
        self.messages: list[dict[str, Any]] = []
        self.arrived, self.opened = asyncio.Event(), asyncio.Event()
        self.session = MessageSession(
            cast(Incoming, self), self.duplex, RealtimeLimits(**limits), serve, lambda error: json.dumps(
                {"error": {"message": error.message, "param": error.param}}
            ).encode(),
        )  # fmt: skip
        self.client.send_request(asked)
        self.client.data_to_send()

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    async def start(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        self.status = status
        lines = b"".join(name + b": " + value + b"\r\n" for name, value in headers)
        self.client.receive_data(b"HTTP/1.1 101 Switching Protocols\r\n" + lines + b"\r\n")
        self.client.events_received()
        assert self.client.handshake_exc is None, self.client.handshake_exc
        self.opened.set()

    async def write(self, data: bytes, *, more: bool) -> None:
        self.client.receive_data(data)
        for event in self.client.events_received():
            if isinstance(event, Frame) and event.opcode is Opcode.TEXT:
                self.messages.append(json.loads(bytes(event.data)))
                self.arrived.set()
        if out := b"".join(self.client.data_to_send()):
            self.duplex.feed(out)

    async def abort(self) -> None: ...

    async def open(self) -> asyncio.Task[None]:
        running = asyncio.create_task(self.session.run())
        await self.opened.wait()
        return running

    def say(self, **event: Any) -> None:
        self.client.send_text(json.dumps({"type": "response.create", **event}).encode())
        self.duplex.feed(b"".join(self.client.data_to_send()))

    def close(self) -> None:
        self.client.send_close(1000)
        self.duplex.feed(b"".join(self.client.data_to_send()))

    async def heard(self, count: int) -> list[dict[str, Any]]:
        async with asyncio.timeout(5):
            while len(self.messages) < count:
                self.arrived.clear()
                await self.arrived.wait()
        return self.messages


async def echo(request: Incoming) -> None:
    body = json.loads(request.take_body())
    await asyncio.sleep(body.get("wait", 0))
    await request.start(200, EVENTS)
    await request.write(b"data: " + json.dumps({"type": "x", "heard": body["input"]}).encode() + b"\n\n", more=True)
    await request.write(b"data: [DONE]\n\n", more=False)


def test_each_message_is_a_request_and_each_event_a_message() -> None:
    heads: list[Head] = []

    async def serve(request: Incoming) -> None:
        heads.append(request.head)
        await echo(request)

    async def main() -> list[dict[str, Any]]:
        side = Connection(serve)
        running = await side.open()
        side.say(input="a")
        heard = await side.heard(1)
        side.close()
        await asyncio.wait_for(running, 5)
        assert side.status == 101
        return heard

    assert asyncio.run(main()) == [{"type": "x", "heard": "a"}]
    (head,) = heads
    assert (head.method, head.path) == ("POST", "/v1/responses")
    assert dict(head.headers)["authorization"] == "Bearer k"
    assert not any(name.startswith("sec-") or name == "upgrade" for name, _ in head.headers)


def test_messages_of_one_lane_follow_each_other() -> None:
    async def main() -> list[Any]:
        side = Connection(echo)
        running = await side.open()
        side.say(input=1, wait=0.2, stream_id="a")
        side.say(input=2, stream_id="a")
        side.say(input=3, stream_id="b")
        heard = await side.heard(3)
        side.close()
        await asyncio.wait_for(running, 5)
        return [(each["heard"], each["stream_id"]) for each in heard]

    assert asyncio.run(main()) == [(3, "b"), (1, "a"), (2, "a")]


def test_an_error_is_an_event_and_so_is_a_message_that_is_not_one() -> None:
    async def serve(request: Incoming) -> None:
        await request.start(429, [(b"content-type", b"application/json")])
        await request.write(b'{"error": {"message": "Slow down."}}', more=False)

    async def main() -> list[dict[str, Any]]:
        side = Connection(serve)
        running = await side.open()
        side.say(input="a", stream_id=5)
        await side.heard(1)
        side.say(input="a")
        heard = await side.heard(2)
        side.close()
        await asyncio.wait_for(running, 5)
        return heard

    wrong, refused = asyncio.run(main())

    assert (wrong["type"], wrong["status"], wrong["param"]) == ("error", 400, "stream_id")
    assert (refused["type"], refused["status"], refused["message"]) == ("error", 429, "Slow down.")


def test_what_runs_ends_with_the_connection() -> None:
    ended = []

    async def serve(request: Incoming) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(request.disconnected)

    async def main() -> None:
        side = Connection(serve)
        running = await side.open()
        side.say(input="a")
        await asyncio.sleep(0.05)
        side.duplex.end()
        await asyncio.wait_for(running, 5)

    asyncio.run(main())

    assert ended == [True]


@pytest.mark.parametrize("why", ["shutdown", "silence"])
def test_a_connection_ends_when_its_time_is_over(why: str) -> None:
    async def main() -> int | None:
        side = Connection(echo, silence=0.1 if why == "silence" else 900.0)
        running = await side.open()
        await asyncio.sleep(0.02)
        if why == "shutdown":
            side.duplex.go_away()
        await asyncio.wait_for(running, 5)
        return side.client.close_rcvd.code if side.client.close_rcvd is not None else None

    assert asyncio.run(main()) == 1001


def test_a_handshake_that_is_not_valid_is_refused() -> None:
    async def main() -> None:
        side = Connection(echo)
        side.head.headers = [item for item in side.head.headers if item[0] != "sec-websocket-key"]
        await side.session.run()

    with pytest.raises(InvalidRequest, match="handshake"):
        asyncio.run(main())
