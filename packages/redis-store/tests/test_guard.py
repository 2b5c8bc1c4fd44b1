"""A server that keeps failing is left alone for a moment, and tried by one call."""

from __future__ import annotations

import asyncio

import pytest
from llm_gateway_redis_store.guard import Guard
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisClusterException

from llm_gateway_sdk.store import StoreUnavailable


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


async def fails() -> None:
    raise RedisConnectionError("refused")


async def works() -> str:
    return "answer"


async def hangs() -> None:
    await asyncio.sleep(60)


async def break_down(guard: Guard) -> None:
    for _ in range(5):
        with pytest.raises(StoreUnavailable, match="refused"):
            await guard.call(fails)


def test_after_failures_in_a_row_calls_fail_without_asking() -> None:
    async def run() -> None:
        guard = Guard(1.0, clock=Clock())
        await break_down(guard)

        with pytest.raises(StoreUnavailable, match="tried again in a moment"):
            await guard.call(works)

    asyncio.run(run())


def test_after_the_pause_one_call_tries_and_success_opens_the_way() -> None:
    async def run() -> None:
        clock = Clock()
        guard = Guard(1.0, clock=clock)
        await break_down(guard)
        clock.now = 1.5

        assert await guard.call(works) == "answer"
        assert await guard.call(works) == "answer"

    asyncio.run(run())


def test_a_try_that_fails_begins_the_pause_again() -> None:
    async def run() -> None:
        clock = Clock()
        guard = Guard(1.0, clock=clock)
        await break_down(guard)
        clock.now = 1.5
        with pytest.raises(StoreUnavailable, match="refused"):
            await guard.call(fails)

        with pytest.raises(StoreUnavailable, match="tried again in a moment"):
            await guard.call(works)

    asyncio.run(run())


def test_a_slow_server_is_one_that_failed() -> None:
    async def run() -> None:
        with pytest.raises(StoreUnavailable, match="did not answer within 10 ms"):
            await Guard(0.01).call(hangs)

    asyncio.run(run())


def test_failures_between_successes_do_not_add_up() -> None:
    async def run() -> None:
        guard = Guard(1.0)
        for _ in range(10):
            with pytest.raises(StoreUnavailable, match="refused"):
                await guard.call(fails)
            assert await guard.call(works) == "answer"

    asyncio.run(run())


def test_a_cluster_without_a_node_that_answers_is_unavailable() -> None:
    async def fails() -> None:
        raise RedisClusterException("Please provide at least one reachable node")

    async def main() -> None:
        with pytest.raises(StoreUnavailable):
            await Guard(1.0).call(fails)

    asyncio.run(main())
