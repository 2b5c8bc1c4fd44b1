"""One call of a provider: built from the client's bytes where they may be sent as they are, else from a translation.

What is built is a value; it changes neither the request nor the reply.
"""

from __future__ import annotations

import copy
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import unquote

from llm_gateway_sdk import (
    Dialect,
    DialectError,
    HTTPProvider,
    HTTPReply,
    InvalidRequest,
    LLMRequest,
    Payload,
    Target,
    WireRequest,
)
from llm_gateway_sdk.credentials import CredentialUnavailable
from llm_gateway_sdk.dialect import Headers
from llm_gateway_sdk.heavy import is_long
from llm_gateway_sdk.losses import Losses
from llm_gateway_sdk.secrets import CREDENTIAL_HEADERS, is_secret_header
from llm_gateway_sdk.wire import json
from llm_gateway_sdk.wire.pieces import PIECE_BYTES, has

from ..models import ModelTarget
from ..wire.client_headers import ClientHeaders
from ..wire.headers import bearer_or_key
from .call_plan import CallPlan
from .client_body import TOO_DEEP
from .errors import unsendable
from .patch import Comparison, merge_edit, merge_seen
from .request import ClientRequest
from .seen import compared, seen_query
from .signed_reasoning import disguise_wrapped, has_signed_thinking, withhold_edited
from .text_edits import TextEdits
from .time_limits import Limits, limits_of

_PIECE, _BEYOND = PIECE_BYTES, PIECE_BYTES + 1
"""A slice that is empty where a body is not long: it costs less than a call."""

__all__ = [
    "UpstreamCall",
    "apply_defaults",
    "belongs_aside",
    "build_call",
    "check_losses",
    "check_model_name",
    "finish_headers",
    "learn_quota",
    "reply_name",
    "secrets_of",
    "send",
    "send_call",
]


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
    losses: Losses | None
    """What the translation lost; None where nothing was translated."""
    reply_name: str | None
    """The model's name for the reply; None leaves the provider's."""
    prepared: Any = None
    """The call's head as the HTTP client has prepared it; `headers` are not sent then."""


def belongs_aside(request: ClientRequest, target: ModelTarget, http: HTTPProvider, model: str) -> bool:
    """Whether `build_call` works on the whole of a heavy body, of a request with a large one: most of these pass
    through unread."""
    return is_long(request.wire.body) or (not _passes_unread(request, target, http, model) and request.is_heavy)


def _passes_unread(request: ClientRequest, target: ModelTarget, http: HTTPProvider, model: str) -> bool:
    """Whether `build_call` sends the client's bytes without decoding them."""
    payload, client = request.ctx.request_payload, request.dialect.name
    untouched = payload is None or not (payload.opened or payload.replaced or target.defaults)
    if not untouched or client != (name := http.dialect_for(client, request.route.upstream, model)):
        return False
    if request.dialect.own_form not in request.wire.body or http.target(model, name).quirks:
        return False
    return payload is None or not request.has_wrapped


