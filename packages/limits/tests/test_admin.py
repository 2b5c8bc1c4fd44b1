"""The plugin's routes in the administration API, on counters that a gateway has filled."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from llm_gateway_limits.admin import limit_routes
from llm_gateway_limits.rules import compile_rules

from llm_gateway.stores.memory import MemoryStore
from llm_gateway.testing import GatewayClient
from llm_gateway_sdk import Amount, Lease, new_lease_id
from llm_gateway_sdk.admin import AdminCall, AdminError
from llm_gateway_sdk.checks import problems_of

RULES = compile_rules(
    [
        {"name": "team", "per": ["team", "model"], "cost": "10 USD", "window": {"calendar": "month"}},
        {"name": "all", "tokens": 1000, "window": "lifetime"},
    ]
)


class Routes:
    def __init__(self) -> None:
        self.store = MemoryStore()
        self.routes = {route.name: route for route in limit_routes(self.store, lambda: RULES)}

    async def __call__(
        self, route_name: str, body: Any = None, path: Mapping[str, str] | None = None, /, **query: str
    ) -> Any:
        route = self.routes[route_name]
        reply = await route.handler(AdminCall("ann", "127.0.0.1", path or {}, query, body))
        if route.gives is not None:
            assert problems_of(reply.body, route.gives) == [], "the reply has the form that the document promises"
        return reply.body

    async def spend(self, team: str, model: str, nano: int, **marks: int) -> None:
        subject = (("model", model), ("team", team))
        ordered = tuple(sorted(subject, key=lambda each: RULES[0].per.index(each[0])))
        entries = [RULES[0].entry(ordered, nano, time.time()), RULES[1].entry((), 5, time.time())]
        present = [each for each in entries if each is not None]
        lease = Lease(new_lease_id(), 60, f"req-{team}")
        await self.store.reserve(present, lease)
        known = [marks, {}]
        amounts = [Amount(each.key, each.amount, each.ends, **mark) for each, mark in zip(present, known, strict=True)]
        await self.store.settle(lease.id, amounts)
        for rule, whom in ((RULES[0], ordered), (RULES[1], ())):
            await self.store.put(f"limits/subjects/{rule.key(whom, '')}", b"")


def test_the_state_of_limits_by_subject_with_their_overrides() -> None:
    async def main() -> None:
        call = Routes()
        await call.spend("data", "gpt", 3 * 10**9)
        await call.spend("research", "gpt", 10**9)
        made = await call(
            "createOverride", {"limit": "team", "subject": {"team": "data"}, "amount": "20 USD", "reason": "launch"}
        )
        rows = (await call("listLimits", limit="team", subject="team=data"))["items"]
        assert [(row["settled"], row["of"], row["remaining"]) for row in rows] == [(3 * 10**9, 20 * 10**9, 17 * 10**9)]
        assert [each["id"] for each in (await call("listOverrides"))["items"]] == [made["id"]]
        await call("deleteOverride", None, {"id": made["id"]})
        rows = (await call("listLimits", limit="team", subject="team=data"))["items"]
        assert rows[0]["of"] == 10 * 10**9
        first = await call("listLimits", size="2")
        rest = await call("listLimits", size="2", after=first["next"])
        assert len(first["items"]) + len(rest["items"]) == 3
        assert rest["next"] is None

    asyncio.run(main())


def test_the_fullest_limits_come_first_over_all_pages() -> None:
    async def main() -> None:
        call = Routes()
        for team, spent in (("a", 1), ("b", 9), ("c", 5), ("d", 20)):
            await call.spend(team, "gpt", spent * 10**9)
        first = await call("listLimits", limit="team", order="fullest", size="2")
        rest = await call("listLimits", limit="team", order="fullest", size="2", after=first["next"])
        found = [row["subject"]["team"] for row in first["items"] + rest["items"]]
        assert found == ["d", "b", "c", "a"]

    asyncio.run(main())


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        ("team", {("data", None): 5, ("research", None): 3}),
        ("model", {(None, "gpt"): 4, (None, "claude"): 4}),
        ("subject", {("data", "gpt"): 1, ("data", "claude"): 4, ("research", "gpt"): 3}),
    ],
)
def test_the_ledger_is_grouped_by_any_dimension(by: str, expected: dict[tuple[Any, Any], int]) -> None:
    async def main() -> None:
        call = Routes()
        for team, model, nano in (("data", "gpt", 1), ("data", "claude", 4), ("research", "gpt", 3)):
            await call.spend(team, model, nano)
        items = (await call("getLedger", by=by, measure="cost"))["items"]
        found = {(each["subject"].get("team"), each["subject"].get("model")): each["amount"] for each in items}
        assert found == expected
        assert (await call("getLedger", by=by, until="1"))["items"] == []
        (everything,) = (await call("getLedger", by="limit", name="all"))["items"]
        assert everything["amount"] == 15, "two limits are never added up"

    asyncio.run(main())


def test_sums_of_the_ledger_say_how_much_of_them_is_not_exact() -> None:
    async def main() -> None:
        call = Routes()
        await call.spend("data", "gpt", 40, partial=10, estimated=7)
        await call.spend("data", "claude", 60, estimated=5)
        await call.spend("research", "gpt", 3)
        items = (await call("getLedger", by="team", measure="cost"))["items"]
        found = {each["subject"]["team"]: (each["amount"], each["partial"], each["estimated"]) for each in items}
        assert found == {"data": (100, 10, 12), "research": (3, 0, 0)}

    asyncio.run(main())


def test_events_are_read_page_by_page() -> None:
    async def main() -> None:
        call = Routes()
        events = [{"kind": "refused" if number % 2 else "shadow", "limit": "team"} for number in range(7)]
        await call.store.append("limits", events)
        found, after = 0, ""
        while True:
            page = await call("listLimitEvents", kind="refused", limit="2", after=after)
            found += len(page["items"])
            if page["next"] is None:
                break
            after = page["next"]
        assert found == 3
        assert (await call("listLimitEvents", name="other"))["items"] == []

    asyncio.run(main())


@pytest.mark.parametrize(
    ("name", "body", "query", "status"),
    [
        ("createOverride", {"limit": "none", "amount": "1"}, {}, 422),
        ("createOverride", {"limit": "team", "subject": {"key": "x"}, "amount": "1 USD"}, {}, 422),
        ("createOverride", {"limit": "team", "amount": "1 USD", "until": 5}, {}, 422),
        ("getOverride", None, {}, 404),
        ("deleteOverride", None, {}, 404),
        ("listLimits", None, {"size": "0"}, 400),
        ("listLimits", None, {"subject": "team"}, 400),
        ("getLedger", None, {"since": "yesterday"}, 400),
    ],
)
def test_mistakes_have_their_status(name: str, body: Any, query: dict[str, str], status: int) -> None:
    async def main() -> None:
        call = Routes()
        await call.spend("data", "gpt", 1)
        with pytest.raises(AdminError) as caught:
            await call(name, body, {"id": "nothing"}, **query)
        assert caught.value.status == status

    asyncio.run(main())


def test_limits_are_shown_as_they_are_configured() -> None:
    async def main() -> None:
        items = (await Routes()("listLimitRules"))["items"]
        assert [(each["name"], each["measure"], each["amount"], each["per"]) for each in items] == [
            ("team", "cost", 10 * 10**9, ["team", "model"]), ("all", "tokens", 1000, []),
        ]  # fmt: skip

    asyncio.run(main())


CONFIGURATION = """
admin: {enabled: true, apiKey: administration-0123456789}
store: {url: "sqlite:./state.db"}
models: [{name: echo, isDefault: true, provider: {type: echo}}]
plugins:
  - {name: limits, type: limits, config: {limits: [{name: whole, requests: 10, window: {calendar: day}}]}}
projects:
  - name: second
    plugins:
      - {name: own, type: limits, config: {limits: [{name: second, requests: 5, window: 1h, per: [project]}]}}
"""
KEY = {"authorization": "Bearer administration-0123456789"}


def test_the_use_of_limits_of_all_projects_is_listed(tmp_path: Path) -> None:
    with GatewayClient(CONFIGURATION, directory=tmp_path) as client:
        assert client.get("/admin/v1/limits", headers=KEY).json()["items"] == []
        assert client.chat().status == 200
        assert client.chat(project="second").status == 200
        # Whom a limit has counted for is written a moment later, when the plugin is closed at the latest.
    with GatewayClient(CONFIGURATION, directory=tmp_path) as client:
        rows = client.get("/admin/v1/limits", headers=KEY).json()["items"]
        one = client.get("/admin/v1/limits?limit=second", headers=KEY).json()["items"]

    assert [(row["limit"], row["subject"], row["settled"], row["of"]) for row in rows] == [
        ("second", {"project": "second"}, 1, 5),
        ("whole", {}, 1, 10),
    ]
    assert one == rows[:1]
