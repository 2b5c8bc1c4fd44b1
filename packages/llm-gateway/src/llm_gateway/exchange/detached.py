"""Runs what happens after a reply has left: bounded, owned, drained at shutdown."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Coroutine
from contextvars import Context, copy_context
from time import perf_counter
from typing import cast

from llm_gateway_sdk import ActiveChain, RequestContext
from llm_gateway_sdk.calling import Hook, run_detached
from llm_gateway_sdk.lifecycle import Lifecycle

from .held_body import HeldBody
from .kept_reply import HeavyRequest, KeptReply
from .log_context import current_request_id, words_are_hidden

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
HOOK_SECONDS = 30.0
"""The time of a detached hook where its plugin has no `timeout`."""


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


class _Job:
    """A request whose detached hooks are to run."""

    __slots__ = ("budget", "chain", "ctx", "held", "kept", "number", "open", "reply")

    def __init__(
        self,
        number: int,
        chain: ActiveChain,
        ctx: RequestContext,
        kept: int,
        budget: KeptBudget | None,
        reply: KeptReply | HeavyRequest | None,
        held: HeldBody | None,
    ) -> None:
        self.number = number
        self.chain = chain
        self.ctx = ctx
        self.kept = kept
        self.budget = budget
        self.reply = reply
        self.held = held
        self.open = 1
        """Hooks that still wait for their plugin's turn, and one for the others together."""


class _Share:
    """The hooks of one plugin."""

    __slots__ = ("running", "waiting")

    def __init__(self) -> None:
        self.running = 0
        self.waiting: deque[tuple[Hook, _Job]] = deque()


