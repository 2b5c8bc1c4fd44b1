"""Recorded streams, damaged at any place, through a whole gateway without sockets."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from loopback import ROUTES, chat_stream, config, message_stream, model, request

from llm_gateway.gateway import Gateway
from llm_gateway.loading import load_text
from llm_gateway.server.app import GatewayApp
from llm_gateway.server.asgi import ASGIForm
from llm_gateway.server.generation import Generation
from llm_gateway_sdk import HTTPReply, ModelConnectionError, ModelError, ModelTimeout
from llm_gateway_sdk.http import Room
from llm_gateway_sdk.testing.grammar import anthropic, openai_chat, openai_responses
from llm_gateway_sdk.testing.recordings import load_recordings

GRAMMARS: dict[str, ModuleType] = {"chat": openai_chat, "messages": anthropic, "responses": openai_responses}
RECORDED = {"chat": "openai-chat", "messages": "anthropic", "responses": "openai-responses"}


def violations(dialect: str, stream: bytes, *, complete: bool) -> list[str]:
    found: list[str] = GRAMMARS[dialect].violations(stream, complete=complete)
    return found


def streams(dialect: str) -> list[bytes]:
    """Whole legal streams of a provider, the recorded ones among them where the conformance kit is there."""
    own = {
        "chat": [b"".join(chat_stream("Grüße ", "世界", "!"))],
        "messages": [b"".join(message_stream("Grüße ", "世界", "!"))],
        "responses": [],
    }[dialect]
    recorded = [recording.stream for recording in load_recordings(RECORDED[dialect]) if recording.stream is not None]
    return own + [stream for stream in recorded if not violations(dialect, stream, complete=True)]


@dataclass(slots=True)
class Damage:
    """What a client is to be shown of a stream: pieces, and how it ends."""

    kind: str
    pieces: list[bytes]
    error: Callable[[], ModelError] | None = None
    """None is a clean end."""


def cut(stream: bytes, at: int) -> Iterator[Damage]:
    """Every way in which a stream can end at one place."""
    yield Damage("reset", [stream[:at]], lambda: ModelConnectionError("The connection was reset."))
    yield Damage("end", [stream[:at]])
    yield Damage("stall", [stream[:at]], lambda: ModelTimeout("idle"))
    yield Damage(
        "reset, in two pieces", [stream[: at // 2], stream[at // 2 : at]], lambda: ModelConnectionError("reset")
    )


def spoiled(stream: bytes, at: int, chance: random.Random) -> Iterator[Damage]:
    """Bytes that do not belong there."""
    yield Damage("garbage", [stream[:at] + chance.randbytes(20) + stream[at:]])
    yield Damage("an event that is none", [stream[:at] + b'\n\ndata: {"x": [1,\n\n' + stream[at:]])
    yield Damage("HTML", [stream[:at] + b"<html><body>502 Bad Gateway</body></html>\n\n"])
    yield Damage("a byte lost", [stream[:at] + stream[at + 1 :]])
    place = chance.randrange(len(stream))
    yield Damage(
        "a byte flipped", [stream[:place] + bytes([stream[place] ^ (1 << chance.randrange(8))]) + stream[place + 1 :]]
    )


def events_of(stream: bytes) -> list[bytes]:
    separator = b"\r\n\r\n" if b"\r\n\r\n" in stream else b"\n\n"
    return [event + separator for event in stream.split(separator) if event.strip()]


def doubled(stream: bytes, at: int) -> Damage:
    events = events_of(stream)
    at %= len(events)
    return Damage("an event twice", [b"".join([*events[: at + 1], *events[at:]])])


def missing(stream: bytes, at: int) -> Damage:
    events = events_of(stream)
    at %= len(events)
    return Damage("an event missing", [b"".join([*events[:at], *events[at + 1 :]])])


def swapped(stream: bytes, at: int) -> Damage:
    events = events_of(stream)
    at %= max(1, len(events) - 1)
    events[at : at + 2] = events[at : at + 2][::-1]
    return Damage("two events swapped", [b"".join(events)])


class _Reply(HTTPReply):
    """A provider's reply that is damaged."""

    def __init__(self, damage: Damage) -> None:
        self.status = 200
        self.headers = [("content-type", "text/event-stream")]
        self._pieces = [piece for piece in damage.pieces if piece]
        self._error = damage.error

    async def receive(self) -> bytes:
        if self._pieces:
            return self._pieces.pop(0)
        if self._error is not None:
            raise self._error()
        return b""

    async def read(self, limit: int | None = None, room: Room | None = None) -> bytes:
        return b"".join([piece async for piece in _until_end(self)])

    def expire_at(self, when: float, reason: str) -> None:
        return

    def close(self) -> None:
        self._pieces.clear()


