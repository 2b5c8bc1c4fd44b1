"""Runs one worker under uvicorn, and hands over to the parent of several. The only importer of uvicorn."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, Protocol

import uvicorn

from llm_gateway_sdk import ConfigError, ConfigProblem

from ..gateway import Gateway, Loaded
from ..monitoring.failure_log import FailureLog
from .accepting import Accepting
from .announcements import log_listening, log_stopping
from .app import GatewayApp, Generation
from .control import Control
from .listening import open_listeners
from .logs import configure_logging, mask_secrets_of
from .management import build_management, management_paths
from .protocol import GatewayProtocol

__all__ = ["Source", "Worker", "run_loop", "serve"]

log = logging.getLogger("llm_gateway.server")


class Source(Loaded, Protocol):
    @property
    def source(self) -> Path | None: ...


def serve(
    result: Source, *, host: str, port: int, workers: int = 1, reload: bool = False, log_level: str | None = None
) -> int:
    """Serves until a signal ends it; the exit code."""
    mask_secrets_of(result.config)
    configure_logging(result.config.logging, log_level)
    if workers > 1:
        from .parent import serve_with_workers

        return serve_with_workers(result, host=host, port=port, workers=workers, reload=reload, log_level=log_level)
    worker = Worker(result)
    try:
        return run_loop(worker.run(sockets=open_listeners(host, port), watch=reload))
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 2


def run_loop(main: Coroutine[Any, Any, int]) -> int:
    """Runs to the end on the fastest event loop that is installed."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run(main)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main)


class Worker:
    """One process's server. `sockets` are bound by a parent where there is one."""

    def __init__(self, result: Source, *, workers: int = 1) -> None:
        self.result = result
        self.workers = workers
        self.server: _Server | None = None
        self.control: Control | None = None

    async def run(
        self,
        *,
        sockets: list[socket.socket],
        watch: bool = False,
        signals: bool = True,
        ready: Callable[[Control], None] | None = None,
        customise: Callable[[Control], None] | None = None,
    ) -> int:
        """Serves until told to stop; the exit code. Raises ConfigError where a plugin or provider can't be made."""
        config = self.result.config
        _spare_the_collector()
        observers, metrics = _observers(self.result)
        gateway = Gateway(self.result, observers=observers, workers=self.workers)
        await gateway.start()
        control = Control(gateway, reload_config=self._reloader(), metrics=metrics)
        if customise is not None:
            customise(control)
        self.control = control
        app = GatewayApp(Generation(gateway), build_management(config, control), management_paths(config, control))
        control.app = app
        app.failure_log = next((each for each in observers if isinstance(each, FailureLog)), None)
        for observer in observers:
            observer.watch(control)
        limits = config.server.limits
        server = self.server = _Server(
            uvicorn.Config(
                app,
                workers=1,  # else it would read WEB_CONCURRENCY
                loop="none",
                http=GatewayProtocol,
                ws="none",
                lifespan="on",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                backlog=4096,
                timeout_keep_alive=max(1, int(limits.idle_timeout_seconds)),
                timeout_graceful_shutdown=max(1, int(limits.drain_timeout_seconds)),
                h11_max_incomplete_event_size=limits.max_header_bytes,
            ),
            app,
            shared=self.workers > 1,
        )
        loop = asyncio.get_running_loop()
        if signals:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(number, server.stop)
            if hasattr(signal, "SIGHUP"):
                loop.add_signal_handler(signal.SIGHUP, lambda: _spawn(control.reload_here()))
        watcher = loop.create_task(_watch_file(self.result.source, control)) if watch and self.result.source else None
        admin = await self._admin_server(control)
        if ready is not None:
            server.on_started = lambda: ready(control)
        elif self.workers == 1:
            server.on_started = lambda: log_listening(config, control, server.addresses())
        try:
            await server.serve(sockets=sockets)
        finally:
            if watcher is not None:
                watcher.cancel()
            if admin is not None:
                admin.should_exit = True
            for observer in observers:
                await asyncio.to_thread(observer.close)
        return 0 if server.started else 1

    def _reloader(self) -> Callable[[], Loaded] | None:
        source = self.result.source
        if source is None:
            return None

        def load_again() -> Loaded:
            from ..loading import load

            return load(source)

        return load_again

    async def _admin_server(self, control: Control) -> uvicorn.Server | None:
        """The administration surface on a port of its own, where that is wished. With several workers each listens
        there: whichever is asked asks all of them."""
        admin = self.result.config.admin
        if not admin.enabled or admin.port is None:
            return None
        family = socket.AF_INET6 if ":" in admin.host else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if self.workers > 1:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        try:
            listener.bind((admin.host, admin.port))
        except OSError as error:
            listener.close()
            raise ConfigError(
                [ConfigProblem(f"nothing can listen on {admin.host}:{admin.port}: {error.strerror}", path="admin.port")]
            ) from error
        config = uvicorn.Config(
            build_management(self.result.config, control, admin_only=True),
            workers=1,
            host=admin.host,
            port=admin.port,
            loop="none",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
        )
        server = _Server(config, None)
        _spawn(server.serve(sockets=[listener]))
        return server


