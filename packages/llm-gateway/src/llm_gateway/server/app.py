"""The application: what answers a request, once it is whole. Model routes are this one plain callable, all other paths
are pages (ASGI).

Nothing here knows a hook or a vendor, nor how a request came in.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from llm_gateway_sdk import (
    Dialect,
    DialectError,
    GatewayError,
    Hook,
    HTTPRequest,
    InvalidRequest,
    NotFound,
    Overloaded,
    Payload,
    PayloadTooLarge,
    PluginError,
    RequestContext,
    RequestRejected,
    Route,
    WireRequest,
)
from llm_gateway_sdk.context import Engine
from llm_gateway_sdk.heavy import (
    LIGHT_BYTES,
    is_heavy,
    is_long,
    may_have_more_items,
    run_aside,
)
from llm_gateway_sdk.operations.owned import OwnedForm
from llm_gateway_sdk.wire import json
from llm_gateway_sdk.wire.long_numbers import has_long_number
from llm_gateway_sdk.wire.many_values import MANY_BYTES

from ..admission import Admission
from ..exchange.batches.uploads import finds_upload
from ..exchange.body_bounds import refuse_beyond_bounds
from ..exchange.client_body import ClientBody
from ..exchange.embeddings import EmbeddingReader
from ..exchange.exchange import Exchange
from ..exchange.held_body import HeldBody
from ..exchange.log_context import current_request_id
from ..exchange.multipart import FormUpload
from ..exchange.services import new_id
from ..wire.headers import bearer_or_key
from .body import inflate
from .browser_guard import BrowserGuard
from .client_address import address_reader
from .cors import Cors
from .forms import fields_of, open_form
from .generation import Generation
from .head_authentication import authenticate_from_head
from .head_plan import HeadPlan, plan_of
from .http1.door import Door, Limits
from .http1.duplex import Duplex
from .incoming import EdgeRequest, Incoming
from .pages import ASGIApp, serve_page
from .refusing import edge_error, encode_refusal, path_meant, refuse_page
from .routes import Match
from .uploads import UploadPool, in_flight_bytes, pool_bytes

if TYPE_CHECKING:
    from ..monitoring.failure_log import FailureLog

__all__ = ["GatewayApp"]

log = logging.getLogger("llm_gateway.server")

_PAGE_BYTES = 2 << 20
"""Of the body of a request for a page of health, metrics, administration or a plugin: more than any of them takes."""


class GatewayApp:
    """`management` answers the paths for which `is_management` is true."""

    def __init__(
        self,
        generation: Generation,
        management: ASGIApp,
        is_management: Callable[[str], bool],
        *,
        memory: Callable[[int, int], int] = pool_bytes,
    ) -> None:
        self.generation = generation
        self._management = management
        self.is_management = is_management
        limits = generation.gateway.config.server.limits
        self.admission = Admission(
            concurrent=limits.max_concurrent, queued=limits.max_queued, timeout=limits.queue_timeout_seconds
        )
        self.draining = False
        self.refusals: dict[tuple[str, str, str, int, str, bool], int] = {}
        """Requests refused before there was an exchange, by project, adapter, operation, status, error class, and
        whether a plugin has refused."""
        self.failure_log: FailureLog | None = None
        """Where refusals are logged."""
        self.uploads = UploadPool(0, 0)
        self.limits = Limits()
        self.door: Door | None = None
        """The server's, whose limits change with the configuration."""
        self._memory = memory
        self.configure(generation)

    def configure(self, generation: Generation) -> None:
        """Takes another generation: requests from now on run on it."""
        self.generation = generation
        gateway = generation.gateway
        server = gateway.config.server
        limits = server.limits
        self.limits = Limits(
            head_bytes=limits.max_header_bytes,
            body_bytes=limits.max_body_bytes,
            upload_bytes=limits.max_upload_bytes,
            header_timeout=limits.header_timeout_seconds,
            idle_timeout=max(1.0, limits.idle_timeout_seconds),
        )
        if self.door is not None:
            self.door.limits = self.limits
            self.door.heads.clear()
        self.uploads.configure(self._memory(limits.max_body_bytes, gateway.workers), limits.max_body_bytes)
        self.admission.limit(
            concurrent=limits.max_concurrent, queued=limits.max_queued, timeout=limits.queue_timeout_seconds
        )
        most = limits.max_in_flight_bytes
        if most is None:
            most = in_flight_bytes(gateway.workers)
        gateway.services.bodies.limit(concurrent=most, queued=most, timeout=limits.queue_timeout_seconds)
        self._max_items, self._max_batch_items = limits.max_items, limits.max_batch_items
        self._read_address = address_reader(server.trust_proxy)
        self._cors = cors = Cors(server.cors) if server.cors.enabled else None
        self._guard = BrowserGuard(server.allowed_hosts, cors.allows if cors is not None else _allows_none)

    # Before the body.

    def refuses_early(self, incoming: Incoming) -> GatewayError | None:
        """Why a request is refused before its body is read: too large, or no place and no queue for it."""
        declared = incoming.head.length or 0
        limits = self.limits
        if declared > _PAGE_BYTES and self.is_management(incoming.head.path):
            return PayloadTooLarge(f"A page takes at most {_PAGE_BYTES} bytes.")
        if declared > limits.body_bytes or declared > limits.upload_bytes:
            most = limits.upload_bytes if self.takes_upload(incoming) else limits.body_bytes
            if declared > most:
                return PayloadTooLarge(f"The body has {declared} bytes; at most {most} are accepted.")
        if self.admission.full and not self.is_management(incoming.head.path):
            self.admission.refused += 1
            return Overloaded("The gateway is at its limit of requests.", retry_after=1.0)
        return None

    def takes_upload(self, incoming: Incoming) -> bool:
        """Whether the body is a form with files: it is handed on while it arrives."""
        facts = incoming.head.facts
        known: bool | None = facts.get("upload")
        if known is None:
            known = facts["upload"] = _is_form(incoming.head.headers) and _takes_form(_match_of(self, incoming))
        return known

    def takes_duplex(self, incoming: Incoming) -> bool:
        """Whether an offer of WebSocket is taken: where the path is one of sessions."""
        match = _match_of(self, incoming)
        return match is not None and match.route.operation == "realtime"

    def authenticates_early(self, incoming: Incoming) -> Awaitable[GatewayError | None] | None:
        """Finds out from the head who is asking, and for what, so that neither a stranger's body is waited for nor one
        that nothing reads. None where the project's plugins need more than the head."""
        generation = self.generation
        request = EdgeRequest(incoming)
        method, path, routes = request.wire.method, request.path, generation.routes
        if self.is_management(incoming.head.path) or routes.is_project_page(method, path):
            incoming.head.facts["most"] = _PAGE_BYTES
            return None
        match = plan_of(generation, request).find(request)
        if match is None:
            return _refused(edge_error(routes, method, path))
        hooks = generation.head_authentication.get(match.project.name)
        if hooks is None:
            return None
        if (upload := _upload_token(match, request.wire)) is not None:
            return _knows_upload(match, request.wire, upload, hooks)
        return authenticate_from_head(hooks, self._context(match, request, new_id("req_"), None, streaming=False))

    def client_address(self, incoming: Incoming) -> str | None:
        """Who is asking, also through trusted proxies."""
        if self._read_address is None:
            return incoming.client_ip
        forwarded = [value for name, value in incoming.head.headers if name == "x-forwarded-for"]
        return self._read_address(incoming.client_ip, forwarded)

    # A whole request.

    async def handle(self, incoming: Incoming) -> None:
        """Answers it. A request with a refusal is answered with that."""
        if self.is_management(incoming.head.path):
            await self._handle_page(incoming)
            return
        request = EdgeRequest(incoming)
        if self._cors is not None:
            origin = request.wire.headers.get("origin")
            if origin is not None:
                if request.wire.method == "OPTIONS" and "access-control-request-method" in request.wire.headers:
                    await incoming.start(204, self._cors.preflight(origin, request.wire.headers))
                    await incoming.write(b"", more=False)
                    return
                incoming.extra = self._cors.headers(origin)
        await self._serve(request, incoming)

    async def _handle_page(self, incoming: Incoming) -> None:
        if incoming.refusal is not None:
            await refuse_page(incoming, incoming.refusal)
        else:
            await serve_page(self._management, incoming, client_ip=self._client_ip(EdgeRequest(incoming)))

    async def _serve(self, request: EdgeRequest, incoming: Incoming) -> None:
        generation = self.generation
        generation.exchanges += 1
        admission, wire, path = self.admission, request.wire, request.path
        plan = plan_of(generation, request)
        request_id = plan.given_id or new_id("req_")
        current_request_id.set(request_id)
        admitted = False
        held: HeldBody | None = None
        match: Match | None = None
        form: FormUpload | None = None
        try:
            match = plan.match or plan.find(request)
            if match is None:
                if generation.routes.is_project_page(wire.method, path):
                    return await self._handle_page(incoming)
                raise edge_error(generation.routes, wire.method, path)
            if not plan.is_welcome:
                if match.project.name in generation.open_projects:
                    _keep_strangers_out(self._guard, request.index)
                plan.is_welcome = True
            if incoming.refusal is not None:
                raise incoming.refusal
            if match.route.messages and incoming.duplex is not None:
                return await _converse(self, match, incoming, incoming.duplex)
            if not admission.try_acquire():
                await admission.acquire()
            admitted = True
            body = wire.body = incoming.take_body()
            if plan.encoding is not None:
                body = wire.body = await asyncio.to_thread(inflate, body, plan.encoding, self.limits.body_bytes)
            if incoming.upload is not None or (match.route.form is not None and match.route.form.multipart):
                form = await open_form(
                    match, generation, incoming, wire.body, plan.content_type, self.limits.body_bytes
                )
                if form is not None:
                    body = wire.body = await fields_of(match, form, self.limits.body_bytes, self._max_batch_items)
            asked: _Asked | None = None
            if len(body) > LIGHT_BYTES:
                held = await HeldBody.of(len(body), generation.gateway.services.bodies)
                if _is_heavy(match.route, body, self._max_items):
                    asked = await run_aside(self._weigh, generation, match, wire)
            exchange = self._exchange(plan, match, request, request_id, incoming, asked)
            if form is not None or held is not None or incoming.duplex is not None:
                exchange.take(form, held, incoming.duplex)
                held = None
            await exchange.run()
        except DialectError as error:
            refusal = InvalidRequest(str(error), param=error.path)
            await self._refuse(generation, match, request, request_id, incoming, refusal)
        except GatewayError as error:
            await self._refuse(generation, match, request, request_id, incoming, error)
        finally:
            if form is not None:
                form.close()
            if held is not None:
                held.give_back()
            if admitted:
                admission.release()
            generation.leave()

    def _weigh(self, generation: Generation, match: Match, wire: WireRequest) -> _Asked:
        """What a heavy body asks for. Raises PayloadTooLarge where it is beyond the bounds, InvalidRequest."""
        route = match.route
        client = generation.gateway.services.dialects.get(route.dialect)
        if client is None:
            return None, False, False
        wire.path = match.upstream
        if not _is_opaque(route):
            refuse_beyond_bounds(wire.body, self._max_batch_items if _holds_many(route) else self._max_items)
        return _asked(route, client, wire)

    def _exchange(
        self,
        plan: HeadPlan,
        match: Match,
        request: EdgeRequest,
        request_id: str,
        incoming: Incoming,
        asked: _Asked | None = None,
    ) -> Exchange:
        """`asked`: what `_asked` returned, where the body is heavy and they are known by now."""
        wire = request.wire
        route, project, services = match.route, match.project, plan.generation.gateway.services
        operation = route.operation
        client = services.dialects.get(route.dialect)
        if client is None:
            raise NotFound(f"The dialect '{route.dialect}' of this route is not installed.")
        wire.path = match.upstream
        if asked is not None:
            model, streaming, alone = asked
        elif operation != "generate":
            model, streaming, alone = _asked(route, client, wire)
        else:
            try:
                model, streaming, alone = _peek(client, wire)
            except ValueError as error:
                raise _unreadable(route, error) from None
        ctx = self._context(match, request, request_id, model, streaming=streaming)
        if project.name in plan.generation.partly_open and not project.chain.select(ctx).authentication:
            _keep_strangers_out(self._guard, request.index)
        form = route.form
        client_body = ClientBody(client if form is None else EmbeddingReader(), wire, wire.body if alone else None)
        understood = (form is not None and wire.body) or operation in _READ
        payload = Payload(client_body.decode) if understood else None
        ctx.base_request_payload = payload
        Engine.begin_attempt(ctx, payload)
        exchange = Exchange(services, project, match.adapter, route, wire, client_body, ctx, incoming, plan.calls)
        if asked is not None:
            exchange.take_aside()
        return exchange

    def _context(
        self, match: Match, request: EdgeRequest, request_id: str, model: str | None, *, streaming: bool
    ) -> RequestContext:
        wire, project = request.wire, match.project
        return RequestContext(
            request_id=request_id,
            project=project.name,
            adapter=match.adapter.name,
            operation=match.route.operation,
            http_request=HTTPRequest(wire.method, request.path, wire.query, wire.headers, wire.body),
            available_models=project.registry.names,
            requested_model=model,
            streaming=streaming,
            client_ip=request.peer if self._read_address is None else self._client_ip(request),
            client_dialect=match.route.dialect,
            started=time.time(),
        )

    def _client_ip(self, request: EdgeRequest) -> str | None:
        if self._read_address is not None:
            return self._read_address(request.peer, request.wire.headers.get_all("x-forwarded-for"))
        return request.peer

    async def _refuse(
        self,
        generation: Generation,
        match: Match | None,
        request: EdgeRequest,
        request_id: str,
        incoming: Incoming,
        error: GatewayError,
    ) -> None:
        """An error before there is an exchange, in the client's shape."""
        at = (match.project.name, match.adapter.name, match.route.operation) if match is not None else ("", "", "")
        refusal = (*at, error.status, error.kind, isinstance(error, RequestRejected | PluginError))
        self.refusals[refusal] = self.refusals.get(refusal, 0) + 1
        if self.failure_log is not None:
            self.failure_log.refused(at[0], request.wire.method, request.path, error, path_meant(error))
        status, headers, body = encode_refusal(generation, match, request, request_id, error)
        await incoming.start(status, headers)
        await incoming.write(body, more=False)


