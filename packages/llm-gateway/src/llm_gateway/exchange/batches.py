"""Files and batches on their way to the provider that keeps them.

    create ── plugins see the lines ── models checked and named ── sent ── the reply's id belongs to the caller
    read, content, cancel, delete ── only of what belongs to the caller ── sent to the provider that has it
    list ── what belongs to the caller, from the store

What the lines will use is estimated and booked when they are handed in, as far as their input goes; what a batch has
used beyond that is booked once, when its end is first seen.
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
    ModelNotFound,
    NotFound,
    RequestRejected,
    Usage,
    Verdict,
    WireReply,
    WireRequest,
)
from llm_gateway_sdk.dialect import Headers
from llm_gateway_sdk.estimate import estimate_text
from llm_gateway_sdk.metering import record
from llm_gateway_sdk.numerals import whole_number
from llm_gateway_sdk.operations.owned import BatchLine, OwnedForm
from llm_gateway_sdk.principal import owner_of
from llm_gateway_sdk.wire import json

from ..models import ModelTarget
from .attempt import LiveAttempt
from .belongings import Belonging, Belongings
from .client import ClientReply
from .errors import http_error
from .headers import find
from .multipart import FormBody
from .reply_texts import look_at_reply, wants_to_look
from .request import ClientRequest
from .seen import seen_query
from .side_calls import MAX_ERROR_BYTES, call_endpoint, relay
from .upstream import secrets_of

__all__ = ["list_belongings", "owned_target", "perform_owned"]

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
        if not file.lines:
            # What it holds was not looked at: whether the caller may use its models, and what it will cost.
            raise InvalidRequest(f"The file '{rests_on}' was not uploaded as a batch's.", param="input_file_id")
        return _target_of(request, file)
    if not lines:
        return _first_of(request)
    target: ModelTarget | None = None
    seen: set[str] = set()
    for line in lines:
        if line.custom_id in seen:
            raise InvalidRequest(f"{line.place}: the custom_id '{line.custom_id}' is given twice.")
        seen.add(line.custom_id)
        found = _target_of_line(request, line)
        if target is not None and found is not target and _address(found) != _address(target):
            raise InvalidRequest(f"{line.place}: the models of one batch have to be the same provider's.")
        target = target or found
    assert target is not None
    if target.http is None or target.http.dialect not in {route.dialect for route in request.adapter.routes}:
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
    body, upload, lines = _named(request, form, body)
    reply = await call_endpoint(request, attempt, http, _wire(request, http, body), upload)
    try:
        if not 200 <= reply.status < 300:
            failed = await reply.read(MAX_ERROR_BYTES)
            raise http_error(request.dialect, reply.status, reply.headers, failed, sent=secrets_of(request, http))
        unsettled = form.role == "content" and form.operation == "batch"
        if form.role == "content" and not unsettled and not wants_to_look(request, form):
            return await relay(request, client, attempt, reply)
        answer = WireReply(reply.status, Headers.of(reply.headers), await reply.read(request.services.max_reply_bytes))
    finally:
        reply.close()
    attempt.settled = True
    attempt.content_type = find(answer.headers.items, "content-type")
    if form.role == "content":
        if unsettled:
            await _settle_results(request, attempt, answer.body)
        if not wants_to_look(request, form):
            await client.relay_whole(answer, attempt)
            return None
        verdict, answer = await look_at_reply(request, form, answer)
        if verdict is not None:
            return verdict
    else:
        came, verdict = answer.body, None
        if request.chain.edits_reply:
            verdict, answer = await look_at_reply(request, form, answer)
        # What is listed later is what the caller is shown now: nothing, where a plugin refused it.
        await _keep(request, attempt, form, came, lines, shown=answer.body if verdict is None else b"{}")
        if verdict is not None:
            return verdict
    await client.relay_whole(answer, attempt)
    return None


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


def _target_of_line(request: ClientRequest, line: BatchLine) -> ModelTarget:
    model, principal = line.body.get("model"), request.ctx.principal
    try:
        target = request.project.registry.resolve(None, model if isinstance(model, str) else None)
    except ModelNotFound as error:
        raise InvalidRequest(f"{line.place}: {error.message}") from None
    names = [target.name] + ([model] if isinstance(model, str) and request.project.registry.find(model) else [])
    if principal is not None and not any(map(principal.may_use, names)):
        raise RequestRejected(
            f"{line.place}: the model '{model or target.name}' is not open to this caller.",
            status=403, code="model_not_allowed", kind="permission",
        )  # fmt: skip
    if line.body.get("stream") is True:
        raise InvalidRequest(f"{line.place}: a request of a batch can't be a stream.")
    return target


def _address(target: ModelTarget) -> tuple[str, str, str | None]:
    http = target.http
    return (target.provider.name, http.base_url, http.settings.api_key) if http is not None else (target.name, "", None)


# Sending.


def _named(request: ClientRequest, form: OwnedForm, body: bytes) -> tuple[bytes, FormBody | None, list[BatchLine]]:
    """The body, or the multipart form, with the provider's names of the models, and the lines in it."""
    lines: list[BatchLine] = []
    fields: Any = _read(body) if body and form.role == "create" else None
    if isinstance(fields, dict) and (lines := form.lines(fields)):
        changed = False
        for line in lines:
            target, model = _target_of_line(request, line), line.body.get("model")
            upstream = target.upstream_model(model if isinstance(model, str) else None)
            if upstream != model:
                line.body["model"], changed = upstream, True
        if changed and request.form is None:
            body = json.replace_top_level(body, {"requests": fields["requests"]})
    if request.form is None:
        return body, None, lines
    content = form.file_content(fields) if isinstance(fields, dict) else None
    replaced = {} if content is None else {"file": content}
    return b"{}", request.form.body(fields, anew=request.chain.edits_request, replaced=replaced), lines


