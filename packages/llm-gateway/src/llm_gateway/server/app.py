"""The ASGI application: model routes are this one plain callable, management pages are Starlette's.

Nothing here knows a hook or a vendor. `State` holds what a reload exchanges.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any, Protocol

from llm_gateway_sdk import (
    GatewayError,
    Headers,
    HTTPRequest,
    InvalidRequest,
    NotFound,
    Overloaded,
    Payload,
    PayloadTooLarge,
    RequestContext,
    WireRequest,
)
from llm_gateway_sdk.context import Engine

from ..exchange.current import current_request_id
from ..exchange.exchange import Exchange
from ..exchange.outlet import Sink
from ..exchange.reading import Reading
from ..exchange.services import new_id
from ..exchange.side import decode_embedding_inputs
from ..gateway import Gateway
from ..wire.writes import Writes
from .admission import Admission
from .body import ClientGone, inflate, read_body
from .browser_guard import BrowserGuard
from .client_address import address_reader
from .cors import Cors
from .reply import ASGISink, DisconnectWatch, Receive, Send
from .routes import Match, RouteTable

if TYPE_CHECKING:
    from ..monitoring.failure_log import FailureLog
    from .protocol import DirectCycle

__all__ = ["GatewayApp", "Generation"]

log = logging.getLogger("llm_gateway.server")

Scope = MutableMapping[str, Any]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]


class Generation:
    """One configuration being served, with the exchanges that still run on it."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.routes = RouteTable(gateway)
        self.open_projects = frozenset(
            project.config.name for project in gateway.projects.values() if not project.authenticates
        )
        """Projects that answer without a credential."""
        self.exchanges = 0
        self._idle = asyncio.Event()

    def leave(self) -> None:
        self.exchanges -= 1
        if self.exchanges == 0:
            self._idle.set()

    async def wait_idle(self, timeout: float) -> bool:
        """Whether the last exchange was over in time."""
        if self.exchanges == 0:
            return True
        self._idle.clear()
        try:
            async with asyncio.timeout(timeout):
                while self.exchanges:
                    self._idle.clear()
                    await self._idle.wait()
        except TimeoutError:
            return False
        return True


