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

import copy
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from llm_gateway_sdk import (
    Dialect,
    DialectError,
    HTTPProvider,
    InvalidRequest,
    ModelError,
    ModelHTTPError,
    ModelProtocolError,
    NotFound,
    Verdict,
    WireReply,
    WireRequest,
)
from llm_gateway_sdk.dialect import Headers
from llm_gateway_sdk.dialects.unasked_thoughts import ThoughtGate
from llm_gateway_sdk.heavy import run_aside, run_by_size
from llm_gateway_sdk.losses import Losses
from llm_gateway_sdk.operations.batch import BatchAPI, BatchResult, BatchStatus
from llm_gateway_sdk.operations.owned import BatchLine, OwnedForm
from llm_gateway_sdk.principal import owner_of
from llm_gateway_sdk.reading import read_in_pieces
from llm_gateway_sdk.wire import json
from llm_gateway_sdk.wire.lines import each_line

from ...models import ModelTarget
from ..attempt import LiveAttempt
from ..belongings import Belonging, Belongings
from ..client import ClientReply
from ..delivery.whole import decode_whole
from ..errors import read_http_error
from ..headers import loss_text
from ..promised import protocol_error
from ..reply_texts import look_at_reply, wants_to_look
from ..request import ClientRequest
from ..side_calls import call_endpoint
from ..upstream import apply_defaults, check_losses, check_model_name, secrets_of
from .counting import blocks_of
from .lines import asked_model, target_of_line

__all__ = ["Crossed", "crossing_api", "results_of"]

log = logging.getLogger("llm_gateway.batches")

_JSON = [("content-type", "application/json")]
_LINES = [("content-type", "application/jsonl")]