def _wire(request: ClientRequest, http: HTTPProvider, body: bytes) -> WireRequest:
    client_key, crossing, wire = http.settings.credentials == "client", request.services.crossing, request.wire
    headers = Headers.of(crossing.headers(wire.headers.items, credentials=client_key))
    query = crossing.query(wire.query, credentials=client_key)
    if query and request.chain.edits_request:
        query = seen_query(query)
    return WireRequest(wire.method, wire.path, query, headers, body)


# The books.


async def _keep(
    request: ClientRequest, attempt: LiveAttempt, form: OwnedForm, body: bytes, lines: list[BatchLine], *, shown: bytes
) -> None:
    """Writes down whose the answer is, and what it has used. `shown` is the answer as plugins have left it."""
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
    if form.role == "create":
        await _book_input(request, attempt, form, thing, lines)
    for made in form.brings(answer):
        if await belongings.find(owner, files, made) is None:
            await belongings.put(owner, files, Belonging(made, attempt.target.name))
    used = _usage_of(answer)
    ended = answer.get(form.state) in form.final and not thing.settled and used is not None
    thing.settled = thing.settled or ended
    if await belongings.put(owner, operation, thing) and ended and used is not None:
        used.input_tokens = max(0, (used.input_tokens or 0) - thing.input_tokens)
        record(attempt.entry, used)


async def _book_input(
    request: ClientRequest, attempt: LiveAttempt, form: OwnedForm, thing: Belonging, lines: list[BatchLine]
) -> None:
    """A file's lines are counted when it comes, and booked with the batch that is made of it."""
    if lines:
        thing.lines = len(lines)
        thing.input_tokens = round(sum(estimate_text(json.dumps_text(line.body)) for line in lines))
    elif (given := form.rests_on(_read(request.wire.body))) is not None:
        file = await _mine(request, "file", given)
        thing.lines, thing.input_tokens = file.lines, file.input_tokens
    if form.operation == "batch":
        record(
            attempt.entry,
            Usage(thing.input_tokens, estimated=True, service_tier="batch", requests=max(1, thing.lines)),
        )


async def _settle_results(request: ClientRequest, attempt: LiveAttempt, body: bytes) -> None:
    """Books what the results of a batch report, line by line, the first time that they are read."""
    belongings, owner = _belongings(request), owner_of(request.ctx)
    batches = _kind(request, "batch")
    thing = await belongings.find(owner, batches, _id_of(request))
    if thing is None or thing.settled:
        return
    used = Usage(0, 0, 0, 0, service_tier="batch", cache_write_1h_tokens=0, requests=max(1, thing.lines))
    for line in body.splitlines():
        try:
            result = json.loads(line).get("result") if line.strip() else None
        except (ValueError, AttributeError):
            return  # not what its API promises: nothing is booked that is not known
        message = result.get("message") if isinstance(result, dict) else None
        usage = message.get("usage") if isinstance(message, dict) else None
        if isinstance(usage, dict):
            _add_line(used, usage)
    thing.settled = True
    if await belongings.put(owner, batches, thing):
        used.input_tokens = max(0, (used.input_tokens or 0) - thing.input_tokens)
        record(attempt.entry, used)


def _add_line(used: Usage, line: dict[str, Any]) -> None:
    """Adds the usage of one result, in the shape of the Messages API."""
    fresh, read, written = (
        _whole(line.get(name)) for name in ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
    )
    kept, tools = line.get("cache_creation"), line.get("server_tool_use")
    used.input_tokens = (used.input_tokens or 0) + fresh + read + written
    used.output_tokens = (used.output_tokens or 0) + _whole(line.get("output_tokens"))
    used.cache_read_tokens = (used.cache_read_tokens or 0) + read
    used.cache_write_tokens = (used.cache_write_tokens or 0) + written
    if isinstance(kept, dict):
        used.cache_write_1h_tokens = (used.cache_write_1h_tokens or 0) + _whole(kept.get("ephemeral_1h_input_tokens"))
    if isinstance(tools, dict) and (searches := _whole(tools.get("web_search_requests"))):
        used.tool_calls = {"web_search": (used.tool_calls or {}).get("web_search", 0) + searches}


def _whole(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def _usage_of(answer: dict[str, Any]) -> Usage | None:
    """What a batch reports to have used."""
    usage = answer.get("usage")
    if not isinstance(usage, dict):
        return None
    used, made = usage.get("input_tokens"), usage.get("output_tokens")
    if not isinstance(used, int) or not isinstance(made, int):
        return None
    details = usage.get("input_tokens_details")
    read = details.get("cached_tokens") if isinstance(details, dict) else None
    counts, lines = answer.get("request_counts"), 1
    if isinstance(counts, dict):
        lines = max(1, _whole(counts.get("completed")) + _whole(counts.get("failed")))
    return Usage(used, made, read if isinstance(read, int) else None, service_tier="batch", requests=lines)
