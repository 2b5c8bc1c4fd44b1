"""Health, metrics and administration: Starlette pages beside the model routes."""

from __future__ import annotations

import hmac
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from ..config.project import GatewayConfig
from .home import home_page

if TYPE_CHECKING:
    from .control import Control

__all__ = ["build_management", "management_paths"]


def management_paths(config: GatewayConfig, control: Control | None = None) -> Callable[[str], bool]:
    """Whether a path belongs to the management pages, or to a plugin's where `control` knows one."""
    exact: set[str] = {"/"}
    prefixes: list[str] = []
    monitoring = config.monitoring
    if monitoring.enabled:
        if monitoring.health_check.enabled:
            endpoint = monitoring.health_check.endpoint.rstrip("/") or "/health"
            exact.update({endpoint, f"{endpoint}/live", f"{endpoint}/ready"})
        if monitoring.metrics.enabled:
            exact.add(monitoring.metrics.path)
    if config.admin.enabled and config.admin.port is None:
        prefixes.append(config.admin.path.rstrip("/") + "/")
        exact.add(config.admin.path.rstrip("/"))
    start = tuple(prefixes)
    if control is not None:
        # Pages come and go with reloads; most gateways have none, and then this is one look at an empty dictionary.
        return lambda path: (
            path in exact or path.startswith(start) or (bool(control.pages()) and control.has_page(path))
        )
    if not start:
        return exact.__contains__
    return lambda path: path in exact or path.startswith(start)


def build_management(config: GatewayConfig, control: Control, *, admin_only: bool = False) -> Starlette:
    """The management application of one worker. With `admin_only` that of the separate administration port."""
    routes: list[BaseRoute] = []
    monitoring = config.monitoring
    if monitoring.enabled and not admin_only:
        if monitoring.health_check.enabled:
            endpoint = monitoring.health_check.endpoint.rstrip("/") or "/health"
            routes += [
                Route(endpoint, _page(control.health)),
                Route(f"{endpoint}/live", _page(control.live)),
                Route(f"{endpoint}/ready", _page(control.ready)),
            ]
        if monitoring.metrics.enabled:
            routes.append(Route(monitoring.metrics.path, _metrics(control)))
    admin = config.admin
    if admin.enabled and (admin_only or admin.port is None):
        key = admin.api_key.get_secret_value() if admin.api_key is not None else ""
        failures = _Failures()
        pages: list[BaseRoute] = [
            Route("/config/version", _guarded(key, failures, _page(control.version))),
            Route("/config", _guarded(key, failures, _page(control.explain))),
            Route("/reload", _guarded(key, failures, _page(control.reload)), methods=["POST"]),
            Route("/breakers", _guarded(key, failures, _page(control.breakers))),
        ]
        routes.append(Mount(admin.path.rstrip("/"), routes=pages))

    if not admin_only:

        async def home(request: Request) -> Response:
            return home_page(request, control.home())

        routes.append(Route("/", home, methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]))
        routes.append(Mount("/", app=control.serve_page))

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        await control.startup()
        yield
        await control.shutdown()

    return Starlette(routes=routes, lifespan=None if admin_only else lifespan)


Page = Callable[[Request], Awaitable[Response]]


def _page(answer: Callable[[], Awaitable[tuple[int, dict[str, Any]]]]) -> Page:
    async def page(_: Request) -> Response:
        try:
            status, body = await answer()
        except TimeoutError:
            status, body = 504, {"error": "a worker did not answer in time"}
        return JSONResponse(body, status, headers={"cache-control": "no-store"})

    return page


def _metrics(control: Control) -> Page:
    async def page(request: Request) -> Response:
        body, content_type = await control.metrics(request.headers.get("accept", ""))
        return Response(body, media_type=content_type)

    return page


def _authorised(key: str, header: str, alternative: str) -> bool:
    given = header[7:] if header[:7].lower() == "bearer " else alternative
    return bool(key) and hmac.compare_digest(given.encode(), key.encode())


class _Failures:
    """Wrong keys by address: beyond some within a minute, they are answered with 429."""

    def __init__(self, allowed: int = 20, addresses: int = 10_000) -> None:
        self._allowed = allowed
        self._addresses = addresses
        self._counts: dict[str, int] = {}
        self._minute = 0

    def too_many(self, address: str) -> bool:
        """Counts one."""
        minute = int(time.monotonic() // 60)
        if minute != self._minute:
            self._minute = minute
            self._counts.clear()
        if len(self._counts) < self._addresses or address in self._counts:
            self._counts[address] = self._counts.get(address, 0) + 1
        return self._counts.get(address, 0) > self._allowed


def _too_many() -> Response:
    return JSONResponse({"error": "too many wrong credentials"}, 429, {"retry-after": "60"})


def _guarded(key: str, failures: _Failures, page: Page) -> Page:
    async def guarded(request: Request) -> Response:
        if not _authorised(key, request.headers.get("authorization", ""), request.headers.get("x-api-key", "")):
            if failures.too_many(request.client.host if request.client else ""):
                return _too_many()
            return JSONResponse(
                {"error": "the administration credential is missing or wrong"}, 401, {"www-authenticate": "Bearer"}
            )
        return await page(request)

    return guarded
