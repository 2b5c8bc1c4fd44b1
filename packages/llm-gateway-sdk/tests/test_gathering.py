"""Calls of one turn of the event loop are carried out together, and no caller suffers from another's."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from llm_gateway_sdk import StoreUnavailable
from llm_gateway_sdk.gathering import Gathered


class Carrier:
    """Doubles numbers; refuses 13, can't even read -1, and is away while it has 99."""

    def __init__(self) -> None:
        self.calls: list[list[int]] = []

    async def __call__(self, asked: Sequence[int]) -> list[int | Exception]:
        self.calls.append(list(asked))
        await asyncio.sleep(0)
        if 99 in asked:
            raise StoreUnavailable("away")
        if -1 in asked:
            raise UnicodeError("can't be written")
        return [ValueError("unlucky") if each == 13 else 2 * each for each in asked]


async def answers(gathered: Gathered[int, int], *asked: int) -> list[int | BaseException]:
    return await asyncio.gather(*(gathered.ask(each) for each in asked), return_exceptions=True)


def test_calls_of_one_turn_go_together_and_later_ones_by_themselves() -> None:
    async def main() -> None:
        carrier = Carrier()
        gathered = Gathered(carrier)
        assert await answers(gathered, 1, 2, 3) == [2, 4, 6]
        assert await gathered.ask(4) == 8
        assert carrier.calls == [[1, 2, 3], [4]]

    asyncio.run(main())


def test_no_more_go_together_than_allowed() -> None:
    async def main() -> None:
        carrier = Carrier()
        assert await answers(Gathered(carrier, most=2), 1, 2, 3, 4, 5) == [2, 4, 6, 8, 10]
        assert sorted(carrier.calls) == [[1, 2], [3, 4], [5]]

    asyncio.run(main())


def test_an_error_is_its_callers_alone() -> None:
    async def main() -> None:
        one, two, three = await answers(Gathered(Carrier()), 1, 13, 3)
        assert (one, str(two), three) == (2, "unlucky", 6)

    asyncio.run(main())


def test_what_can_not_be_carried_out_fails_for_its_caller_and_for_no_other() -> None:
    async def main() -> None:
        carrier = Carrier()
        one, two, three = await answers(Gathered(carrier), 1, -1, 3)
        assert (one, type(two), three) == (2, UnicodeError, 6)
        assert carrier.calls == [[1, -1, 3], [1], [-1], [3]]

    asyncio.run(main())


def test_a_store_that_is_away_is_away_for_all_and_not_asked_again_for_each() -> None:
    async def main() -> None:
        carrier = Carrier()
        found = await answers(Gathered(carrier), 1, 99, 3)
        assert [type(each) for each in found] == [StoreUnavailable] * 3
        assert len(carrier.calls) == 1

    asyncio.run(main())


def test_a_caller_that_gives_up_ends_no_other_call() -> None:
    async def main() -> None:
        carrier = Carrier()
        gathered = Gathered(carrier)

        async def ask(number: int) -> int:
            return await gathered.ask(number)

        early, late = asyncio.create_task(ask(1)), asyncio.create_task(ask(2))
        await asyncio.sleep(0)
        early.cancel()
        assert await late == 4
        with pytest.raises(asyncio.CancelledError):
            await early
        third, fourth = asyncio.create_task(ask(3)), asyncio.create_task(ask(4))
        await asyncio.sleep(0)  # both ask
        await asyncio.sleep(0)  # and are on their way
        third.cancel()
        assert await fourth == 8

    asyncio.run(main())


def test_its_end_waits_for_what_is_on_its_way() -> None:
    async def main() -> None:
        gathered = Gathered(Carrier())
        asked = gathered.ask(1)
        await gathered.aclose()
        assert asked.done()
        assert await asked == 2

    asyncio.run(main())


def test_another_event_loop_begins_anew() -> None:
    gathered = Gathered(Carrier())

    async def leave() -> None:
        gathered.ask(1)

    async def main() -> None:
        assert await gathered.ask(2) == 4

    asyncio.run(leave())
    asyncio.run(main())