def _spare_the_collector() -> None:
    """A finished request leaves no circle of references behind, so the garbage collector has little to find; with its
    own settings it looks through every module that is loaded all the same, for a fifth of the gateway's time.

    What is loaded by now stays for the life of the process. What a configuration makes comes later, and is collected
    after a reload as ever.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 10, 10)


class _Server(uvicorn.Server):
    """uvicorn without its own signal handling: the first signal drains, the second ends at once, and the exit code
    tells of success."""

    def __init__(self, config: uvicorn.Config, app: GatewayApp | None, *, shared: bool = False) -> None:
        super().__init__(config)
        self._shared = shared
        self._app = app
        self.on_started: Callable[[], None] | None = None
        self._accepting: Accepting | None = None

    def addresses(self) -> list[tuple[str, int]]:
        """Where it listens: (host, port)."""
        return [listener.getsockname()[:2] for server in self.servers for listener in server.sockets]

    def stop(self) -> None:
        if self._app is not None:
            if not self.should_exit:
                log_stopping(self._app)
            self._app.draining = True
        if self.should_exit:
            self.force_exit = True
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        loop = asyncio.get_running_loop()
        if self.started and not isinstance(loop, asyncio.BaseEventLoop) and hasattr(os, "dup"):
            listeners = [listener for server in self.servers for listener in server.sockets]
            self._accepting = Accepting(loop, listeners, self._make_protocol, shared=self._shared)
        if self.started and self.on_started is not None:
            self.on_started()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self._accepting is not None:
            self._accepting.close()
        await super().shutdown(sockets)

    def _make_protocol(self) -> asyncio.Protocol:
        protocol: asyncio.Protocol = self.config.http_protocol_class(  # type: ignore[call-arg]
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        return protocol

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


_tasks: set[asyncio.Task[Any]] = set()


def _spawn(work: Any) -> None:
    task = asyncio.get_running_loop().create_task(work)
    _tasks.add(task)
    task.add_done_callback(_tasks.discard)


async def _watch_file(source: Path, control: Control) -> None:
    """Reloads when the file changes (`start --reload`)."""

    def stamp() -> tuple[int, int] | None:
        try:
            found = source.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size

    seen = stamp()
    while True:
        await asyncio.sleep(0.5)
        now = stamp()
        if now is not None and now != seen:
            seen = now
            await control.reload_here()


def _observers(result: Source) -> tuple[list[Any], Any]:
    """Metrics and tracing as configured; what is not configured is not imported."""
    monitoring = result.config.monitoring
    observers: list[Any] = []
    metrics: Any = None
    if monitoring.enabled and monitoring.metrics.enabled:
        from ..monitoring.metrics import Metrics

        metrics = Metrics()
        observers.append(metrics)
    if monitoring.otel.enabled and (monitoring.otel.traces or monitoring.otel.metrics):
        from ..monitoring.otel import open_telemetry

        observers.append(open_telemetry(monitoring.otel))
    logged = {
        project.name for project in result.config.projects.values() if any(p.type == "logger" for p in project.plugins)
    }
    observers.append(FailureLog(logged))
    return observers, metrics
