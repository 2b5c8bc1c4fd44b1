from __future__ import annotations

import asyncio
import logging

import pytest

from llm_gateway.closing import Closing


async def never() -> None:
    await asyncio.Event().wait()


def test_what_does_not_close_is_left_alone_and_the_next_is_closed(caplog: pytest.LogCaptureFixture) -> None:
    closed: list[str] = []

    async def close() -> None:
        closed.append("other")

    async def deaf() -> None:
        try:
            await never()
        except asyncio.CancelledError:
            await asyncio.sleep(0.1)

    async def use() -> None:
        closing = Closing(0.1)
        await closing.close("the plugin 'deaf'", deaf)
        await closing.close("the plugin 'other'", close)

    with caplog.at_level(logging.WARNING):
        asyncio.run(use())
    assert closed == ["other"]
    assert "the plugin 'deaf' has not closed in time" in caplog.text
    assert "other" not in caplog.text


@pytest.mark.parametrize("error", [ValueError("gone"), SystemExit(1), asyncio.CancelledError(), GeneratorExit()])
def test_a_failure_is_reported_and_ends_nothing(error: BaseException, caplog: pytest.LogCaptureFixture) -> None:
    async def fail() -> None:
        raise error

    async def use() -> None:
        await Closing().close("the plugin 'a'", fail)

    asyncio.run(use())
    assert "the plugin 'a' failed in close" in caplog.text


def test_the_closing_can_be_cancelled() -> None:
    async def use() -> None:
        ending = asyncio.create_task(Closing(60).close("the plugin 'a'", never))
        await asyncio.sleep(0.01)
        ending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await ending
        await asyncio.sleep(0.01)
        assert asyncio.all_tasks() == {asyncio.current_task()}  # what closed it has ended too

    asyncio.run(use())
