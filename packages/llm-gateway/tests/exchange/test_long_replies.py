"""Long replies take turns by bytes: bounded in all, and none waits for ever."""

from __future__ import annotations

import asyncio
import random
import selectors
from collections.abc import Coroutine
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_gateway.exchange.long_replies import PATIENCE_SECONDS, LongReplies, LongReply
from llm_gateway_sdk import Overloaded

MIB = 1 << 20
STEP = 4 * MIB
FOREVER = float("inf")


class _Selector(selectors.DefaultSelector):  # type: ignore[misc, valid-type]
    """Waits for nothing: the clock goes on instead."""

    def __init__(self) -> None:
        super().__init__()
        self.passed = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        assert timeout is not None, "all wait for each other"
        self.passed += max(timeout, 0)
        return super().select(0)


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._passing = _Selector()
        super().__init__(self._passing)

    def time(self) -> float:
        return self._passing.passed


def run(main: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=_Loop) as runner:
        runner.run(main)


class Watched(LongReplies):
    """Notes how much was held at most."""

    most = 0

    def _give(self, reply: LongReply, size: int) -> None:
        super()._give(reply, size)
        self.most = max(self.most, self.held)


def test_what_fits_does_not_wait_and_what_does_not_waits_for_another_to_end() -> None:
    async def main() -> None:
        replies = LongReplies(2 * STEP)
        first, second = replies.open(), replies.open()
        await first.take(2 * MIB, FOREVER)
        await first.take(2 * MIB, FOREVER)
        await second.take(MIB, FOREVER)
        third = replies.open()
        waiting = asyncio.ensure_future(third.take(MIB, FOREVER))
        await asyncio.sleep(0)
        # None is beyond the bound yet, so that the first one that waits goes on; the next one waits.
        assert waiting.done()
        fourth = replies.open()
        waiting = asyncio.ensure_future(fourth.take(MIB, FOREVER))
        await asyncio.sleep(1)
        assert (replies.waiting, replies.held) == (1, 3 * STEP)
        third.close()
        await waiting
        assert (replies.waiting, replies.held) == (0, 3 * STEP)
        for reply in (first, second, fourth):
            reply.close()
        assert replies.held == 0

    run(main())


def test_the_one_that_came_first_is_given_room_first() -> None:
    async def main() -> None:
        replies = LongReplies(STEP)
        beyond, early, late = replies.open(), replies.open(), replies.open()
        await beyond.take(2 * STEP, FOREVER)
        order: list[str] = []

        async def take(name: str, reply: LongReply) -> None:
            await reply.take(MIB, FOREVER)
            order.append(name)
            await asyncio.sleep(1)
            reply.close()

        tasks = [asyncio.ensure_future(take("late", late)), asyncio.ensure_future(take("early", early))]
        await asyncio.sleep(1)
        assert order == []
        beyond.close()
        await asyncio.gather(*tasks)
        assert order == ["early", "late"]

    run(main())


def test_one_that_stops_in_the_middle_keeps_the_others_for_seconds_only() -> None:
    async def main() -> None:
        replies = LongReplies(STEP)
        stopped, full = replies.open(), replies.open()
        await full.take(STEP, FOREVER)
        await stopped.take(STEP, FOREVER)
        loop = asyncio.get_running_loop()
        began = loop.time()
        others = [replies.open() for _ in range(3)]
        await asyncio.gather(*[other.take(MIB, FOREVER) for other in others])
        assert PATIENCE_SECONDS <= loop.time() - began <= 3 * PATIENCE_SECONDS

    run(main())


def test_there_is_an_end_to_the_waiting() -> None:
    async def main() -> None:
        replies = LongReplies(STEP)
        first, late = replies.open(), replies.open()
        await first.take(3 * STEP, FOREVER)
        with pytest.raises(Overloaded):
            await late.take(MIB, asyncio.get_running_loop().time() + 1)
        late.close()
        first.close()
        assert (replies.held, replies.waiting) == (0, 0)

    run(main())


def test_a_client_that_is_waited_for_keeps_no_room() -> None:
    async def main() -> None:
        replies = LongReplies(STEP)
        slow, other = replies.open(), replies.open()
        await slow.take(2 * STEP, FOREVER)
        assert slow.leave() == 2 * STEP
        assert replies.held == 0
        await other.take(STEP, FOREVER)
        slow.go_on()
        assert replies.held == 3 * STEP
        slow.leave()
        slow.close()
        other.close()
        assert replies.held == 0

    run(main())


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 5), st.integers(1, 14))
def test_nothing_is_lost_and_none_waits_for_ever(seed: int, steps: int, number: int) -> None:
    """Replies of all lengths, that stop, are cut off, have clients that do not read, or find no room in time."""
    chance = random.Random(seed)
    limit, longest, stops = steps * STEP, 6 * STEP, chance.random() < 0.3

    async def serve(replies: Watched) -> None:
        reply = replies.open()
        try:
            left = chance.randrange(1, longest)
            while left > 0:
                size = min(left, chance.randrange(1, 2 * MIB))
                left -= size
                wait = chance.choice([FOREVER, FOREVER, 0.5])
                await reply.take(size, asyncio.get_running_loop().time() + wait)
                await asyncio.sleep(chance.choice([0, 0, 0.01, 40 if stops else 0.1]))
                if stops and chance.random() < 0.2:
                    reply.leave()
                    await asyncio.sleep(chance.random())
                    reply.go_on()
        except Overloaded:
            return
        finally:
            reply.close()

    async def main() -> None:
        replies, loop = Watched(limit), asyncio.get_running_loop()
        tasks = [asyncio.ensure_future(serve(replies)) for _ in range(number)]
        for task in tasks:
            if chance.random() < 0.2:
                loop.call_later(chance.random() * 3, task.cancel)
        await asyncio.wait(tasks)
        assert (replies.held, replies.waiting) == (0, 0)
        assert stops or replies.most <= limit + longest + STEP

    run(main())
