"""A request as the server's applications get it, whatever it came by: a connection, ASGI, or a test's memory."""

from __future__ import annotations

from typing import Protocol

from llm_gateway_sdk import GatewayError, Headers, WireRequest

from ..exchange.outlet import Sink
from ..wire.client_headers import ClientHeaders
from .http1.duplex import Duplex
from .http1.head import Head
from .http1.upload import Upload
from .websocket_head import websocket_headers

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

    duplex: Duplex | None
    """What the client sends after its head, where it goes on in another protocol."""

    def take_body(self) -> bytes: ...


class EdgeRequest:
    """A request at the server's edge. Header names are lower-case."""

    __slots__ = ("facts", "path", "peer", "wire")

    def __init__(self, incoming: Incoming) -> None:
        head = incoming.head
        headers = Headers.of(websocket_headers(head.headers)) if head.upgrades else ClientHeaders(head)
        self.wire = WireRequest(head.method, head.path, head.query, headers)
        self.path = head.path
        self.facts = head.facts
        self.peer = incoming.client_ip

    @property
    def index(self) -> dict[str, str]:
        """The headers by name; of several of one name the last. Another dictionary each time."""
        return dict(self.wire.headers.items)