async def _until_end(reply: _Reply) -> AsyncIterator[bytes]:
    while piece := await reply.receive():
        yield piece


class _Provider:
    """An HTTP client whose next reply is given."""

    def __init__(self) -> None:
        self.damage = Damage("none", [])

    async def send(self, *_: Any, **__: Any) -> _Reply:
        return _Reply(self.damage)

    async def aclose(self) -> None:
        return


@dataclass(slots=True)
class Answer:
    status: int
    body: bytes
    writes: list[bytes]


class Bench:
    def __init__(self, app: GatewayApp, provider: _Provider) -> None:
        self._app = ASGIForm(app)
        self._provider = provider

    async def show(self, client: str, provider: str, damage: Damage) -> Answer:
        """What a client of one dialect gets when a provider of another is damaged like this."""
        self._provider.damage = damage
        asked = json.dumps(request(client, stream=True) | {"model": provider}).encode()
        scope: Any = {"type": "http", "method": "POST", "path": ROUTES[client]}
        scope |= {"query_string": b"", "headers": [], "client": None}
        asking = iter([{"type": "http.request", "body": asked, "more_body": False}])
        status, writes, ended = 0, [], False

        async def receive() -> Any:
            message = next(asking, None)
            if message is None:
                await asyncio.get_running_loop().create_future()
            return message

        async def send(message: Any) -> None:
            nonlocal status, ended
            if message["type"] == "http.response.start":
                assert status == 0, "a second head"
                status = message["status"]
            else:
                assert not ended, "bytes behind the end"
                writes.append(message["body"])
                ended = not message["more_body"]

        async with asyncio.timeout(5):
            await self._app(scope, receive, send)
        assert ended, "the reply did not end"
        return Answer(status, b"".join(writes), writes)

    async def check(self, client: str, provider: str, damage: Damage) -> None:
        """Raises AssertionError where the client gets neither a valid stream nor a valid error."""
        answer = await self.show(client, provider, damage)
        where = f"{provider} to {client}, {damage.kind}: {damage.pieces!r:.3000}\n{answer.body!r:.3000}"
        if answer.status != 200:
            body = json.loads(answer.body)
            assert answer.status >= 400, where
            assert body["error"]["message"], where
            return
        # What is written at once is whole events: nothing may come into the middle of one.
        for written in answer.writes:
            assert not written or written.endswith((b"\n\n", b"\r\n\r\n", b"\r\r")), where
        if client == provider and damage.kind not in _ENDS:
            return  # passed through as it came
        whole = not violations(client, answer.body, complete=True)
        wrong = [] if whole else violations(client, answer.body, complete=False)
        if damage.kind in _CONTENT_LOST:
            # A name that was lost on the way can't be made up again.
            wrong = [what for what in wrong if "without id or name" not in what]
        assert not wrong, f"{wrong}\n{where}"
        if damage.error is not None or damage.kind == "end":
            assert whole or b"rror" in answer.body or b"failed" in answer.body, where


_CONTENT_LOST = ("garbage", "a byte lost", "a byte flipped", "an event missing", "two events swapped")
_ENDS = ("reset", "end", "stall", "reset, in two pieces", "byte by byte")


@asynccontextmanager
async def bench() -> AsyncIterator[Bench]:
    nowhere = "http://127.0.0.1:9"
    models = [
        model(nowhere, name="chat", api="chat"),
        model(nowhere, name="responses", api="responses"),
        model(nowhere, "anthropic", name="messages"),
    ]
    settings = config(*models, breaker={"enabled": False})
    gateway = Gateway(load_text(json.dumps(settings)))
    await gateway.start()
    provider = _Provider()
    for target in gateway.projects["default"].scope.registry.targets:
        target.provider.http = provider  # type: ignore[attr-defined]

    async def nothing(*_: Any) -> None:
        raise AssertionError("no management page is asked for")

    app = GatewayApp(Generation(gateway), nothing, lambda path: False)
    try:
        yield Bench(app, provider)
    finally:
        await gateway.close()


async def run_damage(
    tests: Sequence[tuple[str, bytes]], offsets: Callable[[bytes], Sequence[int]], *, seed: int = 7
) -> int:
    """Shows each client every damage at the offsets of each stream; how many were shown."""
    chance, count = random.Random(seed), 0
    async with bench() as place:
        for provider, stream in tests:
            for client in ROUTES:
                await place.check(
                    client, provider, Damage("byte by byte", [stream[at : at + 1] for at in range(len(stream))])
                )
                for at in offsets(stream):
                    damages = [*cut(stream, at), *spoiled(stream, at, chance)]
                    damages += [doubled(stream, at), missing(stream, at), swapped(stream, at)]
                    for damage in damages:
                        await place.check(client, provider, damage)
                        count += 1
    return count
