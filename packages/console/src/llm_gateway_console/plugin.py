"""The plugin: serves the console, and lets people who are signed in to it call the project's models."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

from llm_gateway_sdk import Plugin, PluginResult, Principal, RequestContext, plugin_metadata
from llm_gateway_sdk.web.cookies import cookie_in

from . import __version__
from .app import COOKIE, TOKEN_HEADER, ConsoleApp
from .sessions import Session, Sessions, can
from .settings import CONFIGURATION_SCHEMA, Settings

__all__ = ["Console"]

_PURPOSE: Final = "console"


@plugin_metadata(
    name="console",
    version=__version__,
    description="A web console: traces, keys, limits, playground, health, for holders of administration credentials.",
    configuration_schema=CONFIGURATION_SCHEMA,
    keywords=("console", "dashboard"),
)
class Console(Plugin):
    """Costs requests nothing: it has no hook, unless `signedInPrincipals` is on."""

    settings: Settings

    async def configure(self, config: Any) -> None:
        self.config = config
        self.settings = settings = Settings.load(config)
        secret = self.gateway.secret(_PURPOSE)
        self.sessions = Sessions(secret, settings.session_seconds, store=lambda: self.gateway.store) if secret else None
        self._app = ConsoleApp(settings, self.sessions, self.gateway.http_client)
        self.authenticates = self.authenticates_from_head = settings.signed_in_principals

    def hooks(self) -> Collection[str]:
        return ("before_model",) if self.settings.signed_in_principals else ()

    def pages(self) -> Mapping[str, Any]:
        return {self.settings.path: self._app}

    async def before_model(self, ctx: RequestContext) -> PluginResult | None:
        session = self._session(ctx)
        if session is not None and self.sessions is not None and not await self.sessions.is_over(session):
            ctx.principal = Principal(
                f"console:{session.name}", session.name, source="console", labels={"role": session.role}
            )
        return None

    def _session(self, ctx: RequestContext) -> Session | None:
        """The cookie alone is not a proof of intent: the page's script sends its token too."""
        headers = ctx.http_request.headers
        token = headers.get(TOKEN_HEADER, "")
        if self.sessions is None or not token:
            return None
        session = self.sessions.read(cookie_in(headers.get("cookie", ""), COOKIE))
        if session is None or not self.sessions.accepts(session, token) or not can(session.role, "operator"):
            return None
        return session