def crossing_api(request: ClientRequest, target: ModelTarget) -> BatchAPI | None:
    """The provider's batches, where the gateway hands them in itself: they are not of the client's API, or its files
    are the gateway's to keep. None where the client's requests go on as they are, or there are none."""
    http, form = target.http, request.route.form
    keeps = isinstance(form, OwnedForm) and form.keeps
    if http is None or (not keeps and http.dialect in {route.dialect for route in request.adapter.routes}):
        return None
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
    def _is_own(self) -> bool:
        """The provider's batches are of the client's API: lines and results are not translated."""
        return self.form.name == self.api.name

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

    async def submit(
        self,
        lines: Sequence[BatchLine],
        asked: dict[str, Any],
        size: int,
        begin: Callable[[Belonging], Awaitable[None]],
    ) -> Belonging:
        """Hands in the lines, of `size` bytes in all; `begin` puts the batch on the books. What can't be written down
        is taken back from the provider. Raises InvalidRequest where a line can't be translated, ModelError,
        StoreError."""
        request, mint = self.request, self.request.services.mint
        losses = Losses("request")
        dialects = {line.dialect for line in lines}
        if len(dialects) != 1 or ("" in dialects and not self._is_own):
            raise InvalidRequest("The lines of a batch for this provider have to be conversations of one API.")
        thing = Belonging("", self.attempt.target.name, api=self.api.name, dialect=dialects.pop())
        written, theirs, model = await run_by_size(size, self._translated, lines, thing, losses)
        if losses:
            self.attempt.losses = loss_text(losses)
            check_losses(request, losses)
        replies: list[bytes] = []
        try:
            following = partial(self.api.next_call, written, theirs, replies, model)
            while (call := await run_by_size(size, following)) is not None:
                replies.append(await self._ask(call))
            status = self.api.decode_status(replies[-1])
            thing.id = mint.id(self.form.id_prefix)
            thing.upstream = status.id
            thing.facts = {**self.form.facts(asked), "total": len(lines), "created": mint.now()}
            thing.object = self.form.show_batch(thing.id, status, thing.facts)
            await self.belongings.put(self._owner, self.kind, thing)
            await begin(thing)
        except DialectError as error:
            await self._take_back(replies)
            raise protocol_error(str(error)) from None
        except BaseException:
            await self._take_back(replies)
            raise
        return thing

    async def _take_back(self, replies: Sequence[bytes]) -> None:
        """What is at the provider would belong to none."""
        for call in self.api.undo_requests(replies):
            await self._ask_vainly(call)

    async def _ask_vainly(self, call: WireRequest) -> None:
        """A call whose failure changes nothing for the client."""
        try:
            await self._ask(call)
        except ModelError as error:
            log.info("request %s: %s %s: %s", self.request.ctx.request_id, call.method, call.path, error.message)

    def _translated(
        self, lines: Sequence[BatchLine], thing: Belonging, losses: Losses
    ) -> tuple[list[tuple[str, dict[str, Any]]], str, str]:
        """The lines as the provider takes them, their dialect, and the provider's name of the first one's model."""
        request, first, name = self.request, "", ""
        written: list[tuple[str, dict[str, Any]]] = []
        for number, line in enumerate(lines):
            target = target_of_line(request, line)
            model = target.upstream_model(asked_model(line))
            check_model_name(model)
            first = first or model
            if self.api.one_model and model != first:
                raise InvalidRequest(f"{line.place}: the lines of a batch for this provider have to be of one model.")
            body, name = self._line(line, target, model, thing, losses)
            custom_id = line.custom_id
            if self.api.ids.fullmatch(custom_id) is None:
                custom_id = f"llm-gateway-line-{number}"
                thing.names[custom_id] = line.custom_id
            written.append((custom_id, body))
        return written, name, first

    def _line(
        self, line: BatchLine, target: ModelTarget, model: str, thing: Belonging, losses: Losses
    ) -> tuple[dict[str, Any], str]:
        """A line's body as the provider takes it, and in which dialect that is."""
        dialects = self.request.services.dialects
        if self._is_own and not target.defaults:
            return {key: value for key, value in line.body.items() if key != "model"}, thing.dialect
        ours = dialects[thing.dialect]
        name = self.http.dialect_for(ours.name, "", model)
        theirs = dialects[name]
        try:
            decoded, _ = ours.decode_request(WireRequest("POST", line.path, body=json.dumps(line.body)))
            decoded.stream = False
            if decoded.store:
                decoded.store = None
            if target.defaults:
                apply_defaults(decoded, target)
            thing.thoughts = thing.thoughts or ours.asks_for_thoughts(decoded)
            ours.check_portable(decoded, losses)
            wire = theirs.translate(decoded, self.http.target(model, name), losses, ours.name)
        except DialectError as error:
            where = f"{line.place}.{error.path}" if error.path else line.place
            raise InvalidRequest(f"{where}: {error.message}", param=where) from None
        thing.tools.update(wire.names)
        return json.loads(wire.body), name

    # What has been submitted.

    async def status(self, *, cancel: bool = False) -> BatchStatus:
        """As the provider shows it now; keeps what the client is shown. Raises ModelError."""
        thing = self._thing()
        if cancel and not self.api.cancel_gives_status:
            await self._ask(self.api.cancel_request(thing.upstream))
            cancel = False
        call = self.api.cancel_request(thing.upstream) if cancel else self.api.status_request(thing.upstream)
        try:
            status = self.api.decode_status(await self._ask(call))
        except DialectError as error:
            raise protocol_error(str(error)) from None
        thing.object = self.form.show_batch(thing.id, status, thing.facts)
        files = self.form.files_of(thing.id, status)
        if files and not thing.filed:
            for part, id_ in files.items():
                created = status.ended or self.request.services.mint.now()
                file = Belonging(
                    id_, thing.model, self.form.show_file(id_, "batch_output", 0, created),
                    api=thing.api, upstream=thing.upstream, part=part, batch=thing.id, names=thing.names,
                    tools=thing.tools, dialect=thing.dialect, thoughts=thing.thoughts,
                )  # fmt: skip
                await self.belongings.put(self._owner, self.files, file)
            thing.filed = True  # a file that its owner deletes does not come again
        await self.belongings.put(self._owner, self.kind, thing)
        return status

    async def description(self) -> tuple[BatchStatus, dict[str, Any]]:
        """How the batch is, and what the client is shown of it, with the results where its API has them there. Raises
        ModelError."""
        status, thing = await self.status(), self._thing()
        shown = thing.object
        if status.is_final and self.form.shows_results(thing.facts):
            whole = await _joined(self.request, results_of(self, thing, status))
            shown = copy.deepcopy(shown)
            await run_aside(self._with_results, shown, whole, thing)
        return status, shown

    def _with_results(self, shown: dict[str, Any], whole: bytes, thing: Belonging) -> None:
        self.form.with_results(shown, [text for _, text in each_line(whole)], thing.facts)

    async def delete(self) -> None:
        """Deletes a batch that has ended, at the provider too. Raises InvalidRequest where it has not."""
        thing, status = self._thing(), await self._status_now()
        if status is not None:
            if not status.is_final:
                raise InvalidRequest("The batch has not ended: cancel it first.")
            for call in self.api.delete_requests(status):
                await self._ask_vainly(call)
        await self.belongings.remove(self._owner, self.kind, thing.id)

    async def delete_file(self) -> None:
        """Deletes a file; with the last one of its results the batch at the provider."""
        thing = self._thing()
        await self.belongings.forget_content(self._owner, thing.id, thing.pieces)
        await self.belongings.remove(self._owner, self.kind, thing.id)
        if not thing.upstream:
            return
        left = await self.belongings.all(self._owner, self.kind)
        if any(other.upstream == thing.upstream and other.api == thing.api for other in left):
            return
        if (status := await self._status_now()) is not None:
            for call in self.api.delete_requests(status):
                await self._ask_vainly(call)

    async def _status_now(self) -> BatchStatus | None:
        """None where the provider does not know it any more. Raises ModelError."""
        try:
            return self.api.decode_status(await self._ask(self.api.status_request(self._thing().upstream)))
        except DialectError as error:
            raise protocol_error(str(error)) from None
        except ModelHTTPError as error:
            if error.status in (404, 410):
                return None
            raise

    async def give_content(self) -> Verdict | None:
        """The lines of a file: those that were handed in, or results, as they come."""
        request, client, thing = self.request, self.client, self._thing()
        if thing.part == "input":
            pieces = self.belongings.content(self._owner, thing.id, thing.pieces)
        else:
            status = await self._ended()
            pieces = results_of(self, thing, status)
        if wants_to_look(request, self.form):
            whole = WireReply(200, Headers.of(_LINES), await _joined(request, pieces))
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

    async def _ended(self) -> BatchStatus:
        status = await self._status_now()
        if status is None:
            raise NotFound("The batch's provider does not have it any more.")
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
            body = await reply.read(request.services.max_reply_bytes, request.make_room)
        finally:
            reply.close()
        if not 200 <= reply.status < 300:
            dialect = request.services.dialects[self.http.dialect]
            secrets = secrets_of(request, self.http)
            error = await read_http_error(dialect, reply.status, reply.headers, body, sent=secrets)
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
                failed = await reply.read(request.services.max_reply_bytes, request.make_room)
                dialect = request.services.dialects[crossed.http.dialect]
                secrets = secrets_of(request, crossed.http)
                error = await read_http_error(dialect, reply.status, reply.headers, failed, sent=secrets)
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
        if part == thing.part or not thing.part:
            found.append(written)
    return b"".join(found)


