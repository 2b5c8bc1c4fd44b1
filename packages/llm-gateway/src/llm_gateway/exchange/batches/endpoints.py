"""Files and batches on their way to the provider that keeps them.

    create ── plugins see the lines ── models checked and named ── sent ── the reply's id belongs to the caller
    read, content, cancel, delete ── only of what belongs to the caller ── sent to the provider that has it
    list ── what belongs to the caller, from the store

What the lines may use is reserved when they are handed in; what a batch that has ended did use is booked by `settling`.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qs

from llm_gateway_sdk import (
    DialectError,
    GatewayError,
    HTTPProvider,
    InvalidRequest,
    NotFound,
    Verdict,
    WireReply,
    WireRequest,
)
from llm_gateway_sdk.batch_share import BatchShare
from llm_gateway_sdk.deferral import defer
from llm_gateway_sdk.dialect import Headers
from llm_gateway_sdk.numerals import whole_number
from llm_gateway_sdk.operations.batch import BatchAPI
from llm_gateway_sdk.operations.owned import OwnedForm
from llm_gateway_sdk.principal import owner_of
from llm_gateway_sdk.wire import json

from ...models import ModelTarget
from ...wire.headers import bearer_or_key
from ..attempt import LiveAttempt
from ..belongings import Belonging, Belongings
from ..client import ClientReply
from ..errors import http_error
from ..headers import find
from ..multipart import FormBody
from ..reply_texts import look_at_reply, wants_to_look
from ..request import ClientRequest
from ..seen import seen_query
from ..side_calls import MAX_ERROR_BYTES, call_endpoint, relay
from ..upstream import secrets_of
from .crossing import Crossed, crossing_api
from .lines import asked_model, check_lines, shares_of, target_of_line
from .pending import PendingBatch, written_principal

__all__ = ["list_belongings", "owned_target", "perform_owned", "take_shares"]

_ID = re.compile(r"/(?:files|batches)/([^/]+)")


async def owned_target(request: ClientRequest, body: bytes) -> ModelTarget:
    """The model whose provider has what is asked for, or gets what is handed in. Raises NotFound, InvalidRequest."""
    form, registry = _form(request), request.project.registry
    if form.role != "create":
        thing = await _mine(request, form.operation, _id_of(request))
        return _target_of(request, thing)
    asked = _read(body) if body else {}
    if not isinstance(asked, dict):
        raise InvalidRequest("The body is not a JSON object.")
    try:
        rests_on, lines = form.rests_on(asked), form.lines(asked)
    except DialectError as error:
        raise InvalidRequest(str(error), param=error.path) from None
    if rests_on is not None:
        file = await _mine(request, "file", rests_on)
        if not file.shares:
            # What it holds was not looked at: whether the caller may use its models, and what it will cost.
            raise InvalidRequest(f"The file '{rests_on}' was not uploaded as a batch's.", param="input_file_id")
        return _target_of(request, file)
    if not lines:
        return _first_of(request)
    target = check_lines(request, lines)
    native = target.http is not None and target.http.dialect in {route.dialect for route in request.adapter.routes}
    if not native and crossing_api(request, target) is None:
        raise NotFound(f"The model '{target.name}' (provider '{target.provider.name}') has no batches in this form.")
    return registry.resolve(target.name, None)


def _read(body: bytes) -> Any:
    """What a client sent. Raises InvalidRequest."""
    try:
        return json.loads(body)
    except ValueError as error:
        raise InvalidRequest(f"The body is not valid JSON: {error}") from None


async def perform_owned(
    request: ClientRequest, client: ClientReply, attempt: LiveAttempt, body: bytes
) -> Verdict | None:
    """Sends the request to the provider that has it, and keeps whose its answer is. Raises ModelError."""
    form, http = _form(request), attempt.target.http
    if http is None:
        raise NotFound(f"The model '{attempt.target.name}' has no such endpoint.")
    if (api := crossing_api(request, attempt.target)) is not None:
        return await _perform_crossed(request, client, attempt, body, api)
    if form.role == "delete" and form.operation == "batch" and request.project.settler is not None:
        # With the batch its results are gone, and with them what it has used.
        token = bearer_or_key(request.wire.headers.items)
        await request.project.settler.now(_kind(request, "batch"), owner_of(request.ctx), _id_of(request), token)
    body, upload, shares = _named(request, form, body)
    reply = await call_endpoint(request, attempt, http, _wire(request, http, body), upload)
    try:
        if not 200 <= reply.status < 300:
            failed = await reply.read(MAX_ERROR_BYTES)
            raise http_error(request.dialect, reply.status, reply.headers, failed, sent=secrets_of(request, http))
        if form.role == "content" and form.operation == "batch":
            look_soon(request, _id_of(request))
        if form.role == "content" and not wants_to_look(request, form):
            return await relay(request, client, attempt, reply)
        answer = WireReply(reply.status, Headers.of(reply.headers), await reply.read(request.services.max_reply_bytes))
    finally:
        reply.close()
    answer.body = form.own_addresses(answer.body)
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
        await _keep(request, attempt, form, came, shares, shown=answer.body if verdict is None else b"{}")
        if verdict is not None:
            return verdict
    await client.relay_whole(answer, attempt)
    return None


async def _perform_crossed(
    request: ClientRequest, client: ClientReply, attempt: LiveAttempt, body: bytes, api: BatchAPI
) -> Verdict | None:
    """What is at a provider with another API than the client's."""
    form, http, owner = _form(request), attempt.target.http, owner_of(request.ctx)
    assert http is not None
    belongings, kind, files = _belongings(request), _kind(request, form.operation), _kind(request, "file")
    crossed = Crossed(request, client, attempt, form, http, api, belongings, kind, files)
    attempt.settled = True
    if form.role != "create":
        thing = crossed.thing = await _mine(request, form.operation, _id_of(request))
    answer: dict[str, Any]
    if form.role == "content":
        if form.operation == "batch":
            look_soon(request, thing.id)
        return await crossed.give_content()
    if form.role == "create":
        answer = await _create_crossed(request, crossed, body)
    elif form.role == "delete":
        if form.operation == "batch" and request.project.settler is not None:
            await request.project.settler.now(kind, owner, thing.id, bearer_or_key(request.wire.headers.items))
        await belongings.forget_content(owner, thing.id, thing.pieces)
        await belongings.remove(owner, kind, thing.id)
        answer = form.show_deleted(thing.id)
    elif form.operation == "batch":
        status = await crossed.status(cancel=form.role == "cancel")
        if status.is_final:
            look_soon(request, thing.id)
        answer = thing.object
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
    form, fields = crossed.form, _read(body)
    if form.operation == "file":
        lines = form.lines(fields)
        crossed.shares = [share.to_json() for share in await request.work(shares_of, request, lines)]
        return await crossed.keep_file(form.file_content(fields) or b"")
    lines = form.lines(fields)
    if (given := form.rests_on(fields)) is not None:
        file = await _mine(request, "file", given)
        pieces = crossed.belongings.content(owner_of(request.ctx), file.id, file.pieces)
        content = b"".join([piece async for piece in pieces])
        lines = await request.work(form.lines_of, content)
    thing = await crossed.submit(lines, fields)
    await _begin(request, crossed.api.name, thing.id, thing.upstream, thing.model)
    return thing.object


