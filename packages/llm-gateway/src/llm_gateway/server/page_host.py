"""The gateway as the pages of its plugins see it. One per worker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from starlette.types import Message

from llm_gateway_sdk.admin import Role
from llm_gateway_sdk.guesses import GuessLimit
from llm_gateway_sdk.page_host import AdminAnswer, ConsoleArea
from llm_gateway_sdk.wire import json

from .admin_api import CALLER, AdminAPI

if TYPE_CHECKING:
    from .control import Control

__all__ = ["Host"]


class Host:
    """`admin` is None where administration is off."""

    def __init__(self, control: Control, admin: AdminAPI | None) -> None:
        self._control = control
        self._admin = admin
        self._areas: tuple[Any, list[ConsoleArea]] | None = None

    @property
    def guesses(self) -> GuessLimit:
        return self._control.guesses

    def identify(self, credential: str) -> tuple[str, Role] | None:
        return self._admin.identify(credential) if self._admin is not None else None

    async def administer(
        self,
        method: str,
        path: str,
        *,
        by: str,
        role: Role,
        address: str = "",
        query: Mapping[str, str] | None = None,
        body: Any = None,
        etag: str | None = None,
    ) -> AdminAnswer:
        if self._admin is None:
            return AdminAnswer(404, {"detail": "Administration is off: set admin.enabled."})
        scope = self._admin.scope_of(method, path, query or {}, etag, address)
        scope[CALLER] = (by, role)
        return await _called(self._admin, scope, b"" if body is None else json.dumps(body))

    async def state(self, what: str) -> Any:
        control = self._control
        asked = {
            "health": control.health,
            "version": control.version,
            "breakers": control.breakers,
            "config": control.explain,
            "file": control.file,
        }
        if what not in asked:
            raise LookupError(what)
        return (await asked[what]())[1]

    async def figures(self) -> str:
        return (await self._control.metrics(""))[0].decode()

    def addresses(self) -> Mapping[str, Mapping[str, list[str]]]:
        app = self._control.app
        return app.generation.routes.addresses() if app is not None else {}

    def areas(self) -> Sequence[ConsoleArea]:
        gateway = self._control.gateway
        if self._areas is None or self._areas[0] is not gateway:
            found: dict[str, ConsoleArea] = {}
            for project in gateway.projects.values():
                for mounted in project.scope.chain.plugins:
                    for area in mounted.plugin.console_areas():
                        found.setdefault(area.path, area)
            self._areas = gateway, list(found.values())
        return self._areas[1]


async def _called(app: AdminAPI, scope: dict[str, Any], body: bytes) -> AdminAnswer:
    status, headers, written = 500, {}, bytearray()

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        nonlocal status, headers
        if message["type"] == "http.response.start":
            status = message["status"]
            headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in message["headers"]}
        else:
            written.extend(message.get("body", b""))

    await app(scope, receive, send)
    return AdminAnswer(status, json.loads(bytes(written)) if written else None, headers.get("etag"))
