"""Files and batches on their way to the provider that keeps them.

    create ── plugins see the lines ── models checked and named ── sent ── the reply's id belongs to the caller
    read, content, cancel, delete ── only of what belongs to the caller ── sent to the provider that has it
    list ── what belongs to the caller, from the store

What the lines may use is reserved when they are handed in; what a batch that has ended did use is booked by `settling`.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from llm_gateway_sdk import (
    DialectError,
    HTTPProvider,
    InvalidRequest,
    ModelError,
    ModelProtocolError,
    NotFound,
    StoreError,
    Verdict,
    WireReply,
    WireRequest,
)
from llm_gateway_sdk.batch_share import BatchShare
from llm_gateway_sdk.deferral import defer
from llm_gateway_sdk.dialect import Headers
from llm_gateway_sdk.heavy import run_by_size
from llm_gateway_sdk.operations.batch import BatchAPI
from llm_gateway_sdk.operations.owned import BatchLine, OwnedForm
from llm_gateway_sdk.principal import owner_of
from llm_gateway_sdk.wire import json

from ...models import ModelTarget
from ...wire.headers import bearer_or_key
from ..attempt import LiveAttempt
from ..belongings import Belonging
from ..client import ClientReply
from ..errors import read_http_error
from ..headers import find
from ..multipart import FormBody
from ..promised import check_body, protocol_error, reply_kind
from ..reply_texts import look_at_reply, wants_to_look
from ..request import ClientRequest
from ..rights import check_rights, visible
from ..seen import seen_query
from ..side_calls import MAX_ERROR_BYTES, call_endpoint, relay
from ..upstream import secrets_of
from .crossing import Crossed, crossing_api
from .intake import read_body
from .lines import asked_model, check_lines, shares_of, target_of_line
from .ownership import belongings_of, form_of, id_of, kind_of, mine
from .pending import PendingBatch, written_principal

__all__ = ["owned_target", "perform_owned"]

log = logging.getLogger("llm_gateway.batches")


async def owned_target(request: ClientRequest, body: bytes) -> ModelTarget:
    """The model whose provider has what is asked for, or gets what is handed in. Raises NotFound, InvalidRequest."""
    form, registry = form_of(request), request.project.registry
    if form.role != "create":
        thing = await mine(request, form.operation, id_of(request))
        return _target_of(request, thing)
    asked = read_body(body) if body else {}
    if not isinstance(asked, dict):
        raise InvalidRequest("The body is not a JSON object.")
    try:
        rests_on, lines = form.rests_on(asked), form.lines(asked)
    except DialectError as error:
        raise InvalidRequest(str(error), param=error.path) from None
    if rests_on is not None:
        file = await mine(request, "file", rests_on)
        if not file.shares:
            # What it holds was not looked at: whether the caller may use its models, and what it will cost.
            raise InvalidRequest(f"The file '{rests_on}' was not uploaded for a batch.", param="input_file_id")
        return _target_of(request, file)
    if not lines:
        return _first_of(request)
    target = check_lines(request, lines)
    native = (
        not form.keeps
        and target.http is not None
        and target.http.dialect in {route.dialect for route in request.adapter.routes}
    )
    if not native and crossing_api(request, target) is None:
        raise NotFound(f"The model '{target.name}' (provider '{target.provider.name}') has no batches in this form.")
    return registry.resolve(target.name, None)


async def perform_owned(
    request: ClientRequest, client: ClientReply, attempt: LiveAttempt, body: bytes
) -> Verdict | None:
    """Sends the request to the provider that has it, and keeps whose its answer is. Raises ModelError."""
    form, http = form_of(request), attempt.target.http
    if http is None:
        raise NotFound(f"The model '{attempt.target.name}' has no such endpoint.")
    if (api := crossing_api(request, attempt.target)) is not None:
        return await _perform_crossed(request, client, attempt, body, api)
    if form.role == "delete":
        await _before_deletion(request, form, await mine(request, form.operation, id_of(request)))
    body, upload, shares = _named(request, form, body)
    reply = await call_endpoint(request, attempt, http, _wire(request, http, body), upload)
    try:
        if not 200 <= reply.status < 300:
            failed = await reply.read(MAX_ERROR_BYTES, request.make_room)
            raise await read_http_error(
                request.dialect, reply.status, reply.headers, failed, sent=secrets_of(request, http)
            )
        if form.role == "content" and form.operation == "batch":
            look_soon(request, id_of(request))
        if form.role == "content" and not wants_to_look(request, form):
            return await relay(request, client, attempt, reply)
        body = await reply.read(request.services.max_reply_bytes, request.make_room)
        answer = WireReply(reply.status, Headers.of(reply.headers), body)
    finally:
        reply.close()
    if form.role != "content":
        answer.body = await run_by_size(len(answer.body), _own_addresses, request, form, answer)
    attempt.settled = True
    attempt.content_type = find(answer.headers.items, "content-type")
    if form.role == "content":
        verdict, answer = await look_at_reply(request, form, answer)
        if verdict is not None:
            return verdict
    else:
        came, verdict = answer.body, None
        if request.chain.edits_reply:
            verdict, answer = await look_at_reply(request, form, answer)
        # What is listed later is what the caller is shown now: nothing, where a plugin refused it.
        shown = answer.body if verdict is None else b"{}"
        try:
            await _keep(request, attempt, form, came, shares, shown=shown)
        except StoreError:
            if form.role == "create":
                await _take_back(request, attempt, form, http, came)
            raise
        if verdict is not None:
            return verdict
    await client.relay_whole(answer, attempt)
    return None


def _own_addresses(request: ClientRequest, form: OwnedForm, answer: WireReply) -> bytes:
    """The body with the gateway's addresses. Raises ModelProtocolError for what is not the provider's API."""
    try:
        check_body(reply_kind(request, answer.headers.items), answer.body)
        return form.own_addresses(answer.body)
    except DialectError as error:
        failure = protocol_error(str(error))
    except ModelProtocolError as error:
        failure = error
    # What was asked for has been done, or may have been: not a second time.
    failure.retryable = failure.retryable and request.wire.method == "GET"
    raise failure


async def _perform_crossed(
    request: ClientRequest, client: ClientReply, attempt: LiveAttempt, body: bytes, api: BatchAPI
) -> Verdict | None:
    """What is at a provider with another API than the client's."""
    form, http = form_of(request), attempt.target.http
    assert http is not None
    belongings, kind, files = belongings_of(request), kind_of(request, form.operation), kind_of(request, "file")
    crossed = Crossed(request, client, attempt, form, http, api, belongings, kind, files)
    attempt.settled = True
    if form.role != "create":
        thing = crossed.thing = await mine(request, form.operation, id_of(request))
    answer: dict[str, Any]
    if form.role == "content":
        if form.operation == "batch":
            look_soon(request, thing.id)
        return await crossed.give_content()
    if form.role == "create":
        answer = await _create_crossed(request, crossed, body)
    elif form.role == "delete":
        await _before_deletion(request, form, thing)
        await (crossed.delete() if form.operation == "batch" else crossed.delete_file())
        answer = form.show_deleted(thing.id)
    elif form.role == "cancel":
        if (await crossed.status(cancel=True)).is_final:
            look_soon(request, thing.id)
        answer = form.show_cancelled(thing.object)
    elif form.operation == "batch":
        status, answer = await crossed.description()
        if status.is_final:
            look_soon(request, thing.id)
    else:
        answer = thing.object
    wire = WireReply(200, Headers.of([("content-type", "application/json")]), json.dumps(answer))
    if request.chain.edits_reply:
        verdict, wire = await look_at_reply(request, form, wire)
        if verdict is not None:
            return verdict
    await client.own(wire)
    return None


