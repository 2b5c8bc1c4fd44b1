"""Picks the codec of one attempt and builds its upstream call: the client's bytes where they may stand, else a
translation."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import unquote

from llm_gateway_sdk import (
    Dialect,
    DialectError,
    HTTPProvider,
    InvalidRequest,
    LLMRequest,
    Target,
    WireRequest,
    parse_duration,
)
from llm_gateway_sdk.dialect import Headers
from llm_gateway_sdk.losses import Losses

from ..models import ModelTarget
from ..wire.crossing import CREDENTIAL_HEADERS
from ..wire.headers import bearer_or_key
from .patch import merge_edit
from .signed import disguise_wrapped, has_signed_thinking, withhold_edited

if TYPE_CHECKING:
    from .exchange import Exchange

__all__ = ["LIMIT_HEADERS", "Limits", "UpstreamCall", "build_call", "check_model_name", "limit_of_header", "limits_of"]


@dataclass(slots=True)
class Limits:
    """Seconds."""

    total: float
    first_token: float
    idle: float


@dataclass(slots=True)
class UpstreamCall:
    method: str
    url: str
    headers: list[tuple[str, str]]
    body: bytes
    dialect: Dialect
    same_dialect: bool
    usage_asked: bool
    """The gateway asked for usage on the stream, the client did not: the usage-only event is withheld."""
    limits: Limits
    names: Mapping[str, str]
    """The client's names of tools by those that were sent, where they differ."""


def build_call(exchange: Exchange, target: ModelTarget, http: HTTPProvider) -> UpstreamCall:
    """Raises InvalidRequest where the client's request does not decode or cannot be said to this provider."""
    ctx, client = exchange.ctx, exchange.client
    model = target.upstream_model(ctx.requested_model)
    name = http.dialect_for(client.name, exchange.route.upstream, model)
    dialect = exchange.services.dialects.get(name)
    if dialect is None:
        raise InvalidRequest(f"The dialect '{name}' of model '{target.name}' is not installed.")
    if "." in model or "%" in model:
        check_model_name(model)
    aim = http.target(model, name)
    exchange.name_reply(model)
    payload = ctx.request_payload
    if target.defaults and payload is not None:
        exchange.apply_defaults(payload.value, target)
    same = dialect.name == client.name and client.own_form in exchange.wire.body
    usage_asked = False
    forward = http.settings.credentials == "client"
    try:
        if same:
            wire = _same_dialect(exchange, dialect, aim, credentials=forward)
            if (
                ctx.streaming
                and http.settings.include_usage
                and exchange.wants_usage()
                and not (aim.quirks and aim.quirks.get("no_stream_options"))
            ):
                asking = dialect.ask_for_usage(wire)
                if asking is not None:
                    wire, usage_asked = asking, True
        else:
            losses = Losses("request")
            request = ctx.request
            request.stream = ctx.streaming
            if exchange.chain.before and has_signed_thinking(request.messages):
                withhold_edited(ctx.base_request.messages, request.messages, losses)
            client.check_portable(request, losses)
            wire = dialect.translate(request, aim, losses, client.name)
            exchange.add_losses(losses)
            if forward:
                token = bearer_or_key(exchange.wire.headers.items)
                if token:
                    http.forward_credential(wire.headers, token)
    except DialectError as error:
        raise InvalidRequest(str(error), param=error.path) from None
    except ValueError as error:
        raise InvalidRequest(f"The body is not valid JSON in UTF-8: {error}") from None
    items = wire.headers.items
    items.append(("accept-encoding", "identity"))
    items.append(("x-request-id", ctx.request_id))
    for observer in exchange.services.followers:
        for header, value in observer.outgoing_headers(ctx):
            wire.headers.set(header, value)
    if exchange.chain.detached:
        kept = Headers.of([item for item in wire.headers.items if item[0] not in CREDENTIAL_HEADERS])
        ctx.upstream_request = WireRequest(wire.method, wire.path, wire.query, kept, wire.body)
    method, url, headers, body = http.prepare(wire)
    return UpstreamCall(
        method, url, headers.items, body, dialect, same, usage_asked, limits_of(exchange, http), wire.names
    )


