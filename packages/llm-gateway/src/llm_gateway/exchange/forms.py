"""Operations that have a form: embeddings, rerank and the like, on a provider of the client's form or of another.

Where both have the same form and the provider takes all inputs in one call, the client's bytes go as they are. Else the
request is read into the canonical type, written in the provider's form, in as many calls as it takes, and the replies
are joined. Plugins have looked at the client's own body before, so that what is translated is what they have left.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from math import ceil
from typing import Any, ParamSpec, TypeVar

from llm_gateway_sdk import (
    DialectError,
    GatewayError,
    HTTPProvider,
    InvalidRequest,
    NotFound,
    Usage,
    Verdict,
    WireReply,
    WireRequest,
)
from llm_gateway_sdk.dialect import Headers, Target
from llm_gateway_sdk.estimate import estimate_text
from llm_gateway_sdk.heavy import free_aside, is_heavy, run_aside
from llm_gateway_sdk.losses import Losses
from llm_gateway_sdk.metering import record
from llm_gateway_sdk.numerals import whole_number
from llm_gateway_sdk.operations.embeddings import EmbeddingRequest
from llm_gateway_sdk.operations.form import OperationForm, UploadedFile
from llm_gateway_sdk.operations.moderation import ModerationRequest
from llm_gateway_sdk.wire import json

from ..models import ModelTarget
from ..wire.headers import bearer_or_key
from .attempt import LiveAttempt
from .client import ClientReply
from .errors import read_http_error, refuse_web_page
from .headers import find, loss_text
from .multipart import FormBody, FormFile
from .promised import check_body, protocol_error, reply_kind
from .reply_texts import look_at_reply, wants_to_look
from .request import ClientRequest
from .seen import seen_query
from .side_calls import MAX_ERROR_BYTES, WATCHED_BYTES, call_endpoint, note_usage, relay
from .upstream import check_losses, check_model_name, secrets_of

__all__ = ["operation_target", "perform_form"]

_CALLS_AT_ONCE = 6
"""Parts of one request that are under way together."""
_MAX_FILES = 64 << 20
"""Bytes of files that are translated, for which they are held in memory."""
_LEAST_INPUT_BYTES = 3
"""An input and its comma: with fewer bytes than that for each, a body can't hold more inputs than a provider takes."""

Form = OperationForm[Any, Any]
P = ParamSpec("P")
T = TypeVar("T")


def operation_target(request: ClientRequest) -> ModelTarget:
    """The model that answers: the one of that name, else the default. Models for embeddings, images and speech are
    rarely configured: a name that is not goes to the default model's provider where that has the operation, else to the
    first that has it in the client's own form."""
    registry, ctx, form = request.project.registry, request.ctx, request.route.form
    assert form is not None
    target = registry.resolve(ctx.target_model, ctx.requested_model)
    if ctx.target_model is not None or registry.find(ctx.requested_model) is not None or _form_of(target, form):
        return target
    same = [each for each in registry.targets if (found := _form_of(each, form)) and found.name == form.name]
    return same[0] if same else target


def _form_of(target: ModelTarget, form: Form) -> Form | None:
    if target.http is None:
        return None
    return target.http.form_for(form.operation, form.name, target.provider.model or "")


async def perform_form(
    request: ClientRequest, client: ClientReply, attempt: LiveAttempt, body: bytes
) -> Verdict | None:
    """`body` is the client's with what plugins have changed. Raises ModelError, InvalidRequest, NotFound."""
    form, http = request.route.form, attempt.target.http
    assert form is not None
    theirs = None if http is None else http.form_for(form.operation, form.name, attempt.model)
    if http is None or theirs is None:
        raise NotFound(
            f"{request.wire.method} {request.ctx.http_request.path}: the model '{attempt.target.name}' (provider "
            f"'{attempt.target.provider.name}') does not have this endpoint."
        )
    size = whole_number(find(request.wire.headers.items, "content-length")) if form.multipart else None
    pieces = await request.work(form.pieces_of, body, size or 0)
    if pieces:
        attempt.reported = Usage(pieces=pieces)
    job = _Job(request, attempt, http, form, theirs, body, pieces)
    try:
        if theirs.name == form.name and not await request.work(job.has_to_be_split):
            return await _pass_through(job, client)
        return await _translate(job, client)
    except DialectError as error:
        raise InvalidRequest(str(error), param=error.path) from None


