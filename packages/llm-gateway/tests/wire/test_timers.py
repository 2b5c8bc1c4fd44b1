from __future__ import annotations

import asyncio

import pytest
import uvloop

from llm_gateway.wire.timers import CLOCK_STEP


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def test_no_timer_fires_earlier_than_the_step(new_loop: type[asyncio.AbstractEventLoop]) -> None:
    async def early() -> float:
        loop = asyncio.get_running_loop()
        worst = 0.0
        for number in range(60):
            due = loop.time() + 0.0011 + number * 0.00003
            fired: asyncio.Future[float] = loop.create_future()
            loop.call_at(due, lambda fired=fired: fired.set_result(loop.time()))
            worst = max(worst, due - await fired)
        return worst

    loop = new_loop()
    try:
        assert loop.run_until_complete(early()) <= CLOCK_STEP
    finally:
        loop.close()