async def list_belongings(request: ClientRequest) -> WireReply:
    """A page of what belongs to the caller, as the provider last showed it."""
    form = _form(request)
    things = [
        thing
        for thing in await _belongings(request).all(owner_of(request.ctx), _kind(request, form.operation))
        if thing.object
    ]
    query = {key: values[-1] for key, values in parse_qs(request.wire.query).items()}
    if form.operation == "file" and "purpose" in query:
        things = [thing for thing in things if thing.object.get("purpose") == query["purpose"]]
    ids = [thing.id for thing in things]
    after = query.get("after", query.get("after_id", ""))
    if after in ids:
        things = things[ids.index(after) + 1 :]
    size = whole_number(query.get("limit"))
    page = things[: 100 if size is None else max(1, min(1000, size))]
    answer = {
        "object": "list",
        "data": [thing.object for thing in page],
        "first_id": page[0].id if page else None,
        "last_id": page[-1].id if page else None,
        "has_more": len(things) > len(page),
    }
    return WireReply(200, Headers.of([("content-type", "application/json")]), json.dumps(answer))


# What is whose.


def _form(request: ClientRequest) -> OwnedForm:
    form = request.route.form
    assert isinstance(form, OwnedForm)
    return form


def _belongings(request: ClientRequest) -> Belongings:
    if request.project.belongings is None:
        raise GatewayError(
            "Files and batches need a store that all workers share (`store.url`).", status=501, code="no_shared_store"
        )
    return request.project.belongings


