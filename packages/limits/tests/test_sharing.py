"""Requests wait in turn for what their provider has left."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from llm_gateway_limits.estimates import Usage
from llm_gateway_limits.rules import Asker
from llm_gateway_limits.sharing import UpstreamShares

from llm_gateway_sdk import Principal, RequestContext, RequestRejected
from llm_gateway_sdk.upstream_quota import UpstreamQuota

sys.path.insert(0, str(Path(__file__).parent))

from limits_case import Case, Services

USAGE = Usage(10, 5)


class OneModel(Services):
    """A model whose provider reports its rates, and one whose provider does not."""

    def __init__(self) -> None:
        super().__init__(Case().store)
        self.quota = UpstreamQuota()

    def upstream_quota(self, model: str | None) -> UpstreamQuota | None:
        return self.quota if model == "rated" else None

    def report(self, remaining: int, *, limit: int = 20, reset: str = "1.0s", status: int = 200) -> None:
        headers = [
            ("x-ratelimit-limit-requests", str(limit)),
            ("x-ratelimit-remaining-requests", str(remaining)),
            ("x-ratelimit-reset-requests", reset),
        ]
        self.quota.learn("another", status, headers, time.time())


def made(longest: float = 5.0, **weights: float) -> tuple[OneModel, UpstreamShares, Case]:
    services, case = OneModel(), Case()
    return services, UpstreamShares(services, case.records, weights, longest), case


def asked(number: int, team: str = "red") -> tuple[RequestContext, Asker]:
    ctx = RequestContext(request_id=f"r{number}", requested_model="rated")
    ctx.principal = Principal(team, team, "keys", team=team)
    return ctx, Asker(ctx.principal, "192.0.2.1", "default", "rated", "openai", "generate")


async def admitted(shares: UpstreamShares, number: int, team: str = "red", model: str = "rated") -> RequestContext:
    ctx, asker = asked(number, team)
    await shares.admit(ctx, asker, model, USAGE)
    return ctx


def test_what_the_provider_has_left_goes_at_once() -> None:
    async def main() -> None:
        services, shares, case = made()
        services.report(3)
        for number in range(3):
            ctx = await admitted(shares, number)
            assert "limits.queue" not in ctx.timings
        assert case.records.counts["queued_total"] == 0

    asyncio.run(main())


def test_the_next_one_waits_until_there_is_more_and_reports_how_long() -> None:
    async def main() -> None:
        services, shares, case = made()
        services.report(0)
        ctx = await admitted(shares, 1)
        assert 0.03 < ctx.timings["limits.queue"] < 2
        assert case.records.counts["queued_total"] == 1

    asyncio.run(main())


def test_teams_have_turns_by_their_weight() -> None:
    async def main() -> None:
        services, shares, _ = made(red=3.0, blue=1.0)
        services.report(0, limit=50)
        order: list[str] = []

        async def one(number: int, team: str) -> None:
            await admitted(shares, number, team)
            order.append(team)

        await asyncio.gather(*(one(number, "blue" if number < 8 else "red") for number in range(16)))
        assert sorted(order) == ["blue"] * 8 + ["red"] * 8
        # While both wait, three of four turns are red's, though blue came first.
        assert order[1:9].count("red") >= 5

    asyncio.run(main())


def test_a_wait_that_is_longer_than_allowed_is_refused_at_once_with_the_time_to_come_back() -> None:
    async def main() -> None:
        services, shares, _ = made(longest=2.0)
        services.report(0, limit=1, reset="60s")
        began = time.monotonic()
        with pytest.raises(RequestRejected, match="'rated'") as refused:
            await admitted(shares, 1)
        assert time.monotonic() - began < 1
        assert refused.value.status == 429
        assert 50 < (refused.value.retry_after or 0) <= 60

    asyncio.run(main())


def test_who_waits_for_others_is_refused_when_its_time_is_over() -> None:
    async def main() -> None:
        services, shares, _ = made(longest=0.3)
        services.report(0, limit=1, reset="0.25s")
        found = await asyncio.gather(*(admitted(shares, number) for number in range(4)), return_exceptions=True)
        refused = [each for each in found if isinstance(each, RequestRejected)]
        assert len(refused) == 3
        assert not shares._queues

    asyncio.run(main())


def test_a_request_that_ends_without_a_reply_leaves_its_place() -> None:
    async def main() -> None:
        services, shares, _ = made()
        services.report(1, reset="60s")
        shares.release(await admitted(shares, 1))
        ctx = await admitted(shares, 2)
        assert "limits.queue" not in ctx.timings

    asyncio.run(main())


def test_a_fallback_takes_its_place_along() -> None:
    async def main() -> None:
        services, shares, _ = made()
        services.report(1, reset="60s")
        ctx, asker = asked(1)
        for model in ("rated", "other", "rated"):
            await shares.admit(ctx, asker, model, USAGE)
        assert "limits.queue" not in ctx.timings

    asyncio.run(main())


def test_a_provider_that_reports_nothing_is_not_waited_for() -> None:
    async def main() -> None:
        _, shares, _ = made()
        found: list[Any] = await asyncio.gather(*(admitted(shares, number, model="other") for number in range(20)))
        assert not any(each.timings for each in found)

    asyncio.run(main())


def test_requests_that_a_client_has_named_alike_take_a_place_each() -> None:
    """An `x-request-id` is the client's choice: by one for all it would get more than its share."""

    async def main() -> None:
        services, shares, _ = made()
        services.report(4, reset="60s")
        same = [await admitted(shares, 7) for _ in range(3)]
        services.report(4, reset="60s")  # as the provider was before those arrived
        assert services.quota.wait({"requests": 1}, time.time()) == 0
        await admitted(shares, 7)
        assert services.quota.wait({"requests": 1}, time.time()) > 0
        for ctx in same:
            shares.release(ctx)
        assert services.quota.wait({"requests": 3}, time.time()) == 0

    asyncio.run(main())