def build_call(request: ClientRequest, target: ModelTarget, http: HTTPProvider, model: str) -> UpstreamCall:
    """`model` is the provider's name of it. Raises InvalidRequest where the client's request does not decode or cannot
    be stated to this provider."""
    ctx, client = request.ctx, request.dialect
    plan = _plan_for(request, http, model)
    dialect, api = _spoken_to(request, target, http, model) if plan is None else (plan.dialect, plan.api)
    payload = ctx.request_payload
    if target.defaults and payload is not None:
        apply_defaults(payload.value, target)
    body = request.wire.body
    has_own_form = has(body, client.own_form) if body[_PIECE:_BEYOND] else client.own_form in body
    same, usage_asked = dialect is client and has_own_form, False
    try:
        if same:
            crossed = _crossed(request, api, http) if plan is None else plan.crossed
            wire, losses = _same_dialect(request, dialect, api, http, Headers.of(crossed))
            asks = ctx.streaming and http.settings.include_usage and request.wants_usage
            if asks and not (api.quirks and api.quirks.get("no_stream_options")):
                asking = dialect.ask_for_usage(wire)
                if asking is not None:
                    wire, usage_asked = asking, True
        else:
            wire, losses = _translated(request, dialect, api, http)
    except DialectError as error:
        raise InvalidRequest(str(error), param=error.path, code=error.code) from None
    except ValueError as error:
        raise InvalidRequest(f"The body is not valid JSON in UTF-8: {error}") from None
    except RecursionError:
        raise InvalidRequest(TOO_DEEP) from None
    named = None if ctx.requested_model == model else reply_name(request, model)
    if plan is not None and same is not plan.translates and plan.fits(wire):
        if request.chain.detached:
            kept = Headers.of([*plan.sent, ("x-request-id", ctx.request_id)])
            ctx.upstream_request = WireRequest(wire.method, wire.path, wire.query, kept, wire.body)
        return UpstreamCall(
            plan.method, plan.url, [], wire.body, dialect, same, usage_asked, plan.limits, wire.names, losses, named,
            plan.prepared,
        )  # fmt: skip
    limits = limits_of(ctx.http_request.headers, http)
    call = UpstreamCall("", "", [], b"", dialect, same, usage_asked, limits, wire.names, losses, named)
    return _finished(request, http, api, wire, call, may_leave_plan=plan is None)


def _finished(
    request: ClientRequest,
    http: HTTPProvider,
    api: Target,
    wire: WireRequest,
    call: UpstreamCall,
    *,
    may_leave_plan: bool,
) -> UpstreamCall:
    """The call with its address, headers and body, which leaves a plan for those after it."""
    ctx, crossed, plans = request.ctx, wire.headers.items, request.plans
    path = WireRequest(wire.method, wire.path, wire.query)
    is_usual = call.same_dialect or call.dialect is not request.dialect
    leaves_plan = may_leave_plan and is_usual and plans is not None and plans.wants(http)
    if plans is not None:
        wire.headers = Headers.of(crossed.copy())  # a plan may hold them
    finish_headers(request, wire)
    if request.chain.detached:
        kept = Headers.of([item for item in wire.headers.items if item[0] not in CREDENTIAL_HEADERS])
        ctx.upstream_request = WireRequest(wire.method, wire.path, wire.query, kept, wire.body)
    call.method, call.url, headers, call.body = http.prepare(wire)
    call.headers = headers.items
    if leaves_plan and plans is not None and not request.services.followers and _is_as_it_came(request):
        dialect = call.dialect, not call.same_dialect
        made = call.method, call.url, call.headers
        plans.add(http, api, path, dialect=dialect, crossed=crossed, call=made, limits=call.limits)
    return call


def _spoken_to(request: ClientRequest, target: ModelTarget, http: HTTPProvider, model: str) -> tuple[Dialect, Target]:
    """The dialect in which the provider is called, and what it is called for. Raises InvalidRequest."""
    name = http.dialect_for(request.dialect.name, request.route.upstream, model)
    dialect = request.services.dialects.get(name)
    if dialect is None:
        raise InvalidRequest(f"The dialect '{name}' of model '{target.name}' is not installed.")
    if "." in model or "%" in model:
        check_model_name(model)
    return dialect, http.target(model, name)


def _plan_for(request: ClientRequest, http: HTTPProvider, model: str) -> CallPlan | None:
    """The plan of such a call, which speaks the client's dialect."""
    plans = request.plans
    plan = None if plans is None else plans.find(http, model)
    return plan if plan is not None and _is_as_it_came(request) and not request.services.followers else None


def _is_as_it_came(request: ClientRequest) -> bool:
    """Whether the client's headers are those of its head still."""
    headers = request.wire.headers
    return type(headers) is ClientHeaders and headers.is_as_it_came


def reply_name(request: ClientRequest, upstream_model: str) -> str | None:
    """How the reply names its model where it is not to be as the provider does."""
    asked = request.ctx.requested_model
    if asked is None or asked == upstream_model or not request.dialect.wants_asked_name(request.wire):
        return None
    return asked