async def _create_crossed(request: ClientRequest, crossed: Crossed, body: bytes) -> dict[str, Any]:
    form, size = crossed.form, len(body)
    fields, lines = await run_by_size(size, _read, form, body)
    if form.operation == "file":
        crossed.shares = [share.to_json() for share in await request.work(shares_of, request, lines)]
        written = await run_by_size(size, form.file_content, fields)
        return await crossed.keep_file(written or b"")
    if (given := form.rests_on(fields)) is not None:
        file = await mine(request, "file", given)
        pieces = crossed.belongings.content(owner_of(request.ctx), file.id, file.pieces)
        content = b"".join([piece async for piece in pieces])
        size = len(content)
        lines = await run_by_size(size, form.lines_of, content)

    async def begin(thing: Belonging) -> None:
        await _begin(request, crossed.api.name, thing.id, thing.upstream, thing.model)

    return (await crossed.submit(lines, fields, size, begin)).object


def _read(form: OwnedForm, body: bytes) -> tuple[Any, Sequence[BatchLine]]:
    fields = read_body(body)
    return fields, form.lines(fields)


async def _take_back(
    request: ClientRequest, attempt: LiveAttempt, form: OwnedForm, http: HTTPProvider, body: bytes
) -> None:
    """What was created, and can't be written down, would belong to none at the provider."""
    try:
        id_ = json.loads(body)["id"]
        path = f"{request.wire.path}/{quote(id_, safe='')}"
        method, path = ("DELETE", path) if form.operation == "file" else ("POST", f"{path}/cancel")
        sent = _wire(request, http, b"")
        sent.headers = Headers.of([each for each in sent.headers.items if not each[0].startswith("content-")])
        reply = await call_endpoint(request, attempt, http, WireRequest(method, path, "", sent.headers, b""))
        reply.close()
    except (ModelError, LookupError, TypeError, ValueError) as error:
        log.warning("request %s: what it left at the provider could not be deleted: %s", request.ctx.request_id, error)


# Where it is.


def _target_of(request: ClientRequest, thing: Belonging) -> ModelTarget:
    target = request.project.registry.find(thing.model)
    if target is None:
        raise NotFound(f"The model '{thing.model}', whose provider has '{thing.id}', is not configured any more.")
    return target


