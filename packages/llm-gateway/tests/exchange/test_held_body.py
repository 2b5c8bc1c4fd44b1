"""What the body of a request holds of the memory for all of them."""

from __future__ import annotations

import asyncio

import pytest

from llm_gateway.admission import Admission
from llm_gateway.exchange.held_body import HeldBody, body_memory
from llm_gateway_sdk import Overloaded


def memory(most: int = 100, timeout: float = 5.0) -> Admission:
    return Admission(concurrent=most, queued=most, timeout=timeout, what="memory")


def test_it_grows_and_is_given_back_once() -> None:
    async def run() -> None:
        all_of_it = memory()
        body = HeldBody(all_of_it)
        for size in (10, 60, 20):
            await body.hold(size)
        assert all_of_it.in_flight == body.size == 60

        body.give_back()
        body.give_back()
        assert all_of_it.in_flight == 0

    asyncio.run(run())


def test_bodies_that_all_grow_do_not_wait_for_one_another() -> None:
    async def run() -> None:
        all_of_it = memory(timeout=1.0)
        bodies = [HeldBody(all_of_it) for _ in range(4)]
        for body in bodies:
            await body.hold(25)

        async def grow(body: HeldBody) -> None:
            await body.hold(50)
            await asyncio.sleep(0)
            body.give_back()

        await asyncio.gather(*(grow(body) for body in bodies[:2]))
        assert all_of_it.in_flight == 50

    asyncio.run(run())


def test_where_there_is_none_in_time_nothing_is_held() -> None:
    async def run() -> None:
        all_of_it = memory(timeout=0.01)
        first, second = HeldBody(all_of_it), HeldBody(all_of_it)
        await first.hold(90)
        await second.hold(10)

        with pytest.raises(Overloaded):
            await second.hold(20)

        assert second.size == 0
        assert (all_of_it.in_flight, all_of_it.queued) == (90, 0)

    asyncio.run(run())


def test_what_is_refused_names_the_memory() -> None:
    async def run() -> None:
        all_of_it = body_memory()
        all_of_it.limit(concurrent=10, queued=0, timeout=1.0)
        await HeldBody(all_of_it).hold(10)

        with pytest.raises(Overloaded, match="memory for request bodies"):
            await HeldBody(all_of_it).hold(1)

    asyncio.run(run())
