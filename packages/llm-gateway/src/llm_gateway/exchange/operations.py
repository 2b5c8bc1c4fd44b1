"""The operations next to generation: token counts, embeddings, model lists, and a vendor's other endpoints.

The same hooks run for them. Bytes pass through to a provider of the adapter's own dialects; what none of them can do,
the gateway answers itself where it honestly can.
"""

from __future__ import annotations

from urllib.parse import unquote

from llm_gateway_sdk import (
    Dialect,
    DialectError,
    HTTPProvider,
    InvalidRequest,
    ModelError,
    ModelHTTPError,
    NotFound,
    Verdict,
    WireReply,
    WireRequest,
)
from llm_gateway_sdk.dialect import Headers
from llm_gateway_sdk.estimate import estimate_tokens
from llm_gateway_sdk.losses import Losses
from llm_gateway_sdk.operations.owned import OwnedForm
from llm_gateway_sdk.wire import json

from ..models import ModelTarget
from ..wire.headers import bearer_or_key
from ..wire.native_paths import is_listed
from .attempt import LiveAttempt
from .batches.endpoints import owned_target, perform_owned
from .batches.listing import list_belongings
from .batches.uploads import serve_kept
from .client import ClientReply
from .embeddings import has_token_lists, write_embedding
from .errors import read_http_error
from .forms import operation_target, perform_form
from .named_models import named_models
from .realtime.session_target import realtime_target, refuse_plain
from .request import ClientRequest
from .rights import check_name, check_rights, visible
from .seen import compared, seen_query
from .side_calls import MAX_ERROR_BYTES, call_endpoint, relay
from .upstream import check_model_name, secrets_of

__all__ = ["choose_target", "perform_operation", "refuse_unseen"]

_OPAQUE = ("native", "stored")
"""Operations whose bodies go on without being understood."""


async def choose_target(request: ClientRequest, client: ClientReply, *, narrowed: bool) -> ModelTarget | None:
    """The model that a request other than for text goes to, by its operation; None where it is answered by now.
    `narrowed`: its caller may not use everything. Raises GatewayError."""
    ctx, form = request.ctx, request.route.form
    if ctx.operation == "models":
        await _list_models(request, client)
        return None
    if ctx.operation in _OPAQUE:
        return await _native_target(request, client, narrowed=narrowed)
    if ctx.operation == "realtime":
        refuse_plain(request)
        return realtime_target(request)
    assert form is not None
    if not isinstance(form, OwnedForm):
        return operation_target(request)
    if form.role == "list":
        await client.own(await list_belongings(request))
        return None
    if request.form is not None and not form.reads_files(request.wire.body):
        refuse_unseen(request)
    body = await request.work(edited_inputs, request, request.wire.body)
    if form.keeps and (kept := await serve_kept(request, body)) is not None:
        await client.own(kept)
        return None
    return await owned_target(request, body)


async def _native_target(request: ClientRequest, client: ClientReply, *, narrowed: bool) -> ModelTarget | None:
    memory = request.project.memory
    if memory is not None and memory.serves(request.wire.path):
        reply = await memory.serve(request)
        if reply is not None:
            await client.own(reply)
            return None
    refuse_unkept(request)
    refuse_unseen(request)
    target = native_target(request)
    if narrowed:
        check_rights(request.ctx, request.project, target)
        principal = request.ctx.principal
        if principal is not None and principal.models is not None:
            for name in await named_models(request):
                check_name(request.ctx, request.project, name)
    return target


async def _list_models(request: ClientRequest, client: ClientReply) -> None:
    entries = visible(request.project.registry.entries(), request.ctx.principal)
    await client.own(request.adapter.list_models(entries, request.wire))


def native_target(request: ClientRequest) -> ModelTarget:
    """The model a native call belongs to: the one it names, else the default or first one whose provider has such
    endpoints, of those that the caller may use."""
    registry, ctx = request.project.registry, request.ctx
    named = registry.find(ctx.target_model or ctx.requested_model)
    if named is not None:
        return named
    spoken = {route.dialect for route in request.adapter.routes}
    candidates = [target for target in registry.targets if target.http is not None and target.http.dialect in spoken]
    if not candidates:
        raise NotFound(f"No model of this project has the endpoint {ctx.http_request.path}.")
    candidates = visible(candidates, ctx.principal) or candidates
    return next((target for target in candidates if target.is_default), candidates[0])


