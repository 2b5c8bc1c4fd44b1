"""Batches of one vendor's API at a provider of another.

    client                     gateway                                        provider
    upload a file       ──▶  lines checked, kept in the store
    create a batch      ──▶  each line translated  ────────────────────────▶  its own kind of batch
    retrieve, cancel    ──▶  ──────────────────────────────────────────────▶  status, in the client's words
    content of a file   ──▶  each result translated as it comes  ◀──────────  results

An API without files of lines has them in the body of the batch, and its results at the batch. The gateway gives batch
and files new ids, under which their owner alone finds them; the provider's id is kept with them. Lines are
translated as conversations are, each by itself, and so are results: one line of them is held at a time. A name of a
line that the provider does not take goes as another, and comes back as it was.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from llm_gateway_sdk import (
    Dialect,
    DialectError,
    HTTPProvider,
    InvalidRequest,
    ModelError,
    ModelProtocolError,
    NotFound,
    Verdict,
    WireReply,
    WireRequest,
)
from llm_gateway_sdk.dialect import Headers
from llm_gateway_sdk.heavy import run_aside
from llm_gateway_sdk.losses import Losses
from llm_gateway_sdk.operations.batch import BatchAPI, BatchResult, BatchStatus
from llm_gateway_sdk.operations.owned import BatchLine, OwnedForm
from llm_gateway_sdk.principal import owner_of
from llm_gateway_sdk.wire import json

from ...models import ModelTarget
from ..attempt import LiveAttempt
from ..belongings import Belonging, Belongings
from ..client import ClientReply
from ..delivery.whole import decode_whole
from ..errors import http_error
from ..headers import loss_text
from ..reply_texts import look_at_reply, wants_to_look
from ..request import ClientRequest
from ..side_calls import call_endpoint, protocol_error
from ..upstream import apply_defaults, check_losses, check_model_name, secrets_of
from .counting import blocks_of
from .lines import asked_model, target_of_line

__all__ = ["Crossed", "crossing_api", "results_of"]

_JSON = [("content-type", "application/json")]
_LINES = [("content-type", "application/jsonl")]


def crossing_api(request: ClientRequest, target: ModelTarget) -> BatchAPI | None:
    """The provider's batches, where they are not of the client's API; None where they are, or there are none."""
    http = target.http
    if http is None or http.dialect in {route.dialect for route in request.adapter.routes}:
        return None
    form = request.route.form
    found = http.form_for("batch", form.name if form is not None else "", target.provider.model or "")
    return found if isinstance(found, BatchAPI) else None


@dataclass(slots=True)
class Crossed:
    """One request of a client for what is at another vendor's provider."""

    request: ClientRequest
    client: ClientReply
    attempt: LiveAttempt
    form: OwnedForm
    http: HTTPProvider
    api: BatchAPI
    belongings: Belongings
    kind: str
    """Of what is asked for; files of the same client are `files`."""
    files: str
    thing: Belonging | None = None
    """What is asked for, but for what is created."""
    shares: list[dict[str, Any]] = field(default_factory=list)

    @property
    def _owner(self) -> str:
        return owner_of(self.request.ctx)

    # Submission.

    async def keep_file(self, content: bytes) -> dict[str, Any]:
        """Keeps an uploaded file of lines, which its provider could not. Returns what the client is shown."""
        mint = self.request.services.mint
        thing = Belonging(mint.id("file-"), self.attempt.target.name, api=self.api.name, part="input")
        thing.object = self.form.show_file(thing.id, "batch", len(content), mint.now())
        thing.shares = self.shares
        thing.pieces = await self.belongings.keep_content(self._owner, thing.id, content)
        await self.belongings.put(self._owner, self.files, thing)
        return thing.object

    async def submit(self, lines: Sequence[BatchLine], asked: dict[str, Any]) -> Belonging:
        """Hands in the lines. Raises InvalidRequest where one can't be translated, ModelError."""
        request, mint = self.request, self.request.services.mint
        losses = Losses("request")
        dialects = {line.dialect for line in lines}
        if len(dialects) != 1 or "" in dialects:
            raise InvalidRequest("The lines of a batch for this provider have to be conversations of one API.")
        thing = Belonging("", self.attempt.target.name, api=self.api.name, dialect=dialects.pop())
        written, theirs = await request.work(self._translated, lines, thing, losses)
        if losses:
            self.attempt.losses = loss_text(losses)
            check_losses(request, losses)
        replies: list[bytes] = []
        try:
            while (call := self.api.next_call(written, theirs, replies)) is not None:
                replies.append(await self._ask(call))
            status = self.api.decode_status(replies[-1])
        except DialectError as error:
            raise protocol_error(str(error)) from None
        thing.id = mint.id(self.form.id_prefix)
        thing.upstream = status.id
        thing.facts = {**self.form.facts(asked), "total": len(lines), "created": mint.now()}
        thing.object = self.form.show_batch(thing.id, status, thing.facts)
        await self.belongings.put(self._owner, self.kind, thing)
        return thing

    def _translated(
        self, lines: Sequence[BatchLine], thing: Belonging, losses: Losses
    ) -> tuple[list[tuple[str, dict[str, Any]]], str]:
        request = self.request
        ours = request.services.dialects[thing.dialect]
        written: list[tuple[str, dict[str, Any]]] = []
        name = ""
        for number, line in enumerate(lines):
            asked = asked_model(line)
            target = target_of_line(request, line)
            model = target.upstream_model(asked)
            check_model_name(model)
            name = self.http.dialect_for(ours.name, "", model)
            theirs = request.services.dialects[name]
            try:
                decoded, _ = ours.decode_request(WireRequest("POST", "", body=json.dumps(line.body)))
                decoded.stream = False
                if decoded.store:
                    decoded.store = None
                if target.defaults:
                    apply_defaults(decoded, target)
                ours.check_portable(decoded, losses)
                wire = theirs.translate(decoded, self.http.target(model, name), losses, ours.name)
            except DialectError as error:
                where = f"{line.place}.{error.path}" if error.path else line.place
                raise InvalidRequest(f"{where}: {error.message}", param=where) from None
            thing.tools.update(wire.names)
            custom_id = line.custom_id
            if self.api.ids.fullmatch(custom_id) is None:
                custom_id = f"llm-gateway-line-{number}"
                thing.names[custom_id] = line.custom_id
            written.append((custom_id, json.loads(wire.body)))
        return written, name

    # What has been submitted.

    async def status(self, *, cancel: bool = False) -> BatchStatus:
        """As the provider shows it now; keeps what the client is shown. Raises ModelError."""
        thing = self._thing()
        call = self.api.cancel_request(thing.upstream) if cancel else self.api.status_request(thing.upstream)
        try:
            status = self.api.decode_status(await self._ask(call))
        except DialectError as error:
            raise protocol_error(str(error)) from None
        thing.object = self.form.show_batch(thing.id, status, thing.facts)
        await self.belongings.put(self._owner, self.kind, thing)
        for part, id_ in self.form.files_of(thing.id, status).items():
            if await self.belongings.find(self._owner, self.files, id_) is None:
                created = status.ended or self.request.services.mint.now()
                file = Belonging(
                    id_, thing.model, self.form.show_file(id_, "batch_output", 0, created),
                    api=thing.api, upstream=thing.upstream, part=part, names=thing.names, tools=thing.tools,
                    dialect=thing.dialect,
                )  # fmt: skip
                await self.belongings.put(self._owner, self.files, file)
        return status

    async def give_content(self) -> Verdict | None:
        """The lines of a file: those that were handed in, or results, as they come."""
        request, client, thing = self.request, self.client, self._thing()
        if thing.part == "input":
            pieces = self.belongings.content(self._owner, thing.id, thing.pieces)
        else:
            status = await self._ended(thing)
            pieces = results_of(self, thing, status)
        if wants_to_look(request, self.form):
            whole = WireReply(200, Headers.of(_LINES), await _joined(pieces, request.services.max_reply_bytes))
            verdict, whole = await look_at_reply(request, self.form, whole)
            if verdict is None:
                await client.own(whole)
            return verdict
        first = await anext(pieces, b"")  # what fails at once fails with a status
        await client.begin_relay(200, _LINES)
        try:
            await client.relay(first)
            async for piece in pieces:
                await client.relay(piece)
        except ModelError as error:
            request.ctx.error = error
            await client.abort()
            return None
        await client.end_relay()
        return None

    async def _ended(self, thing: Belonging) -> BatchStatus:
        try:
            status = self.api.decode_status(await self._ask(self.api.status_request(thing.upstream)))
        except DialectError as error:
            raise protocol_error(str(error)) from None
        if not status.is_final:
            raise NotFound("The batch has not ended: it has no results yet.")
        return status

    def _thing(self) -> Belonging:
        assert self.thing is not None
        return self.thing

    async def _ask(self, call: WireRequest) -> bytes:
        """The body of a success. Raises ModelError in the client's shape."""
        request = self.request
        reply = await call_endpoint(request, self.attempt, self.http, call)
        try:
            body = await reply.read(request.services.max_reply_bytes)
        finally:
            reply.close()
        if not 200 <= reply.status < 300:
            dialect = request.services.dialects[self.http.dialect]
            secrets = secrets_of(request, self.http)
            error = http_error(dialect, reply.status, reply.headers, body, sent=secrets)
            error.dialect = ""  # whatever it is written in, the client has another
            raise error
        return body


