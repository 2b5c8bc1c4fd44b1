"""What is noted of a request: headers, figures, and the log of limits that only watch."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from llm_gateway_limits.notes import Notes

from llm_gateway_sdk import RequestContext, RequestRejected

sys.path.insert(0, str(Path(__file__).parent))

from limits_case import Case

DAY = {"name": "day", "per": ["key"], "tokens": 1000, "window": {"calendar": "day"}}


async def noted(case: Case, *, shown: bool = True) -> tuple[RequestContext, Any, Any]:
    ctx, spending = case.asked()
    hold = await case.reserver.reserve(ctx, spending, spending.applied)
    Notes(case.records, shown=shown).note(ctx, spending.applied, hold.states)
    return ctx, spending, hold


def test_a_client_is_shown_its_limits_where_that_is_wanted() -> None:
    async def main() -> None:
        ctx, _, _ = await noted(Case(DAY))
        assert ctx.reply_headers["x-ratelimit-remaining-tokens"] == "850"
        ctx, _, _ = await noted(Case(DAY), shown=False)
        assert ctx.reply_headers == {}

    asyncio.run(main())


def test_later_requests_of_a_plan_are_shown_the_same_headers() -> None:
    async def main() -> None:
        case = Case(DAY)
        ctx, _, hold = await noted(case)
        plan, later = case.planner.plan(ctx, time.time()), RequestContext(request_id="r2")
        notes = Notes(case.records, shown=True)
        for now in (1000.0, 1000.5, 1001.0):
            notes.show_plan(later, plan, hold.states, now)
            assert later.reply_headers.keys() == ctx.reply_headers.keys()
        assert later.reply_headers["x-ratelimit-remaining-tokens"] == "850"

    asyncio.run(main())


def test_a_limit_that_only_watches_is_counted_where_it_is_passed() -> None:
    async def main() -> None:
        case = Case({**DAY, "tokens": 100, "mode": "shadow"})
        await noted(case)
        assert case.records.counts["shadow_total"] == 1

    asyncio.run(main())


@pytest.mark.parametrize(("retry_after", "again"), [(None, "false"), (3.0, None)])
def test_official_clients_do_not_try_a_spent_budget_again(retry_after: float | None, again: str | None) -> None:
    case, ctx = Case(DAY), RequestContext(request_id="r")
    Notes(case.records, shown=True).refused(ctx, RequestRejected("no", retry_after=retry_after))

    assert ctx.reply_headers.get("x-should-retry") == again
    assert case.records.counts["refused_total"] == 1