async def perform_operation(request: ClientRequest, client: ClientReply, attempt: LiveAttempt) -> Verdict | None:
    """All but `generate` and `models`, on one target. Raises ModelError."""
    target = attempt.target
    form = request.route.form
    if form is not None:
        body = await request.work(edited_inputs, request, request.wire.body)
        perform = perform_owned if isinstance(form, OwnedForm) else perform_form
        return await perform(request, client, attempt, body)
    if request.ctx.operation == "realtime":
        from .realtime.opening import perform_realtime  # the library of frames, which few gateways need

        await perform_realtime(request, client, attempt)
        return None
    if request.ctx.operation == "count_tokens":
        await _count_tokens(request, client, attempt)
        return None
    http = target.http
    if http is None or http.dialect not in {route.dialect for route in request.adapter.routes}:
        raise NotFound(
            f"{request.wire.method} {request.route.path}: the model '{target.name}' (provider "
            f"'{target.provider.name}') does not have this endpoint."
        )
    await _pass_through(request, client, attempt, http, request.wire.body)
    return None


async def _pass_through(
    request: ClientRequest, client: ClientReply, attempt: LiveAttempt, http: HTTPProvider, body: bytes
) -> None:
    ctx, wire = request.ctx, request.wire
    model = _model_of_endpoint(request, attempt)
    check_model_name(model)
    if ctx.requested_model is not None and model != ctx.requested_model:
        try:
            body = await request.work(json.replace_top_level, body, {"model": model})
        except ValueError as error:
            raise InvalidRequest(f"The body is not valid JSON in UTF-8: {error}") from None
    client_key = http.settings.credentials == "client"
    crossing = request.services.crossing
    headers = Headers.of(crossing.headers(wire.headers.items, credentials=client_key))
    query = crossing.query(wire.query, credentials=client_key)
    if query and request.chain.edits_request and ctx.operation not in _OPAQUE:
        query = seen_query(query)
    reply = await call_endpoint(request, attempt, http, WireRequest(wire.method, wire.path, query, headers, body))
    try:
        if not 200 <= reply.status < 300:
            failed = await reply.read(MAX_ERROR_BYTES, request.make_room)
            secrets = secrets_of(request, http)
            raise await read_http_error(request.dialect, reply.status, reply.headers, failed, sent=secrets)
        await relay(request, client, attempt, reply)
    finally:
        reply.close()


def _model_of_endpoint(request: ClientRequest, attempt: LiveAttempt) -> str:
    """The name that the provider is asked for: at endpoints of the vendor's own the one that the client wrote, unless
    that is a configured model's. Models for images, speech and embeddings are rarely configured."""
    asked = request.ctx.requested_model
    own = request.ctx.operation in _OPAQUE
    if own and asked is not None and not request.project.registry.is_configured(asked):
        return asked
    return attempt.model


async def _count_tokens(request: ClientRequest, client: ClientReply, attempt: LiveAttempt) -> None:
    ctx, http = request.ctx, attempt.target.http
    count: int | None = None
    if http is not None:
        name = http.dialect_for(request.dialect.name, request.route.upstream, attempt.model)
        dialect = request.services.dialects[name]
        try:
            if dialect.name == request.dialect.name and await request.work(_is_untouched, request, attempt, dialect):
                await _pass_through(request, client, attempt, http, request.wire.body)
                return
            if dialect.name != request.dialect.name:
                # What rests on something that the vendor keeps can't be counted, as it can't be answered.
                await request.work(lambda: request.dialect.check_portable(ctx.request, Losses("request")))
            count = await _ask_count(request, attempt, http, dialect)
        except ModelHTTPError as error:
            # The provider, or a server that imitates it, has no such endpoint.
            if error.status not in (404, 405, 501):
                raise
    if count is not None:
        await client.own(request.adapter.estimate_reply(count))
        return
    reply = request.adapter.estimate_reply(await request.work(lambda: estimate_tokens(ctx.request)))
    reply.headers.set("x-llm-gateway-estimate", "true")
    await client.own(reply)


