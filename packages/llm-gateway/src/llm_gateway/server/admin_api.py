"""The administration API `/admin/v1`: credentials with roles, JSON, problem details, ETags; routes of the gateway's own
and of plugins (`Plugin.admin_routes`)."""

from __future__ import annotations

import asyncio
import hmac
import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import compile_path

from llm_gateway_sdk import Conflict, Store, StoreError
from llm_gateway_sdk.admin import AdminCall, AdminError, AdminReply, AdminRoute, Role
from llm_gateway_sdk.checks import problems_of
from llm_gateway_sdk.numerals import whole_number
from llm_gateway_sdk.wire import json
from llm_gateway_sdk.writable import writable

from ..config.schema import AdminConfig
from .admin_core import core_routes
from .openapi import openapi_document

if TYPE_CHECKING:
    from .control import Control

__all__ = ["CALLER", "AdminAPI"]

log = logging.getLogger("llm_gateway.server")

CALLER = "llm_gateway.admin_caller"
"""In the scope of a call from within the process: name and role of who is asking. No client can write it."""

_RANK: Mapping[Role, int] = {"viewer": 0, "operator": 1, "admin": 2}
_MAX_BODY = 1024 * 1024
_ANSWER_SECONDS = 60.0
_IDENTITY_SECONDS = 10.0
"""For one plugin to say whose a credential is."""


class AdminAPI:
    """An ASGI application for everything below `{admin.path}/v1`."""

    def __init__(self, config: AdminConfig, control: Control, version: str) -> None:
        self._root = config.path.rstrip("/") + "/v1"
        self._control = control
        self._version = version
        self._failures = control.guesses
        self.credentials: list[tuple[bytes, str, Role]] = []
        if config.api_key is not None:
            self.credentials.append((config.api_key.get_secret_value().encode(), "admin", "admin"))
        for each in config.credentials:
            self.credentials.append((each.key.get_secret_value().encode(), each.name, each.role))
        self._routes: tuple[Any, list[tuple[Any, AdminRoute]]] | None = None
        self._store: tuple[Any, Store] | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        request = Request(scope, receive)
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                response = await self._answer(request)
        except AdminError as error:
            response = _problem(error.status, error.detail, error.title)
        except Conflict as error:
            response = _problem(412, f"It has been changed in the meantime: {error}")
        except TimeoutError:
            log.error("administration: %s %s was not answered in time", request.method, scope["path"])
            response = _problem(504, "The request was not answered in time.")
        except StoreError as error:
            log.warning("administration: the store does not answer: %s", error)
            response = _problem(503, "The store does not answer.")
            response.headers["retry-after"] = "2"
        except Exception:
            log.exception("administration: %s %s failed", request.method, scope["path"])
            response = _problem(500, "The request could not be carried out.")
        response.headers["cache-control"] = "no-store"
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        path = request.scope["path"].removeprefix(self._root) or "/"
        by, role = await self._caller(request)
        allowed: set[str] = set()
        for pattern, route in self._known():
            match = pattern.fullmatch(path)
            if match is None:
                continue
            if route.method != request.method:
                allowed.add(route.method)
                continue
            if _RANK[role] < _RANK[route.role]:
                raise AdminError(403, f"This requires the role {route.role}; the credential has {role}.")
            return _written(await route.handler(await _call(request, route, by, match.groupdict())), request)
        if allowed:
            response = _problem(405, f"This takes {', '.join(sorted(allowed))}.")
            response.headers["allow"] = ", ".join(sorted(allowed))
            return response
        raise AdminError(404, "There is no such address in this API.")

    async def _caller(self, request: Request) -> tuple[str, Role]:
        within: tuple[str, Role] | None = request.scope.get(CALLER)
        if within is not None:
            return within
        header = request.headers.get("authorization", "")
        given = header[7:] if header[:7].lower() == "bearer " else request.headers.get("x-api-key", "")
        address = request.client.host if request.client else None
        if self._failures.refuses(address, given):
            raise AdminError(429, "Too many wrong credentials.")
        found = self.identify(given) or await self._ask_plugins(given)
        if found is not None:
            self._failures.succeeded(address, given)
            return found
        if self._failures.failed(address):
            raise AdminError(429, "Too many wrong credentials.")
        raise AdminError(401, "The administration credential is missing or wrong.")

    async def _ask_plugins(self, credential: str) -> tuple[str, Role] | None:
        """What plugins that check credentials know of this one. Raises AdminError."""
        for project in self._control.gateway.projects.values() if credential else ():
            for mounted in project.scope.chain.plugins:
                try:
                    async with asyncio.timeout(_IDENTITY_SECONDS):
                        found = await mounted.plugin.admin_identity(credential)
                except TimeoutError:
                    log.error("administration: plugin '%s' does not say in time whose a credential is", mounted.name)
                    continue
                if found is not None:
                    return found
        return None

    def identify(self, credential: str) -> tuple[str, Role] | None:
        """Name and role of a credential; None where it is wrong."""
        given, found = credential.encode(), None
        for key, name, role in self.credentials:
            if hmac.compare_digest(key, given) and key:
                found = name, role
        return found

    def scope_of(
        self, method: str, path: str, query: Mapping[str, str], etag: str | None, address: str
    ) -> dict[str, Any]:
        """The scope of a call from within the process; `path` is below the API's root."""
        return {
            "type": "http",
            "method": method,
            "path": self._root + path,
            "query_string": urlencode(query).encode(),
            "headers": [] if etag is None else [(b"if-match", etag.encode("latin-1"))],
            "client": (address, 0),
        }

    def _known(self) -> list[tuple[Any, AdminRoute]]:
        gateway = self._control.gateway
        if self._routes is None or self._routes[0] is not gateway:
            routes = [*core_routes(self._open_store, self._document)]
            named = {route.name for route in routes}
            for project in gateway.projects.values():
                for mounted in project.scope.chain.plugins:
                    for route in mounted.plugin.admin_routes():
                        if route.name not in named:
                            # Of several plugins of a type, which share the store, the first answers.
                            named.add(route.name)
                            routes.append(route)
            self._routes = gateway, [(compile_path(route.path)[0], route) for route in routes]
        return self._routes[1]

    def _open_store(self) -> Store:
        gateway = self._control.gateway
        if self._store is None or self._store[0] is not gateway:
            self._store = gateway, gateway.use_shared(*gateway.store_factory())
        return self._store[1]

    def _document(self) -> dict[str, Any]:
        return openapi_document(_routes_of(self._known()), root=self._root, version=self._version)


