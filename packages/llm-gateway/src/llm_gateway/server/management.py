"""Health, metrics and administration: Starlette pages next to the model routes."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route, Router

from llm_gateway_sdk.guesses import GuessLimit

from .. import __version__
from ..config.project import GatewayConfig
from .admin_api import AdminAPI
from .home import home_page
from .page_host import Host
from .pages import ASGIApp, Receive, Scope, Send

if TYPE_CHECKING:
    from .control import Control

__all__ = ["build_management", "management_paths"]


def management_paths(
    config: GatewayConfig, control: Control | None = None, *, admin_only: bool = False
) -> Callable[[str], bool]:
    """Whether a path belongs to the management pages, with or without a slash at its end, or to a plugin's where
    `control` knows one."""
    exact: set[str] = {"/"}
    prefixes: list[str] = []
    monitoring = config.monitoring
    if monitoring.enabled:
        if monitoring.health_check.enabled:
            endpoint = monitoring.health_check.endpoint.rstrip("/") or "/health"
            exact.update({endpoint, f"{endpoint}/live", f"{endpoint}/ready"})
        if monitoring.metrics.enabled:
            exact.add(monitoring.metrics.path)
    if config.admin.enabled and (admin_only or config.admin.port is None):
        prefixes.append(config.admin.path.rstrip("/") + "/")
        exact.add(config.admin.path.rstrip("/"))
    exact |= {f"{path}/" for path in exact if not path.endswith("/")}
    start = tuple(prefixes)
    if control is not None:
        # Pages come and go with reloads; most gateways have none, and then this is one look at an empty dictionary.
        return lambda path: (
            path in exact or path.startswith(start) or (bool(control.pages()) and control.has_page(path))
        )
    if not start:
        return exact.__contains__
    return lambda path: path in exact or path.startswith(start)


def build_management(config: GatewayConfig, control: Control, *, admin_only: bool = False) -> ASGIApp:
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
    api = AdminAPI(admin, control, __version__) if admin.enabled else None
    control.host = Host(control, api)
    if api is not None and (admin_only or admin.port is None):
        key = admin.api_key.get_secret_value() if admin.api_key is not None else ""
        failures = control.guesses
        admin_pages: list[BaseRoute] = [
            Route("/config/version", _guarded(key, failures, _page(control.version))),
            Route("/config", _guarded(key, failures, _page(control.explain))),
            Route("/reload", _guarded(key, failures, _page(control.reload)), methods=["POST"]),
            Route("/breakers", _guarded(key, failures, _page(control.breakers))),
        ]
        routes.append(Mount(admin.path.rstrip("/") + "/v1", app=api))
        routes.append(Mount(admin.path.rstrip("/"), app=Router(routes=admin_pages, redirect_slashes=False)))

    if not admin_only:

        async def home(request: Request) -> Response:
            return home_page(request, control.home())

        routes.append(Route("/", home, methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]))
        routes.append(Mount("/", app=_ProjectHomes(control)))

    pages = Starlette(routes=routes)
    # A redirect to the other spelling would be built from the client's Host, and would lead a credential there.
    pages.router.redirect_slashes = False
    return _SlashTolerant(pages, management_paths(config, admin_only=admin_only))


class _ProjectHomes:
    """At the path of a project what `/` shows, of that project alone; other paths are those of plugins' pages."""

    def __init__(self, control: Control) -> None:
        self._control = control

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        description = None if self._control.has_page(path) else self._control.project_home(path)
        if description is None:
            await self._control.serve_page(scope, receive, send)
        else:
            await home_page(Request(scope, receive), description)(scope, receive, send)


class _SlashTolerant:
    """Takes the slash off the end of the paths of the management pages."""

    def __init__(self, app: ASGIApp, is_own: Callable[[str], bool]) -> None:
        self._app = app
        self._is_own = is_own

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        if len(path) > 1 and path.endswith("/") and self._is_own(path):
            bare = path.rstrip("/") or "/"
            scope = {**scope, "path": bare, "raw_path": bare.encode()}
        await self._app(scope, receive, send)


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


def _given(request: Request) -> str:
    header: str = request.headers.get("authorization", "")
    return header[7:] if header[:7].lower() == "bearer " else request.headers.get("x-api-key", "")


def _is_right(key: str, given: str) -> bool:
    return bool(key) and hmac.compare_digest(given.encode(), key.encode())


def _too_many() -> Response:
    return JSONResponse({"error": "too many wrong credentials"}, 429, {"retry-after": "60"})


def _guarded(key: str, failures: GuessLimit, page: Page) -> Page:
    async def guarded(request: Request) -> Response:
        address = request.client.host if request.client else None
        given = _given(request)
        if failures.refuses(address, given):
            return _too_many()
        if not _is_right(key, given):
            if failures.failed(address):
                return _too_many()
            return JSONResponse(
                {"error": "the administration credential is missing or wrong"}, 401, {"www-authenticate": "Bearer"}
            )
        failures.succeeded(address, given)
        return await page(request)

    return guarded