def _is_untouched(request: ClientRequest, attempt: LiveAttempt, dialect: Dialect) -> bool:
    """Whether the client's bytes may go on as they came."""
    payload, http = request.ctx.request_payload, attempt.target.http
    if payload is not None and payload.opened and payload.changed:
        return False
    return http is None or not request.chain.edits_request or _is_seen(request, attempt, http, dialect)


def _is_seen(request: ClientRequest, attempt: LiveAttempt, http: HTTPProvider, dialect: Dialect) -> bool:
    """Whether the client's bytes hold nothing but what plugins have seen. Raises InvalidRequest for duplicate keys."""
    came = compared(request.wire.body)
    model = request.ctx.requested_model or attempt.model
    wire = dialect.encode_count(request.ctx.request, http.target(model, dialect.name), Losses("request"))
    return wire is not None and came.is_same(wire.body)


async def _ask_count(request: ClientRequest, attempt: LiveAttempt, http: HTTPProvider, dialect: Dialect) -> int | None:
    ctx = request.ctx
    losses = Losses("request")
    model = attempt.model
    check_model_name(model)
    api = http.target(model, dialect.name)

    def encoded() -> WireRequest | None:
        fitted = dialect.fitted(ctx.request, api, losses, request.dialect.name).request
        return dialect.encode_count(fitted, api, losses)

    wire = await request.work(encoded)
    if wire is None:
        return None
    if http.settings.credentials == "client" and (token := bearer_or_key(request.wire.headers.items)):
        http.forward_credential(wire.headers, token)
    reply = await call_endpoint(request, attempt, http, wire)
    try:
        body = await reply.read(MAX_ERROR_BYTES, request.make_room)
        if not 200 <= reply.status < 300:
            raise await read_http_error(dialect, reply.status, reply.headers, body, sent=secrets_of(request, http))
        return int(dialect.decode_count(WireReply(reply.status, Headers.of(reply.headers), body)))
    except (DialectError, ValueError, TypeError, OverflowError) as error:
        raise ModelError(f"The provider's token count can't be read: {error}") from None
    finally:
        reply.close()


def edited_inputs(request: ClientRequest, body: bytes) -> bytes:
    """The body with the texts as the plugins left them."""
    payload = request.ctx.request_payload
    if payload is None:
        return body
    if request.chain.edits_request:
        compared(body)
        if not request.project.allow_unseen_native and has_token_lists(payload.value):
            _refuse_unseen(request, "texts that are given as tokens")
    if not payload.opened or not payload.changed:
        return body
    return write_embedding(body, payload.value)


def refuse_unkept(request: ClientRequest) -> None:
    """An endpoint for what a vendor keeps is passed on only where the project lists it: what a provider keeps, it keeps
    for the gateway's key, and does not know whose it is. Raises NotFound."""
    route, project = request.route, request.project
    if "{rest}" in route.path or is_listed(request.wire.path, project.native_paths):
        return
    if project.memory is None:
        raise NotFound(f"{request.wire.method} {request.wire.path}: this project keeps no responses.")
    what = "Conversation" if request.wire.path.startswith("/conversations") else "Response"
    name = unquote(request.wire.path.strip("/").partition("/")[2].partition("/")[0])
    raise NotFound(f"{what} with id '{name}' not found.")


def refuse_unseen(request: ClientRequest) -> None:
    """A native body is not understood: where a plugin edits requests, it would go out unedited."""
    if request.project.allow_unseen_native or not request.wire.body:
        return
    _refuse_unseen(request, "this one")


def _refuse_unseen(request: ClientRequest, what: str) -> None:
    for hook in request.chain.before:
        if hook.mounted.plugin.edits_request:
            raise InvalidRequest(
                f"Plugin '{hook.mounted.name}' edits requests and can't see {what} "
                f"({request.wire.method} {request.ctx.http_request.path}).",
                status=403,
            )
