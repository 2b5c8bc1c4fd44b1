"""The gateway for another ASGI server: `uvicorn --factory llm_gateway.asgi:application`."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING

from .loading import load
from .server.asgi import ASGIForm
from .server.assembly import assemble
from .server.logs import configure_logging, mask_secrets_of
from .server.pages import Receive, Scope, Send
from .server.worker import refresh_secrets

if TYPE_CHECKING:
    from .server.control import Control

__all__ = ["Application", "application"]


def application(config: str | Path | None = None) -> Application:
    """The gateway of a configuration file: `config`, else that of `LLM_GATEWAY_CONFIG`, else `./gateway.yaml`.

    Raises ConfigError where it is not valid. What the server itself decides (address, port, workers, time limits of
    connections, TLS) is not taken from the file. Each process of the server is a gateway by itself.
    """
    return Application(config or os.environ.get("LLM_GATEWAY_CONFIG") or "gateway.yaml")


class Application:
    """Starts with the server's lifespan, or with the first request where the server has none."""

    def __init__(self, config: str | Path) -> None:
        self._loaded = load(config)
        mask_secrets_of(self._loaded.config)
        configure_logging(self._loaded.config.logging, None)
        self._form: ASGIForm | None = None
        self._control: Control | None = None
        self._starting = asyncio.Lock()
        self._refreshing: asyncio.Task[None] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await ASGIForm.lifespan(receive, send, self.startup, self.shutdown)
            return
        await self.startup()
        assert self._form is not None
        await self._form(scope, receive, send)

    async def startup(self) -> None:
        """Raises ConfigError where a plugin or provider can't be made."""
        if self._form is not None:
            return
        async with self._starting:
            if self._form is not None:
                return
            app, control, self._observers = await assemble(self._loaded)
            await control.startup()
            config = self._loaded.config
            if config.read_secrets and config.secrets.refresh_seconds:
                self._refreshing = asyncio.create_task(refresh_secrets(config.secrets.refresh_seconds, control))
            self._control, self._form = control, ASGIForm(app)

    async def shutdown(self) -> None:
        if self._control is None or self._form is None:
            return
        self._form.go_away()
        if self._refreshing is not None:
            self._refreshing.cancel()
        await self._control.shutdown()
        for observer in self._observers:
            await asyncio.to_thread(observer.close)
