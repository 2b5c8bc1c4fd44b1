"""The end of plugins, providers and stores: each is asked to close, and none keeps the process."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from llm_gateway_sdk.background import end_tasks

__all__ = ["Closing"]

log = logging.getLogger(__name__)

_ALL_SECONDS = 10.0
_LEAST_SECONDS = 1.0
"""What each has, however long those before it have taken."""


class Closing:
    """All that is closed together, one after the other, has ten seconds."""

    def __init__(self, seconds: float = _ALL_SECONDS) -> None:
        self._until = asyncio.get_running_loop().time() + seconds

    async def close(self, what: str, work: Callable[[], Awaitable[object]]) -> None:
        """Carries out `work`, which closes `what`, and reports a failure in the log. It is left alone where it takes
        too long."""
        task = asyncio.create_task(_outcome(work))
        rest = self._until - asyncio.get_running_loop().time()
        try:
            await asyncio.wait({task}, timeout=max(_LEAST_SECONDS, rest))
        except asyncio.CancelledError:
            task.cancel()
            raise
        if not task.done():
            log.warning("%s has not closed in time; the gateway goes on without it", what)
            await end_tasks(task, seconds=_LEAST_SECONDS)
        elif task.cancelled() or (error := task.result()) is None:
            return
        else:
            log.error("%s failed in close", what, exc_info=error)


async def _outcome(work: Callable[[], Awaitable[object]]) -> BaseException | None:
    """What it raised. SystemExit too is a failure here: out of a task it would end the event loop."""
    try:
        await work()
    except BaseException as error:
        current = asyncio.current_task()
        if isinstance(error, asyncio.CancelledError) and current is not None and current.cancelling():
            raise
        return error
    return None