def _is_heavy(route: Route, body: bytes, max_items: int) -> bool:
    """Whether a large body may not even be looked at in place. What else is done with a chat request, if anything, is
    the exchange's to weigh."""
    if route.operation != "generate":
        return is_heavy(body)
    return is_long(body) or may_have_more_items(body, max_items) or (len(body) > MANY_BYTES and has_long_number(body))


def _keep_strangers_out(guard: BrowserGuard, index: dict[str, str]) -> None:
    known = "host" in index and index["host"] in guard.known_hosts
    if not known or "origin" in index or "sec-fetch-site" in index:
        stranger = guard.refusal(index)
        if stranger is not None:
            raise stranger


async def _converse(app: GatewayApp, match: Match, incoming: Incoming, duplex: Duplex) -> None:
    """Each message is a request; the connection has no place among the requests at once. Raises GatewayError."""
    asked = app.authenticates_early(incoming)
    refusal = await asked if asked is not None else None
    if refusal is not None:
        raise refusal
    from .message_session import MessageSession  # the library of frames, which few gateways need

    services = app.generation.gateway.services
    dialect = services.dialects[match.route.dialect]
    session = MessageSession(
        incoming, duplex, services.realtime, app.handle, lambda error: dialect.encode_error(error).body
    )
    await session.run()