def _body(crossed: Crossed, thing: Belonging, result: BatchResult) -> dict[str, Any]:
    """The reply to one line in the client's dialect. One that can't be read is an error of that line alone."""
    if crossed.form.name == crossed.api.name:
        return result.body or {}
    services = crossed.request.services
    ours = services.dialects[thing.dialect]
    theirs: Dialect = services.dialects[crossed.api.dialect_of(result) or crossed.http.dialect]
    wire = WireReply(result.status, Headers.of(list(_JSON)), json.dumps(result.body or {}))
    if result.kind == "succeeded":
        try:
            whole, losses = decode_whole(theirs, wire, services.mint, thing.tools), Losses("response")
            if theirs.name != ours.name and ours.thoughts != "hidden":
                whole = ThoughtGate(ours, None, losses, asked=thing.thoughts).whole(whole)
            shown = ours.encode_response(whole, _echo(ours, crossed.form), services.mint, losses)
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


def _echo(dialect: Dialect, form: OwnedForm) -> Any:
    """What replies are written by where nothing is known of the request."""
    return dialect.decode_request(form.sample(dialect.name))[1]


def _object(body: bytes) -> dict[str, Any]:
    value = json.loads(body)
    return value if isinstance(value, dict) else {}


async def _joined(request: ClientRequest, pieces: AsyncIterator[bytes]) -> bytes:
    size, most = 0, request.services.max_reply_bytes

    async def receive() -> bytes:
        nonlocal size
        piece = await anext(pieces, b"")
        size += len(piece)
        if size > most:
            raise InvalidRequest("These results are too many for a plugin that has to see all of them.", status=413)
        return piece

    return await read_in_pieces(receive, None, request.make_room)
