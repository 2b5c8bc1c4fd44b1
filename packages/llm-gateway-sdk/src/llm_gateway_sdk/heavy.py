"""Work on heavy bodies, done in a thread so that no request holds the event loop.

Decoding, translating, merging and counting take time that grows with a body: with its bytes, and far more with the
number of its values. Up to a few milliseconds of it are done in place, for a thread costs more. All else goes to one
thread of the process: the interpreter switches between that thread and the event loop every tenth of a millisecond
(`SWITCH_SECONDS`), and what does not switch, a single call of the JSON engine, is bounded by the bounds on bytes and
values of a body.

A plugin whose hook does work on a whole body does the same:

    def before_model(self, ctx):
        if is_heavy(ctx.http_request.body):
            return run_aside(self._look, ctx)
        return self._look(ctx)
"""

from __future__ import annotations

import asyncio
import contextvars
import gc
import os
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import ParamSpec, TypeVar, cast

from .context import Engine, RequestContext
from .wire.byte_search import count_up_to
from .wire.freeing import Freeing
from .wire.long_texts import Slicing
from .wire.pieces import counted

__all__ = [
    "LIGHT_BYTES",
    "SWITCH_SECONDS",
    "free_aside",
    "has_more_items",
    "is_heavy",
    "is_heavy_exchange",
    "is_in_slices",
    "is_long",
    "json_in_slices",
    "may_have_more_items",
    "note_large",
    "run_aside",
    "run_by_size",
]

LIGHT_BYTES = 16 * 1024
"""A body up to this size is light, whatever it holds."""
SWITCH_SECONDS = 0.0001
"""`sys.setswitchinterval` of a worker: how long the event loop waits for its turn while the thread works."""
_HEAVY_BYTES = 512 * 1024
_HEAVY_ITEMS = 3000
"""Values whose translation takes some ten milliseconds."""
_SLICE_BYTES = 64 * 1024
_SIGNS = (b",", b":", b"{", b"[")
"""Signs that come before values or begin them."""

P = ParamSpec("P")
T = TypeVar("T")

_threads: ThreadPoolExecutor | None = None


def is_heavy(body: bytes) -> bool:
    """Whether work on a whole JSON body belongs aside: it is long, or may have many values."""
    size = len(body)
    return size > LIGHT_BYTES and (size > _HEAVY_BYTES or _has_more_signs(body, _HEAVY_ITEMS))


def is_long(body: bytes) -> bool:
    """Whether even the least work on it belongs aside, such as finding one field."""
    return len(body) > _HEAVY_BYTES


def may_have_more_items(body: bytes, limit: int) -> bool:
    """Whether a JSON text may have more than `limit` values, which `has_more_items` finds out."""
    # Of three bytes of valid JSON at most two are signs: each list and object has an end, each name has quotes.
    if 2 * len(body) <= 3 * limit:
        return False
    return counted(body, *_SIGNS) > limit if is_long(body) else _has_more_signs(body, limit)


def is_heavy_exchange(ctx: RequestContext) -> bool:
    """Whether work on a whole request and its reply, as in a hook that records both, belongs aside."""
    if is_heavy(ctx.http_request.body):
        return True
    upstream = ctx.upstream_response
    if upstream is not None and is_heavy(upstream.body):
        return True
    return Engine.size_of_accumulated(ctx) > _HEAVY_ITEMS // 4


def has_more_items(body: bytes, limit: int) -> bool:
    """Whether a JSON text has more than `limit` values: elements of lists count one, fields of objects two, and each
    list and object one more, which is about what they cost. Signs in strings don't count.

    A text that is not valid JSON may be judged either way. The work is done in slices between which threads switch.
    """
    if not may_have_more_items(body, limit):
        return False
    found, in_string, start, size = 0, False, 0, len(body)
    while start < size and found <= limit:
        end = min(start + _SLICE_BYTES, size)
        # A slice ends where no escape is cut.
        piece = body[start:end]
        if (len(piece) - len(piece.rstrip(b"\\"))) % 2 and end < size:
            end += 1
        pieces = body[start:end].replace(b"\\\\", b"").replace(b'\\"', b"").split(b'"')
        found += counted(b"".join(pieces[in_string::2]), *_SIGNS)
        in_string ^= not len(pieces) % 2
        start = end
    return found > limit