def apply_defaults(request: LLMRequest, target: ModelTarget) -> None:
    for name, value in target.defaults.items():
        if getattr(request, name) in (None, [], {}):
            setattr(request, name, copy.deepcopy(value))


def check_losses(request: ClientRequest, losses: Losses) -> None:
    """Notes what the translation of this attempt lost. Raises InvalidRequest where `strict` forbids it."""
    request.ctx.losses.extend(losses)
    if request.project.strict:
        refused = [loss.path for loss in losses if loss.kind in ("dropped", "clamped")]
        if refused:
            raise InvalidRequest(
                f"The model's provider can't be determined: {', '.join(refused)} (strict is on).", param=refused[0]
            )


def finish_headers(request: ClientRequest, wire: WireRequest) -> None:
    """Adds to a provider's request what every one of them has."""
    ctx, items = request.ctx, wire.headers.items
    items += (("accept-encoding", "identity"), ("x-request-id", ctx.request_id))
    for observer in request.services.followers:
        for header, value in observer.outgoing_headers(ctx):
            wire.headers.set(header, value)


def learn_quota(request: ClientRequest, target: ModelTarget, reply: HTTPReply) -> None:
    """Notes what the provider has left, for the plugins that share it out."""
    http, quota = target.http, target.quota
    if quota is not None and http is not None and http.settings.credentials != "client":  # not the caller's own rates
        quota.learn(id(request.ctx), reply.status, reply.headers, time.time())


async def send_call(
    request: ClientRequest, http: HTTPProvider, call: UpstreamCall, *, expires: float, reason: str
) -> HTTPReply:
    """Until status and headers have come. Raises ModelError."""
    prepared = call.prepared
    if prepared is None:
        return await send(request, http, call.method, call.url, call.headers, call.body, expires=expires, reason=reason)
    limit = http.settings.connect_timeout
    try:
        reply: HTTPReply = await prepared.send(
            request.ctx.request_id, call.body, connect_timeout=limit, expires=expires, reason=reason
        )
    except ValueError as error:
        raise unsendable(error, request.ctx.request_id) from None
    return http.adapt_reply(reply) if http.adapts_replies else reply


async def send(
    request: ClientRequest,
    http: HTTPProvider,
    method: str,
    url: str,
    headers: list[tuple[str, str]],
    body: bytes,
    *,
    expires: float,
    reason: str,
) -> HTTPReply:
    """The same for a call that was not built by `build_call`."""
    try:
        reply = await http.http.send(
            method, url, headers, body, connect_timeout=http.settings.connect_timeout, expires=expires, reason=reason
        )
    except ValueError as error:
        raise unsendable(error, request.ctx.request_id) from None
    if http.tokens is not None and reply.status == 401:
        reply.close()
        http.tokens.refused(http.tokens.value)
        raise CredentialUnavailable(http.name, retryable=True)
    reply.expire_at(expires, reason)
    return http.adapt_reply(reply) if http.adapts_replies else reply


def secrets_of(request: ClientRequest, http: HTTPProvider) -> tuple[str, ...]:
    """Credentials that a call is sent with, which no error may quote."""
    secrets = http.secrets()
    for name, value in http.settings.headers.items():
        if is_secret_header(name):
            secrets = (*secrets, value.removeprefix("Bearer "))
    if http.settings.credentials == "client":
        token = bearer_or_key(request.wire.headers.items)
        return (*secrets, token) if token else secrets
    return secrets


def check_model_name(model: str) -> None:
    """Raises InvalidRequest where the name could lead out of the path that some APIs carry it in."""
    if not _DOTS.isdisjoint(_SEPARATOR.split(unquote(model))):
        raise InvalidRequest(f"'{model}' is not a valid model name.", param="model")


_SEPARATOR = re.compile(r"[/\\]")
_DOTS = frozenset({".", ".."})