def _first_of(request: ClientRequest) -> ModelTarget:
    """For what names no model: the default model's provider, else the first of the client's API, of those that the
    caller may use. Raises NotFound, RequestRejected."""
    spoken = {route.dialect for route in request.adapter.routes}
    found = [each for each in request.project.registry.targets if each.http and each.http.dialect in spoken]
    if not found:
        raise NotFound("No model of this project has files.")
    allowed = visible(found, request.ctx.principal)
    first = next((each for each in allowed or found if each.is_default), (allowed or found)[0])
    if not allowed:
        check_rights(request.ctx, request.project, first)
    return first


# Sending.


def _named(request: ClientRequest, form: OwnedForm, body: bytes) -> tuple[bytes, FormBody | None, list[BatchShare]]:
    """The body, or the multipart form, with the provider's names of the models, and what a file's lines may use."""
    shares: list[BatchShare] = []
    fields: Any = read_body(body) if body and form.role == "create" else None
    if isinstance(fields, dict) and (lines := form.lines(fields)):
        changed = False
        shares = shares_of(request, lines) if form.operation == "file" else []
        for line in lines:
            model = asked_model(line)
            upstream = target_of_line(request, line).upstream_model(model)
            if upstream != model:
                line.body["model"], changed = upstream, True
        if changed and request.form is None:
            body = json.replace_top_level(body, {"requests": fields["requests"]})
    if request.form is None:
        return body, None, shares
    content = form.file_content(fields) if isinstance(fields, dict) else None
    replaced = {} if content is None else {"file": content}
    return b"{}", request.form.body(fields, anew=request.chain.edits_request, replaced=replaced), shares


def _wire(request: ClientRequest, http: HTTPProvider, body: bytes) -> WireRequest:
    client_key, crossing, wire = http.settings.credentials == "client", request.services.crossing, request.wire
    headers = Headers.of(crossing.headers(wire.headers.items, credentials=client_key))
    query = crossing.query(wire.query, credentials=client_key)
    if query and request.chain.edits_request:
        query = seen_query(query)
    return WireRequest(wire.method, wire.path, query, headers, body)


# The books.


async def _keep(
    request: ClientRequest,
    attempt: LiveAttempt,
    form: OwnedForm,
    body: bytes,
    shares: list[BatchShare],
    *,
    shown: bytes,
) -> None:
    """Writes down whose the answer is. `shown` is the answer as plugins have left it."""
    belongings, owner = belongings_of(request), owner_of(request.ctx)
    operation, files = kind_of(request, form.operation), kind_of(request, "file")
    if form.role == "delete":
        await belongings.remove(owner, operation, id_of(request))
        return
    try:
        answer = await run_by_size(len(body), json.loads, body)
    except ValueError:
        return
    if not isinstance(answer, dict) or not isinstance(answer.get("id"), str):
        return
    thing = await belongings.find(owner, operation, answer["id"])
    if thing is None:
        thing = Belonging(answer["id"], attempt.target.name)
    thing.object = answer if shown is body else await run_by_size(len(shown), json.loads, shown)
    if shares:
        thing.shares = [share.to_json() for share in shares]
    for made in form.brings(answer):
        if await belongings.find(owner, files, made) is None:
            await belongings.put(owner, files, Belonging(made, attempt.target.name, batch=thing.id))
    await belongings.put(owner, operation, thing)
    if form.operation == "batch" and form.api is not None:
        if form.role == "create":
            await _begin(request, form.api.name, thing.id, thing.id, thing.model)
        elif _has_ended(form, body):
            look_soon(request, thing.id)


async def _begin(request: ClientRequest, api: str, id_: str, upstream_id: str, model: str) -> None:
    """From here on the batch is settled whatever becomes of this process."""
    settler, ctx = request.project.settler, request.ctx
    if settler is None:
        return
    held = await defer(request.chain, ctx)
    await settler.pending.add(
        PendingBatch(
            id_, kind_of(request, "batch"), owner_of(ctx), model, api, upstream_id, ctx.request_id,
            adapter=ctx.adapter, client_dialect=ctx.client_dialect, client_ip=ctx.client_ip,
            caller=ctx.caller, principal=written_principal(ctx),
            shares=[share.to_json() for share in ctx.batch], held=held,
        )
    )  # fmt: skip


async def _before_deletion(request: ClientRequest, form: OwnedForm, thing: Belonging) -> None:
    """With a batch, or a file of its results, what it has used is gone. Raises GatewayError where somebody is still at
    counting it."""
    settler, batch = request.project.settler, thing.id if form.operation == "batch" else thing.batch
    if settler is not None and batch:
        token = bearer_or_key(request.wire.headers.items)
        await settler.before_deletion(kind_of(request, "batch"), owner_of(request.ctx), batch, token)


def look_soon(request: ClientRequest, id_: str) -> None:
    """A client has seen that its batch has ended."""
    settler = request.project.settler
    if settler is not None:
        token = bearer_or_key(request.wire.headers.items)
        settler.soon(kind_of(request, "batch"), owner_of(request.ctx), id_, token)


def _has_ended(form: OwnedForm, body: bytes) -> bool:
    try:
        return form.api is not None and form.api.decode_status(body).is_final
    except DialectError:
        return False