async def run_by_size(size: int, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What `work` on so many bytes returns or raises, done by `run_aside` where they are more than a few."""
    return await run_aside(work, *args, **kwargs) if size > LIGHT_BYTES else work(*args, **kwargs)


def run_aside(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Awaitable[T]:
    """What `work` returns or raises, done in the thread for heavy bodies, one after the other.

    `work` must not touch what belongs to the event loop. Where the waiting task is cancelled, work that has begun goes
    on to its end, and its result is lost.
    """
    global _threads
    if _threads is None:
        _threads = ThreadPoolExecutor(1, thread_name_prefix="heavy")
    loop, context = asyncio.get_running_loop(), contextvars.copy_context()
    _full_collections.put_off(loop)
    _leftovers.free_soon(loop, _threads)

    def done() -> T:
        with json_in_slices():
            result = context.run(work, *args, **kwargs)
        Freeing.note(result)
        if result.__class__ is tuple:
            for part in cast("tuple[object, ...]", result):
                Freeing.note(part)  # once unpacked, each is in use for a different time
        Freeing.free()
        return result

    return loop.run_in_executor(_threads, done)


def free_aside(*values: object) -> None:
    """What only these values hold is freed in slices, in the thread for heavy work, when nothing else refers to them.

    For the event loop, at the end of what it has done with a heavy body: thousands of parts that were worked on one by
    one are freed at once, when the last object that holds them goes.
    """
    if _threads is not None:
        for value in values:
            Freeing.note(value)
        _leftovers.free_soon(asyncio.get_running_loop(), _threads)


def note_large(value: object) -> None:
    """What heavy work has made and others go on with is freed in slices, see `wire.freeing`."""
    if Slicing.under_way:
        Freeing.note(value)


def is_in_slices() -> bool:
    """Whether heavy work is under way, so that a value is better looked through piece by piece."""
    return Slicing.under_way > 0


@contextmanager
def json_in_slices() -> Iterator[None]:
    """JSON with long strings is written in slices meanwhile, between which other threads have their turn."""
    with _slicing:
        Slicing.under_way += 1
    try:
        yield
    finally:
        with _slicing:
            Slicing.under_way -= 1


_slicing = threading.Lock()


class _FullCollections:
    """Puts off the garbage collector's full collections while there is heavy work.

    A decoded body may be a million objects. Looking through all of them takes a tenth of a second and more, holds up
    every thread, and finds nothing, for they are freed with their request. Only the youngest objects are collected as
    ever. Where the heavy work does not end, there is a full collection once in a while, and sooner where the memory
    grows: other people's code may leave circles, each with a body.
    """

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._usual = gc.get_threshold()
        self._since = self._last = 0.0
        self._resident = 0

    def put_off(self, loop: asyncio.AbstractEventLoop) -> None:
        self._last = loop.time()
        if self._loop is loop:
            return
        if self._loop is None:
            self._usual = gc.get_threshold()
            gc.set_threshold(self._usual[0], _NEVER, _NEVER)
        self._loop, self._since, self._resident = loop, self._last, _resident_bytes()
        loop.call_later(_QUIET_SECONDS, self._allow, loop)

    def _allow(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        goes_on = now - self._last < _QUIET_SECONDS
        if goes_on and now - self._since < _LONGEST_SECONDS and _resident_bytes() - self._resident < _MOST_GROWTH:
            loop.call_later(_QUIET_SECONDS, self._allow, loop)
            return
        gc.set_threshold(*self._usual)
        self._loop = None
        if goes_on:
            gc.collect()


def _resident_bytes() -> int:
    """The memory that this process holds; 0 where that is not known."""
    try:
        with open("/proc/self/statm", "rb") as figures:
            return int(figures.read().split()[1]) * _PAGE_BYTES
    except OSError:
        return 0


class _Leftovers:
    """Frees in the thread what heavy work has left, as long as there is anything."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None

    def free_soon(self, loop: asyncio.AbstractEventLoop, threads: ThreadPoolExecutor) -> None:
        if self._loop is not loop:
            self._loop = loop
            loop.call_later(_FREE_SECONDS, self._begin, loop, threads)

    def _begin(self, loop: asyncio.AbstractEventLoop, threads: ThreadPoolExecutor) -> None:
        freed = loop.run_in_executor(threads, Freeing.free)
        freed.add_done_callback(lambda freed: self._end(freed, loop, threads))

    def _end(self, freed: asyncio.Future[bool], loop: asyncio.AbstractEventLoop, threads: ThreadPoolExecutor) -> None:
        self._loop = None
        if not freed.cancelled() and freed.exception() is None and freed.result():
            self.free_soon(loop, threads)


_FREE_SECONDS = 0.1
_QUIET_SECONDS = 30.0
_LONGEST_SECONDS = 600.0
_NEVER = 1_000_000_000
_MOST_GROWTH = 512 * 1024 * 1024
_PAGE_BYTES = 4096 if sys.platform == "win32" else os.sysconf("SC_PAGE_SIZE")
_full_collections = _FullCollections()
_leftovers = _Leftovers()


def _has_more_signs(text: bytes, limit: int) -> bool:
    left = limit
    for sign in (b":", b",", b"{", b"["):
        left -= count_up_to(text, sign, left)
        if left < 0:
            return True
    return False
