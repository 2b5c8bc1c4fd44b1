"""Goes with one request of the Responses API: puts in what was kept, and keeps what comes of it.

It is also the request's sink. What is kept is the reply as it leaves, and the input as plugins left it. The last bytes
of a reply leave when it is kept, so that the next reference to it, in whichever process, finds it.

Where a provider keeps the reply itself, it keeps it for the gateway's key and gives it to all who name it. Callers that
are authenticated each continue their own: the ids of such a reply and of its items are kept, and a body that names
others is refused. Without callers to distinguish the sink steps aside before the first byte.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from llm_gateway_sdk import Echo, HTTPProvider, InvalidRequest, Payload, PayloadTooLarge, Target, WireRequest
from llm_gateway_sdk.context import Engine
from llm_gateway_sdk.heavy import LIGHT_BYTES, has_more_items, run_by_size
from llm_gateway_sdk.losses import Losses
from llm_gateway_sdk.principal import owner_of
from llm_gateway_sdk.store import StoreError
from llm_gateway_sdk.wire import json
from llm_gateway_sdk.wire.pieces import has_any, joined
from llm_gateway_sdk.wire.sse import parse_event

from ..dialects.openai_responses.echo import REPEATED, ResponsesEcho
from ..exchange.client import ClientReply
from ..exchange.errors import store_away
from ..exchange.long_replies import LongReply
from ..exchange.outlet import Headers, PiecewiseSink, Sink
from ..exchange.references import keeps_for_all
from ..exchange.request import ClientRequest
from .items import as_items, edited_items, expanded, may_refer, named, references_of
from .shelf import Bounds, Conversation, KeptResponse, Shelf, TooLarge

__all__ = ["Attendance"]

log = logging.getLogger("llm_gateway.memory")

_ENDS = (b"response.completed", b"response.incomplete")
_END_TYPES = ("response.completed", "response.incomplete")


class Attendance(PiecewiseSink):
    """One per request. `refers`: the body may name kept things. `keeps`: what comes of it is to be kept, here or by the
    provider."""

    def __init__(
        self,
        request: ClientRequest,
        sink: Sink,
        shelf: Shelf,
        bounds: Bounds,
        *,
        keeps: bool,
        refers: bool,
        looks: bool = False,
    ) -> None:
        self.client: ClientReply | None = None
        """Whose sink this is; set before the request runs."""
        self._request = request
        self._sink = sink
        self._shelf = shelf
        self._bounds = bounds
        self._keeps = keeps
        self._refers = refers
        self._looks = looks
        """The body is long: whether it names anything is found out aside."""
        self._received = len(request.wire.body)
        self._owner = ""
        self._previous: KeptResponse | None = None
        self._ancestors: list[KeptResponse] = []
        self._conversation: Conversation | None = None
        self._own: int | None = None
        """How many items at the end of the body's input are the request's own; None is all."""
        self._unowned: InvalidRequest | None = None
        """Why a provider that keeps responses can't be asked: the body names what is not known to be the caller's."""
        self._marks = False
        """The reply is the provider's to keep; its ids are kept here."""
        self._records = False
        self._streams = False
        self._body: list[bytes] = []

    # Before the hooks.

    async def recall(self) -> None:
        """Puts in what the body refers to and is kept here; what is not is left to the provider.

        Raises InvalidRequest where a part of the conversation is gone, or the store does not answer.
        """
        request = self._request
        self._owner = owner_of(request.ctx)
        if not self._refers:
            return
        if self._looks and not await request.work(may_refer, request.wire.body):
            return
        try:
            body = await request.work(json.loads, request.wire.body)
        except ValueError:
            return  # reported when it is read
        if not isinstance(body, dict):
            return
        try:
            await self._put_in(body)
        except StoreError as error:
            log.warning("request %s: the store of responses does not answer: %s", request.ctx.request_id, error)
            raise store_away() from None
        except TooLarge as error:
            raise PayloadTooLarge(f"The request with what it refers to is too large: {error}.") from None

    async def _put_in(self, body: dict[str, Any]) -> None:
        references, shelf, owner = references_of(body), self._shelf, self._owner
        if not references:
            return
        if references.previous and references.conversation:
            raise InvalidRequest("`previous_response_id` and `conversation` can't be used together.")
        history: list[Any] = []
        dropped = []
        if references.previous is not None:
            self._previous = await shelf.response(owner, references.previous)
            if self._previous is not None:
                history = await self._history_of(self._previous)
                dropped = ["previous_response_id"]
        elif references.conversation is not None:
            self._conversation = await shelf.conversation(owner, references.conversation)
            if self._conversation is not None:
                history, dropped = self._conversation.items, ["conversation"]
        known = await shelf.items(owner, references.items)
        if self._request.chain.authentication:
            await self._look_at_rest(
                references.previous if self._previous is None else None,
                [id_ for id_ in references.items if id_ not in known],
            )
        if not dropped and not known:
            return
        kept = sum(each.size for each in self._ancestors) + (self._conversation.size if self._conversation else 0)
        size = max(kept, len(self._request.wire.body), LIGHT_BYTES * len(known))
        await self._request.hold(size)
        whole, own = expanded(body, history, known, dropped=dropped)
        self._own = len(own)
        written = await run_by_size(size, json.dumps, whole)
        if len(written) > self._bounds.read:
            raise TooLarge(f"{len(written)} bytes")
        if await run_by_size(len(written), has_more_items, written, self._bounds.items):
            raise TooLarge(f"more than {self._bounds.items} values")
        await self._replace_body(written)

    async def _look_at_rest(self, previous: str | None, items: list[str]) -> None:
        """What is not kept here its provider may know: it is the caller's where its reply has gone to the caller."""
        named = [*items, previous] if previous is not None else items
        marked = await self._shelf.marked(self._owner, named) if named else frozenset()
        missing = next((id_ for id_ in named if id_ not in marked), None)
        if missing is None:
            return
        if missing is previous:
            code, param = "previous_response_not_found", "previous_response_id"
            self._unowned = InvalidRequest(f"Previous response with id '{missing}' not found.", code=code, param=param)
        else:
            self._unowned = InvalidRequest(f"Item with id '{missing}' not found.", code="item_not_found", param="input")

    def check(self, http: HTTPProvider) -> None:
        """Raises InvalidRequest where the body names another caller's response or item, or one that nothing is known
        of, and the provider would give it to the gateway's key."""
        if self._unowned is None or http.settings.credentials == "client":
            return
        if not keeps_for_all(self._request):
            raise self._unowned

    async def _history_of(self, last: KeptResponse) -> list[Any]:
        before = await self._shelf.responses(self._owner, last.before)
        missing = next((id_ for id_ in last.before if id_ not in before), None)
        if missing is not None:
            raise InvalidRequest(
                f"The conversation of response '{last.id}' is not complete: response '{missing}' was deleted or has "
                "expired.",
                code="previous_response_not_found",
                param="previous_response_id",
            )
        self._ancestors = [*(before[id_] for id_ in last.before), last]
        return [item for each in self._ancestors for item in (*each.input, *each.output)]

    async def _replace_body(self, body: bytes) -> None:
        request = self._request
        ctx = request.ctx
        await request.replace_body(body)
        ctx.http_request.body = body
        ctx.base_request_payload = payload = Payload(request.client_body.decode)
        Engine.begin_attempt(ctx, payload)

    # The reply.

    def echo(self, echo: Echo) -> Echo:
        """The memo of the request for a reply that the gateway writes: with what it does not say any more, and an id
        under which the reply can be found again, whatever ids the provider gives."""
        if not self._is_ours() or not isinstance(echo, ResponsesEcho):
            return echo
        fields = dict(echo.fields)
        fields["store"] = True
        if self._previous is not None:
            fields["previous_response_id"] = self._previous.id
        if self._conversation is not None:
            fields["conversation"] = {"id": self._conversation.id}
        return replace(echo, fields=fields, response_id=self._request.services.mint.id("resp_"))

    def _is_ours(self) -> bool:
        """Whether this reply is kept here: not where its provider keeps it."""
        client = self.client
        attempt = client.attempt if client is not None else None
        if not self._keeps or attempt is None:
            return self._keeps
        provider = attempt.target.provider
        return not (attempt.same_dialect and isinstance(provider, HTTPProvider) and provider.keeps_responses)

    # As a sink.

    @property
    def disconnected(self) -> bool:
        return self._sink.disconnected

    @property
    def keeps_on(self) -> bool:
        return self._sink.keeps_on

    @keeps_on.setter
    def keeps_on(self, keeps_on: bool) -> None:
        self._sink.keeps_on = keeps_on

    def hold(self, reply: LongReply) -> None:
        self._sink.hold(reply)

    async def start(self, status: int, headers: Headers) -> None:
        ours = self._is_ours()
        self._marks = not ours and self._keeps and bool(self._request.chain.authentication)
        self._records = status == 200 and (ours or self._marks)
        if self._records:
            kind = next((value for name, value in headers if name == b"content-type"), b"")
            self._streams = kind.startswith(b"text/event-stream")
        else:
            self.write, self.write_now = self._sink.write, self._sink.write_now  # type: ignore[method-assign]
        await self._sink.start(status, headers)

    async def write(self, data: bytes, *, more: bool) -> None:
        if not self._streams:
            self._body.append(data)
            if not more:
                pieces, self._body = self._body, []
                await self._take(pieces, _parsed)
        elif await run_by_size(len(data), has_any, data, *_ENDS):
            await self._take([data], _response_in)
        await self._sink.write(data, more=more)

    def write_now(self, data: bytes) -> bool:
        if not self._streams or len(data) > LIGHT_BYTES or any(end in data for end in _ENDS):
            return False
        return self._sink.write_now(data)

    async def abort(self) -> None:
        await self._sink.abort()

    # Keeping.

    async def _take(self, pieces: list[bytes], read: Callable[[bytes], dict[str, Any] | None]) -> None:
        """A record has the request's input and the whole reply: where one of them is larger than a record may be,
        neither is looked at."""
        size = max(self._received, sum(map(len, pieces)))
        if size > self._bounds.record and not self._marks:
            self._warn_too_large(f"{size} bytes")
            return
        body = joined(pieces)
        await self._keep(await run_by_size(len(body), read, body))

    def _warn_too_large(self, why: str) -> None:
        request_id = self._request.ctx.request_id
        log.warning("request %s: its response is not kept, it is too large: %s", request_id, why)

    async def _keep(self, response: Mapping[str, Any] | None) -> None:
        """A reply that can't be kept has been given all the same."""
        if self._marks:
            await self._mark(response)
            return
        if response is None or response.get("status") not in ("completed", "incomplete") or not response.get("id"):
            return
        request_id = self._request.ctx.request_id
        try:
            await self._write(dict(response))
        except TooLarge as error:
            self._warn_too_large(str(error))
        except StoreError as error:
            log.warning("request %s: its response is not kept: %s", request_id, error)

    async def _mark(self, response: Mapping[str, Any] | None) -> None:
        try:
            if response is not None:
                await self._shelf.mark(self._owner, response)
        except StoreError as error:
            log.warning(
                "request %s: the owner of its response could not be stored: %s", self._request.ctx.request_id, error
            )

    async def _write(self, response: dict[str, Any]) -> None:
        own, shown = await self._request.work(self._named_input)
        for key in response.keys() & shown.keys():
            response[key] = shown[key]
        before = [] if self._previous is None else [*self._previous.before, self._previous.id]
        attempt = None if self.client is None else self.client.attempt
        aside = self._request.is_heavy or (attempt is not None and attempt.is_heavy)
        await self._shelf.keep(self._owner, KeptResponse(response, own, before), aside=aside)
        await self._shelf.refresh(self._owner, self._ancestors)
        if self._conversation is not None:
            output = response.get("output")
            added = [*own, *(output if isinstance(output, list) else [])]
            await self._shelf.add_items(self._owner, self._conversation.id, added, aside=aside)

    def _named_input(self) -> tuple[list[Any], Mapping[str, Any]]:
        items, shown = self._input()
        return named(items, self._request.services.mint.id), shown

    def _input(self) -> tuple[list[Any], Mapping[str, Any]]:
        """(the request's own items, what the reply repeats of the request), both as plugins left them."""
        request = self._request
        ctx, dialect = request.ctx, request.dialect
        sent = _parsed(request.wire.body) or {}
        items = as_items(sent.get("input"))
        own = len(items) if self._own is None else self._own
        payload = ctx.request_payload
        if payload is None or not payload.opened or not payload.changed:
            return items[len(items) - own :], {}
        target = Target(ctx.requested_model or "", request.adapter.name, None, False)
        came, _ = dialect.decode_request(WireRequest(body=request.wire.body, path=request.wire.path))
        before = _parsed(dialect.encode_request(came, target, Losses("request")).body) or {}
        after = _parsed(dialect.encode_request(payload.value, target, Losses("request")).body) or {}
        edited = edited_items(as_items(before.get("input")), as_items(after.get("input")), own)
        shown = {key: after.get(key) for key in REPEATED if after.get(key) != before.get(key)}
        return edited, shown


def _parsed(data: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(data)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _response_in(data: bytes) -> dict[str, Any] | None:
    """The response of the event that ends a stream; `data` holds whole events."""
    for block in reversed(data.replace(b"\r\n", b"\n").split(b"\n\n")):
        if not any(end in block for end in _ENDS):
            continue
        event = parse_event(block.strip(b"\n"))
        value = _parsed(event.data) if event is not None else None
        if value is not None and value.get("type") in _END_TYPES and isinstance(value.get("response"), dict):
            response: dict[str, Any] = value["response"]
            return response
    return None