async def results_of(crossed: Crossed, thing: Belonging, status: BatchStatus) -> AsyncIterator[bytes]:
    """The results of a batch that belong into this file, in the client's form, some lines at a time."""
    request, api = crossed.request, crossed.api
    for place in status.results:
        reply = await call_endpoint(request, crossed.attempt, crossed.http, api.results_request(place))
        try:
            if not 200 <= reply.status < 300:
                failed = await reply.read(request.services.max_reply_bytes)
                dialect = request.services.dialects[crossed.http.dialect]
                secrets = secrets_of(request, crossed.http)
                error = http_error(dialect, reply.status, reply.headers, failed, sent=secrets)
                error.dialect = ""
                raise error
            async for lines in blocks_of(reply, request.services.max_reply_bytes):
                if data := await run_aside(_shown, crossed, thing, lines):
                    yield data
        finally:
            reply.close()


def _shown(crossed: Crossed, thing: Belonging, lines: Sequence[bytes]) -> bytes:
    found = []
    for line in lines:
        try:
            result = crossed.api.decode_result(line)
        except DialectError as error:
            raise protocol_error(str(error)) from None
        if result is None:
            continue
        result.custom_id = thing.names.get(result.custom_id, result.custom_id)
        body = _body(crossed, thing, result)
        part, written = crossed.form.show_result(result, body)
        if part == thing.part:
            found.append(written)
    return b"".join(found)


