"""The gateway's own lines in its log: where it listens, that it stops, and that it has stopped."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from ..config.project import GatewayConfig

if TYPE_CHECKING:
    from .app import GatewayApp
    from .control import Control

__all__ = ["Ending", "log_listening"]

log = logging.getLogger("llm_gateway.server")


def log_listening(config: GatewayConfig, control: Control, addresses: Iterable[tuple[str, int]]) -> None:
    """One line with the addresses, and one with the pages that are served."""
    shown = [f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}" for host, port in addresses]
    log.info("listening on %s", " and ".join(shown))
    pages = ", ".join(f"{name.lower()} {path}" for name, path in control.home()["pages"].items())
    admin = config.admin
    if admin.enabled:
        place = admin.path if admin.port is None else f"http://{admin.host}:{admin.port}{admin.path}"
        pages = f"{pages}, administration {place}" if pages else f"administration {place}"
    if pages:
        log.info("pages: %s", pages)


class Ending:
    """The lines of one worker's end. One of several workers is silent where it had nothing to finish: the supervisor
    writes that the gateway stops, and that it has stopped."""

    def __init__(self, app: GatewayApp, *, alone: bool) -> None:
        self._app = app
        self._alone = alone
        self._began: float | None = None
        self._running = 0

    def begin(self) -> None:
        """With the first signal."""
        self._began = time.monotonic()
        self._running = running = self._app.generation.exchanges
        drain = self._app.generation.gateway.config.server.limits.drain_timeout_seconds
        if running or self._alone:
            log.info("stopping: %s %s up to %g s", _requests(running, " in flight"), _has(running), drain)

    def end(self, cut: int) -> None:
        """After plugins and sinks are closed. `cut` requests were broken off."""
        if self._began is None or not (self._running or cut or self._alone):
            return
        finished = max(0, self._running - cut)
        parts = [f"{_requests(finished)} finished"] if finished or not cut else []
        parts += [f"{_requests(cut)} cut off"] if cut else []
        log.info("stopped after %.1f s: %s", time.monotonic() - self._began, ", ".join(parts))


def _requests(number: int, state: str = "") -> str:
    return f"{number} request{'' if number == 1 else 's'}{state}"


def _has(number: int) -> str:
    return "has" if number == 1 else "have"
