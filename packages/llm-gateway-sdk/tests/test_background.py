from __future__ import annotations

import asyncio
import logging

import pytest

from llm_gateway_sdk.background import end_tasks


def test_a_task_that_takes_one_cancellation_for_its_own_is_cancelled_again() -> None:
    """As `asyncio.wait_for` of Python 3.11 does where what it waits for ends at the same moment."""

    async def deaf_once() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            await asyncio.sleep(60)

    async def use() -> None:
        task = asyncio.create_task(deaf_once())
        await asyncio.sleep(0)
        await end_tasks(task)
        assert task.cancelled()

    asyncio.run(use())


def test_a_task_that_goes_on_regardless_is_left_and_reported(caplog: pytest.LogCaptureFixture) -> None:
    async def use() -> None:
        ended = asyncio.Event()

        async def deaf() -> None:
            while not ended.is_set():
                try:
                    await asyncio.wait_for(ended.wait(), 60)
                except asyncio.CancelledError:
                    pass

        task = asyncio.create_task(deaf())
        await asyncio.sleep(0)
        with caplog.at_level(logging.WARNING):
            await end_tasks(task, seconds=0.05)
        assert not task.done()
        ended.set()
        await task

    asyncio.run(use())
    assert "1 background tasks go on after they were cancelled" in caplog.text


def test_the_error_of_a_task_is_not_reported() -> None:
    reported: list[dict[str, object]] = []

    async def use() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))

        async def fail() -> None:
            raise ValueError("gone")

        async def fail_in_the_end() -> None:
            try:
                await asyncio.sleep(60)
            finally:
                raise ValueError("could not clean up")

        tasks = [asyncio.create_task(fail()), asyncio.create_task(fail_in_the_end())]
        await asyncio.sleep(0)
        await end_tasks(*tasks)
        assert all(task.done() for task in tasks)

    asyncio.run(use())
    assert not reported


def test_the_ending_can_be_cancelled() -> None:
    async def use() -> None:
        ended = asyncio.Event()

        async def deaf() -> None:
            while not ended.is_set():
                try:
                    await ended.wait()
                except asyncio.CancelledError:
                    pass

        task = asyncio.create_task(deaf())
        ending = asyncio.create_task(end_tasks(task, seconds=60))
        await asyncio.sleep(0.01)
        ending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await ending
        ended.set()
        await task

    asyncio.run(use())
