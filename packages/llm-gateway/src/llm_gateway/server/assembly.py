"""The gateway of one process, put together: what its server serves, and what steers it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from ..gateway import Gateway, Loaded
from ..monitoring.failure_log import FailureLog
from .app import GatewayApp
from .control import Control
from .generation import Generation
from .management import build_management, management_paths
from .observers import make_observers

__all__ = ["Source", "assemble"]


class Source(Loaded, Protocol):
    @property
    def source(self) -> Path | None: ...


async def assemble(
    result: Source, *, workers: int = 1, customise: Callable[[Control], None] | None = None
) -> tuple[GatewayApp, Control, list[Any]]:
    """Everything but a server; `control.startup()` makes it ready. Raises ConfigError where a plugin or provider can't
    be made."""
    observers, metrics = make_observers(result)
    gateway = Gateway(result, observers=observers, workers=workers)
    await gateway.start()
    control = Control(gateway, reload_config=_reloader(result.source), metrics=metrics)
    if customise is not None:
        customise(control)
    config = result.config
    app = GatewayApp(Generation(gateway), build_management(config, control), management_paths(config, control))
    control.app = app
    app.failure_log = next((each for each in observers if isinstance(each, FailureLog)), None)
    for observer in observers:
        observer.watch(control)
    return app, control, observers


def _reloader(source: Path | None) -> Callable[[], Loaded] | None:
    if source is None:
        return None

    def load_again() -> Loaded:
        from ..loading import load

        return load(source)

    return load_again