def _routes_of(known: Sequence[tuple[Any, AdminRoute]]) -> list[AdminRoute]:
    return [route for _, route in known]


async def _call(request: Request, route: AdminRoute, by: str, path: Mapping[str, str]) -> AdminCall:
    body: Any = None
    if route.takes is not None:
        chunks, size = [], 0
        async for chunk in request.stream():
            size += len(chunk)
            if size > _MAX_BODY:
                raise AdminError(413, f"At most {_MAX_BODY} bytes are accepted.")
            chunks.append(chunk)
        try:
            body = json.loads(b"".join(chunks) or b"{}")
        except ValueError as error:
            raise AdminError(400, f"The body is not valid JSON: {error}") from None
        if not _is_writable(body):
            raise AdminError(400, "The body has half of a letter (an escape such as \\ud800), which no page can show.")
        problems = problems_of(body, route.takes)
        if problems:
            raise AdminError(422, "; ".join(problems))
    address = request.client.host if request.client else ""
    _refuse_unknown(request.query_params, route)
    return AdminCall(by, address, path, dict(request.query_params), body, _version_of(request.headers.get("if-match")))


def _refuse_unknown(query: Mapping[str, str], route: AdminRoute) -> None:
    """Raises AdminError: a filter that is misspelled would answer for everybody."""
    known = [each.name for each in route.query]
    unknown = [name for name in query if name not in known]
    if unknown:
        taken = f"it takes {', '.join(known)}" if known else "it takes none"
        raise AdminError(400, f"Unknown query parameter '{unknown[0][:100]}' at this address: {taken}.")


def _version_of(etag: str | None) -> int | None:
    if etag is None or etag.strip() == "*":
        return None
    version = whole_number(etag.strip().removeprefix("W/").strip('"'))
    if version is None:
        raise AdminError(412, "If-Match is not an ETag of this API.")
    return version


def _written(reply: AdminReply, request: Request) -> Response:
    etag = None if reply.version is None else f'"{reply.version}"'
    if etag is not None and request.method == "GET" and request.headers.get("if-none-match") == etag:
        return Response(status_code=304, headers={"etag": etag})
    response = Response(status_code=204) if reply.body is None else _json(reply.body, reply.status)
    if etag is not None:
        response.headers["etag"] = etag
    return response


def _json(body: Any, status: int, media_type: str = "application/json") -> Response:
    """Any text can be written: half a letter, which the body of another system may have left, as its escape."""
    return Response(json.dumps(body), status, media_type=media_type)


def _is_writable(value: Any) -> bool:
    """Whether all texts can be written as UTF-8."""
    left = [value]
    while left:
        part = left.pop()
        if isinstance(part, str):
            if writable(part) != part:
                return False
        elif isinstance(part, dict):
            left += [*part, *part.values()]
        elif isinstance(part, list):
            left += part
    return True


def _problem(status: int, detail: str, title: str = "") -> Response:
    body = {"type": "about:blank", "title": title or HTTPStatus(status).phrase, "status": status, "detail": detail}
    response = _json(body, status, "application/problem+json")
    if status == 401:
        response.headers["www-authenticate"] = "Bearer"
    if status == 429:
        response.headers["retry-after"] = "60"
    return response