def _translated(
    request: ClientRequest, dialect: Dialect, api: Target, http: HTTPProvider
) -> tuple[WireRequest, Losses]:
    """The request in the provider's dialect, which is not the client's."""
    ctx, payload, client = request.ctx, request.ctx.request_payload, request.dialect.name
    losses = Losses("request", request.dialect.field_names, request.wire.body)
    is_fresh = payload is not None and not payload.opened and not payload.replaced
    memory = request.project.memory
    plain = request.client_body.plain if is_fresh and (memory is None or memory.dialect != client) else None
    if plain is not None:
        known = dialect.translate_plain(plain, api, client, streaming=ctx.streaming)
        if known is not None:
            wire, request.client_body.echo = known
            _forward_credential(request, http, wire)
            return wire, losses
    decoded = ctx.request
    # A request that no plugin has opened is as it was read.
    echo = request.client_body.echo
    is_bare = is_fresh and echo is not None and echo.is_bare
    decoded.stream = ctx.streaming
    if request.chain.before and has_signed_thinking(decoded.messages):
        withhold_edited(ctx.base_request.messages, decoded.messages, losses)
    if decoded.store and memory is not None and memory.dialect == client:
        decoded = replace(decoded, store=None)  # done by the gateway
    try:
        if not is_bare:
            request.dialect.check_portable(decoded, losses)
        wire = dialect.translate(decoded, api, losses, client, is_bare=is_bare)
    except DialectError as error:
        if error.path is None:
            raise
        path = request.dialect.field_names.spell(error.path, request.wire.body)
        raise DialectError(error.message, path=path, code=error.code) from None
    if plain is not None and is_bare and echo is not None and not losses:
        dialect.learn_plain(plain, api, client, wire, echo, streaming=ctx.streaming)
    _forward_credential(request, http, wire)
    return wire, losses


def _forward_credential(request: ClientRequest, http: HTTPProvider, wire: WireRequest) -> None:
    if http.settings.credentials == "client":
        token = bearer_or_key(request.wire.headers.items)
        if token:
            http.forward_credential(wire.headers, token)


def _crossed(request: ClientRequest, api: Target, http: HTTPProvider) -> list[tuple[str, str]]:
    """What of the client's headers goes to a provider that speaks its dialect, with the version of the API."""
    credentials = http.settings.credentials == "client"
    headers = Headers.of(request.services.crossing.headers(request.wire.headers.items, credentials=credentials))
    dialect = request.dialect
    version_header = dialect.version_header
    if version_header is not None:
        if api.api_version is not None:
            headers.set(version_header, api.api_version)
        elif version_header not in headers:
            headers.set(version_header, dialect.default_version)
    return headers.items


def _same_dialect(
    request: ClientRequest, dialect: Dialect, api: Target, http: HTTPProvider, headers: Headers
) -> tuple[WireRequest, Losses | None]:
    """The client's own bytes, with a plugin's edits and the model's name put in."""
    ctx, original = request.ctx, request.wire
    query = original.query
    if query:
        query = request.services.crossing.query(query, credentials=http.settings.credentials == "client")
    wire = WireRequest(original.method, original.path, query, headers, original.body)
    payload = ctx.request_payload
    edits = request.chain.edits_request and payload is not None and payload.opened
    if edits and query:
        wire.query = seen_query(query)
    losses: Losses | None = None
    if payload is not None:
        disguised = disguise_wrapped(original.body) if request.has_wrapped else None
        if disguised is not None or payload.opened or payload.replaced:
            # Reasoning stays in sight, so that what is edited in it or taken out of it is seen as an edit.
            quirks = {name: value for name, value in api.quirks.items() if name != "no_reasoning_history"}
            edit_target = Target(ctx.requested_model or api.model, api.provider, api.api_version, False, quirks)
            known = None if disguised is not None or payload.replaced else TextEdits.of(api)
            body = None if known is None else known.body(request, edit_target, payload.value)
            if body is None:
                body, losses = _edited_body(request, dialect, edit_target, payload, disguised, edits=edits)
                if known is not None and not losses:
                    known.learn(request, edit_target, payload.value, body)
            wire.body = body
    if api.quirks and payload is not None and (own := _quirks_for_own(dialect, api.quirks, wire.body)):
        losses = losses or Losses("request")
        wire.body = _with_quirks(request, dialect, replace(api, quirks=own), wire, losses)
    marks, body = dialect.refusal_markers, wire.body
    if marks is None or payload is None:
        is_marked = False
    elif body[_PIECE:_BEYOND]:
        is_marked = has(body, marks[0]) and has(body, marks[1])
    else:
        is_marked = marks[0] in body and marks[1] in body
    if is_marked:
        losses = losses or Losses("request", dialect.field_names, wire.body)
        wire.body = dialect.fit_own(wire.body, api.model, losses)
    if api.model:
        if wire.body is not request.client_body.sole_model_in and json.names_two_models(wire.body):
            wire.body = json.with_one(wire.body, "model")
        if api.model != ctx.requested_model:
            wire = dialect.retarget(wire, api)
    return wire, losses


