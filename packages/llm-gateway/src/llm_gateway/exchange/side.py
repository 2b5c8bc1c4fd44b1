"""The operations beside generation: token counts, embeddings, model lists, and a vendor's other endpoints.

The same hooks run for them. Bytes pass through to a provider of the adapter's own dialects; what none of them can do,
the gateway answers itself where it honestly can.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from llm_gateway_sdk import (
    Attempt,
    DialectError,
    Echo,
    HTTPProvider,
    InvalidRequest,
    LLMRequest,
    Message,
    ModelError,
    ModelHTTPError,
    NotFound,
    TextPart,
    Verdict,
    WireReply,
    WireRequest,
)
from llm_gateway_sdk.dialect import Headers
from llm_gateway_sdk.estimate import estimate_tokens
from llm_gateway_sdk.losses import Losses
from llm_gateway_sdk.wire import json

from ..models import ModelTarget
from ..wire.headers import bearer_or_key
from .errors import http_error, refuse_web_page
from .upstream import check_model_name

if TYPE_CHECKING:
    from .exchange import Exchange

__all__ = ["decode_embedding_inputs", "list_models", "perform_side_operation", "refuse_unseen"]


async def list_models(exchange: Exchange) -> None:
    reply = exchange.adapter.list_models(exchange.project.registry.entries(), exchange.wire)
    await exchange.write_own(reply)


async def perform_side_operation(exchange: Exchange, target: ModelTarget, attempt: Attempt) -> Verdict | None:
    """`count_tokens`, `embed` or `native` on one target."""
    if exchange.ctx.operation == "count_tokens":
        await _count_tokens(exchange, target, attempt)
        return None
    http = target.http
    if http is None or not _same_vendor(exchange, http):
        raise NotFound(
            f"{exchange.wire.method} {exchange.route.path}: the model '{target.name}' (provider "
            f"'{target.provider.name}') does not have this endpoint."
        )
    body = exchange.wire.body
    if exchange.ctx.operation == "embed":
        body = _edited_inputs(exchange, body)
    await _pass_through(exchange, target, http, body, attempt)
    return None


def _same_vendor(exchange: Exchange, http: HTTPProvider) -> bool:
    spoken = {route.dialect for route in exchange.adapter.routes}
    return http.dialect in spoken


async def _pass_through(
    exchange: Exchange, target: ModelTarget, http: HTTPProvider, body: bytes, attempt: Attempt
) -> None:
    ctx, wire = exchange.ctx, exchange.wire
    model = _model_of_endpoint(exchange, target)
    check_model_name(model)
    if ctx.requested_model is not None and model != ctx.requested_model:
        try:
            body = json.replace_top_level(body, {"model": model})
        except ValueError as error:
            raise InvalidRequest(f"The body is not valid JSON in UTF-8: {error}") from None
    client_key = http.settings.credentials == "client"
    crossing = exchange.services.crossing
    headers = Headers.of(crossing.headers(wire.headers.items, credentials=client_key))
    query = crossing.query(wire.query, credentials=client_key)
    reply = await exchange.send_side(http, WireRequest(wire.method, wire.path, query, headers, body))
    try:
        attempt.status = reply.status
        if not 200 <= reply.status < 300:
            failed = await reply.read(4 * 1024 * 1024)
            raise http_error(exchange.client, reply.status, reply.headers, failed, sent=exchange.sent)
        if ctx.operation != "native":
            refuse_web_page(reply.headers)
        await exchange.relay(reply)
    finally:
        reply.close()


def _model_of_endpoint(exchange: Exchange, target: ModelTarget) -> str:
    """The name that the provider is asked for: at endpoints of the vendor's own the one that the client wrote, unless
    that is a configured model's. Models for images, speech and embeddings are rarely configured."""
    ctx = exchange.ctx
    asked = ctx.requested_model
    if ctx.operation in _OWN_MODELS and asked is not None and not exchange.project.registry.is_configured(asked):
        return asked
    return target.upstream_model(asked)


_OWN_MODELS = frozenset({"native", "embed"})


