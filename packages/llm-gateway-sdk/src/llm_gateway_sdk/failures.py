"""What an extension's code raises, and what reaches it from outside: the two must not be taken for each other.

Plugins, providers and dialects are other people's code and raise what they like: `SystemExit`, or a `CancelledError` of
something that they waited for. That is their failure, answered like any other error. The cancellation of the task that
runs them, and the `GeneratorExit` by which Python closes a coroutine, are the end of the request and go on.
"""

from __future__ import annotations

import asyncio
from typing import Any

__all__ = ["is_failure"]


def is_failure(error: BaseException, task: asyncio.Task[Any] | None = None) -> bool:
    """Whether `error`, which came out of awaited code of an extension, is that code's failure.

    `task` is what awaited it, where that is known: a coroutine is closed from outside when its task no longer runs it,
    so that a `GeneratorExit` in a task that runs was raised by the code. Without `task` it counts as closing. Of code
    that does not wait, everything is a failure: nothing can reach it from outside.
    """
    if isinstance(error, asyncio.CancelledError):
        current = asyncio.current_task()
        return current is None or not current.cancelling()
    if isinstance(error, GeneratorExit):
        return task is not None and asyncio.current_task() is task
    return True
