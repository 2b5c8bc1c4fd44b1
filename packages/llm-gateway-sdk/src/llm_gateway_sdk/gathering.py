"""Calls that are made within one turn of the event loop, carried out together.

A step of a store costs more by itself than what it does: a thread is woken, a transaction begins and ends, a command is
written and its answer read. What comes in one turn of the event loop shares all of these.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from .background import end_tasks
from .store import StoreUnavailable

__all__ = ["Gathered"]

_CLOSED = "the store is closed"

A = TypeVar("A")
R = TypeVar("R")


class Gathered(Generic[A, R]):
    """`carry_out` takes what was asked, in order, and returns as many answers, of which each may be the exception that
    its caller gets. At most `most` go together.

    A failure of `carry_out` that may be due to what one caller asked is not the others': each is then carried out by
    itself. So asking twice must do no harm. StoreUnavailable is everybody's. Without `repeats`, any failure is.

    A caller that gives up does not end the call of the others.
    """

    def __init__(
        self,
        carry_out: Callable[[Sequence[A]], Awaitable[Sequence[R] | Sequence[R | Exception]]],
        most: int = 64,
        *,
        repeats: bool = True,
    ) -> None:
        self._carry_out = carry_out
        self._most = most
        self._repeats = repeats
        self._waiting: list[tuple[A, asyncio.Future[R]]] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        """The loop at the end of whose turn what waits is carried out."""
        self._running: set[asyncio.Task[None]] = set()

    def ask(self, what: A) -> asyncio.Future[R]:
        """The answer, to be awaited."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[R] = loop.create_future()
        if self._loop is not loop:
            self._loop, self._waiting = loop, []
            loop.call_soon(self._begin, loop)
        self._waiting.append((what, answer))
        return answer

    async def aclose(self) -> None:
        """Waits for what is on its way."""
        if self._loop is not None:
            self._begin(self._loop)
        if self._running:
            await asyncio.gather(*self._running, return_exceptions=True)

    async def cancel(self) -> None:
        """Ends what waits and what is on its way: its callers get StoreUnavailable."""
        waiting, self._waiting, self._loop = self._waiting, [], None
        for _, answer in waiting:
            if not answer.done():
                answer.set_exception(StoreUnavailable(_CLOSED))
        await end_tasks(*self._running)

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._loop is not loop:
            return
        self._loop = None
        waiting, self._waiting = self._waiting, []
        for start in range(0, len(waiting), self._most):
            task = loop.create_task(self._run(waiting[start : start + self._most]))
            self._running.add(task)
            task.add_done_callback(self._running.discard)

    async def _run(self, asked: list[tuple[A, asyncio.Future[R]]]) -> None:
        asked = [each for each in asked if not each[1].done()]
        if not asked:
            return
        try:
            answers = await self._carry_out([what for what, _ in asked])
        except BaseException as error:
            may_be_of_one = isinstance(error, Exception) and not isinstance(error, StoreUnavailable)
            if self._repeats and may_be_of_one and len(asked) > 1:
                for each in asked:
                    await self._run([each])
                return
            reported = error if isinstance(error, Exception) else StoreUnavailable(_CLOSED)
            for _, answer in asked:
                if not answer.done():
                    answer.set_exception(reported)
            if not isinstance(error, Exception):
                raise
            return
        for (_, answer), value in zip(asked, answers, strict=True):
            if answer.done():
                continue
            if isinstance(value, Exception):
                answer.set_exception(value)
            else:
                answer.set_result(value)