def _is_form(headers: list[tuple[str, str]]) -> bool:
    """Whether that is a form as it is; a compressed one is inflated as a whole first."""
    kinds = dict(headers)
    plain = kinds.get("content-encoding", "identity") == "identity"
    return plain and kinds.get("content-type", "").lower().startswith("multipart/form-data")


async def _refused(error: GatewayError) -> GatewayError:
    return error


def _match_of(app: GatewayApp, incoming: Incoming) -> Match | None:
    """The route of a request of which the head has come."""
    if app.is_management(incoming.head.path):
        return None
    request = EdgeRequest(incoming)
    return plan_of(app.generation, request).find(request)


def _takes_form(match: Match | None) -> bool:
    return match is not None and match.route.form is not None and match.route.form.multipart


def _holds_many(route: Route) -> bool:
    """Whether a body holds the requests of a batch."""
    return route.operation in ("batch", "file")


def _is_opaque(route: Route) -> bool:
    """Whether a body is not read as one JSON value."""
    form = route.form
    return route.operation in ("native", "stored") or (
        isinstance(form, OwnedForm) and form.keeps and form.operation == "file"
    )


def _upload_token(match: Match, wire: WireRequest) -> OwnedForm | None:
    """The form of an upload that goes on by its address alone."""
    form = match.route.form
    if not isinstance(form, OwnedForm) or not form.keeps or bearer_or_key(wire.headers.items) is not None:
        return None
    return form if form.upload_token(wire.query) else None


