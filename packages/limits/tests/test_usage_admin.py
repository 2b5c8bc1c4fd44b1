"""`GET /usage` as a client of the administration API asks it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from llm_gateway_limits.usage import counter_of
from llm_gateway_limits.usage_admin import usage_routes

from llm_gateway.stores.memory import MemoryStore
from llm_gateway_sdk import Amount, new_lease_id
from llm_gateway_sdk.admin import AdminCall, AdminError
from llm_gateway_sdk.checks import problems_of

TEAMS = ("red", "blue", "green")


def asked(query: dict[str, str], *, rows: int = len(TEAMS), counting: bool = True) -> Any:
    """The reply's body."""

    async def main() -> Any:
        store = MemoryStore()
        found = [
            {
                "id": team, "period": 3600, "begins": 1_767_225_600 + 3600 * number, "project": "p", "model": "m",
                "provider": "echo", "team": team, "labels": {"env": "prod"},
            }
            for number, team in enumerate(TEAMS[:rows])
        ]  # fmt: skip
        await store.append("usage", found)
        amounts = [Amount(counter_of(row["id"], "requests"), 1) for row in found]
        await store.settle(new_lease_id(), amounts, reserved=False)
        (route,) = usage_routes(store, lambda: counting)
        reply = await route.handler(AdminCall("ann", "127.0.0.1", {}, query, None))
        assert problems_of(reply.body, route.gives or {}) == []
        return reply.body

    return asyncio.run(main())


@pytest.mark.parametrize(
    ("query", "requests"),
    [
        ({}, [3]),
        ({"by": "team"}, [1, 1, 1]),
        ({"by": "team", "team": "red"}, [1]),
        ({"by": "", "label": "env=prod"}, [3]),
        ({"label": "env=test"}, []),
        ({"since": "1767225600", "until": "1767229201"}, [2]),
        ({"by": "day", "timeZone": "Asia/Tokyo"}, [3]),
    ],
)
def test_it_is_asked_by_its_parameters(query: dict[str, str], requests: list[int]) -> None:
    assert [row["requests"] for row in asked(query)["items"]] == requests


def test_it_has_pages() -> None:
    first = asked({"by": "team", "size": "2"})
    rest = asked({"by": "team", "size": "2", "after": first["next"]})
    assert {row["group"]["team"] for row in first["items"] + rest["items"]} == set(TEAMS)
    assert rest["next"] is None


@pytest.mark.parametrize(
    "query",
    [
        {"by": "teams"}, {"since": "yesterday"}, {"until": "nan"}, {"size": "0"}, {"after": "x"}, {"label": "env"},
        {"timeZone": "Mars/Olympus"},
    ],
)  # fmt: skip
def test_mistakes_are_refused(query: dict[str, str]) -> None:
    with pytest.raises(AdminError) as caught:
        asked(query)
    assert caught.value.status == 400


def test_where_nothing_is_added_up_the_setting_is_named() -> None:
    assert asked({}, rows=0)["items"] == []
    with pytest.raises(AdminError, match="usage: hour") as caught:
        asked({}, rows=0, counting=False)
    assert caught.value.status == 404