@dataclass(slots=True)
class _Job:
    request: ClientRequest
    attempt: LiveAttempt
    http: HTTPProvider
    form: Form
    theirs: Form
    body: bytes
    pieces: dict[str, int] | None

    @property
    def wire(self) -> WireRequest:
        return replace(self.request.wire, body=self.body)

    def target(self, model: str) -> Target:
        check_model_name(model)
        return self.http.target(model, self.http.dialect)

    def counted(self, usage: Usage | None, share: float = 1.0) -> Usage | None:
        """With the pieces that were asked for, or a share of them, where the provider has not counted them."""
        if usage is not None and usage.pieces is None and self.pieces:
            usage.pieces = {kind: ceil(number * share) for kind, number in self.pieces.items()}
        return usage

    def has_to_be_split(self) -> bool:
        """Whether the provider takes fewer inputs than there are."""
        most = self.theirs.most_inputs(self.target(self.attempt.model))
        if most is None or len(self.body) < most * _LEAST_INPUT_BYTES:
            return False
        try:
            return len(self.form.decode_request(self.wire).split(most)) > 1
        except DialectError:
            return False  # the provider may take what the canonical form does not have

    def translated(
        self, losses: Losses, files: list[tuple[FormFile, bytes]]
    ) -> tuple[Any, list[Any], list[WireRequest]]:
        """The request in canonical form, its parts, and the call for each. Raises DialectError."""
        target = self.target(self.attempt.model)
        if files:
            named = [UploadedFile(file.name, file.filename, file.media_type, content) for file, content in files]
            asked = self.form.decode_upload(self.wire, named)
        else:
            asked = self.form.decode_request(self.wire)
        most = self.theirs.most_inputs(target)
        parts = [asked] if most is None else asked.split(most)
        return asked, parts, [self.theirs.encode_request(part, target, losses) for part in parts]


async def _pass_through(job: _Job, client: ClientReply) -> Verdict | None:
    request, http, asked = job.request, job.http, job.request.ctx.requested_model
    configured = asked is None or request.project.registry.is_configured(asked)
    target = job.target(job.attempt.model if configured or asked is None else asked)
    try:
        wire = await request.work(job.theirs.retarget, job.wire, target)
    except ValueError as error:
        raise InvalidRequest(f"The body is not valid JSON in UTF-8: {error}") from None
    client_key, crossing = http.settings.credentials == "client", request.services.crossing
    headers = Headers.of(crossing.headers(request.wire.headers.items, credentials=client_key))
    query = crossing.query(request.wire.query, credentials=client_key)
    if query and request.chain.edits_request:
        query = seen_query(query)
    upload: FormBody | None = None
    if request.form is not None:
        if not request.form.may_be_sent:
            raise _sent_already(request)
        upload = request.form.body(json.loads(wire.body), anew=request.chain.edits_request)
    reply = await call_endpoint(request, job.attempt, http, replace(wire, query=query, headers=headers), upload)
    try:
        if not 200 <= reply.status < 300:
            failed = await reply.read(MAX_ERROR_BYTES, request.make_room)
            raise await read_http_error(
                request.dialect, reply.status, reply.headers, failed, sent=secrets_of(request, http)
            )
        kind = find(reply.headers, "content-type")
        promised, streamed = reply_kind(request, reply.headers), kind.startswith("text/event-stream")
        if not wants_to_look(request, job.form, kind) or (streamed and not request.chain.edits_reply):
            return await relay(request, client, job.attempt, reply)
        body = await reply.read(request.services.max_reply_bytes, request.make_room)
        came = WireReply(reply.status, Headers.of(reply.headers), body)
    finally:
        reply.close()
    check_body(promised, came.body)
    note_usage(request, job.attempt, came.body[:WATCHED_BYTES], came.body[-WATCHED_BYTES:])
    job.attempt.content_type = find(came.headers.items, "content-type")
    verdict, seen = await look_at_reply(request, job.form, came)
    if verdict is None:
        await client.relay_whole(seen, job.attempt)
    return verdict


