"""The console as an ASGI application: sign-in, roles, and the way to each page.

Every page but the sign-in needs a session. What changes something is a POST that carries the session's token and comes
from this origin; it is carried out by the administration API, in the name and with the role of the session.
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from importlib import resources
from typing import Any, Final
from urllib.parse import parse_qsl, quote, urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import Message, Receive, Scope, Send

from llm_gateway_sdk import StoreError
from llm_gateway_sdk.page_host import PageHost, page_host
from llm_gateway_sdk.web import SAFE_HEADERS, Link, Shell, SignedIn, current_shell, static_file
from llm_gateway_sdk.web.cookies import cookie_in

from .oidc import OIDC, SignInFailure
from .pages import (
    View,
    audit,
    configuration,
    health,
    keys,
    limits,
    overrides,
    playground,
    signing_in,
    simulation,
    team,
    teams,
    usage,
)
from .sessions import Session, Sessions, can
from .settings import Settings

__all__ = ["COOKIE", "TOKEN_HEADER", "ConsoleApp"]

COOKIE: Final = "llm_gateway_console"
TOKEN_HEADER: Final = "x-llm-gateway-console"
_WAY_COOKIE: Final = "llm_gateway_console_way"
_MAX_FORM: Final = 64 * 1024

Page = Callable[[View], Awaitable[Response]]

_PAGES: Final[Mapping[tuple[str, str], Page]] = {
    ("GET", "/keys"): keys.listed,
    ("POST", "/keys"): keys.created,
    ("POST", "/keys/search"): keys.searched,
    ("POST", "/keys/rotate"): keys.rotated,
    ("POST", "/keys/revoke"): keys.revoked,
    ("GET", "/limits"): limits.shown,
    ("POST", "/limits/raise"): overrides.made,
    ("POST", "/limits/end"): overrides.ended,
    ("GET", "/limits/simulate"): simulation.shown,
    ("POST", "/limits/simulate"): simulation.played,
    ("GET", "/teams"): teams.shown,
    ("GET", "/team"): team.shown,
    ("GET", "/usage"): usage.shown,
    ("GET", "/usage.csv"): usage.exported,
    ("GET", "/configuration"): configuration.shown,
    ("GET", "/playground"): playground.shown,
    ("GET", "/health"): health.shown,
    ("GET", "/audit"): audit.shown,
}
_LINKS: Final = (
    ("Keys", "/keys", "e", "viewer"),
    ("Teams", "/teams", "m", "viewer"),
    ("Usage", "/usage", "u", "viewer"),
    ("Limits", "/limits", "l", "viewer"),
    ("Playground", "/playground", "p", "operator"),
    ("Health", "/health", "h", "viewer"),
    ("Configuration", "/configuration", "c", "viewer"),
    ("Audit", "/audit", None, "admin"),
)


class ConsoleApp:
    """`sessions` is None where administration is off, so that no sign-in is possible. `client` gives an
    `httpx.AsyncClient`."""

    def __init__(self, settings: Settings, sessions: Sessions | None, client: Callable[[], Any]) -> None:
        self._settings = settings
        self._sessions = sessions
        self._oidc = OIDC(settings.oidc, client) if settings.oidc is not None else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        base = scope.get("root_path", "")
        path = scope["path"].removeprefix(base).rstrip("/") or "/"
        answer = await self._answer(request, base, path)
        if isinstance(answer, Response):
            for name, value in SAFE_HEADERS.items():
                answer.headers.setdefault(name, value)
            await answer(scope, receive, send)
        else:
            await answer(scope, receive, _safe(send))

    async def _answer(self, request: Request, base: str, path: str) -> Response | _Area:
        """A response, or the area that gives one."""
        method = "GET" if request.method == "HEAD" else request.method
        if method not in ("GET", "POST"):
            return Response("Only GET, HEAD and POST are accepted.\n", 405, {"allow": "GET, HEAD, POST"})
        if path.startswith("/static/"):
            return _static(path.removeprefix("/static/"))
        host = page_host(request.scope)
        if host is None or self._sessions is None:
            return signing_in.switched_off(base)
        if method == "POST" and not _is_same_origin(request):
            return signing_in.refused(base, "The form was sent by a page of another site.")
        if path == "/sign-in":
            return await self._sign_in(request, host, base)
        if path in ("/oidc", "/oidc/back") and self._oidc is not None and method == "GET":
            return await self._by_oidc(request, base, path)
        session = self._sessions.read(cookie_in(request.headers.get("cookie", ""), COOKIE))
        if session is not None and await self._sessions.is_over(session):
            session = None
        if session is None:
            if method == "POST":
                return signing_in.refused(base, "The session is over. Sign in, and try again.", 401)
            wanted = path + (f"?{request.url.query}" if request.url.query else "")
            return RedirectResponse(f"{base}/sign-in?next={quote(wanted, safe='/')}", 303)
        return await self._signed_in(request, host, session, base, path)

    async def _signed_in(
        self, request: Request, host: PageHost, session: Session, base: str, path: str
    ) -> Response | _Area:
        shell = self._shell(host, session, base)
        current_shell.set(shell)
        if path == "/":
            return RedirectResponse(shell.links[0].href, 303)
        for area in host.areas():
            root = f"/{area.path}"
            if path == root or path.startswith(f"{root}/"):
                return _Area(area.app, f"{base}{root}")
        form: dict[str, str] = {}
        if request.method == "POST":
            form = await _form(request)
            if not hmac.compare_digest(form.get("token", "").encode(), session.token.encode()):
                return signing_in.refused(base, "The form's token is missing or wrong. Reload the page, and try again.")
            if path == "/sign-out":
                return await self._sign_out(request, session, base)
        view = View(request, host, session, base, form, self._settings.signed_in_principals)
        method = "GET" if request.method == "HEAD" else request.method
        page = _PAGES.get((method, path))
        if page is not None:
            return await page(view)
        known = any(other == path for _, other in _PAGES)
        status = HTTPStatus.METHOD_NOT_ALLOWED if known else HTTPStatus.NOT_FOUND
        return view.message(status.phrase, "There is nothing at this address.", status)

    def _shell(self, host: PageHost, session: Session, base: str) -> Shell:
        links = [
            Link(title, f"{base}/{area.path}{path}", key) for area in host.areas() for title, path, key in area.links
        ]
        links += [
            Link(title, base + path, key, "" if can(session.role, role) else f"Needs the role {role}.")  # type: ignore[arg-type]
            for title, path, key, role in _LINKS
        ]
        user = SignedIn(session.name, session.role, f"{base}/sign-out", session.token)
        playground = f"{base}/playground" if can(session.role, "operator") else None
        return Shell("console", links, f"{base}/static", (), user, playground, f"{base}/limits")

    # Signing in.

    async def _sign_in(self, request: Request, host: PageHost, base: str) -> Response:
        wanted = _local(request.query_params.get("next", ""))
        if request.method != "POST":
            return signing_in.shown(base, wanted, oidc=self._oidc is not None)
        form = await _form(request)
        wanted = _local(form.get("next", ""))
        address, oidc = _address(request), self._oidc is not None
        too_many = "Too many wrong credentials from this address. Wait a minute."
        given = form.get("credential", "").strip()
        if host.guesses.refuses(address, given):
            return signing_in.shown(base, wanted, too_many, 429, oidc=oidc)
        found = host.identify(given)
        if found is None:
            if host.guesses.failed(address):
                return signing_in.shown(base, wanted, too_many, 429, oidc=oidc)
            return signing_in.shown(base, wanted, "This credential is wrong.", 401, oidc=oidc)
        host.guesses.succeeded(address, given)
        response = RedirectResponse(base + (wanted or "/"), 303)
        self._begin(response, request, *found)
        return response

    async def _by_oidc(self, request: Request, base: str, path: str) -> Response:
        assert self._oidc is not None
        assert self._sessions is not None
        try:
            if path == "/oidc":
                wanted = _local(request.query_params.get("next", ""))
                address, way = await self._oidc.begin(wanted)
                response: Response = RedirectResponse(address, 303)
                # The way back starts at another site, so a strict cookie would not come with it.
                response.set_cookie(
                    _WAY_COOKIE, self._sessions.seal(way), max_age=600, path=f"{base}/oidc", httponly=True,
                    secure=_is_secure(request), samesite="lax",
                )  # fmt: skip
                return response
            way_back = self._sessions.open(cookie_in(request.headers.get("cookie", ""), _WAY_COOKIE))
            name, role = await self._oidc.end(dict(request.query_params), way_back or {})
        except SignInFailure as failure:
            return signing_in.shown(base, "", str(failure), 403, oidc=True)
        response = signing_in.done(base, _local(str((way_back or {}).get("next", ""))))
        response.delete_cookie(_WAY_COOKIE, path=f"{base}/oidc")
        self._begin(response, request, name, role)
        return response

    async def _sign_out(self, request: Request, session: Session, base: str) -> Response:
        assert self._sessions is not None
        try:
            await self._sessions.end(session)
            response: Response = RedirectResponse(f"{base}/sign-in", 303)
        except StoreError:
            why = (
                "Signed out here. The store does not answer, so other workers may accept a copied cookie until it "
                "expires."
            )
            response = signing_in.refused(base, why, 503)
        self._set_cookie(response, request, "", 0)
        return response

    def _begin(self, response: Response, request: Request, name: str, role: Any) -> None:
        assert self._sessions is not None
        self._set_cookie(response, request, self._sessions.begin(name, role), self._sessions.seconds)

    def _set_cookie(self, response: Response, request: Request, value: str, seconds: int) -> None:
        # The playground calls the project's own addresses, where the session is to come along.
        path = "/" if self._settings.signed_in_principals else self._settings.path
        response.set_cookie(
            COOKIE, value, max_age=seconds, path=path, httponly=True, secure=_is_secure(request), samesite="strict"
        )


class _Area:
    """An area's application, mounted below the console."""

    def __init__(self, app: Any, base: str) -> None:
        self._app = app
        self._base = base

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app({**scope, "root_path": self._base}, receive, send)


