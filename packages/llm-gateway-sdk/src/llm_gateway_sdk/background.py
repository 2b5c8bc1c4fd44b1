"""Tasks that run next to requests, such as one that follows the changes of a store, and how they are ended."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

__all__ = ["end_tasks"]

log = logging.getLogger(__name__)

_AGAIN_SECONDS = 0.5
"""Until a task that goes on is cancelled once more."""


async def end_tasks(*tasks: asyncio.Task[Any], seconds: float = 3.0) -> None:
    """Cancels tasks until they have ended, for at most `seconds`. Their results and errors are dropped; those that go
    on are reported in the log.

    One cancellation is not enough: a library that is just then cancelling something itself, for a time limit or a
    connection that has failed, may take it for its own and go on. A caller that waits for such a task would wait
    without end.
    """
    until = asyncio.get_running_loop().time() + seconds
    left = {task for task in tasks if not task.done()}
    while left:
        for task in left:
            task.cancel()
        rest = until - asyncio.get_running_loop().time()
        if rest <= 0:
            log.warning("%d background tasks go on after they were cancelled", len(left))
            break
        _, left = await asyncio.wait(left, timeout=min(_AGAIN_SECONDS, rest))
    for task in tasks:
        if task.done() and not task.cancelled():
            task.exception()  # asyncio reports an error that is never asked for
