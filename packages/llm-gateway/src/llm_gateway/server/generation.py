"""One configuration being served, with the exchanges that still run on it."""

from __future__ import annotations

import asyncio

from llm_gateway_sdk import Hook

from ..gateway import Gateway
from .routes import RouteTable

__all__ = ["Generation"]


class Generation:
    """What a reload exchanges: a gateway and what follows from it for the server."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.routes = RouteTable(gateway)
        self.open_projects = frozenset(
            project.config.name for project in gateway.projects.values() if not project.authenticates
        )
        """Projects that answer without a credential."""
        self.partly_open = frozenset(
            project.config.name
            for project in gateway.projects.values()
            if project.authenticates and not project.scope.chain.always_authenticates
        )
        """Projects of which some requests may need no credential."""
        self.head_authentication: dict[str, list[Hook]] = {
            project.scope.name: hooks
            for project in gateway.projects.values()
            if (hooks := project.scope.chain.head_authentication())
        }
        """By project, the hooks that find out from a request's head who is asking."""
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
