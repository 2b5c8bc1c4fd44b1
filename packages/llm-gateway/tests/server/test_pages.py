"""Pages (ASGI) called by the gateway's own server, and the gateway called by other servers by ASGI."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from llm_gateway.exchange.outlet import PiecewiseSink
from llm_gateway.server.http1.head import Head
from llm_gateway.server.pages import PageApp, serve_page
from llm_gateway_sdk import GatewayError


class _Incoming(PiecewiseSink):
    def __init__(self, path: str = "/page", body: bytes = b"") -> None:
        self.head = Head("POST", path, "a=b", [("host", "g"), ("x-a", "1")], len(body))
        self.client_ip: str | None = "192.0.2.1"
        self.refusal: GatewayError | None = None
        self.disconnected = self.keeps_on = False
        self.extra: list[tuple[bytes, bytes]] | None = None
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self.written = b""
        self.aborted = False
        self._body = body

    def take_body(self) -> bytes:
        return self._body

    async def start(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        self.status, self.headers = status, dict(headers)

    async def write(self, data: bytes, *, more: bool) -> None:
        self.written += data

    def write_now(self, data: bytes) -> bool:
        return False

    async def abort(self) -> None:
        self.aborted = True


async def echo(scope: Any, receive: Any, send: Any) -> None:
    message = await receive()
    text = f"{scope['method']} {scope['path']}?{scope['query_string'].decode()} {scope['client'][0]} ".encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"Content-Type", b"text/plain")]})
    await send({"type": "http.response.body", "body": text + message["body"]})


def test_a_page_gets_the_request_and_its_reply_leaves() -> None:
    incoming = _Incoming(body=b"hello")
    asyncio.run(serve_page(echo, incoming, client_ip="198.51.100.1"))

    assert (incoming.status, incoming.written) == (200, b"POST /page?a=b 198.51.100.1 hello")
    assert incoming.headers == {b"content-type": b"text/plain"}


@pytest.mark.parametrize("begun", [False, True])
def test_a_page_that_fails_is_a_500_or_a_broken_connection_and_never_a_whole_reply(begun: bool) -> None:
    async def fails(scope: Any, receive: Any, send: Any) -> None:
        if begun:
            await send({"type": "http.response.start", "status": 200, "headers": []})
        raise RuntimeError("a secret")

    incoming = _Incoming()
    asyncio.run(serve_page(fails, incoming, client_ip=None))

    assert incoming.aborted is begun
    assert incoming.status == (200 if begun else 500)
    assert b"secret" not in incoming.written


def test_a_server_of_pages_answers_refusals_itself() -> None:
    incoming = _Incoming()
    incoming.refusal = GatewayError("too slow", status=408, kind="timeout")
    asyncio.run(PageApp(echo).handle(incoming))

    assert (incoming.status, incoming.written) == (408, b'{"error": "too slow"}')
