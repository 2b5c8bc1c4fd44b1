"""Both handshakes of a session: the client's, which is checked before anything is done for it, and the provider's."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from websockets.client import ClientProtocol
from websockets.datastructures import Headers as WebSocketHeaders
from websockets.exceptions import InvalidHandshake, InvalidStatus
from websockets.http11 import Request, Response
from websockets.protocol import Event, State
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol
from websockets.uri import WebSocketURI

from llm_gateway_sdk import InvalidRequest, ModelConnectionError, ModelProtocolError
from llm_gateway_sdk.http import ByteStream

__all__ = ["ClientHandshake", "Refusal", "accept_client", "open_session"]

_SUBPROTOCOL = "realtime"
_OUR_OWN = frozenset(
    {
        "host", "connection", "upgrade", "content-length", "content-type", "transfer-encoding", "accept-encoding",
        "accept", "origin",
    }
)  # fmt: skip
"""Headers that the handshake has itself, or that say something about a body."""


@dataclass(slots=True)
class ClientHandshake:
    protocol: ServerProtocol
    headers: list[tuple[bytes, bytes]]
    """Of the reply that accepts it."""
    subprotocols: Sequence[str]
    """What the client offers and the API has."""


def accept_client(path: str, headers: Sequence[tuple[str, str]], *, max_message: int) -> ClientHandshake:
    """Checks a client's handshake. Raises InvalidRequest."""
    offered = [part.strip() for name, value in headers if name == _PROTOCOLS for part in value.split(",")]
    known = [Subprotocol(_SUBPROTOCOL)] if _SUBPROTOCOL in offered else None
    protocol = ServerProtocol(subprotocols=known, state=State.OPEN, max_size=max_message)
    asked = WebSocketHeaders(
        (name, value) for name, value in headers if name != _PROTOCOLS or (known is not None and value)
    )
    try:
        accept, _, chosen = protocol.process_request(Request(path, asked))
    except InvalidHandshake as error:
        raise InvalidRequest(f"The WebSocket handshake is not valid: {error}", status=400) from None
    reply = [(b"upgrade", b"websocket"), (b"connection", b"Upgrade"), (b"sec-websocket-accept", accept.encode())]
    if chosen is not None:
        reply.append((b"sec-websocket-protocol", chosen.encode()))
    return ClientHandshake(protocol, reply, known or ())


class Refusal(Exception):
    """The provider answered with an HTTP reply in place of a session."""

    def __init__(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        super().__init__(f"the provider answered with {status}")
        self.status = status
        self.headers = headers
        self.body = body


async def open_session(
    stream: ByteStream,
    url: str,
    headers: Sequence[tuple[str, str]],
    subprotocols: Sequence[str],
    *,
    max_message: int,
    seconds: float,
) -> tuple[ClientProtocol, Sequence[Event]]:
    """Does the handshake on a new connection; the protocol, and the frames that came with the reply. Raises Refusal,
    TimeoutError, ModelConnectionError, ModelProtocolError, ValueError for a header that can't be sent."""
    protocol = ClientProtocol(
        _parsed(url), subprotocols=[Subprotocol(each) for each in subprotocols] or None, max_size=max_message
    )
    request = protocol.connect()
    for name, value in headers:
        if name in _OUR_OWN or name.startswith("sec-websocket-"):
            continue
        if not value.isprintable() and not value.replace("\t", "").isprintable():
            raise ValueError(f"the header {name} holds a control character")
        request.headers[name] = value
    protocol.send_request(request)
    async with asyncio.timeout(seconds):
        await stream.write(b"".join(protocol.data_to_send()))
        while protocol.state is State.CONNECTING and protocol.handshake_exc is None:
            data = await stream.read()
            if data:
                protocol.receive_data(data)
            else:
                protocol.receive_eof()
                if protocol.handshake_exc is None:
                    raise ModelConnectionError("The provider closed the connection before it answered.")
    failure = protocol.handshake_exc
    if isinstance(failure, InvalidStatus):
        answer = failure.response
        raise Refusal(answer.status_code, _pairs(answer), bytes(answer.body or b""))
    if failure is not None:
        raise ModelProtocolError(f"The provider's WebSocket handshake is not valid: {failure}")
    return protocol, protocol.events_received()


def _pairs(response: Response) -> list[tuple[str, str]]:
    return [(name.lower(), value) for name, value in response.headers.raw_items()]


def _parsed(url: str) -> WebSocketURI:
    parts = urlsplit(url)
    secure = parts.scheme in ("https", "wss")
    port = parts.port or (443 if secure else 80)
    return WebSocketURI(secure, parts.hostname or "", port, parts.path or "/", parts.query)


_PROTOCOLS = "sec-websocket-protocol"
