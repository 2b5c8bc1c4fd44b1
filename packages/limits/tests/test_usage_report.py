"""Reports group what was used by whatever a row has."""

from __future__ import annotations

import asyncio
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from llm_gateway_limits.usage import counter_of
from llm_gateway_limits.usage_report import DIMENSIONS, TIMES, UsageQuery, usage_of

from llm_gateway.stores.memory import MemoryStore
from llm_gateway_sdk import Amount, new_lease_id

MIDNIGHT = 1_767_225_600  # 2026-01-01 in UTC
ROWS: list[dict[str, Any]] = [
    {
        "begins": MIDNIGHT + 3600 * hour, "project": "p", "model": model, "provider": "echo", "key": f"keys:{team}",
        "user": team, "team": team, "org": "o", "labels": {"env": env},
    }
    for hour, model, team, env in (
        (-1, "a", "red", "prod"), (0, "a", "red", "prod"), (1, "b", "red", "test"), (2, "b", "blue", "prod"),
    )
] + [{"begins": MIDNIGHT, "project": "p", "model": "a", "provider": ""}]  # fmt: skip


async def filled() -> MemoryStore:
    """Row number n has 2**n requests and cost ten times as much."""
    store = MemoryStore()
    await store.append("usage", [{"id": str(number), "period": 3600, **row} for number, row in enumerate(ROWS)] * 2)
    amounts = [
        Amount(counter_of(str(number), figure), by * 2**number)
        for number in range(len(ROWS))
        for figure, by in (("requests", 1), ("cost", 10))
    ]
    await store.settle(new_lease_id(), amounts, reserved=False)
    return store


def test_any_dimensions_and_times_give_the_same_total() -> None:
    async def main() -> None:
        store = await filled()
        for name in (*DIMENSIONS, *TIMES, "label:env"):
            for other in (*DIMENSIONS, *TIMES):
                rows = await usage_of(store, UsageQuery((name, other)))
                assert sum(row["requests"] for row in rows) == 31, (name, other)
                assert sum(row["cost"] for row in rows) == 310
                groups = [tuple(sorted(row["group"].items())) for row in rows]
                assert len(set(groups)) == len(groups), "each group comes once"

    asyncio.run(main())


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (UsageQuery(("team",)), {"red": 7, "blue": 8, None: 16}),
        (UsageQuery(("label:env",)), {"prod": 11, "test": 4, None: 16}),
        (UsageQuery(("model",), only={"team": "red"}), {"a": 3, "b": 4}),
        (UsageQuery(("model",), only={"label:env": "test"}), {"b": 4}),
        (UsageQuery(("model",), only={"team": ""}), {"a": 16}),
        (UsageQuery(("model",), only={"label:env": ""}), {"a": 16}),
        (UsageQuery(("day",), zone=ZoneInfo("UTC")), {"2025-12-31": 1, "2026-01-01": 30}),
        (UsageQuery(("day",), zone=ZoneInfo("Europe/Zurich")), {"2026-01-01": 31}),
        (UsageQuery(("month",), zone=ZoneInfo("America/New_York")), {"2025-12": 31}),
        (UsageQuery(("team",), since=MIDNIGHT, until=MIDNIGHT + 7200), {"red": 6, None: 16}),
        (UsageQuery(()), {None: 31}),
    ],
)
def test_groups_spans_and_filters(query: UsageQuery, expected: dict[str | None, int]) -> None:
    async def main() -> None:
        rows = await usage_of(await filled(), query)
        assert {next(iter(row["group"].values()), None): row["requests"] for row in rows} == expected

    asyncio.run(main())


def test_rows_come_by_time_and_then_the_dearest_first() -> None:
    async def main() -> None:
        store = await filled()
        rows = await usage_of(store, UsageQuery(("day", "team"), zone=ZoneInfo("UTC")))
        assert [row["requests"] for row in rows] == [1, 16, 8, 6]

    asyncio.run(main())


def test_a_report_of_many_rows_lets_requests_go_on() -> None:
    async def main() -> None:
        store, turns, done = MemoryStore(), 0, asyncio.Event()
        await store.append("usage", [{"id": str(number), "period": 3600, **ROWS[0]} for number in range(3000)])

        async def others() -> None:
            nonlocal turns
            while not done.is_set():
                turns += 1
                await asyncio.sleep(0)

        waiting = asyncio.create_task(others())
        await usage_of(store, UsageQuery())
        done.set()
        await waiting
        assert turns >= 9, "one for each thousand rows and each five hundred"

    asyncio.run(main())


@pytest.mark.parametrize("query", [{"by": ("teams",)}, {"only": {"day": "2026-01-01"}}, {"by": ("",)}])
def test_what_no_row_has_is_refused(query: Any) -> None:
    with pytest.raises(ValueError, match="expected some of project"):
        UsageQuery(**query)
