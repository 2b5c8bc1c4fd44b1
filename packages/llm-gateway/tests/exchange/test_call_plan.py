"""Requests of one connection whose heads are alike leave for the provider as if each were the first."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest

from llm_gateway.gateway import Gateway
from llm_gateway.loading import load_text
from llm_gateway.providers.transport import engine
from llm_gateway.server.app import GatewayApp
from llm_gateway.server.generation import Generation
from llm_gateway.server.http1.connection import HTTPConnection
from llm_gateway.server.http1.door import Door
from llm_gateway.server.slow_readers import SlowReaders
from llm_gateway_sdk import HTTPProvider, Plugin, RequestContext, WireRequest, plugin_metadata
from llm_gateway_sdk.dialect import Headers
from llm_gateway_sdk.provider import stable

CHAT, MESSAGES = "/openai/v1/chat/completions", "/anthropic/v1/messages"
OPENAI = "{type: openai, config: {apiKey: sk-own, baseUrl: 'URL/v1', model: m%s}}"
CLAUDE = "{type: anthropic, config: {apiKey: sk-own, baseUrl: 'URL', model: m%s}}"
Sent = tuple[str, dict[str, str], bytes]
"""Request line, headers and body as the provider got them."""


class _Transport(asyncio.Transport):
    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("127.0.0.1", 5) if name == "peername" else default

    def is_closing(self) -> bool:
        return False

    def get_write_buffer_size(self) -> int:
        return 0


@asynccontextmanager
async def _provider() -> AsyncIterator[tuple[str, list[Sent]]]:
    """An address, and what came there."""
    received: list[Sent] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                first, *lines = head.decode().strip().split("\r\n")
                pairs = [line.split(": ", 1) for line in lines]
                headers = dict(pairs)
                assert len(headers) == len(pairs), "a header came twice"
                body = await reader.readexactly(int(headers["content-length"]))
                received.append((first, headers, body))
                reply = b'{"choices":[{"message":{"role":"assistant","content":"hi"}}],"content":[{"type":"text"}],'
                reply += b'"candidates":[{"content":{"role":"model","parts":[{"text":"hi"}]}}]}'
                writer.write(
                    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(reply)
                )
                writer.write(reply)
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", received
    finally:
        server.close()


Ask = Callable[..., Awaitable[bytes]]


@asynccontextmanager
async def _connection(configuration: str, *classes: type[Any]) -> AsyncIterator[tuple[Gateway, Ask]]:
    """A gateway, and one connection to it on which requests are sent one after the other."""
    gateway = Gateway(load_text(configuration, classes=classes))
    await gateway.start()
    app = GatewayApp(Generation(gateway), cast(Any, None), lambda path: False)
    loop = asyncio.get_running_loop()
    door = app.door = Door(app, loop, limits=app.limits, uploads=app.uploads, slow_readers=SlowReaders(loop, 1 << 30))
    connection, transport = HTTPConnection(door), _Transport()
    connection.connection_made(transport)

    async def ask(path: str, body: dict[str, Any], *headers: str) -> bytes:
        content = json.dumps(body).encode()
        lines = [f"POST {path} HTTP/1.1", "host: localhost", "content-type: application/json", *headers]
        head = "\r\n".join([*lines, f"content-length: {len(content)}", "", ""])
        transport.written.clear()
        connection.data_received(head.encode() + content)
        async with asyncio.timeout(30):
            while connection.cycles or not transport.written:  # noqa: ASYNC110 — the reply comes in callbacks
                await asyncio.sleep(0.001)
        return bytes(transport.written)

    try:
        yield gateway, ask
    finally:
        connection.connection_lost(None)
        door.close()
        await gateway.close()


def _body(number: int, **more: Any) -> dict[str, Any]:
    return {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi " * number}], **more}


@pytest.fixture
def prepared(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ids of requests whose heads were not written anew."""
    found: list[str] = []
    send = engine.PreparedHead.send

    def noticed(self: engine.PreparedHead, value: str, body: bytes, **options: Any) -> Any:
        found.append(value)
        return send(self, value, body, **options)

    monkeypatch.setattr(engine.PreparedHead, "send", noticed)
    return found


