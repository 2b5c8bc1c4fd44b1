"""What log lines have to know of the request that runs now."""

from __future__ import annotations

from contextvars import ContextVar

__all__ = ["current_request_id", "words_are_hidden"]

current_request_id: ContextVar[str | None] = ContextVar("current_request_id", default=None)
words_are_hidden: ContextVar[bool] = ContextVar("words_are_hidden", default=False)
"""A plugin edits the request or its reply: what an exception quotes may be what that plugin has hidden."""