def _sent_already(request: ClientRequest) -> GatewayError:
    """What came while it was sent on is gone: the failure of the first attempt is the answer."""
    error = request.ctx.error
    return error if isinstance(error, GatewayError) else InvalidRequest("The upload can't be sent a second time.")


async def _work(job: _Job, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Does work on a reply, or on both, aside where one of them is heavy."""
    aside = job.attempt.is_heavy or job.request.is_heavy
    return await run_aside(work, *args, **kwargs) if aside else work(*args, **kwargs)


async def _translate(job: _Job, client: ClientReply) -> Verdict | None:
    request, attempt = job.request, job.attempt
    losses = Losses("request")
    files: list[tuple[FormFile, bytes]] = []
    if request.form is not None:
        if not request.form.may_be_sent:
            raise _sent_already(request)
        files = await request.form.files(_MAX_FILES)
    asked, parts, calls = await request.work(job.translated, losses, files)
    if losses:
        attempt.losses = loss_text(losses)
        check_losses(request, losses)
    answers = await _ask_all(job, parts, calls)
    if attempt.is_heavy or request.is_heavy:
        free_aside(answers)
    whole = await _work(job, asked.join, answers) if len(answers) > 1 else answers[0]
    whole.model = whole.model or attempt.model
    record(attempt.entry, job.counted(whole.usage))
    attempt.settled = True
    wire = await _work(job, job.form.encode_reply, whole, asked, request.services.mint)
    if wants_to_look(request, job.form):
        verdict, wire = await look_at_reply(request, job.form, wire)
        if verdict is not None:
            return verdict
    await client.own(wire)
    return None


async def _ask_all(job: _Job, parts: list[Any], calls: list[WireRequest]) -> list[Any]:
    """The replies in order. Where one fails the others are given up, and what was used is booked all the same."""
    answers: list[Any] = [None] * len(calls)
    waiting = iter(range(len(calls)))

    async def work() -> None:
        for place in waiting:
            answers[place] = await _ask(job, parts[place], calls[place])

    workers = [asyncio.ensure_future(work()) for _ in range(min(_CALLS_AT_ONCE, len(calls)) - 1)]
    try:
        await work()
        for worker in workers:
            await worker
    except BaseException:
        came = [answer for answer in answers if answer is not None]
        if came:
            record(job.attempt.entry, job.counted(parts[0].join(came).usage, share=len(came) / len(calls)))
            job.attempt.settled = True
        raise
    finally:
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
    return answers


async def _ask(job: _Job, part: Any, call: WireRequest) -> Any:
    request, http = job.request, job.http
    if http.settings.credentials == "client" and (token := bearer_or_key(request.wire.headers.items)):
        http.forward_credential(call.headers, token)
    reply = await call_endpoint(request, job.attempt, http, call)
    try:
        body = await reply.read(request.services.max_reply_bytes, request.make_room)
        if not 200 <= reply.status < 300:
            dialect = request.services.dialects[http.dialect]
            error = await read_http_error(dialect, reply.status, reply.headers, body, sent=secrets_of(request, http))
            error.dialect = ""  # it is not the client's form, whatever dialect conversations have
            raise error
        refuse_web_page(find(reply.headers, "content-type"))
        wire = WireReply(reply.status, Headers.of(reply.headers), body)
        attempt = job.attempt
        attempt.is_heavy = attempt.is_heavy or is_heavy(body)
        answer = await _work(job, _read_answer, job.theirs, wire, part)
    except DialectError as error:
        raise protocol_error(str(error)) from None
    finally:
        reply.close()
    usage = answer.usage
    if usage is None or usage.input_tokens is None:
        usage = answer.usage = Usage(estimated=True) if usage is None else replace(usage, estimated=True)
        usage.input_tokens = round(estimate_text(json_text(call.body)))
    return answer


def _read_answer(theirs: Form, wire: WireReply, part: Any) -> Any:
    """Raises DialectError."""
    answer = theirs.decode_reply(wire, part)
    if isinstance(part, EmbeddingRequest | ModerationRequest):
        part.check(answer)
    return answer


def json_text(body: bytes) -> str:
    return body.decode("utf-8", "replace")
