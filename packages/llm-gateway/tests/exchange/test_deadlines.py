"""One timer for many deadlines."""

from __future__ import annotations

import asyncio

import pytest

from llm_gateway.exchange.deadlines import Deadlines


async def _bounded(deadlines: Deadlines, seconds: float) -> str:
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    deadlines.enter(task, loop.time() + seconds, loop)
    try:
        await asyncio.sleep(5)
    except asyncio.CancelledError:
        if deadlines.has_ended(task) and task.uncancel() == 0:
            return "over"
        raise
    finally:
        deadlines.leave(task)
    return "done"


def test_each_ends_at_its_own_time_whatever_the_order_in_which_they_entered() -> None:
    async def main() -> list[str]:
        deadlines, loop = Deadlines(), asyncio.get_running_loop()
        ended: list[str] = []

        async def one(name: str, seconds: float) -> None:
            started = loop.time()
            assert await _bounded(deadlines, seconds) == "over"
            assert loop.time() - started >= seconds - 0.01
            ended.append(name)

        await asyncio.gather(one("third", 0.09), one("first", 0.03), one("second", 0.06))
        return ended

    assert asyncio.run(main()) == ["first", "second", "third"]


def test_who_left_in_time_is_not_cancelled() -> None:
    async def main() -> None:
        deadlines, loop = Deadlines(), asyncio.get_running_loop()
        task = asyncio.current_task()
        assert task is not None
        deadlines.enter(task, loop.time() + 0.02, loop)
        deadlines.leave(task)
        await asyncio.sleep(0.05)

    asyncio.run(main())


def test_one_who_is_cancelled_by_somebody_else_as_well_stays_cancelled() -> None:
    async def main() -> None:
        task = asyncio.create_task(_bounded(Deadlines(), 0.02))
        await asyncio.sleep(0)
        asyncio.get_running_loop().call_later(0.02, task.cancel)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