def _edited_body(
    request: ClientRequest,
    dialect: Dialect,
    target: Target,
    payload: Payload[LLMRequest],
    disguised: bytes | None,
    *,
    edits: bool,
) -> tuple[bytes, Losses | None]:
    """The client's bytes with what plugins changed; with `edits`, without what they could not see."""
    ctx, original = request.ctx, request.wire
    value = payload.value
    losses = Losses("request")
    base: LLMRequest | None = None
    after: bytes | None = None
    came: Comparison | None = None
    if disguised is None and not payload.replaced:
        if edits:
            # Where the dialect writes what came, nothing was edited and nothing was there that plugins could not see.
            after = dialect.encode_request(value, target, losses).body
            came = compared(original.body)
            if came.is_same(after):
                return original.body, None
            base = payload.pristine()
        else:
            base = payload.before_change()
            if base is None:
                return original.body, None
    if request.chain.before and has_signed_thinking(value.messages):
        losses, after = Losses("request"), None
        withhold_edited(ctx.base_request.messages, value.messages, losses)
    if disguised is not None:
        # Signatures that the gateway wrapped for this client are unwrapped, or left out where they are another
        # dialect's: seen from a request in which they look like the dialect's own, that is an edit as any other.
        base, _ = dialect.decode_request(WireRequest(body=disguised, path=original.path, headers=original.headers))
    elif base is None:
        base = request.client_body.decode()
    before = dialect.encode_request(base, target, Losses("request")).body
    if after is None:
        after = dialect.encode_request(value, target, losses).body
    merge = merge_edit
    if edits:
        came = came or compared(original.body if disguised is None else disguised)
        if not came.is_covered(before):
            merge = merge_seen
    return merge(original.body, before, after), losses


def _quirks_for_own(dialect: Dialect, quirks: Mapping[str, Any], body: bytes) -> Mapping[str, Any]:
    """Quirks of a server that hold for bodies in its own API too, which otherwise pass unchanged."""
    if quirks.get("for_same_dialect"):
        return quirks
    if quirks.get("no_reasoning_history"):
        for marker in dialect.reasoning_markers:
            if has(body, marker):
                return _NO_HISTORY
    return _NOTHING


_NO_HISTORY: Mapping[str, Any] = {"no_reasoning_history": True}
_NOTHING: Mapping[str, Any] = {}


def _with_quirks(request: ClientRequest, dialect: Dialect, api: Target, wire: WireRequest, losses: Losses) -> bytes:
    """The client's bytes, changed where the server is known to refuse what they say."""
    decoded, _ = dialect.decode_request(wire)
    plain = Target(request.ctx.requested_model or api.model, api.provider, api.api_version, False)
    before = dialect.encode_request(decoded, plain, Losses("request"))
    after = dialect.adapt(decoded, replace(plain, quirks=api.quirks), losses)
    return merge_edit(wire.body, before.body, after.body)
