"""Places for requests: so many at once, so many in the queue, the rest refused at once."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.admission import Admission
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


def test_of_requests_of_different_sizes_the_first_is_not_overtaken_by_smaller_ones() -> None:
    async def run() -> None:
        gate = admission(concurrent=10, queued=10)
        await gate.acquire(6)
        large = asyncio.create_task(gate.acquire(8))
        await asyncio.sleep(0)

        assert not gate.try_acquire(1)
        small = asyncio.create_task(gate.acquire(1))
        await asyncio.sleep(0)
        gate.release(6)
        await large
        await small

        assert (gate.in_flight, gate.queued) == (9, 0)

    asyncio.run(run())


def test_one_that_is_larger_than_everything_gets_its_places_when_no_other_has_any() -> None:
    async def run() -> None:
        gate = admission(concurrent=10, queued=10)
        await gate.acquire(1)
        huge = asyncio.create_task(gate.acquire(50))
        await asyncio.sleep(0)
        assert not huge.done()

        gate.release(1)
        await huge

        assert gate.in_flight == 50
        assert not gate.try_acquire(1)

    asyncio.run(run())


def test_who_waits_after_a_large_one_goes_on_when_that_leaves() -> None:
    async def run() -> None:
        gate = admission(concurrent=10, queued=20)
        await gate.acquire(5)
        large, small = asyncio.create_task(gate.acquire(8)), asyncio.create_task(gate.acquire(5))
        await asyncio.sleep(0)

        large.cancel()
        await small

        assert (gate.in_flight, gate.queued) == (10, 0)

    asyncio.run(run())


def test_wider_bounds_let_in_those_who_wait() -> None:
    async def run() -> None:
        gate = admission()
        await gate.acquire()
        waiting = asyncio.create_task(gate.acquire())
        await asyncio.sleep(0)

        gate.limit(concurrent=2, queued=1, timeout=5)
        await waiting

    asyncio.run(run())


@given(st.lists(st.tuples(st.integers(1, 12), st.integers(0, 3), st.booleans()), max_size=12))
def test_whatever_comes_and_goes_the_bounds_hold_and_everything_is_given_back(
    requests: list[tuple[int, int, bool]],
) -> None:
    async def run() -> None:
        gate, held = admission(concurrent=10, queued=10), 0

        async def request(places: int, turns: int) -> None:
            nonlocal held
            try:
                await gate.acquire(places)
            except Overloaded:
                return
            held += places
            assert held == places or held <= 10
            try:
                for _ in range(turns):
                    await asyncio.sleep(0)
            finally:
                held -= places
                gate.release(places)

        tasks = []
        for places, turns, leaves in requests:
            tasks.append(asyncio.create_task(request(places, turns)))
            await asyncio.sleep(0)
            if leaves:
                tasks[len(tasks) // 2].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

        assert (gate.in_flight, gate.queued) == (0, 0)
        assert gate.try_acquire(10)

    asyncio.run(run())
