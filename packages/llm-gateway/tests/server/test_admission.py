"""Places for requests: so many at once, so many in the queue, the rest refused at once."""

from __future__ import annotations

import asyncio

import pytest

from llm_gateway.server.admission import Admission
from llm_gateway_sdk import Overloaded


def admission(concurrent: int = 1, queued: int = 1, timeout: float = 5.0) -> Admission:
    return Admission(concurrent=concurrent, queued=queued, timeout=timeout)


def test_what_is_beyond_places_and_queue_is_refused_at_once() -> None:
    async def run() -> None:
        gate = admission()
        await gate.acquire()
        waiting = asyncio.create_task(gate.acquire())
        await asyncio.sleep(0)

        assert gate.full
        with pytest.raises(Overloaded) as refused:
            await gate.acquire()

        assert refused.value.retry_after == 1.0
        assert (gate.in_flight, gate.queued, gate.refused) == (1, 1, 1)
        gate.release()
        await waiting

    asyncio.run(run())


def test_places_go_to_those_who_wait_in_the_order_of_their_coming() -> None:
    async def run() -> None:
        gate = admission(queued=3)
        order: list[int] = []

        async def request(number: int) -> None:
            await gate.acquire()
            order.append(number)
            await asyncio.sleep(0)
            gate.release()

        await asyncio.gather(*(request(number) for number in range(4)))

        assert order == [0, 1, 2, 3]
        assert (gate.in_flight, gate.queued) == (0, 0)

    asyncio.run(run())


def test_a_wait_ends_with_a_refusal() -> None:
    async def run() -> None:
        gate = admission(timeout=0.01)
        await gate.acquire()

        with pytest.raises(Overloaded, match="in time"):
            await gate.acquire()

        gate.release()
        assert (gate.in_flight, gate.queued) == (0, 0)

    asyncio.run(run())


def test_a_client_that_leaves_the_queue_costs_no_place() -> None:
    async def run() -> None:
        gate = admission()
        await gate.acquire()
        waiting = asyncio.create_task(gate.acquire())
        await asyncio.sleep(0)

        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)

        gate.release()
        assert gate.try_acquire()

    asyncio.run(run())


def test_a_client_that_leaves_as_it_gets_its_place_gives_it_back() -> None:
    async def run() -> None:
        gate = admission()
        await gate.acquire()
        waiting = asyncio.create_task(gate.acquire())
        await asyncio.sleep(0)

        gate.release()  # the place goes over
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)

        assert gate.in_flight == 0

    asyncio.run(run())


def test_other_bounds_hold_from_the_next_request_on() -> None:
    gate = admission()
    assert gate.try_acquire()
    assert not gate.try_acquire()

    gate.limit(concurrent=2, queued=0, timeout=1)

    assert gate.try_acquire()
