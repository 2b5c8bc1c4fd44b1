"""Files of requests that the gateway keeps itself, for clients whose API uploads them before any model is named.

    begin ──▶ an address with a token ──▶ data … data, last ──▶ plugins see the requests ──▶ kept as the caller's

    belongings/<project>/uploads/<adapter>.upload/<digest of the token>     who began it, and how far it is

Official clients go on with an upload without their key: its address is the credential, as at the vendor. The token in
it is made of 32 random bytes, and the store has only its digest. It ends after two days, and with the key of who began
it as soon as that key's plugin knows that it has ended. A request that does carry a key is authenticated as any other,
and finds the upload only where it is its own.

Pieces are kept as they come. The last one has the plugins look at the whole, and what is kept of it from then on is as
they have left it. A batch of the file is handed in with the file's requests in its body, see `endpoints.py`.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Sequence
from typing import Any

from llm_gateway_sdk import (
    DialectError,
    Hook,
    InvalidRequest,
    NotFound,
    PayloadTooLarge,
    Principal,
    RequestContext,
    WireReply,
)
from llm_gateway_sdk.dialect import Headers
from llm_gateway_sdk.heavy import run_aside, run_by_size
from llm_gateway_sdk.operations.owned import OwnedForm, UploadStep
from llm_gateway_sdk.principal import credentials_of, owner_of
from llm_gateway_sdk.wire import json

from ..belongings import PIECE_BYTES, Belonging, Belongings
from ..request import ClientRequest
from .lines import read_lines
from .ownership import belongings_of, form_of, id_of, kind_of, mine
from .pending import principal_of, written_principal

__all__ = ["finds_upload", "recognise_upload", "serve_kept", "take_upload"]

_OWNER = "uploads"
_SECONDS = 2 * 86_400.0
"""How long an upload may take."""
_MOST_BYTES = 64 << 20
"""Of a file: it is in memory when its requests are read."""


async def finds_upload(
    belongings: Belongings | None, adapter: str, form: OwnedForm, query: str, authentication: Sequence[Hook]
) -> bool:
    """Whether a query has the token of an upload that is under way. `authentication`: the hooks of the project."""
    token = form.upload_token(query)
    if not token or belongings is None:
        return False
    upload = await _under_way(belongings, f"{adapter}.upload", token)
    return upload is not None and await _is_known(principal_of(upload.principal), authentication)


async def recognise_upload(request: ClientRequest) -> bool:
    """Whether the request goes on with an upload by its address alone: then it is the request of who began that. Raises
    NotFound where there is none."""
    form, ctx = request.route.form, request.ctx
    if not isinstance(form, OwnedForm) or not form.keeps or credentials_of(ctx):
        return False
    token = form.upload_token(request.wire.query)
    if not token or request.project.belongings is None:
        return False
    upload = await _under_way(request.project.belongings, _kind(request), token)
    principal = None if upload is None else principal_of(upload.principal)
    if upload is None or not await _is_known(principal, request.chain.authentication):
        raise NotFound("There is no such upload.")
    if upload.caller is not None:
        ctx.caller = upload.caller
    if principal is not None:
        ctx.principal = principal
    return principal is not None or upload.caller is not None


async def take_upload(request: ClientRequest) -> None:
    """Keeps what has come, and makes the body what plugins are to see of it: the requests, once all have come. Raises
    GatewayError."""
    form = form_of(request)
    if form.role != "create":
        return
    try:
        wire = request.wire
        # What is about the file may be as large as the file.
        step = await run_by_size(len(wire.body), form.upload_step, wire)
        request.upload = step
        if step.kind == "whole":
            most = request.services.max_batch_items
            await request.replace_body(await run_aside(read_lines, form, json.dumps(step.about), step.content, most))
        elif step.kind == "data":
            await _take_data(request, form, step)
    except DialectError as error:
        raise InvalidRequest(str(error), param=error.path) from None


async def _take_data(request: ClientRequest, form: OwnedForm, step: UploadStep) -> None:
    belongings, upload = belongings_of(request), await _upload_of(request, step)
    received = int(upload.facts["received"])
    if step.offset != received:
        raise InvalidRequest(f"The upload continues at byte {received}, not at {step.offset}.")
    if received + len(step.content) > _MOST_BYTES:
        raise PayloadTooLarge(f"A file of requests may have at most {_MOST_BYTES} bytes.")
    if not step.last and len(step.content) % PIECE_BYTES:
        raise InvalidRequest(f"All but the last part of an upload have a multiple of {PIECE_BYTES} bytes.")
    upload.pieces = await belongings.keep_content(
        _OWNER, upload.id, step.content, first=upload.pieces, seconds=_SECONDS
    )
    upload.facts["received"] = received + len(step.content)
    if not await belongings.put(_OWNER, _kind(request), upload):
        raise InvalidRequest("Another request is already continuing this upload.", status=409, kind="overloaded")
    body = b"{}"
    if step.last:
        content = await belongings.whole_content(_OWNER, upload)
        try:
            about, most = json.dumps(upload.facts["about"]), request.services.max_batch_items
            body = await run_aside(read_lines, form, about, content, most)
        except (DialectError, PayloadTooLarge):
            await _forget(request, upload)
            raise
    await request.replace_body(body)


async def serve_kept(request: ClientRequest, body: bytes) -> WireReply | None:
    """The reply to a request for a file that the gateway keeps; None where a provider is needed for it. `body` is as
    plugins have left it. Raises GatewayError."""
    form = form_of(request)
    if not form.keeps or form.operation != "file":
        return None
    if form.role != "create":
        thing = await mine(request, "file", id_of(request))
        if thing.upstream:
            return None
        return await _serve_file(request, form, thing)
    step: UploadStep | None = request.upload
    assert step is not None
    if step.kind == "begin":
        return await _begin(request, form, step)
    if step.kind == "whole":
        return form.show_upload("", 0, await _keep(request, form, step.about, body, owner_of(request.ctx)))
    upload = await _upload_of(request, step)
    if step.kind == "cancel":
        await _forget(request, upload)
        return WireReply(200, Headers(), b"")
    if not step.last:
        return form.show_upload("", int(upload.facts["received"]), None)
    file = await _keep(request, form, upload.facts["about"], body, upload.owner)
    await _forget(request, upload)
    return form.show_upload("", int(upload.facts["received"]), file)


async def _begin(request: ClientRequest, form: OwnedForm, step: UploadStep) -> WireReply:
    token, ctx = secrets.token_urlsafe(32), request.ctx
    upload = Belonging(_digest(token), "", facts={"about": step.about, "received": 0})
    upload.owner, upload.caller, upload.principal = owner_of(ctx), ctx.caller, written_principal(ctx)
    await belongings_of(request).put(_OWNER, _kind(request), upload)
    return form.show_upload(_address(ctx, f"upload_id={token}&upload_protocol=resumable"), 0, None)


async def _keep(
    request: ClientRequest, form: OwnedForm, about: dict[str, Any], body: bytes, owner: str
) -> dict[str, Any]:
    belongings, mint = belongings_of(request), request.services.mint
    fields = await request.work(json.loads, body)
    content = await request.work(form.file_content, fields) or b""
    thing = Belonging(mint.id("batch-"), "", part="input")
    thing.object = {**form.show_file(thing.id, "batch", len(content), mint.now()), **about}
    thing.pieces = await belongings.keep_content(owner, thing.id, content)
    await belongings.put(owner, kind_of(request, "file"), thing)
    return thing.object


async def _serve_file(request: ClientRequest, form: OwnedForm, thing: Belonging) -> WireReply:
    belongings, owner = belongings_of(request), owner_of(request.ctx)
    if form.role == "content":
        content = await belongings.whole_content(owner, thing)
        return WireReply(200, Headers.of([("content-type", "application/jsonl")]), content)
    answer = thing.object
    if form.role == "delete":
        await belongings.forget_content(owner, thing.id, thing.pieces)
        await belongings.remove(owner, kind_of(request, "file"), thing.id)
        answer = form.show_deleted(thing.id)
    return WireReply(200, Headers.of([("content-type", "application/json")]), json.dumps(answer))


async def _upload_of(request: ClientRequest, step: UploadStep) -> Belonging:
    """Raises NotFound where there is none, or one of another caller."""
    upload = await _under_way(belongings_of(request), _kind(request), step.token)
    if upload is None or (credentials_of(request.ctx) and upload.owner != owner_of(request.ctx)):
        raise NotFound("There is no such upload.")
    return upload


async def _under_way(belongings: Belongings, kind: str, token: str) -> Belonging | None:
    """The upload of an address; None where there is none, or none any more."""
    upload = await belongings.find(_OWNER, kind, _digest(token))
    if upload is None or upload.created + _SECONDS >= time.time():
        return upload
    await belongings.forget_content(_OWNER, upload.id, upload.pieces)
    await belongings.remove(_OWNER, kind, upload.id)
    return None


async def _is_known(principal: Principal | None, authentication: Sequence[Hook]) -> bool:
    """Whether who began an upload may still ask, as far as the authenticating plugins know."""
    if principal is None:
        return True
    for hook in authentication:
        known = hook.mounted.plugin.still_knows(principal)
        if not (known if isinstance(known, bool) else await known):
            return False
    return True


async def _forget(request: ClientRequest, upload: Belonging) -> None:
    await belongings_of(request).forget_content(_OWNER, upload.id, upload.pieces)
    await belongings_of(request).remove(_OWNER, _kind(request), upload.id)


def _address(ctx: RequestContext, query: str) -> str:
    """Where this request went, as its client sees it, with another query."""
    headers = ctx.http_request.headers
    scheme = headers.get("x-forwarded-proto", "").partition(",")[0].strip().lower()
    host = headers.get("host", "localhost")
    return f"{scheme if scheme in ('http', 'https') else 'http'}://{host}{ctx.http_request.path}?{query}"


def _kind(request: ClientRequest) -> str:
    return kind_of(request, "upload")


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
