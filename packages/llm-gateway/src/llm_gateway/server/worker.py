"""One worker: a gateway, its server, and what they need of the process."""

from __future__ import annotations

import asyncio
import gc
import logging
import random
import signal
import socket
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from llm_gateway_sdk import ConfigError, ConfigProblem
from llm_gateway_sdk.heavy import SWITCH_SECONDS

from .allocator import keep_large_blocks_apart
from .announcements import Ending, log_listening
from .app import GatewayApp
from .assembly import Source, assemble
from .control import Control
from .http1.door import Door, Limits
from .management import build_management
from .pages import PageApp
from .server import Server
from .slow_readers import SlowReaders
from .stopping import end_process, handle_stop_signals
from .uploads import UploadPool, slow_reader_bytes

__all__ = ["Source", "Worker", "refresh_secrets", "run_loop", "serve_alone", "spare_the_collector"]

log = logging.getLogger("llm_gateway.server")


def serve_alone(result: Source, *, sockets: list[socket.socket], reload: bool) -> int:
    """Serves in this process until a signal ends it; the exit code."""
    worker = Worker(result)
    try:
        return run_loop(end_process(worker.run(sockets=sockets, watch=reload)))
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 2


def run_loop(main: Coroutine[Any, Any, int]) -> int:
    """Runs to the end on the fastest event loop that is installed, in any case one that can watch sockets."""
    try:
        import uvloop
    except ImportError:
        with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
            return runner.run(main)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main)


class Worker:
    """One process's server. `sockets` are opened by the supervisor where there is one."""

    def __init__(self, result: Source, *, workers: int = 1) -> None:
        self.result = result
        self.workers = workers
        self.server: Server | None = None
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
        """Serves until it is stopped; the exit code. Raises ConfigError where a plugin or provider can't be made."""
        config = self.result.config
        spare_the_collector()
        keep_large_blocks_apart()
        sys.setswitchinterval(SWITCH_SECONDS)  # heavy bodies are worked on in a thread
        app, control, observers = await assemble(self.result, workers=self.workers, customise=customise)
        self.control = control
        loop = asyncio.get_running_loop()
        ending = Ending(app, alone=self.workers == 1)
        server = self.server = self._server(app, sockets, ending)
        admin = self._admin_server(control)
        if signals:
            handle_stop_signals(loop, server.stop)
            if hasattr(signal, "SIGHUP"):
                loop.add_signal_handler(signal.SIGHUP, lambda: _spawn(control.reload_here()))
        watchers = []
        if watch and self.result.source:
            watchers.append(loop.create_task(_watch_file(self.result.source, control)))
        if config.read_secrets and config.secrets.refresh_seconds:
            watchers.append(loop.create_task(refresh_secrets(config.secrets.refresh_seconds, control)))
        try:
            await control.startup()
            server.start()
            if admin is not None:
                admin.start()
            if ready is not None:
                ready(control)
            elif self.workers == 1:
                log_listening(config, control, server.addresses())
            await server.serve()
        finally:
            for watcher in watchers:
                watcher.cancel()
            await control.shutdown()
            if admin is not None:
                await admin.close(0.0)
            for observer in observers:
                await asyncio.to_thread(observer.close)
            ending.end(server.cut)
        return 0

    def _server(self, app: GatewayApp, sockets: list[socket.socket], ending: Ending) -> Server:
        loop = asyncio.get_running_loop()
        readers = SlowReaders(loop, slow_reader_bytes(self.workers))
        door = app.door = Door(app, loop, limits=app.limits, uploads=app.uploads, slow_readers=readers)

        def stopping() -> None:
            ending.begin()
            app.draining = True

        drain = self.result.config.server.limits.drain_timeout_seconds
        return Server(door, sockets, drain_seconds=drain, shared=self.workers > 1, on_stop=stopping)

    def _admin_server(self, control: Control) -> Server | None:
        """The administration pages on a port of their own, where that is configured. With several workers each listens
        there: whichever is asked asks all of them."""
        admin = self.result.config.admin
        if not admin.enabled or admin.port is None:
            return None
        loop = asyncio.get_running_loop()
        listener = _admin_socket(admin.host, admin.port, shared=self.workers > 1)
        app = PageApp(build_management(self.result.config, control, admin_only=True))
        readers = SlowReaders(loop, slow_reader_bytes(self.workers))
        limits = Limits(body_bytes=1 << 20)
        door = Door(app, loop, limits=limits, uploads=UploadPool(4 << 20, 1 << 20), slow_readers=readers)
        return Server(door, [listener], drain_seconds=0.0)


def _admin_socket(host: str, port: int, *, shared: bool) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if shared:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        listener.bind((host, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        problem = ConfigProblem(f"nothing can listen on {host}:{port}: {error.strerror}", path="admin.port")
        raise ConfigError([problem]) from error
    return listener


def spare_the_collector() -> None:
    """A finished request leaves no circle of references, so the garbage collector has little to find; with its
    own settings it looks through every module that is loaded all the same, for a fifth of the gateway's time. While a
    process starts it is off, which is a seventh of what a start takes.

    What is loaded by now stays for the life of the process. What a configuration makes comes later, and is collected
    after a reload as ever.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 10, 10)
    gc.enable()


_tasks: set[asyncio.Task[Any]] = set()


def _spawn(work: Any) -> None:
    task = asyncio.get_running_loop().create_task(work)
    _tasks.add(task)
    task.add_done_callback(_tasks.discard)


async def refresh_secrets(seconds: float, control: Control) -> None:
    """Reads the configuration again for its secrets; where none has changed, nothing else happens. One that can't be
    read leaves all as it is."""
    while True:
        await asyncio.sleep(seconds * random.uniform(0.9, 1.1))  # workers and machines do not ask all at once
        await control.reload_here()


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
