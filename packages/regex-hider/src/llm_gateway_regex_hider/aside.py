"""Redaction of large bodies in separate threads, so that other requests go on meanwhile.

The automata are built while they are used, so no two threads share one: each thread compiles the rules for itself.
Two threads bound what large bodies may take of the processor; further ones wait for their turn.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from llm_gateway_sdk.heavy import json_in_slices

from .settings import Settings

__all__ = ["LARGE_BYTES", "Aside"]

LARGE_BYTES = 16 * 1024
"""Bodies up to this size are redacted in place: a thread costs more than they do."""

_THREADS = 2

T = TypeVar("T")


class Aside:
    """Threads with rules of their own. `compile_rules` makes the settings anew; it ran without an error before."""

    def __init__(self, compile_rules: Callable[[], Settings]) -> None:
        self._compile = compile_rules
        self._own = threading.local()
        self._threads: ThreadPoolExecutor | None = None

    def run(self, work: Callable[[Settings], T]) -> Awaitable[T]:
        """What `work` returns with the settings of the thread in which it runs."""
        if self._threads is None:
            self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="regex-hider")
        return asyncio.get_running_loop().run_in_executor(self._threads, self._with_settings, work)

    def close(self) -> None:
        """Waits for nothing: what runs ends by its own time budget."""
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)

    def _with_settings(self, work: Callable[[Settings], T]) -> T:
        settings: Settings | None = getattr(self._own, "settings", None)
        if settings is None:
            settings = self._own.settings = self._compile()
        with json_in_slices():
            return work(settings)