def _kind(request: ClientRequest, operation: str) -> str:
    """Each vendor's API has its own files and batches."""
    return f"{request.adapter.name}.{operation}"


def _id_of(request: ClientRequest) -> str:
    found = _ID.search(request.wire.path)
    return found[1] if found is not None else ""


async def _mine(request: ClientRequest, operation: str, id_: str) -> Belonging:
    thing = await _belongings(request).find(owner_of(request.ctx), _kind(request, operation), id_)
    if thing is None:
        raise NotFound(f"There is no {operation} '{id_}' of this caller.")
    return thing


def _target_of(request: ClientRequest, thing: Belonging) -> ModelTarget:
    target = request.project.registry.find(thing.model)
    if target is None:
        raise NotFound(f"The model '{thing.model}', whose provider has '{thing.id}', is not configured any more.")
    return target


def _first_of(request: ClientRequest) -> ModelTarget:
    """For what names no model: the default model's provider, else the first of the client's API."""
    spoken = {route.dialect for route in request.adapter.routes}
    found = [each for each in request.project.registry.targets if each.http and each.http.dialect in spoken]
    if not found:
        raise NotFound("No model of this project has files.")
    return next((each for each in found if each.is_default), found[0])


# Sending.


def _named(request: ClientRequest, form: OwnedForm, body: bytes) -> tuple[bytes, FormBody | None, list[BatchShare]]:
    """The body, or the multipart form, with the provider's names of the models, and what a file's lines may use."""
    shares: list[BatchShare] = []
    fields: Any = _read(body) if body and form.role == "create" else None
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


async def take_shares(request: ClientRequest) -> None:
    """Finds out what a batch that is handed in may use, before limits are asked. Raises GatewayError."""
    form = request.route.form
    if not isinstance(form, OwnedForm) or form.operation != "batch" or form.role != "create":
        return
    asked = await request.work(_read, request.wire.body) if request.wire.body else {}
    if not isinstance(asked, dict):
        raise InvalidRequest("The body is not a JSON object.")
    try:
        given, lines = form.rests_on(asked), form.lines(asked)
    except DialectError as error:
        raise InvalidRequest(str(error), param=error.path) from None
    if given is not None:
        file = await _mine(request, "file", given)
        request.ctx.batch = [BatchShare.of_json(each) for each in file.shares]
    else:
        request.ctx.batch = await request.work(shares_of, request, lines)


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
    belongings, owner = _belongings(request), owner_of(request.ctx)
    operation, files = _kind(request, form.operation), _kind(request, "file")
    if form.role == "delete":
        await belongings.remove(owner, operation, _id_of(request))
        return
    try:
        answer = json.loads(body)
    except ValueError:
        return
    if not isinstance(answer, dict) or not isinstance(answer.get("id"), str):
        return
    thing = await belongings.find(owner, operation, answer["id"])
    if thing is None:
        thing = Belonging(answer["id"], attempt.target.name)
    thing.object = answer if shown is body else json.loads(shown)
    if shares:
        thing.shares = [share.to_json() for share in shares]
    for made in form.brings(answer):
        if await belongings.find(owner, files, made) is None:
            await belongings.put(owner, files, Belonging(made, attempt.target.name))
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
            id_, _kind(request, "batch"), owner_of(ctx), model, api, upstream_id, ctx.request_id,
            adapter=ctx.adapter, client_dialect=ctx.client_dialect, client_ip=ctx.client_ip,
            caller=ctx.caller, principal=written_principal(ctx),
            shares=[share.to_json() for share in ctx.batch], held=held,
        )
    )  # fmt: skip


def look_soon(request: ClientRequest, id_: str) -> None:
    """A client has seen that its batch has ended."""
    settler = request.project.settler
    if settler is not None:
        token = bearer_or_key(request.wire.headers.items)
        settler.soon(_kind(request, "batch"), owner_of(request.ctx), id_, token)


def _has_ended(form: OwnedForm, body: bytes) -> bool:
    try:
        return form.api is not None and form.api.decode_status(body).is_final
    except DialectError:
        return False
