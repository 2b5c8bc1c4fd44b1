"""What management pages ask and order: health, versions, reload. One per worker."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from typing import Any, Protocol

from llm_gateway_sdk import ConfigError
from llm_gateway_sdk.background import end_tasks
from llm_gateway_sdk.failures import is_failure
from llm_gateway_sdk.guesses import GuessLimit
from llm_gateway_sdk.page_host import PAGE_HOST

from .. import __version__
from ..config.differences import differences
from ..config.project import GatewayConfig
from ..gateway import Gateway, Loaded
from .app import GatewayApp
from .generation import Generation
from .home import describe
from .logs import mask_secrets_of

__all__ = ["STARTUP_SETTINGS", "Control", "MetricsSource", "needs_restart"]

log = logging.getLogger("llm_gateway.server")


class MetricsSource(Protocol):
    def snapshot(self) -> Any:
        """This worker's figures, as JSON."""
        ...

    def render(self, snapshots: list[Any], accept: str) -> tuple[bytes, str]:
        """(exposition, content type) of all workers' figures together."""
        ...


Peers = Callable[[str], Awaitable[dict[str, Any]]]
"""Asks every worker, this one included: answers by worker id."""


class Control:
    """Lifecycle of one worker. `reload_config` loads the configuration anew; raises ConfigError."""

    def __init__(
        self,
        gateway: Gateway,
        *,
        reload_config: Callable[[], Loaded] | None = None,
        metrics: MetricsSource | None = None,
        peers: Peers | None = None,
    ) -> None:
        self.gateway = gateway
        self.app: GatewayApp | None = None
        self.ready_now = False
        self.started = time.time()
        self._reload_config = reload_config
        self._metrics = metrics
        self.peers = peers
        self._retiring: set[asyncio.Task[None]] = set()
        self._reloading = asyncio.Lock()
        self.last_reload: dict[str, Any] = {}
        self.guesses = GuessLimit()
        """At credentials of the administration: one limit for its API, its pages, its own port and the console."""
        self.host: Any = None
        """What pages of plugins get to know of the gateway: a `PageHost`, set when the management pages are built."""
        self._pages: tuple[Gateway, dict[str, Any]] | None = None
        self.reloads = {"taken": 0, "unchanged": 0, "refused": 0}

    async def startup(self) -> None:
        self.ready_now = True

    async def shutdown(self) -> None:
        """After the last connection: sinks are flushed, plugins closed."""
        self.ready_now = False
        drain = self.gateway.config.server.limits.drain_timeout_seconds
        await self.gateway.services.supervisor.drain(drain)
        await end_tasks(*self._retiring)
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

    def home(self) -> dict[str, Any]:
        """What the page at `/` shows."""
        config = self.gateway.config
        monitoring = config.monitoring
        pages: dict[str, str] = {}
        if monitoring.enabled and monitoring.health_check.enabled:
            pages["Health"] = monitoring.health_check.endpoint
        if monitoring.enabled and monitoring.metrics.enabled:
            pages["Metrics"] = monitoring.metrics.path
        pages |= {path.strip("/").replace("/", " ").capitalize() or path: f"{path}/" for path in self.pages()}
        addresses = self.app.generation.routes.addresses() if self.app is not None else {}
        return describe(addresses, pages)

    def project_home(self, path: str) -> dict[str, Any] | None:
        """What the page at a project's path shows; None where no project has it."""
        description = self.home()
        description["projects"] = [each for each in description["projects"] if each["path"] == path.rstrip("/")]
        return description if description["projects"] else None

    async def live(self) -> tuple[int, dict[str, Any]]:
        return 200, {"status": "ok"}

    async def ready(self) -> tuple[int, dict[str, Any]]:
        """Readiness names the checks that failed."""
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

    async def answer(self, what: str) -> Any:
        """This worker's answer when all are asked: `version`, `breakers`, `metrics`, or to `reload`."""
        match what:
            case "version":
                return self.gateway.version
            case "breakers":
                return self._breaker_states()
            case "metrics":
                return self._metrics.snapshot() if self._metrics is not None else None
            case "reload":
                return await self.reload_here()
        raise ValueError(f"unknown question {what!r}")

    async def _ask_all(self, what: str) -> dict[str, Any]:
        if self.peers is not None:
            try:
                return await self.peers(what)
            except TimeoutError:
                if what != "metrics":
                    raise
                log.warning("the other workers were not asked for their figures: the supervisor does not answer")
        return {str(os.getpid()): await self.answer(what)}

    async def version(self) -> tuple[int, dict[str, Any]]:
        workers = await self._ask_all("version")
        return 200, {
            "version": self.gateway.version,
            "workers": workers,
            "consistent": len(set(workers.values())) == 1,
            "last_reload": self.last_reload,
        }

    async def file(self) -> tuple[int, dict[str, Any]]:
        """What the file is now, next to what is running: what a reload would change, and what `check` would report."""
        if self._reload_config is None:
            return 404, {"error": "this gateway runs without a configuration file"}
        shown: dict[str, Any] = {"running": self.gateway.version, "file": None, "notices": [], "problems": []}
        try:
            loaded = await asyncio.to_thread(self._reload_config)
        except ConfigError as error:
            return 200, {**shown, "changes": [], "problems": str(error).splitlines()}
        changes = [asdict(each) for each in differences(self.gateway.config, loaded.config)]
        return 200, {**shown, "file": loaded.version, "changes": changes, "notices": list(loaded.notices)}

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
        return 200, {"workers": await self._ask_all("breakers")}

    def _breaker_states(self) -> dict[str, str]:
        return {
            f"{name}/{target.name}": target.breaker.state
            for name, project in self.gateway.projects.items()
            for target in project.scope.registry.targets
        }

    async def metrics(self, accept: str) -> tuple[bytes, str]:
        if self._metrics is None:
            return b"", "text/plain; version=0.0.4"
        snapshots = await self._ask_all("metrics")
        found = [snapshot for snapshot in snapshots.values() if snapshot is not None]
        # Thousands of lines may be written; requests go on meanwhile.
        return await asyncio.to_thread(self._metrics.render, found, accept)

    def pages(self) -> dict[str, Any]:
        """The ASGI applications of plugins by path; of several at one path the first is served."""
        if self._pages is None or self._pages[0] is not self.gateway:
            found: dict[str, Any] = {}
            for project in self.gateway.projects.values():
                for mounted in project.scope.chain.plugins:
                    for path, app in mounted.plugin.pages().items():
                        found.setdefault(path.rstrip("/"), app)
            self._pages = (self.gateway, found)
        return self._pages[1]

    def has_page(self, path: str) -> bool:
        pages = self.pages()
        return bool(pages) and any(path == base or path.startswith(f"{base}/") for base in pages)

    async def serve_page(self, scope: Any, receive: Any, send: Any) -> None:
        """The application whose path is the longest beginning of the request's."""
        path = scope["path"]
        bases = [base for base in self.pages() if path == base or path.startswith(f"{base}/")]
        if bases:
            base = max(bases, key=len)
            await self.pages()[base]({**scope, "root_path": base, PAGE_HOST: self.host}, receive, send)
            return
        await send({"type": "http.response.start", "status": 404, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    # Reload.

    async def reload(self) -> tuple[int, dict[str, Any]]:
        """All workers take the configuration as it is now; an invalid one changes nothing."""
        answers = await self._ask_all("reload")
        errors = [answer["error"] for answer in answers.values() if answer.get("error") is not None]
        if errors:
            return 422, {**self.last_reload, "error": errors[0], "workers": answers}
        return 200, {**self.last_reload, "workers": answers}

    async def reload_here(self) -> dict[str, Any]:
        if self._reload_config is None:
            return {"error": "this gateway runs without a configuration file"}
        async with self._reloading:
            try:
                loaded = await asyncio.to_thread(self._reload_config)
                mask_secrets_of(loaded.config)
                if loaded.version == self.gateway.version:
                    self.reloads["unchanged"] += 1
                    if self.last_reload.get("error") is not None:
                        log.info("the configuration is valid again, %s stays active", loaded.version)
                    else:
                        log.debug("configuration %s is unchanged", loaded.version)
                    self.last_reload = {"at": time.time(), "version": loaded.version, "changed": False, "error": None}
                    return self.last_reload
                fresh = Gateway(
                    loaded, observers=self.gateway.services.observers, workers=self.gateway.workers, former=self.gateway
                )
                await fresh.start()
            except BaseException as cause:  # whatever a plugin raises while it is made ready: the old one goes on
                if not is_failure(cause):
                    raise
                error = cause if isinstance(cause, ConfigError) else ConfigError(f"{type(cause).__name__}: {cause}")
                log.error(
                    "the configuration was refused, the former one stays active:\n%s",
                    error,
                    exc_info=cause if cause is not error else None,
                )
                self.reloads["refused"] += 1
                self.last_reload = {
                    "at": time.time(),
                    "version": self.gateway.version,
                    "changed": False,
                    "error": str(error),
                    "problems": [str(problem) for problem in error.problems],
                }
                return self.last_reload
            restart = needs_restart(self.gateway.config, fresh.config)
            if restart:
                log.warning("changed, but takes effect only after a restart: %s", ", ".join(restart))
            self._swap(fresh)
            self.reloads["taken"] += 1
            self.last_reload = {"at": time.time(), "version": fresh.version, "changed": True, "error": None}
            if restart:
                self.last_reload["needs_restart"] = restart
            log.info("configuration %s is active", fresh.version)
            return self.last_reload

    def _swap(self, fresh: Gateway) -> None:
        app = self.app
        old = self.gateway
        self.gateway = fresh
        if app is None:
            return
        retired = app.generation
        app.configure(Generation(fresh))
        task = asyncio.get_running_loop().create_task(_retire(old, retired))
        self._retiring.add(task)
        task.add_done_callback(self._retiring.discard)


async def _retire(gateway: Gateway, generation: Generation) -> None:
    """Closes what has been replaced after its last exchange, each of which ends by its own deadline, and after the
    hooks after it."""
    drain = gateway.config.server.limits.drain_timeout_seconds
    longest = [project.scope.request_timeout for project in gateway.projects.values()]
    patience = max([*longest, gateway.services.realtime.longest]) + drain
    try:
        if not await generation.wait_idle(patience):
            log.warning("a retired configuration still had %d requests after %g s", generation.exchanges, patience)
        await gateway.services.supervisor.settle(drain)
    finally:
        await gateway.close()


STARTUP_SETTINGS: Mapping[str, Callable[[GatewayConfig], Any]] = {
    "server.host": lambda config: config.server.host,
    "server.port": lambda config: config.server.port,
    "server.workers": lambda config: config.server.workers,
    "server.workerTimeout": lambda config: config.server.worker_timeout_seconds,
    "server.limits.idleTimeout": lambda config: config.server.limits.idle_timeout_seconds,
    "server.limits.drainTimeout": lambda config: config.server.limits.drain_timeout_seconds,
    "server.limits.maxKeptBytes": lambda config: config.server.limits.max_kept_bytes,
    "server.limits.maxKeptReplyBytes": lambda config: config.server.limits.max_kept_reply_bytes,
    "secrets.refresh": lambda config: config.secrets.refresh_seconds,
    "logging": lambda config: config.logging,
    "monitoring": lambda config: config.monitoring,
    "admin": lambda config: config.admin,
}


def needs_restart(old: GatewayConfig, new: GatewayConfig) -> list[str]:
    """The settings that differ and are read at the start alone."""
    return [name for name, read in STARTUP_SETTINGS.items() if read(old) != read(new)]
