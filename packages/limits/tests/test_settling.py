"""Settling: what was used is charged, what was held is free, and models that were chosen later are charged too."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path
from typing import Any

from llm_gateway_sdk import Attempt, RequestContext
from llm_gateway_sdk.metering import add_attempt, record, record_cut
from llm_gateway_sdk.response import Usage as Reported

sys.path.insert(0, str(Path(__file__).parent))

from limits_case import Case

DAY = {"name": "day", "per": ["key"], "tokens": 1000, "window": {"calendar": "day"}}
OF_MODEL = {"name": "of-model", "per": ["key", "model"], "tokens": 1000, "window": {"calendar": "day"}}


def answered(ctx: RequestContext, model: str, tokens: tuple[int, int]) -> None:
    now = time.time()
    attempt = Attempt(model, f"echo/{model}", now, ended=now, status=200)
    record(attempt, Reported(*tokens))
    ctx.attempts.append(attempt)
    add_attempt(ctx.metrics, attempt)


async def run(case: Case, *attempts: tuple[str, tuple[int, int]]) -> Any:
    ctx, spending = case.asked()
    await case.reserver.reserve(ctx, spending, spending.applied)
    for attempt in attempts:
        answered(ctx, *attempt)
    await case.settlement.settle(ctx, spending)
    return spending


def test_what_was_used_is_charged_and_the_rest_is_free() -> None:
    async def main() -> None:
        case = Case(DAY)
        spending = await run(case, ("m", (20, 5)))
        assert await case.settled(spending.applied) == [(25, 0)]

    asyncio.run(main())


def test_a_request_without_a_call_is_charged_nothing() -> None:
    async def main() -> None:
        case = Case(DAY)
        spending = await run(case)
        assert await case.settled(spending.applied) == [(0, 0)]

    asyncio.run(main())


def test_a_model_that_was_chosen_later_is_charged_on_its_own_limit() -> None:
    async def main() -> None:
        case = Case(OF_MODEL)
        assert case.settlement.by_model
        spending = await run(case, ("other", (20, 5)))
        names = [dict(each.term.subject)["model"] for each in spending.applied]
        assert names == ["m", "other"]
        assert await case.settled(spending.applied) == [(0, 0), (25, 0)]

    asyncio.run(main())


def test_the_ledger_has_which_part_of_a_charge_is_not_exact() -> None:
    """Of one request that reserved twice and made an attempt that broke off and one that did not."""

    async def main() -> None:
        case = Case({**DAY, "tokens": 1000}, ledger=True)
        ctx, spending = case.asked()
        for _ in range(2):
            await case.reserver.reserve(ctx, spending, spending.applied)
        attempt = Attempt("m", "echo/m", time.time(), status=200)
        record_cut(attempt, Reported(20), input_tokens=0, output_tokens=180)
        ctx.attempts.append(attempt)
        answered(ctx, "m", (90, 10))
        await case.settlement.settle(ctx, spending)
        charges, estimated = await case.ledger("charges"), await case.ledger("estimated")
        assert sum(charges) == 300
        assert sum(estimated) == 180, "the output of the attempt that broke off"
        assert all(part <= whole for part, whole in zip(estimated, charges, strict=True))

    asyncio.run(main())


def test_several_reservations_are_charged_once_in_all() -> None:
    async def main() -> None:
        case = Case(DAY)
        ctx, spending = case.asked()
        await case.reserver.reserve(ctx, spending, spending.applied)
        await case.reserver.reserve(ctx, spending, spending.applied)
        answered(ctx, "m", (180, 20))
        await case.settlement.settle(ctx, spending)
        assert await case.settled(spending.applied) == [(200, 0)]

    asyncio.run(main())
