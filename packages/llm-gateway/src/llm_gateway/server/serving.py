"""What `llm-gateway start` calls: serves in this process, or in several under a supervisor."""

from __future__ import annotations

import gc

from .listening import open_listeners
from .logs import configure_logging, mask_secrets_of
from .worker import Source, serve_alone

__all__ = ["serve"]


def serve(
    result: Source, *, host: str, port: int, workers: int = 1, reload: bool = False, log_level: str | None = None
) -> int:
    """Serves until a signal ends it; the exit code."""
    mask_secrets_of(result.config)
    configure_logging(result.config.logging, log_level)
    if workers > 1:
        gc.enable()
        from .supervisor import serve_with_workers

        return serve_with_workers(result, host=host, port=port, workers=workers, reload=reload, log_level=log_level)
    return serve_alone(result, sockets=open_listeners(host, port), reload=reload)