def _body(crossed: Crossed, thing: Belonging, result: BatchResult) -> dict[str, Any]:
    """The reply to one line in the client's dialect. One that can't be read is an error of that line alone."""
    services = crossed.request.services
    ours = services.dialects[thing.dialect]
    theirs: Dialect = services.dialects[crossed.api.dialect_of(result) or crossed.http.dialect]
    wire = WireReply(result.status, Headers.of(list(_JSON)), json.dumps(result.body or {}))
    if result.kind == "succeeded":
        try:
            whole = decode_whole(theirs, wire, services.mint, thing.tools)
            shown = ours.encode_response(whole, _echo(ours), services.mint, Losses("response"))
            return _object(shown.body)
        except (DialectError, ModelError) as error:
            info = ModelProtocolError(str(error)).info()
            result.kind, result.status = "errored", 502
    else:
        info = theirs.decode_error(wire)
    written = ours.encode_error(info)
    if result.kind == "errored" and info.kind == "upstream":
        result.status = written.status
    return _object(written.body)


def _echo(dialect: Dialect) -> Any:
    """What replies are written by where nothing is known of the request."""
    message = {"role": "user", "content": "-"}
    body = {"model": "-", "max_tokens": 1, "messages": [message]}
    if dialect.own_form == b'"input"':
        body = {"model": "-", "input": [message]}
    return dialect.decode_request(WireRequest("POST", "", body=json.dumps(body)))[1]


def _object(body: bytes) -> dict[str, Any]:
    value = json.loads(body)
    return value if isinstance(value, dict) else {}


async def _joined(pieces: AsyncIterator[bytes], most: int) -> bytes:
    found = bytearray()
    async for piece in pieces:
        found += piece
        if len(found) > most:
            raise InvalidRequest("These results are too many for a plugin that has to see all of them.", status=413)
    return bytes(found)