class DetachedSupervisor:
    """A queue with a few workers that start when there is work; what exceeds the bound is dropped, counted, logged.

    One worker suffices for hooks that never wait. Where one waits, the next worker goes on with the queue. At most
    `workers` hooks of one plugin wait at a time; further ones of that plugin queue up for it, and those of all other
    plugins go on.
    """

    def __init__(self, *, workers: int = 16, bound: int = 10_000) -> None:
        self._queue: deque[_Job] = deque()
        self._shares: dict[int, _Share] = {}
        """By the identity of the plugin, while it has hooks that run."""
        self._in_hooks = 0
        self._ending: deque[tuple[Lifecycle, Context]] = deque()
        """Of requests that have ended in this turn of the loop, each with its context variables."""
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
        return len(self._queue) + len(self._running) + len(self._ending)

    def submit(
        self,
        chain: ActiveChain,
        ctx: RequestContext,
        kept: int = 0,
        budget: KeptBudget | None = None,
        reply: KeptReply | HeavyRequest | None = None,
        held: HeldBody | None = None,
    ) -> None:
        """`kept` bytes are given back to `budget`, and `held` too, when the hooks are done. `reply` is prepared before
        them."""
        if len(self._queue) >= self._bound:
            self._count_dropped()
            if budget is not None:
                budget.give_back(kept)
            if held is not None:
                held.give_back()
            return
        self._number += 1
        self._pending.add(self._number)
        self._queue.append(_Job(self._number, chain, ctx, kept, budget, reply, held))
        if self._alarm is None:
            self._alarm = asyncio.get_running_loop().call_later(_GATHER_SECONDS, self._begin)
        elif len(self._queue) == _GATHERED:
            self._begin()

    def finish(self, lifecycle: Lifecycle) -> None:
        """Runs `after_request` of a request that has ended, once what has been written in this turn of the loop has
        left. It is bounded in time and never left out; the end of the gateway waits for it."""
        ending = self._ending
        if not ending:
            asyncio.get_running_loop().call_soon(self._finish_all)
        ending.append((lifecycle, copy_context()))

    def _finish_all(self) -> None:
        """Most of these hooks have nothing to wait for, and need no task."""
        ending = self._ending
        while ending:
            lifecycle, context = ending.popleft()
            rest = context.run(lifecycle.end_now)
            if rest is not None:
                self._number += 1
                self._pending.add(self._number)
                self._start(self._finish(rest, self._number), context)

    async def _finish(self, rest: Coroutine[None, None, None], number: int) -> None:
        self._in_hooks += 1
        try:
            await rest
        finally:
            self._in_hooks -= 1
            self._pending.discard(number)

    async def settle(self, timeout: float) -> None:
        """Waits until what has been submitted by now is done, at most `timeout` seconds; more may come meanwhile."""
        self._finish_all()
        mark = self._number
        for _ in range(int(timeout / _SETTLE_STEP)):
            if not self._pending or min(self._pending) > mark:
                return
            await asyncio.sleep(_SETTLE_STEP)

    async def drain(self, timeout: float) -> None:
        """Waits until all is done, at most `timeout` seconds."""
        deadline = asyncio.get_running_loop().time() + timeout
        while self._queue or self._running or self._ending:
            self._finish_all()
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0:
                log.error("%d detached hooks were cut off at shutdown", self.backlog)
                for task in self._running:
                    task.cancel()
                return
            self._begin()
            if self._running:
                await asyncio.wait(self._running, timeout=left)

    def _begin(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        if self._queue and not self._pausing and len(self._running) - self._in_hooks < self._workers:
            self._start(self._work())

    def _start(self, work: Coroutine[None, None, None], context: Context | None = None) -> None:
        task = asyncio.get_running_loop().create_task(work, context=context)
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _work(self) -> None:
        loop, began, allowance = asyncio.get_running_loop(), perf_counter(), _SLICE_SECONDS
        try:
            while self._queue and not self._pausing:
                if self._alarm is None:
                    # Should a hook keep this worker waiting, another one goes on.
                    self._alarm = loop.call_soon(self._begin)
                job = self._queue.popleft()
                ctx = job.ctx
                _note(job)
                try:
                    opened = ctx.response_payload is not None and ctx.response_payload.opened
                    if job.reply is not None and (not opened or isinstance(job.reply, HeavyRequest)):
                        async with self._decoding:
                            await job.reply.prepare()
                    for hook in job.chain.detached:
                        await self._run_in_turn(hook, job)
                finally:
                    self._end_part(job)
                used = perf_counter() - began
                if used > allowance and not self._pausing and len(self._queue) < self._bound // 2:
                    await self._pause()
                    ended, began = began + used, perf_counter()
                    allowance = max(_SLICE_SECONDS, began - ended)
        finally:
            self._running.discard(cast("asyncio.Task[None]", asyncio.current_task()))

    async def _run_in_turn(self, hook: Hook, job: _Job) -> None:
        """Runs the hook, or leaves it to wait for its plugin's turn: others go on meanwhile."""
        key = id(hook.mounted.plugin)
        share = self._shares.get(key)
        if share is None:
            share = self._shares[key] = _Share()
        if share.running < self._workers:
            await self._run(hook, job, key, share)
        elif len(share.waiting) < self._bound:
            job.open += 1
            share.waiting.append((hook, job))
        else:
            self._count_dropped()

    async def _run(self, hook: Hook, job: _Job, key: int, share: _Share) -> None:
        share.running += 1
        self._in_hooks += 1
        try:
            await run_detached(hook, job.ctx, limit=HOOK_SECONDS)
        finally:
            share.running -= 1
            self._in_hooks -= 1
            if share.waiting:
                self._start(self._run_waiting(key, share))
            elif not share.running:
                self._shares.pop(key, None)

    async def _run_waiting(self, key: int, share: _Share) -> None:
        if share.waiting and share.running < self._workers:
            hook, job = share.waiting.popleft()
            _note(job)
            try:
                await self._run(hook, job, key, share)
            finally:
                self._end_part(job)

    def _end_part(self, job: _Job) -> None:
        job.open -= 1
        if not job.open:
            self._pending.discard(job.number)
            if job.budget is not None:
                job.budget.give_back(job.kept)
            if job.held is not None:
                job.held.give_back()

    def _count_dropped(self) -> None:
        self.dropped += 1
        if self.dropped & (self.dropped - 1) == 0:
            log.error("detached hooks fall behind: %d requests left without them so far", self.dropped)

    async def _pause(self) -> None:
        self._pausing = True
        try:
            await asyncio.sleep(0)
        finally:
            self._pausing = False


def _note(job: _Job) -> None:
    """For the log."""
    current_request_id.set(job.ctx.request_id)
    words_are_hidden.set(job.chain.edits_request or job.chain.edits_reply)