async def _knows_upload(
    match: Match, wire: WireRequest, form: OwnedForm, authentication: list[Hook]
) -> GatewayError | None:
    if await finds_upload(match.project.belongings, match.adapter.name, form, wire.query, authentication):
        return None
    return NotFound("There is no such upload.")


_READ = frozenset({"generate", "count_tokens"})
"""Operations whose bodies the client's dialect reads."""


_Asked = tuple[str | None, bool, bool]
"""The model that a body names, whether it asks for a stream, and whether it is sure that it names no other model."""


def _peek(client: Dialect, wire: WireRequest) -> _Asked:
    """Raises ValueError."""
    if type(client).peek is _PEEK_OF_BODY:
        return json.peek_alone(wire.body)
    return (*client.peek(wire), False)


_PEEK_OF_BODY = Dialect.peek


def _asked(route: Route, client: Dialect, wire: WireRequest) -> _Asked:
    """Raises InvalidRequest."""
    operation, form = route.operation, route.form
    if operation == "realtime":
        return dict(parse_qsl(wire.query)).get("model"), False, False
    if form is not None or operation in _READ:
        try:
            if form is not None:
                return form.peek(wire), False, False
            model, streaming, alone = _peek(client, wire)
        except ValueError as error:
            raise _unreadable(route, error) from None
        return model, streaming and operation == "generate", alone
    if operation in ("native", "stored") and wire.body[:1] == b"{":
        try:
            model, _, alone = _peek(client, wire)
            return model, False, alone
        except ValueError:
            pass  # another vendor's body; it is passed on as it is
    return None, False, False


def _unreadable(route: Route, error: ValueError) -> InvalidRequest:
    return InvalidRequest(f"The body is not what {route.path} takes: {error}")


def _allows_none(_: str) -> bool:
    return False
