"""Runs what happens after a reply has left: bounded, owned, drained at shutdown."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from time import perf_counter
from typing import TypeAlias, cast

from llm_gateway_sdk import ActiveChain, RequestContext

from .current import current_request_id
from .kept import KeptReply

__all__ = ["DetachedSupervisor", "KeptBudget"]

log = logging.getLogger("llm_gateway.detached")


_GATHER_SECONDS = 0.01
_GATHERED = 16
"""Requests gather for so long, or until there are so many, before one worker takes them all: a task for each would cost
more than most hooks do. More of them at a time would be a load for the garbage collector, which passes by otherwise."""
_SLICE_SECONDS = 0.001
"""After so long other requests have their turn; or after as long as they took for theirs, so that hooks keep up where
the loop never rests."""
_SETTLE_STEP = 0.05


class KeptBudget:
    """Bytes of replies which are kept for detached hooks, over all exchanges of the process."""

    __slots__ = ("left", "per_reply")

    def __init__(self, total: int, per_reply: int) -> None:
        self.left = total
        self.per_reply = per_reply

    def take(self, size: int) -> bool:
        if size > self.left:
            return False
        self.left -= size
        return True

    def give_back(self, size: int) -> None:
        self.left += size


_Finished: TypeAlias = tuple[int, ActiveChain, RequestContext, int, KeptBudget | None, KeptReply | None]
"""A request that waits for its hooks: its number, and what `submit` got."""


class DetachedSupervisor:
    """A queue with a few workers that start when there is work; what exceeds the bound is dropped, counted, logged.

    One worker suffices for hooks that never wait. Where one waits, the next worker goes on with the queue.
    """

    def __init__(self, *, workers: int = 16, bound: int = 10_000) -> None:
        self._queue: deque[_Finished] = deque()
        self._pending: set[int] = set()
        self._number = 0
        self._bound = bound
        self._workers = workers
        self._running: set[asyncio.Task[None]] = set()
        self._alarm: asyncio.Handle | None = None
        """Will start a worker, where there is work by then."""
        self._pausing = False
        """A worker lets others have their turn, and goes on by itself."""
        self._decoding = asyncio.Lock()
        """One long reply is decoded at a time: slices of several would add up to the delay that they are to avoid."""
        self.dropped = 0

    @property
    def backlog(self) -> int:
        return len(self._queue) + len(self._running)

    def submit(
        self,
        chain: ActiveChain,
        ctx: RequestContext,
        kept: int = 0,
        budget: KeptBudget | None = None,
        reply: KeptReply | None = None,
    ) -> None:
        """`kept` bytes are given back to `budget` when the hooks are done. `reply` is prepared before them."""
        if len(self._queue) >= self._bound:
            self.dropped += 1
            if budget is not None:
                budget.give_back(kept)
            if self.dropped & (self.dropped - 1) == 0:
                log.error("detached hooks fall behind: %d requests left without them so far", self.dropped)
            return
        self._number += 1
        self._pending.add(self._number)
        self._queue.append((self._number, chain, ctx, kept, budget, reply))
        if self._alarm is None:
            self._alarm = asyncio.get_running_loop().call_later(_GATHER_SECONDS, self._begin)
        elif len(self._queue) == _GATHERED:
            self._begin()

    async def settle(self, timeout: float) -> None:
        """Waits until what has been submitted by now is done, at most `timeout` seconds; more may come meanwhile."""
        mark = self._number
        for _ in range(int(timeout / _SETTLE_STEP)):
            if not self._pending or min(self._pending) > mark:
                return
            await asyncio.sleep(_SETTLE_STEP)

    async def drain(self, timeout: float) -> None:
        """Waits until all is done, at most `timeout` seconds."""
        deadline = asyncio.get_running_loop().time() + timeout
        while self._queue or self._running:
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0:
                log.error("%d detached hooks were cut off at shutdown", self.backlog)
                for task in self._running:
                    task.cancel()
                return
            self._begin()
            await asyncio.wait(self._running, timeout=left)

    def _begin(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        if self._queue and not self._pausing and len(self._running) < self._workers:
            task = asyncio.get_running_loop().create_task(self._work())
            self._running.add(task)
            task.add_done_callback(self._running.discard)

    async def _work(self) -> None:
        loop, began, allowance = asyncio.get_running_loop(), perf_counter(), _SLICE_SECONDS
        try:
            while self._queue and not self._pausing:
                if self._alarm is None:
                    # Should a hook keep this worker waiting, another one goes on.
                    self._alarm = loop.call_soon(self._begin)
                number, chain, ctx, kept, budget, reply = self._queue.popleft()
                current_request_id.set(ctx.request_id)
                try:
                    if reply is not None and not (ctx.response_payload and ctx.response_payload.opened):
                        async with self._decoding:
                            await reply.prepare()
                    await chain.detached_after_response(ctx)
                finally:
                    self._pending.discard(number)
                    if budget is not None:
                        budget.give_back(kept)
                used = perf_counter() - began
                if used > allowance and not self._pausing and len(self._queue) < self._bound // 2:
                    await self._pause()
                    ended, began = began + used, perf_counter()
                    allowance = max(_SLICE_SECONDS, began - ended)
        finally:
            self._running.discard(cast("asyncio.Task[None]", asyncio.current_task()))

    async def _pause(self) -> None:
        self._pausing = True
        try:
            await asyncio.sleep(0)
        finally:
            self._pausing = False
