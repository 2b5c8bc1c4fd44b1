"""Calls of a library that waits for its answers, such as a cloud's library for credentials.

The event loop's own threads are few, and names of hosts are looked up in them: a service that does not answer would
take them all. So what waits for such a service has a separate thread, one at a time, that keeps no process alive.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

__all__ = ["OwnThread"]

T = TypeVar("T")


class OwnThread:
    """One call at a time. Who calls while a former call has not ended waits for that call, and gets what it gives."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._running: Future[Any] | None = None

    async def run(self, work: Callable[[], T]) -> T:
        """What `work` returns or raises. Who stops waiting leaves the call to end by itself."""
        running: Future[T] | None = self._running
        if running is None or running.done():
            running = self._running = Future()
            running.set_running_or_notify_cancel()  # from here on no waiter can cancel it
            threading.Thread(target=_work, args=(work, running), name=self._name, daemon=True).start()
        return await asyncio.wrap_future(running)


def _work(work: Callable[[], Any], ended: Future[Any]) -> None:
    try:
        ended.set_result(work())
    except BaseException as error:
        ended.set_exception(error)