class GatewayApp:
    """`management` answers the paths for which `is_management` is true, and the lifespan."""

    def __init__(self, generation: Generation, management: ASGIApp, is_management: Callable[[str], bool]) -> None:
        self.generation = generation
        self._management = management
        self.is_management = is_management
        limits = generation.gateway.config.server.limits
        self.admission = Admission(
            concurrent=limits.max_concurrent, queued=limits.max_queued, timeout=limits.queue_timeout_seconds
        )
        self.draining = False
        self.refusals: dict[tuple[str, str, str, int, str], int] = {}
        """Requests refused before there was an exchange, by project, adapter, operation, status and error class."""
        self.failure_log: FailureLog | None = None
        """Where refusals are logged."""
        self.writes: Writes | None = None
        """What replies write, of the one event loop that serves."""
        self.uploading = 0
        """Bytes of bodies that are still arriving, in all."""
        self.configure(generation)

    def configure(self, generation: Generation) -> None:
        """Takes another generation: requests from now on run on it."""
        self.generation = generation
        server = generation.gateway.config.server
        self.max_body_bytes = server.limits.max_body_bytes
        self.max_header_bytes = server.limits.max_header_bytes
        self.max_uploading = 16 * server.limits.max_body_bytes
        self.header_timeout = server.limits.header_timeout_seconds
        self.idle_timeout = max(1.0, server.limits.idle_timeout_seconds)
        self.admission.limit(
            concurrent=server.limits.max_concurrent,
            queued=server.limits.max_queued,
            timeout=server.limits.queue_timeout_seconds,
        )
        self._read_address = address_reader(server.trust_proxy)
        self._cors = cors = Cors(server.cors) if server.cors.enabled else None
        self._guard = BrowserGuard(server.allowed_hosts, cors.allows if cors is not None else _allows_none)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI way in."""
        if scope["type"] != "http" or self.is_management(scope["path"]):
            await self._management(scope, receive, send)
            return
        client = scope.get("client")
        request = _Request(
            scope["method"],
            scope["path"],
            scope["query_string"].decode("latin-1"),
            [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]],
            client[0] if client else None,
        )
        sink = ASGISink(send)
        task = asyncio.current_task()
        assert task is not None
        watch: DisconnectWatch | None = None

        async def body() -> bytes:
            nonlocal watch
            found = await read_body(receive, request.wire.headers, self.max_body_bytes)
            watch = DisconnectWatch(receive, task.cancel)
            return found

        try:
            await self._serve(request, sink, body)
        except asyncio.CancelledError:
            if watch is None or not watch.fired:
                raise
            # The client left: the upstream call is closed, the books are, and nobody waits for a reply.
            task.uncancel()
        finally:
            if watch is not None and not watch.fired:
                watch.close()

    def refuses_early(self, cycle: DirectCycle) -> GatewayError | None:
        """Why a request is refused before its body is read: too large, or no place and no queue for it."""
        declared = cycle.declared_bytes
        if declared > self.max_body_bytes:
            return PayloadTooLarge(f"The body has {declared} bytes; at most {self.max_body_bytes} are taken.")
        if self.admission.full:
            self.admission.refused += 1
            return Overloaded("The gateway is at its limit of requests.", retry_after=1.0)
        return None

    async def handle(self, cycle: DirectCycle) -> None:
        """The direct way in, for a request whose body is whole (or is refused unread)."""
        request = _Request(cycle.method, cycle.path, cycle.query, cycle.headers, cycle.client_ip)
        await self._serve(request, cycle, cycle, refusal=cycle.refusal)

    async def _serve(
        self,
        request: _Request,
        sink: _EdgeSink,
        source: Callable[[], Awaitable[bytes]] | DirectCycle,
        *,
        refusal: GatewayError | None = None,
    ) -> None:
        """`source` reads the body, or holds it."""
        if self._cors is not None:
            origin = request.header("origin")
            if origin is not None:
                if request.wire.method == "OPTIONS" and request.header("access-control-request-method") is not None:
                    await sink.start(204, self._cors.preflight(origin, request.wire.headers))
                    await sink.write(b"", more=False)
                    return
                sink.extra = self._cors.headers(origin)
        generation = self.generation
        generation.exchanges += 1
        admission = self.admission
        wire, path = request.wire, request.path
        request_id = _request_id(request.header("x-request-id"))
        current_request_id.set(request_id)
        admitted = False
        match: Match | None = None
        try:
            match = generation.routes.find(wire.method, path, wire)
            if match is None:
                raise self._no_route(generation, wire.method, path)
            if match.project.name in generation.open_projects:
                index = request.index
                known = "host" in index and index["host"] in self._guard.known_hosts
                if not known or "origin" in index or "sec-fetch-site" in index:
                    stranger = self._guard.refusal(index)
                    if stranger is not None:
                        raise stranger
            if refusal is not None:
                raise refusal
            if not admission.try_acquire():
                await admission.acquire()
            admitted = True
            if callable(source):
                wire.body = await source()
            else:
                wire.body = source.take_body()
                encoding = request.index.get("content-encoding")
                if encoding is not None:
                    wire.body = inflate(wire.body, encoding, self.max_body_bytes)
            await self._exchange(generation, match, request, request_id, sink).run()
        except ClientGone:
            return
        except GatewayError as error:
            await self._refuse(generation, match, request, request_id, sink, error)
        finally:
            if admitted:
                admission.release()
            generation.leave()

    def _exchange(
        self, generation: Generation, match: Match, request: _Request, request_id: str, sink: _EdgeSink
    ) -> Exchange:
        wire = request.wire
        gateway = generation.gateway
        route, project, services = match.route, match.project, gateway.services
        operation = route.operation
        client = services.dialects.get(route.dialect)
        if client is None:
            raise NotFound(f"The dialect '{route.dialect}' of this route is not installed.")
        wire.path = match.upstream
        model: str | None = None
        streaming = False
        if operation in ("generate", "count_tokens", "embed"):
            try:
                model, streaming = client.peek(wire)
            except ValueError as error:
                raise InvalidRequest(f"The body is not what {route.path} takes: {error}") from None
        elif operation == "native" and wire.body[:1] == b"{":
            try:
                model, _ = client.peek(wire)
            except ValueError:
                model = None  # another vendor's body; it is passed on as it is
        ctx = RequestContext(
            request_id=request_id,
            project=project.name,
            adapter=match.adapter.name,
            operation=operation,
            http_request=HTTPRequest(wire.method, request.path, wire.query, wire.headers, wire.body, request.index),
            available_models=project.registry.names,
            requested_model=model,
            streaming=streaming and operation == "generate",
            client_ip=self._client_ip(request),
            client_dialect=route.dialect,
            started=time.time(),
        )
        reading = Reading(client if operation != "embed" else _EmbeddingReader(), wire)
        payload = Payload(reading.read) if operation in ("generate", "count_tokens", "embed") else None
        ctx.base_request_payload = payload
        Engine.begin_attempt(ctx, payload)
        return Exchange(services, project, match.adapter, route, wire, reading, ctx, sink)

    def _client_ip(self, request: _Request) -> str | None:
        if self._read_address is not None:
            return self._read_address(request.client_ip, request.wire.headers.get_all("x-forwarded-for"))
        return request.client_ip

    def _no_route(self, generation: Generation, method: str, path: str) -> GatewayError:
        allowed = generation.routes.allowed(path)
        if allowed:
            return GatewayError(
                f"{path} does not take {method}; it takes {', '.join(allowed)}.", status=405, kind="bad_request"
            )
        near = generation.routes.suggest(path)
        hint = f" Did you mean {near}?" if near else ""
        return NotFound(f"There is no route {method} {path}.{hint}", code="unknown_url")

    async def _refuse(
        self,
        generation: Generation,
        match: Match | None,
        request: _Request,
        request_id: str,
        sink: _EdgeSink,
        error: GatewayError,
    ) -> None:
        """An error before there is an exchange, in the client's shape."""
        services = generation.gateway.services
        info = error.info()
        info.request_id = request_id
        at = (match.project.name, match.adapter.name, match.route.operation) if match is not None else ("", "", "")
        refusal = (*at, error.status, error.kind)
        self.refusals[refusal] = self.refusals.get(refusal, 0) + 1
        if self.failure_log is not None:
            self.failure_log.refused(at[0], request.wire.method, request.path, error)
        dialect_name = match.route.dialect if match is not None else None
        if dialect_name is None:
            adapter = generation.routes.adapter_of(request.path, request.wire)
            dialect_name = adapter.dialect if adapter is not None else ""
        dialect = services.dialects.get(dialect_name or "") or next(iter(services.dialects.values()))
        reply = dialect.encode_error(info)
        headers: list[tuple[bytes, bytes]] = [
            (b"x-request-id", request_id.encode("latin-1", "replace")),
            (b"x-llm-gateway-error-source", b"gateway"),
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(reply.body)),
        ]
        if error.retry_after is not None:
            headers.append((b"retry-after", b"%d" % max(1, round(error.retry_after + 0.49))))
        if error.status == 405:
            headers.append((b"allow", ", ".join(generation.routes.allowed(request.path)).encode()))
        if error.status in (408, 413):
            # The rest of the body has not been read.
            headers.append((b"connection", b"close"))
        await sink.start(reply.status, headers)
        await sink.write(reply.body, more=False)


def _allows_none(_: str) -> bool:
    return False


class _Request:
    """A request at the server's edge. Header names are lower-case; `index` holds the last of each name."""

    __slots__ = ("client_ip", "index", "path", "wire")

    def __init__(self, method: str, path: str, query: str, items: list[tuple[str, str]], client_ip: str | None) -> None:
        self.wire = WireRequest(method, path, query, Headers.of(items))
        self.index = dict(items)
        self.path = path
        self.client_ip = client_ip

    def header(self, name: str) -> str | None:
        return self.index.get(name)


class _EdgeSink(Sink, Protocol):
    extra: list[tuple[bytes, bytes]] | None


class _EmbeddingReader:
    """Reads embedding requests where an exchange expects its client's dialect."""

    def decode_request(self, wire: WireRequest) -> Any:
        return decode_embedding_inputs(wire)


def _request_id(given: str | None) -> str:
    """The client's id where it is one that can be logged and passed on."""
    if given is not None and 0 < len(given) <= 128 and given.isascii() and given.isprintable():
        return given
    return new_id("req_")
