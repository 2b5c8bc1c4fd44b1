"""The operation `realtime`: from the client's handshake to the end of its session."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from urllib.parse import quote

from websockets.client import ClientProtocol
from websockets.protocol import Event

from llm_gateway_sdk import (
    HTTPProvider,
    ModelProtocolError,
    ModelTimeout,
    NotFound,
    WireRequest,
)
from llm_gateway_sdk.credentials import CredentialUnavailable
from llm_gateway_sdk.dialect import Headers
from llm_gateway_sdk.http import ByteStream, TunnellingHTTPClient

from ...wire.headers import bearer_or_key
from ..attempt import LiveAttempt
from ..client import ClientReply
from ..errors import http_error, unsendable
from ..outlet import ByteSource
from ..request import ClientRequest
from ..time_limits import limits_of
from ..upstream import check_model_name, finish_headers, secrets_of
from .handshake import ClientHandshake, Refusal, accept_client, open_session
from .message_pace import MessagePace
from .peer import Peer
from .session import Session
from .session_limits import RealtimeLimits
from .session_target import refuse_plain, speaks
from .turns import Turns

__all__ = ["perform_realtime", "session_query"]


async def perform_realtime(request: ClientRequest, client: ClientReply, attempt: LiveAttempt) -> None:
    """Raises ModelError where the provider can't be reached or refuses; returns when the session is over."""
    http, source = attempt.target.http, refuse_plain(request)
    attempt.settled = True  # each response is on the books by itself
    if http is None or not speaks(request, attempt.target) or not isinstance(http.http, TunnellingHTTPClient):
        raise NotFound(
            f"{request.route.path}: the model '{attempt.target.name}' (provider '{attempt.target.provider.name}') does "
            "not have this endpoint."
        )
    limits = request.services.realtime
    original = request.wire
    path = request.ctx.http_request.path
    handshake = accept_client(quote(path), original.headers.items, max_message=limits.message_bytes)
    turns = Turns(request, attempt)
    try:
        refusal = await turns.admit()
        if refusal is not None:
            raise refusal
        stream = await http.http.open_stream(_address(http), connect_timeout=http.settings.connect_timeout)
        try:
            protocol, early = await _open(request, attempt, http, stream, handshake)
            provider = Peer(protocol, stream.read, stream.write, early)
            await _serve(request, client, attempt, source, handshake, provider, turns, limits)
        finally:
            stream.close()
    finally:
        await turns.end()


async def _serve(
    request: ClientRequest,
    client: ClientReply,
    attempt: LiveAttempt,
    source: ByteSource,
    handshake: ClientHandshake,
    provider: Peer,
    turns: Turns,
    limits: RealtimeLimits,
) -> None:
    ctx = request.ctx
    attempt.entry.status = 101
    attempt.entry.first_token = ctx.metrics.first_token = time.time()
    ctx.stream.committed = True
    client.keep_on(True)  # what is open is settled also where the client has left
    await client.switch_protocols(handshake.headers)
    pace = MessagePace(limits.messages_per_second, request.loop.time)
    side = Peer(handshake.protocol, source.read, client.relay, pace=pace)
    session = Session(request, attempt, source, side, provider, turns, limits, pace)
    await session.run()
    if session.is_stuck:
        await client.abort()
    else:
        await client.end_relay()


def _address(http: HTTPProvider) -> str:
    return http.url(WireRequest("GET", "/realtime", "", Headers(), b""))


async def _open(
    request: ClientRequest,
    attempt: LiveAttempt,
    http: HTTPProvider,
    stream: ByteStream,
    handshake: ClientHandshake,
) -> tuple[ClientProtocol, Sequence[Event]]:
    """The provider's handshake. Raises ModelError."""
    wire = _wire(request, attempt, http)
    if http.tokens is not None:
        await http.tokens.ready()
    _, url, headers, _ = http.prepare(wire)
    limits = request.services.realtime
    seconds = min(limits_of(request.ctx.http_request.headers, http).total, http.settings.first_token_timeout)
    attempt.sent = True
    try:
        return await open_session(
            stream, url, headers.items, handshake.subprotocols, max_message=limits.message_bytes, seconds=seconds
        )
    except Refusal as refusal:
        attempt.entry.status = refusal.status
        if refusal.status == 401 and http.tokens is not None:
            http.tokens.refused(http.tokens.value)
            raise CredentialUnavailable(http.name, retryable=True) from None
        if refusal.status < 400:
            raise ModelProtocolError("The provider did not open a WebSocket session.", retryable=False) from None
        secrets = secrets_of(request, http)
        raise http_error(request.dialect, refusal.status, refusal.headers, refusal.body, sent=secrets) from None
    except TimeoutError:
        raise ModelTimeout("first_token", "The provider did not open the session in time.") from None
    except ValueError as error:
        raise unsendable(error, request.ctx.request_id) from None


def _wire(request: ClientRequest, attempt: LiveAttempt, http: HTTPProvider) -> WireRequest:
    """The provider's handshake as a request, with the model in the query."""
    original, crossing = request.wire, request.services.crossing
    asked, registry = request.ctx.requested_model, request.project.registry
    if request.ctx.target_model is None and asked is not None and not registry.is_configured(asked):
        attempt.model = asked  # as at a vendor's other endpoints
    check_model_name(attempt.model)
    client_key = http.settings.credentials == "client"
    headers = Headers.of(crossing.headers(original.headers.items, credentials=client_key))
    query = session_query(crossing.query(original.query), attempt.model, asked=asked is not None)
    if request.chain.edits_request:
        query = _seen(query)
    wire = WireRequest("GET", "/realtime", query, headers, b"")
    if client_key and (token := bearer_or_key(original.headers.items)):
        http.forward_credential(wire.headers, token)
    finish_headers(request, wire)
    return wire


def session_query(query: str, model: str, *, asked: bool) -> str:
    """A client's query with the provider's name of the model. `asked`: the client named one; a session that only
    transcribes names its model in its settings."""
    pairs = [pair for pair in query.split("&") if pair and pair.partition("=")[0] not in ("model", "deployment")]
    if asked or not any(pair.startswith("intent=") for pair in pairs):
        pairs.insert(0, f"model={quote(model, safe='')}")
    return "&".join(pairs)


def _seen(query: str) -> str:
    """The query without what is free text, which no plugin sees."""
    known = [pair for pair in query.split("&") if _KNOWN(pair) is not None or pair.startswith("model=")]
    return "&".join(known)


_KNOWN = re.compile(r"(?:intent|api-version)=[A-Za-z0-9_-]{1,40}").fullmatch