async def _count_tokens(exchange: Exchange, target: ModelTarget, attempt: Attempt) -> None:
    ctx, http = exchange.ctx, target.http
    count: int | None = None
    if http is not None:
        name = http.dialect_for(
            exchange.client.name, exchange.route.upstream, target.upstream_model(ctx.requested_model)
        )
        dialect = exchange.services.dialects[name]
        payload = ctx.request_payload
        untouched = payload is None or not payload.opened or not payload.changed
        try:
            if dialect.name == exchange.client.name and untouched:
                await _pass_through(exchange, target, http, exchange.wire.body, attempt)
                return
            if dialect.name != exchange.client.name:
                # What rests on something that the vendor keeps can't be counted, as it can't be answered.
                exchange.client.check_portable(ctx.request, Losses("request"))
            count = await _ask_count(exchange, target, http, dialect, attempt)
        except ModelHTTPError as error:
            # The provider, or a server that imitates it, has no such endpoint.
            if error.status not in (404, 405, 501):
                raise
    if count is not None:
        await exchange.write_own(exchange.adapter.estimate_reply(count))
        return
    reply = exchange.adapter.estimate_reply(estimate_tokens(ctx.request))
    reply.headers.set("x-llm-gateway-estimate", "true")
    await exchange.write_own(reply)


async def _ask_count(
    exchange: Exchange, target: ModelTarget, http: HTTPProvider, dialect: Any, attempt: Attempt
) -> int | None:
    encode = getattr(dialect, "encode_count", None)
    decode = getattr(dialect, "decode_count", None)
    if encode is None or decode is None:
        return None
    ctx = exchange.ctx
    losses = Losses("request")
    model = target.upstream_model(ctx.requested_model)
    check_model_name(model)
    aim = http.target(model, dialect.name)
    request = dialect.fitted(ctx.request, aim, losses, exchange.client.name).request
    wire = cast(WireRequest, encode(request, aim, losses))
    if http.settings.credentials == "client" and (token := bearer_or_key(exchange.wire.headers.items)):
        http.forward_credential(wire.headers, token)
    reply = await exchange.send_side(http, wire)
    try:
        attempt.status = reply.status
        body = await reply.read(4 * 1024 * 1024)
        if not 200 <= reply.status < 300:
            raise http_error(dialect, reply.status, reply.headers, body, sent=exchange.sent)
        return int(decode(WireReply(reply.status, Headers.of(reply.headers), body)))
    except (DialectError, ValueError, TypeError) as error:
        raise ModelError(f"The provider's token count can't be read: {error}") from None
    finally:
        reply.close()


def decode_embedding_inputs(wire: WireRequest) -> tuple[LLMRequest, Echo]:
    """An embedding request in canonical form: each input text is a user message. Raises DialectError."""
    try:
        body = json.loads(wire.body)
    except ValueError as error:
        raise DialectError(f"not valid JSON: {error}") from None
    if not isinstance(body, dict):
        raise DialectError("expected a JSON object")
    inputs = body.get("input")
    texts = [inputs] if isinstance(inputs, str) else inputs if isinstance(inputs, list) else []
    messages = [Message("user", [TextPart(text)]) for text in texts if isinstance(text, str)]
    model = body.get("model")
    request = LLMRequest(model=model if isinstance(model, str) else "", messages=messages)
    if isinstance(body.get("user"), str):
        request.user = body["user"]
    return request, Echo(request.model)


def _edited_inputs(exchange: Exchange, body: bytes) -> bytes:
    """The body with the texts as the plugins left them."""
    payload = exchange.ctx.request_payload
    if payload is None or not payload.opened or not payload.changed:
        return body
    texts = iter([message.text for message in payload.value.messages])
    inputs = json.loads(body).get("input")
    if isinstance(inputs, str):
        changed: Any = next(texts, "")
    else:
        changed = [next(texts, item) if isinstance(item, str) else item for item in inputs]
    return json.replace_top_level(body, {"input": changed})


def refuse_unseen(exchange: Exchange) -> None:
    """A native body is not understood: where a plugin edits requests, it would go out unedited."""
    if exchange.project.allow_unseen_native or not exchange.wire.body:
        return
    for mounted in {id(hook.mounted): hook.mounted for hook in exchange.chain.before}.values():
        if mounted.plugin.edits_request:
            raise InvalidRequest(
                f"Plugin '{mounted.name}' edits requests and can't see this one "
                f"({exchange.wire.method} {exchange.ctx.http_request.path}).",
                status=403,
            )