CASES = {
    "chat": (CHAT, OPENAI % "", ("authorization: Bearer theirs", "x-stainless-lang: js", "x-private: 1")),
    "chat, another model": (CHAT, OPENAI % "2", ()),
    "chat, the caller's key": (CHAT, OPENAI % ", credentials: client", ("authorization: Bearer theirs",)),
    "chat, headers of the operator": (CHAT, OPENAI % ", headers: {x-team: blue, user-agent: ours}", ("user-agent: a",)),
    "messages": (MESSAGES, CLAUDE % "", ("x-api-key: theirs", "anthropic-beta: b-1")),
    "messages, a version": (MESSAGES, CLAUDE % ", version: '2024-01-01'", ("anthropic-version: 2023-06-01",)),
    "messages, an access token": (MESSAGES, CLAUDE.replace("sk-own", "sk-ant-oat01-x") % "", ("anthropic-beta: b-1",)),
    "translated": (MESSAGES, OPENAI % "", ("x-api-key: theirs", "anthropic-beta: b-1")),
    "translated, the caller's key": (MESSAGES, OPENAI % ", credentials: client", ("x-api-key: theirs",)),
    "translated, headers of the operator": (MESSAGES, OPENAI % ", headers: {x-team: blue}", ("user-agent: a",)),
    "translated, an access token": (CHAT, CLAUDE.replace("sk-own", "sk-ant-oat01-x") % "", ()),
    "translated, a limit of the client's": (MESSAGES, OPENAI % "", ("x-llm-gateway-timeout: 20s",)),
    "a query": (CHAT + "?api-version=2&secret=1", OPENAI % "", ()),
    "a limit of the client's": (CHAT, OPENAI % "", ("x-llm-gateway-timeout: 20s",)),
    "its own request id forwarded": (CHAT, OPENAI % ", headers: {x-request-id: fixed}", ()),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_later_requests_leave_as_the_first_one_did(case: str, prepared: list[str]) -> None:
    path, provider, headers = CASES[case]

    async def main() -> list[Sent]:
        async with _provider() as (url, received):
            configuration = f"models: [{{name: m, isDefault: true, provider: {provider.replace('URL', url)}}}]"
            async with _connection(configuration) as (_, ask):
                for number in range(1, 6):
                    reply = await ask(path, _body(number), *headers)
                    assert reply.startswith(b"HTTP/1.1 200"), reply
        return received

    received = asyncio.run(main())
    first = received[0]
    others = {name: value for name, value in first[1].items() if name not in ("x-request-id", "content-length")}
    for number, (line, sent, body) in enumerate(received, 1):
        assert line == first[0]
        assert int(sent.pop("content-length")) == len(body)
        content = json.loads(body)["messages"][0]["content"]
        assert (content if isinstance(content, str) else content[0]["text"]) == "hi " * number
        if "fixed" not in sent.values():
            sent.pop("x-request-id")
        assert {name: value for name, value in sent.items() if name != "x-request-id"} == others
    assert len(set(prepared)) == len(prepared) == 3, "the first request has no plan, and the second makes it"


@plugin_metadata(name="marker")
class Marker(Plugin):
    """Changes the headers of the fourth and the fifth request."""

    count = 0

    def before_model(self, ctx: RequestContext) -> None:
        self.count += 1
        if self.count == 4:
            ctx.http_request.raw_headers.items.append(("x-stainless-mark", "4"))
        elif self.count == 5:
            ctx.http_request.raw_headers.set("user-agent", "changed")
        else:
            assert ctx.headers["host"] == "localhost"


def test_a_plugin_that_changes_the_headers_of_one_request_changes_no_other(prepared: list[str]) -> None:
    async def main() -> list[Sent]:
        async with _provider() as (url, received):
            configuration = (
                f"models: [{{name: m, isDefault: true, provider: {(OPENAI % '').replace('URL', url)}}}]\n"
                "plugins: [{name: marker, type: marker}]"
            )
            async with _connection(configuration, Marker) as (_, ask):
                for number in range(1, 7):
                    await ask(CHAT, _body(number), "user-agent: plain")
        return received

    received = asyncio.run(main())

    assert [sent.get("x-stainless-mark") for _, sent, _ in received] == [None, None, None, "4", None, None]
    assert [sent["user-agent"] for _, sent, _ in received] == [*["plain"] * 4, "changed", "plain"]
    assert len(prepared) == 2


GEMINI = "{type: gemini, config: {apiKey: sk-own, baseUrl: 'URL/v1beta', model: m%s}}"
_TOOL = {"name": "f", "description": "d", "input_schema": {"type": "object", "properties": {}}}
BODIES: list[dict[str, Any]] = [
    {}, {"stream": True}, {"tools": [_TOOL]}, {"system": "Be short.", "stream": True}, {"unknown": 1},
    {"thinking": {"type": "enabled", "budget_tokens": 1024}, "max_tokens": 2048},
]  # fmt: skip


@pytest.mark.parametrize("provider", [OPENAI, GEMINI, CLAUDE], ids=["openai", "gemini", "anthropic"])
def test_requests_that_differ_leave_with_one_head_as_with_their_own(provider: str, prepared: list[str]) -> None:
    """Address and headers of a translation may follow from the body."""

    async def main() -> tuple[list[Sent], list[Sent]]:
        async with _provider() as (url, received):
            configuration = f"models: [{{name: m, isDefault: true, provider: {(provider % '').replace('URL', url)}}}]"
            async with _connection(configuration) as (_, ask):
                for number in range(3 * len(BODIES)):
                    await ask(MESSAGES, _body(1, **BODIES[number % len(BODIES)]), "anthropic-beta: b-1")
                kept = received.copy()
                received.clear()
                for number, body in enumerate(BODIES):
                    await ask(MESSAGES, _body(1, **body), "anthropic-beta: b-1", f"x-private: {number}")
        return kept, received

    kept, alone = asyncio.run(main())

    assert len(kept) == 3 * len(alone) == 3 * len(BODIES)
    for number, (line, sent, body) in enumerate(kept):
        first = alone[number % len(BODIES)]
        sent["x-request-id"] = first[1]["x-request-id"]
        assert (line, sent, body) == first
    assert prepared, "some leave by a plan"


def test_another_key_and_another_target_are_not_served_by_a_plan_that_was_made_before(prepared: list[str]) -> None:
    async def main() -> list[Sent]:
        async with _provider() as (url, received):
            models = ", ".join(
                f"{{name: m{n}, provider: {(OPENAI % n).replace('URL', url).replace('sk-own', f'sk-{n}')}}}"
                for n in (1, 2)
            )
            async with _connection(f"models: [{models}]") as (gateway, ask):
                for number in range(1, 9):
                    await ask(CHAT, _body(number, model=f"m{1 + number % 2}"))
                scope = gateway.default_project.scope
                cast(HTTPProvider, scope.registry.targets[0].http).settings.api_key = "sk-new"
                await ask(CHAT, _body(1, model="m1"))
        return received

    received = asyncio.run(main())

    assert [sent["authorization"][-1] for _, sent, _ in received[:8]] == ["2", "1"] * 4
    assert received[8][1]["authorization"] == "Bearer sk-new"
    assert len(prepared) >= 4


class _Signed(HTTPProvider):
    def prepare(self, wire: WireRequest) -> tuple[str, str, Headers, bytes]:
        method, url, headers, body = super().prepare(wire)
        headers.set("x-signature", str(hash(body)))
        return method, url, headers, body


class _Keyed(HTTPProvider):
    @stable
    def authorize(self, headers: Headers) -> None:
        headers.set("x-key", self.settings.api_key or "")


def test_a_provider_whose_calls_follow_from_more_than_their_heads_has_no_stable_heads() -> None:
    assert HTTPProvider.has_stable_heads()
    assert _Keyed.has_stable_heads()
    assert not _Signed.has_stable_heads()
