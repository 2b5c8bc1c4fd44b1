"""The id of the request that runs now, for log lines, which know nothing else of it."""

from __future__ import annotations

from contextvars import ContextVar

__all__ = ["current_request_id"]

current_request_id: ContextVar[str | None] = ContextVar("current_request_id", default=None)