def check_model_name(model: str) -> None:
    """Raises InvalidRequest where the name could lead out of the path that some APIs carry it in."""
    if not _DOTS.isdisjoint(_SEPARATOR.split(unquote(model))):
        raise InvalidRequest(f"'{model}' is not a valid model name.", param="model")


_SEPARATOR = re.compile(r"[/\\]")
_DOTS = frozenset({".", ".."})


def _same_dialect(exchange: Exchange, dialect: Dialect, aim: Target, *, credentials: bool) -> WireRequest:
    """The client's own bytes, with a plugin's edits and the model's name put in."""
    ctx, original = exchange.ctx, exchange.wire
    crossing = exchange.services.crossing
    headers = Headers.of(crossing.headers(original.headers.items, credentials=credentials))
    query = original.query and crossing.query(original.query, credentials=credentials)
    wire = WireRequest(original.method, original.path, query, headers, original.body)
    payload = ctx.request_payload
    disguised = disguise_wrapped(original.body) if payload is not None else None
    base: LLMRequest | None = None
    if payload is not None and payload.opened and not payload.replaced:
        base = payload.before_change()
    if payload is not None and (disguised is not None or base is not None or payload.replaced):
        if base is None:
            base = exchange.reading.read()
        losses = Losses("request")
        if exchange.chain.before and has_signed_thinking(payload.value.messages):
            withhold_edited(ctx.base_request.messages, payload.value.messages, losses)
        if disguised is not None:
            # Signatures that the gateway wrapped for this client are unwrapped, or left out where they are another
            # dialect's: seen from a request in which they look like the dialect's own, that is an edit as any other.
            base, _ = dialect.decode_request(WireRequest(body=disguised, path=original.path, headers=original.headers))
        edit_target = Target(ctx.requested_model or aim.model, aim.provider, aim.api_version, False, aim.quirks)
        before = dialect.encode_request(base, edit_target, Losses("request"))
        after = dialect.encode_request(payload.value, edit_target, losses)
        wire.body = merge_edit(original.body, before.body, after.body)
        exchange.add_losses(losses)
    if aim.quirks and aim.quirks.get("for_same_dialect") and payload is not None:
        wire.body = _with_quirks(exchange, dialect, aim, wire)
    if aim.model and aim.model != ctx.requested_model:
        wire = dialect.retarget(wire, aim)
    version_header = dialect.version_header
    if version_header is not None:
        if aim.api_version is not None:
            headers.set(version_header, aim.api_version)
        elif version_header not in headers:
            headers.set(version_header, dialect.default_version)
    return wire


def _with_quirks(exchange: Exchange, dialect: Dialect, aim: Target, wire: WireRequest) -> bytes:
    """The client's bytes, changed where the server is known to refuse what they say."""
    request, _ = dialect.decode_request(wire)
    plain = Target(exchange.ctx.requested_model or aim.model, aim.provider, aim.api_version, False)
    losses = Losses("request")
    before = dialect.encode_request(request, plain, Losses("request"))
    after = dialect.adapt(request, replace(plain, quirks=aim.quirks), losses)
    exchange.add_losses(losses)
    return merge_edit(wire.body, before.body, after.body)


def limits_of(exchange: Exchange, http: HTTPProvider) -> Limits:
    settings = http.settings
    limits = Limits(settings.timeout, settings.first_token_timeout, settings.stream_idle_timeout)
    headers = exchange.ctx.http_request.headers
    if LIMIT_HEADERS.isdisjoint(headers):
        return limits
    for name, attribute in _LIMITS:
        if name in headers:
            # A request may shorten a limit, never lengthen it.
            setattr(limits, attribute, min(getattr(limits, attribute), limit_of_header(headers, name)))
    return limits


def limit_of_header(headers: Mapping[str, str], name: str) -> float:
    """Seconds. Raises InvalidRequest."""
    value = headers[name]
    try:
        return parse_duration(int(value) if value.isdigit() else value)
    except (ValueError, OverflowError) as error:
        raise InvalidRequest(f"Header {name}: {error}") from None


_LIMITS = (
    ("x-llm-gateway-timeout", "total"),
    ("x-llm-gateway-first-token-timeout", "first_token"),
    ("x-llm-gateway-stream-idle-timeout", "idle"),
)
LIMIT_HEADERS = frozenset(name for name, _ in _LIMITS)
"""With one of these a client sets limits of its own."""
