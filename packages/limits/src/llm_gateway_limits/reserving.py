"""Reserving in the books: at once, in turn where a limit is one to wait for, and what a store that is away means."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Mapping, Sequence

from llm_gateway_sdk import CounterState, Refused, RequestContext, RequestRejected, StoreUnavailable

from .applied import Applied, Spending, refusing, wait_of
from .books import Books, Hold
from .queueing import FairQueue, weight_of
from .records import Records
from .refusals import refusal_of, store_down

__all__ = ["Reserver"]


class Reserver:
    def __init__(self, books: Books, records: Records, weights: Mapping[str, float]) -> None:
        """`weights` are those of teams, users and keys that wait in turn, by their names; 1 where one is not named."""
        self._books = books
        self._records = records
        self._weights = weights
        self._queues: dict[str, FairQueue] = {}

    async def reserve(
        self, ctx: RequestContext, spending: Spending, applied: list[Applied], *, tried: bool = False
    ) -> Hold:
        """`tried`: no block has it. Raises RequestRejected."""
        try:
            answer = await self._ask(ctx, applied, tried=tried)
            if isinstance(answer, Refused):
                answer = await self._queue(ctx, spending, applied, answer)
        except StoreUnavailable:
            strict = next(
                (each.rule for each in applied if each.rule.enforce and each.rule.on_store_down != "allow"), None
            )
            if strict is not None:
                raise store_down(strict.name) from None
            self._records.counts["unasked_total"] += 1
            answer = self._books.without_store([each.entry for each in applied], note=ctx.request_id)
        spending.holds.append((applied, answer))
        return answer

    async def _ask(self, ctx: RequestContext, applied: Sequence[Applied], *, tried: bool = False) -> Hold | Refused:
        alone = bool(ctx.batch) or any(each.rule.on_store_down == "deny" for each in applied)
        ask = self._books.reserve_in_store if tried else self._books.reserve
        return await ask([each.entry for each in applied], note=ctx.request_id, alone=alone)

    async def _queue(self, ctx: RequestContext, spending: Spending, applied: list[Applied], refused: Refused) -> Hold:
        """Waits in turn where every limit that refused is one to wait for. Raises RequestRejected."""
        began = time.monotonic()
        until = began + min((each.rule.queue_seconds for each in applied if each.rule.queue), default=0.0)
        answer: Hold | Refused = refused
        waited = False
        position = refusing(applied, refused.states)
        queue = self._queues.setdefault(applied[position].entry.key, FairQueue())
        try:
            async with contextlib.AsyncExitStack() as stack:
                while isinstance(answer, Refused):
                    wait = wait_of(applied, answer.states)
                    if wait is None or time.monotonic() + wait > until:
                        raise self._refusal(applied, answer.states)
                    if not waited:
                        who, weight = weight_of(spending.asker, self._weights)
                        waited = True
                        async with asyncio.timeout(until - time.monotonic()):
                            await stack.enter_async_context(queue.turn(who, weight=weight))
                        answer = await self._ask(ctx, applied)
                        continue
                    await asyncio.sleep(max(0.005, wait))
                    answer = await self._ask(ctx, applied)
        except TimeoutError:
            raise self._refusal(applied, refused.states) from None
        finally:
            if waited:
                self._records.waited(ctx, time.monotonic() - began)
            if queue.idle:
                self._queues.pop(applied[position].entry.key, None)
        return answer

    def _refusal(self, applied: Sequence[Applied], states: Sequence[CounterState]) -> RequestRejected:
        each = applied[refusing(applied, states)]
        state = states[applied.index(each)]
        whom = ", ".join(f"{dimension} {value}" for dimension, value in each.term.subject)
        refusal = refusal_of(each.rule, state, each.held, whom=whom, resets_after=each.term.resets_after)
        for one, its in zip(applied, states, strict=True):
            if its.refused:
                self._records.event("refused", one, its)
        return refusal
