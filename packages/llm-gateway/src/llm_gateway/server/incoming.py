"""A request as the server's applications get it, whatever it came by: a connection, ASGI, or a test's memory."""

from __future__ import annotations

from typing import Protocol

from llm_gateway_sdk import GatewayError, Headers, WireRequest

from ..exchange.outlet import Sink
from .http1.parser import Head
from .http1.upload import Upload

__all__ = ["EdgeRequest", "Incoming"]


class Incoming(Sink, Protocol):
    """One request with its body, and where the reply goes."""

    head: Head
    client_ip: str | None
    """Who is connected; a proxy, where one is in front."""
    refusal: GatewayError | None
    """Why it is answered without its body."""
    extra: list[tuple[bytes, bytes]] | None
    """Further headers of the reply."""

    upload: Upload | None
    """The body, where it is handed on while it arrives; `take_body` is empty then."""

    def take_body(self) -> bytes: ...


class EdgeRequest:
    """A request at the server's edge. Header names are lower-case; `index` holds the last of each name."""

    __slots__ = ("facts", "index", "path", "peer", "wire")

    def __init__(self, incoming: Incoming) -> None:
        head = incoming.head
        items = head.headers
        self.wire = WireRequest(head.method, head.path, head.query, Headers.of(items))
        self.index = dict(items)
        self.path = head.path
        self.facts = head.facts
        self.peer = incoming.client_ip