def _safe(send: Send) -> Send:
    """Adds the safe headers that an area has not set."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = list(message.get("headers", ()))
            names = {bytes(name).lower() for name, _ in headers}
            headers += [
                (name.encode(), value.encode()) for name, value in SAFE_HEADERS.items() if name.encode() not in names
            ]
            message = {**message, "headers": headers}
        await send(message)

    return sending


def _static(name: str) -> Response:
    found = static_file(name)
    if found is None and name == "playground.js":
        data = resources.files(__package__).joinpath("static", name).read_bytes()
        found = data, "text/javascript; charset=utf-8"
    if found is None:
        return Response("There is no such file.\n", 404)
    return Response(found[0], headers={"content-type": found[1], "cache-control": "private, max-age=300"})


async def _form(request: Request) -> dict[str, str]:
    """The fields of a URL-encoded form; empty where it is none or too large."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MAX_FORM:
            return {}
    if not request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        return {}
    return dict(parse_qsl(body.decode(errors="replace"), keep_blank_values=True))


def _is_same_origin(request: Request) -> bool:
    """Browsers send with every POST where it comes from: old ones as an origin, which is `null` where the page sends no
    referrer. A client other than a browser sends neither header."""
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site is not None:
        return site == "same-origin"
    return origin is None or urlsplit(origin).netloc.lower() == request.headers.get("host", "").lower()


def _is_secure(request: Request) -> bool:
    return request.url.scheme == "https" or request.headers.get("x-forwarded-proto", "").lower() == "https"


def _address(request: Request) -> str:
    return request.client.host if request.client else ""


def _local(wanted: str) -> str:
    """A path below the console to go on to; empty where it would lead elsewhere."""
    if not wanted.startswith("/") or wanted.startswith("//") or "\\" in wanted or any(ord(c) < 32 for c in wanted):
        return ""
    return wanted[:2000]
