"""Reserving: at once, in turn, or not at all."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest

from llm_gateway_sdk import RequestRejected, StoreUnavailable

sys.path.insert(0, str(Path(__file__).parent))

from limits_case import Case

DAY = {"name": "day", "per": ["key"], "tokens": 400, "window": {"calendar": "day"}}
PLACES = {"name": "places", "per": ["key"], "concurrent": 1, "onExceed": "queue", "queueTimeout": 5000}


async def reserved(case: Case, **more: Any) -> Any:
    ctx, spending = case.asked(**more)
    await case.reserver.reserve(ctx, spending, spending.applied)
    return ctx, spending


def test_what_is_left_is_reserved_and_the_rest_refused() -> None:
    async def main() -> None:
        case = Case(DAY)
        _, spending = await reserved(case)
        assert len(spending.holds) == 1
        assert await case.settled(spending.applied) == [(0, 150)]
        await reserved(case)
        with pytest.raises(RequestRejected, match="day") as refused:
            await reserved(case)
        assert refused.value.code == "rate_limit_exceeded", "others may give back what they hold"
        await case.records.flush()
        assert [each.event["kind"] for each in await case.store.read_since("limits")] == ["refused"]

    asyncio.run(main())


def test_who_waits_gets_the_place_that_becomes_free() -> None:
    async def main() -> None:
        case = Case(PLACES)
        ctx, first = await reserved(case)
        waiting = asyncio.create_task(reserved(case))
        await asyncio.sleep(0.02)
        assert not waiting.done()
        await case.settlement.settle(ctx, first)
        later, second = await asyncio.wait_for(waiting, 5)
        assert len(second.holds) == 1
        assert later.timings["limits.queue"] > 0
        assert case.records.counts["queued_total"] == 1

    asyncio.run(main())


def test_who_waits_too_long_is_refused() -> None:
    async def main() -> None:
        case = Case({**PLACES, "queueTimeout": 100})
        await reserved(case)
        with pytest.raises(RequestRejected, match="places"):
            await reserved(case)

    asyncio.run(main())


@pytest.mark.parametrize(("setting", "status"), [("allow", None), ("deny", 503)])
def test_a_store_that_is_away_is_handled_as_set(
    setting: str, status: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        case = Case({**DAY, "onStoreDown": setting})

        async def away(*_: Any, **__: Any) -> Any:
            raise StoreUnavailable("away")

        monkeypatch.setattr(case.books, "reserve", away)
        if status is None:
            _, spending = await reserved(case)
            assert len(spending.holds) == 1
            assert case.records.counts["unasked_total"] == 1
        else:
            with pytest.raises(RequestRejected) as refused:
                await reserved(case)
            assert refused.value.status == status

    asyncio.run(main())
