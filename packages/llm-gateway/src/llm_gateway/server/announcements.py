"""The gateway's own lines in its log: where it listens, and that it stops."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING

from ..config.project import GatewayConfig

if TYPE_CHECKING:
    from .app import GatewayApp
    from .control import Control

__all__ = ["log_listening", "log_stopping"]

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


def log_stopping(app: GatewayApp) -> None:
    """The first signal."""
    running = app.generation.exchanges
    drain = app.generation.gateway.config.server.limits.drain_timeout_seconds
    noun = "request in flight has" if running == 1 else "requests in flight have"
    log.info("stopping: %d %s up to %g s", running, noun, drain)
