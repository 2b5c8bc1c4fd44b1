"""Requests wait in turn, and a larger weight has more turns."""

from __future__ import annotations

import asyncio
from collections import Counter

from llm_gateway_limits.queueing import FairQueue


def test_turns_go_by_weight() -> None:
    queue, order = FairQueue(), []

    async def one(who: str, weight: float) -> None:
        async with queue.turn(who, weight=weight):
            order.append(who)
            await asyncio.sleep(0)

    async def main() -> None:
        await asyncio.gather(*(one("big", 3) for _ in range(30)), *(one("small", 1) for _ in range(30)), one("late", 1))

    asyncio.run(main())
    first = Counter(order[:24])
    assert 15 <= first["big"] <= 20
    assert first["late"] == 1
    assert len(order) == 61
    assert queue.idle


def test_one_that_gives_up_does_not_stop_the_others() -> None:
    queue, order = FairQueue(), []

    async def one(who: str) -> None:
        async with queue.turn(who):
            await asyncio.sleep(0.01)
            order.append(who)

    async def main() -> None:
        tasks = [asyncio.create_task(one(who)) for who in "abcde"]
        await asyncio.sleep(0)
        tasks[1].cancel()
        await asyncio.sleep(0.015)
        tasks[3].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(main())
    assert order == ["a", "c", "e"]
    assert queue.idle
