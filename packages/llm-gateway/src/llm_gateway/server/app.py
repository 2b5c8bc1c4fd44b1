"""The ASGI application: model routes are this one plain callable, management pages are Starlette's.

Nothing here knows a hook or a vendor. `State` holds what a reload exchanges.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from llm_gateway_sdk import (
    GatewayError,
    Headers,
    HTTPRequest,
    InvalidRequest,
    NotFound,
    RequestContext,
    WireRequest,
)

from ..config.schema import CorsConfig
from ..exchange.exchange import Exchange
from ..exchange.services import new_id
from ..exchange.side import decode_embedding_inputs
from ..gateway import Gateway
from .admission import Admission
from .body import ClientGone, read_body
from .cors import Cors
from .reply import ASGISink, DisconnectWatch, Receive, Send
from .routes import Match, RouteTable

__all__ = ["GatewayApp", "Generation"]

log = logging.getLogger("llm_gateway.server")

Scope = MutableMapping[str, Any]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]


class Generation:
    """One configuration being served, with the exchanges that still run on it."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.routes = RouteTable(gateway)
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
        self._is_management = is_management
        limits = generation.gateway.config.server.limits
        self.admission = Admission(
            concurrent=limits.max_concurrent, queued=limits.max_queued, timeout=limits.queue_timeout_seconds
        )
        self.draining = False
        self.configure(generation)

    def configure(self, generation: Generation) -> None:
        """Takes another generation: requests from now on run on it."""
        self.generation = generation
        config = generation.gateway.config
        self._max_body = config.server.limits.max_body_bytes
        self._trust_proxy = config.server.trust_proxy
        cors: CorsConfig = config.server.cors
        self._cors = Cors(cors) if cors.enabled else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or self._is_management(scope["path"]):
            await self._management(scope, receive, send)
            return
        raw: list[tuple[bytes, bytes]] = scope["headers"]
        headers = Headers.of([(name.decode("latin-1"), value.decode("latin-1")) for name, value in raw])
        method: str = scope["method"]
        extra = None
        if self._cors is not None:
            origin = headers.get("origin")
            if origin is not None:
                if method == "OPTIONS" and headers.get("access-control-request-method") is not None:
                    await self._cors.preflight(origin, headers, send)
                    return
                extra = self._cors.headers(origin)
        sink = ASGISink(send, extra)
        generation = self.generation
        generation.exchanges += 1
        try:
            await self._serve(generation, scope, method, headers, receive, sink)
        finally:
            generation.leave()

    async def _serve(
        self, generation: Generation, scope: Scope, method: str, headers: Headers, receive: Receive, sink: ASGISink
    ) -> None:
        path: str = scope["path"]
        query: str = scope["query_string"].decode("latin-1")
        wire = WireRequest(method, path, query, headers)
        request_id = _request_id(headers)
        match = generation.routes.find(method, path, wire)
        admitted = False
        try:
            if match is None:
                raise self._no_route(generation, method, path)
            if not self.admission.try_acquire():
                await self.admission.acquire()
            admitted = True
            wire.body = await read_body(receive, headers, self._max_body)
            exchange = self._exchange(generation, match, scope, wire, path, request_id, sink)
        except ClientGone:
            if admitted:
                self.admission.release()
            return
        except GatewayError as error:
            if admitted:
                self.admission.release()
            await self._refuse(generation, match, wire, path, request_id, sink, error)
            return
        except BaseException:
            if admitted:
                self.admission.release()
            raise
        task = asyncio.current_task()
        assert task is not None
        watch = DisconnectWatch(receive, task.cancel)
        try:
            await exchange.run()
        except asyncio.CancelledError:
            if not watch.fired:
                raise
            # The client left: the upstream call is closed, the books are, and nobody waits for a reply.
            task.uncancel()
        finally:
            if not watch.fired:
                watch.close()
            self.admission.release()

    def _exchange(
        self,
        generation: Generation,
        match: Match,
        scope: Scope,
        wire: WireRequest,
        path: str,
        request_id: str,
        sink: ASGISink,
    ) -> Exchange:
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
            http_request=HTTPRequest(wire.method, path, wire.query, wire.headers, wire.body),
            available_models=project.registry.names,
            requested_model=model,
            streaming=streaming and operation == "generate",
            client_ip=self._client_ip(scope, wire.headers),
            client_dialect=route.dialect,
            started=time.time(),
        )
        exchange: Exchange | None = None

        def remember(echo: Any) -> None:
            if exchange is not None:
                exchange.remember_echo(echo)

        if operation in ("generate", "count_tokens"):
            payload = Exchange.payload(client, wire, remember)
        elif operation == "embed":
            payload = Exchange.payload(_EmbeddingReader(), wire, remember)  # type: ignore[arg-type]
        else:
            payload = None
        ctx.base_request_payload = payload
        ctx.begin_attempt(payload)
        exchange = Exchange(services, project, match.adapter, route, wire, ctx, sink)
        return exchange

    def _client_ip(self, scope: Scope, headers: Headers) -> str | None:
        if self._trust_proxy:
            forwarded = headers.get("x-forwarded-for")
            if forwarded:
                return forwarded.split(",")[0].strip()
        client = scope.get("client")
        return client[0] if client else None

    def _no_route(self, generation: Generation, method: str, path: str) -> GatewayError:
        allowed = generation.routes.allowed(path)
        if allowed:
            return GatewayError(
                f"{path} does not take {method}; it takes {', '.join(allowed)}.", status=405, kind="bad_request"
            )
        return NotFound(f"There is no route {method} {path} here.", code="unknown_url")

    async def _refuse(
        self,
        generation: Generation,
        match: Match | None,
        wire: WireRequest,
        path: str,
        request_id: str,
        sink: ASGISink,
        error: GatewayError,
    ) -> None:
        """An error before there is an exchange, in the client's shape."""
        services = generation.gateway.services
        info = error.info()
        info.request_id = request_id
        dialect_name = match.route.dialect if match is not None else None
        if dialect_name is None:
            adapter = generation.routes.adapter_of(path, wire)
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
            headers.append((b"allow", ", ".join(generation.routes.allowed(path)).encode()))
        if error.status in (413, 503, 529):
            # The rest of the body has not been read.
            headers.append((b"connection", b"close"))
        await sink.start(reply.status, headers)
        await sink.write(reply.body, more=False)


class _EmbeddingReader:
    """Reads embedding requests where an exchange expects its client's dialect."""

    def decode_request(self, wire: WireRequest) -> Any:
        return decode_embedding_inputs(wire)


def _request_id(headers: Headers) -> str:
    """The client's id where it is one that can be logged and passed on."""
    given = headers.get("x-request-id")
    if given is not None and 0 < len(given) <= 128 and given.isascii() and given.isprintable():
        return given
    return new_id("req_")
