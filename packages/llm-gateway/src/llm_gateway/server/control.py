"""What management pages ask and order: health, versions, reload. One per worker."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

from llm_gateway_sdk import ConfigError

from .. import __version__
from ..gateway import Gateway, Loaded
from .app import GatewayApp, Generation

__all__ = ["Control", "MetricsSource"]

log = logging.getLogger("llm_gateway.server")


class MetricsSource(Protocol):
    async def render(self, accept: str) -> tuple[bytes, str]:
        """(exposition, content type)."""
        ...


class Control:
    """Lifecycle of one worker. `reload_config` loads the configuration anew; raises ConfigError."""

    def __init__(
        self,
        gateway: Gateway,
        *,
        reload_config: Callable[[], Loaded] | None = None,
        metrics: MetricsSource | None = None,
        on_reload: Callable[[], Awaitable[dict[str, Any]]] | None = None,
        versions: Callable[[], Awaitable[dict[str, str]]] | None = None,
    ) -> None:
        self.gateway = gateway
        self.app: GatewayApp | None = None
        self.ready_now = False
        self.started = time.time()
        self._reload_config = reload_config
        self._metrics = metrics
        self._on_reload = on_reload
        self._versions = versions
        self._retiring: set[asyncio.Task[None]] = set()
        self._reloading = asyncio.Lock()
        self.last_reload: dict[str, Any] = {}

    async def startup(self) -> None:
        self.ready_now = True

    async def shutdown(self) -> None:
        """After the last connection: sinks are flushed, plugins closed."""
        self.ready_now = False
        drain = self.gateway.config.server.limits.drain_timeout_seconds
        await self.gateway.services.supervisor.drain(drain)
        for task in list(self._retiring):
            task.cancel()
        if self._retiring:
            await asyncio.wait(self._retiring)
        await self.gateway.close()

    # Pages.

    async def health(self) -> tuple[int, dict[str, Any]]:
        status, checks = await self.ready()
        return status, {
            "status": "ok" if status == 200 else "unavailable",
            "version": __version__,
            "uptime_seconds": round(time.time() - self.started, 1),
            "checks": checks["checks"],
        }

    async def live(self) -> tuple[int, dict[str, Any]]:
        return 200, {"status": "ok"}

    async def ready(self) -> tuple[int, dict[str, Any]]:
        """Readiness tells which check failed."""
        app = self.app
        draining = app is not None and app.draining
        checks: dict[str, Any] = {
            "started": self.ready_now,
            "accepting": not draining,
            "configuration": self.last_reload.get("error") is None,
        }
        unready = [name for name in ("started", "accepting") if not checks[name]]
        status = 503 if unready else 200
        return status, {"status": "unavailable" if unready else "ok", "checks": checks, "failed": unready}

    async def version(self) -> tuple[int, dict[str, Any]]:
        workers = await self._versions() if self._versions is not None else {str(os.getpid()): self.gateway.version}
        return 200, {
            "version": self.gateway.version,
            "workers": workers,
            "consistent": len(set(workers.values())) == 1,
            "last_reload": self.last_reload,
        }

    async def explain(self) -> tuple[int, dict[str, Any]]:
        projects = {
            name: {
                "models": [target.name for target in project.scope.registry.targets],
                "plugins": [mounted.name for mounted in project.scope.chain.plugins],
                "adapters": [adapter.name for adapter in project.adapters],
            }
            for name, project in self.gateway.projects.items()
        }
        return 200, {"version": self.gateway.version, "projects": projects}

    async def breakers(self) -> tuple[int, dict[str, Any]]:
        states = {
            f"{name}/{target.name}": target.breaker.state
            for name, project in self.gateway.projects.items()
            for target in project.scope.registry.targets
        }
        return 200, {"breakers": states}

    async def metrics(self, accept: str) -> tuple[bytes, str]:
        if self._metrics is None:
            return b"", "text/plain; version=0.0.4"
        return await self._metrics.render(accept)

    def pages(self) -> dict[str, Any]:
        """ASGI applications of plugins, by the plugin's name, for the administration surface."""
        found: dict[str, Any] = {}
        for project in self.gateway.projects.values():
            for mounted in project.scope.chain.plugins:
                build = getattr(mounted.plugin, "admin_app", None)
                if callable(build) and mounted.name not in found:
                    app = build()
                    if app is not None:
                        found[mounted.name] = app
        return found

    # Reload.

    async def reload(self) -> tuple[int, dict[str, Any]]:
        """All workers take the configuration as it is now; an invalid one changes nothing."""
        if self._on_reload is not None:
            answer = await self._on_reload()
            return (200 if answer.get("error") is None else 422), answer
        answer = await self.reload_here()
        return (200 if answer.get("error") is None else 422), answer

    async def reload_here(self) -> dict[str, Any]:
        if self._reload_config is None:
            return {"error": "this gateway runs without a configuration file"}
        async with self._reloading:
            try:
                loaded = await asyncio.to_thread(self._reload_config)
                if loaded.version == self.gateway.version:
                    self.last_reload = {"at": time.time(), "version": loaded.version, "changed": False, "error": None}
                    return self.last_reload
                fresh = Gateway(
                    loaded, observers=self.gateway.services.observers, workers=self.gateway.workers, former=self.gateway
                )
                await fresh.start()
            except ConfigError as error:
                log.error("the configuration was not taken:\n%s", error)
                self.last_reload = {
                    "at": time.time(),
                    "version": self.gateway.version,
                    "changed": False,
                    "error": str(error),
                    "problems": [str(problem) for problem in error.problems],
                }
                return self.last_reload
            self._swap(fresh)
            self.last_reload = {"at": time.time(), "version": fresh.version, "changed": True, "error": None}
            log.info("configuration %s is in service", fresh.version)
            return self.last_reload

    def _swap(self, fresh: Gateway) -> None:
        app = self.app
        old = self.gateway
        self.gateway = fresh
        if app is None:
            return
        retired = app.generation
        app.configure(Generation(fresh))
        drain = old.config.server.limits.drain_timeout_seconds
        task = asyncio.get_running_loop().create_task(_retire(old, retired, drain))
        self._retiring.add(task)
        task.add_done_callback(self._retiring.discard)

    def loaded_plugins(self) -> Sequence[str]:
        return [mounted.name for project in self.gateway.projects.values() for mounted in project.scope.chain.plugins]


async def _retire(gateway: Gateway, generation: Generation, drain: float) -> None:
    try:
        if not await generation.wait_idle(drain):
            log.warning("a retired configuration still had %d requests after %g s", generation.exchanges, drain)
    finally:
        await gateway.close()
