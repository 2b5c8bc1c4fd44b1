"""Calls an ASGI application for one request: management pages and those of plugins."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from llm_gateway_sdk import GatewayError

from .incoming import Incoming
from .refusing import refuse_page

__all__ = ["ASGIApp", "Message", "PageApp", "Receive", "Scope", "Send", "serve_page"]

log = logging.getLogger("llm_gateway.server")

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]


async def serve_page(app: ASGIApp, incoming: Incoming, *, client_ip: str | None) -> None:
    """Answers with what `app` sends; with 500 where it fails before it has sent anything.

    A client that leaves cancels the task that this runs in, so `app` is never sent `http.disconnect`.
    """
    page = _Page(incoming)
    try:
        await app(_scope(incoming, client_ip), page.receive, page.send)
    except Exception:
        log.exception("the page %s failed", incoming.head.path)
        if page.begun:
            await incoming.abort()
            return
        body = b"Internal Server Error"
        await incoming.start(500, [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(body))])
        await incoming.write(body, more=False)


class PageApp:
    """A server's application that is nothing but pages."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    def refuses_early(self, _: Incoming) -> GatewayError | None:
        return None

    def takes_upload(self, incoming: Incoming) -> bool:
        """Pages take no files."""
        return False

    def takes_duplex(self, incoming: Incoming) -> bool:
        """Pages take no other protocol."""
        return False

    def authenticates_early(self, _: Incoming) -> None:
        """Pages authenticate by themselves."""

    def client_address(self, incoming: Incoming) -> str | None:
        return incoming.client_ip

    async def handle(self, incoming: Incoming) -> None:
        """Answers a request."""
        if incoming.refusal is not None:
            await refuse_page(incoming, incoming.refusal)
        else:
            await serve_page(self._app, incoming, client_ip=incoming.client_ip)


class _Page:
    """The two callables of ASGI."""

    def __init__(self, incoming: Incoming) -> None:
        self._incoming = incoming
        self._received = False
        self.begun = False

    async def receive(self) -> Message:
        if not self._received:
            self._received = True
            return {"type": "http.request", "body": self._incoming.take_body(), "more_body": False}
        await asyncio.Event().wait()
        raise AssertionError  # the wait ends by cancellation alone

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.begun = True
            headers = [(bytes(name).lower(), bytes(value)) for name, value in message.get("headers", ())]
            await self._incoming.start(message["status"], headers)
        elif message["type"] == "http.response.body":
            await self._incoming.write(message.get("body", b""), more=message.get("more_body", False))


def _scope(incoming: Incoming, client_ip: str | None) -> Scope:
    head = incoming.head
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.0" if head.http10 else "1.1",
        "method": head.method,
        "scheme": "http",
        "path": head.path,
        "raw_path": head.path.encode(),
        "query_string": head.query.encode("latin-1"),
        "root_path": "",
        "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in head.headers],
        "client": (client_ip, 0) if client_ip is not None else None,
        "server": None,
        "state": {},
    }
