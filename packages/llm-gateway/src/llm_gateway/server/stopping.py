"""The end of a process, by signals and after its work."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures.thread import _worker as _pool_thread
from contextvars import Context
from types import FrameType
from typing import Any

__all__ = ["end_process", "handle_stop_signals"]

log = logging.getLogger("llm_gateway.server")

_LAST_SECONDS = 1.0
"""After a second signal, how long the process has to end by itself; after its work, how long tasks and threads have."""
_STEP_SECONDS = 0.02
_HELD_SECONDS = 10.0
"""After a signal, for how long the event loop may be held by something that waits for nothing, such as a plugin."""


def handle_stop_signals(loop: asyncio.AbstractEventLoop, stop: Callable[[], None]) -> None:
    """SIGTERM and SIGINT call `stop` on the loop. After the second one the process ends in any case: a plugin may hold
    the loop, or go on after it was cancelled. After the first one it ends where the loop is held for some seconds."""
    count = 0

    def on_signal(number: int, _: FrameType | None) -> None:
        nonlocal count
        count += 1
        # A signal interrupts whatever runs, such as a request, whose id does not belong in the lines about the end.
        loop.call_soon_threadsafe(stop, context=Context())
        if count == 1:
            threading.Thread(target=_end_where_held, args=(loop, 128 + number), daemon=True).start()
        if count == 2:
            threading.Thread(target=_end, args=(128 + number,), daemon=True).start()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, on_signal)


def _end_where_held(loop: asyncio.AbstractEventLoop, code: int) -> None:
    while True:
        answered = threading.Event()
        try:
            loop.call_soon_threadsafe(answered.set, context=Context())
        except RuntimeError:
            return  # the loop has ended
        if not answered.wait(_HELD_SECONDS) and not loop.is_closed():
            log.error("the event loop has been held for %g s; the process ends without what runs there", _HELD_SECONDS)
            _exit(code)
        time.sleep(_HELD_SECONDS / 10)


def _end(code: int) -> None:
    time.sleep(_LAST_SECONDS)
    _exit(code)


async def end_process(work: Coroutine[Any, Any, int]) -> int:
    """The result of `work`, which is all that the process does. Tasks that are left after it are cancelled; where some
    go on regardless, or a thread does not come to its end, the process ends without them.

    Python joins all threads when it ends, those of pools too, without a limit: one hook that blocks would keep the
    process for ever.
    """
    before = set(threading.enumerate())
    code = await work
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    if left:
        _, left = await asyncio.wait(left, timeout=_LAST_SECONDS)
    if left:
        log.warning(
            "%d tasks of plugins did not end when they were cancelled; the process ends without them", len(left)
        )
        _exit(code)
    deadline = time.monotonic() + _LAST_SECONDS
    while busy := _busy_threads(before):
        if time.monotonic() > deadline:
            log.warning("threads that do not end: %s; the process ends without them", ", ".join(sorted(busy)))
            _exit(code)
        await asyncio.sleep(_STEP_SECONDS)
    return code


def _busy_threads(before: set[threading.Thread]) -> list[str]:
    """Names of threads, begun since `before`, that the end of the process would wait for."""
    frames = sys._current_frames()
    return [
        thread.name
        for thread in threading.enumerate()
        if not thread.daemon and thread not in before and not _is_idle(frames.get(thread.ident or 0))
    ]


def _is_idle(frame: FrameType | None) -> bool:
    """Whether it is a thread of a pool that waits for work: it ends when it is asked to."""
    return frame is not None and frame.f_code is _pool_thread.__code__


def _exit(code: int) -> None:
    """Without waiting for threads or tasks, but with everything written."""
    for handler in logging.getLogger().handlers:
        handler.flush()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
