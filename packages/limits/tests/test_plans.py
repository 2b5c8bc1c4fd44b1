"""A plan is used again for requests that are alike, and made anew as soon as what it was made from has changed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from llm_gateway_limits.estimates import Estimator, Usage
from llm_gateway_limits.overrides import LiveRules, OverrideBook
from llm_gateway_limits.plans import Plan, Planner
from llm_gateway_limits.rules import compile_rules

from llm_gateway.stores.memory import MemoryStore
from llm_gateway_sdk import GatewayServices, Principal, RequestContext, RequestRejected

ANN = Principal("ann", "ann", "keys", team="red")
RATE = {"name": "rate", "per": ["key"], "requests": 10, "window": "1m"}
TEAM = {"name": "team", "per": ["team"], "tokens": 1000, "window": {"calendar": "hour"}}


def _none(_: object) -> None:
    return None


class Services(GatewayServices):
    version: object = "first"

    @property
    def models_version(self) -> object:
        return self.version

    def model_name(self, name: str) -> str | None:
        return name

    def model_provider(self, name: str) -> str | None:
        return "echo"


class Case:
    def __init__(self, *limits: dict[str, Any]) -> None:
        self.services, self.store = Services(), MemoryStore()
        self.rules = compile_rules(limits)
        self.live = LiveRules(self.rules, self.store)
        self.estimator = Estimator(
            (),
            prices_of=lambda name: None,
            prices_of_attempt=lambda attempt: None,
            facts_of=lambda name: None,
            models=(),
        )
        self.planner = Planner(self.services, self.live, self.estimator)

    def plan(self, ctx: RequestContext) -> Plan:
        return self.planner.plan(ctx, time.time())


def asked(principal: Principal | None = ANN, model: str = "m", **more: Any) -> RequestContext:
    ctx = RequestContext(request_id="r", requested_model=model, **{"client_ip": "192.0.2.1", **more})
    ctx.principal = principal
    return ctx


def test_requests_that_are_alike_have_one_plan() -> None:
    case = Case(RATE, TEAM)
    plan = case.plan(asked())

    assert case.plan(asked()) is plan
    assert case.plan(asked(replace(ANN))) is plan, "another object of the same caller"
    assert case.plan(asked(client_ip="192.0.2.2")) is plan, "no limit looks at addresses"
    assert [term.rule.name for term in plan.terms] == ["rate", "team"]
    assert [term.most(Usage(7, 5)) for term in plan.terms] == [1, 12]
    assert [term.blank.key for term in plan.terms] == list(plan.keys)


@pytest.mark.parametrize(
    "other",
    [
        lambda: asked(replace(ANN, team="blue")), lambda: asked(replace(ANN, id="bob")), lambda: asked(None),
        lambda: asked(model="another"), lambda: asked(operation="embed"), lambda: asked(replace(ANN, source="jwt")),
    ],
    ids=["team", "id", "no caller", "model", "operation", "source"],
)  # fmt: skip
def test_another_kind_of_request_has_another_plan(other: Callable[[], RequestContext]) -> None:
    case = Case(RATE, TEAM)
    plan = case.plan(asked())

    assert case.plan(other()) is not plan
    assert case.plan(asked()).keys == plan.keys


def test_each_address_has_a_plan_where_a_limit_counts_addresses() -> None:
    case = Case({"name": "rate", "per": ["ip"], "requests": 10, "window": "1m"})
    keys = {case.plan(asked(client_ip=address)).keys for address in ("192.0.2.1", "192.0.2.2")}
    assert len(keys) == 2


def test_callers_without_a_name_are_known_by_their_address() -> None:
    case = Case(RATE)
    keys = {case.plan(asked(None, client_ip=address)).keys for address in ("192.0.2.1", "192.0.2.2")}
    assert len(keys) == 2


def test_new_models_and_new_limits_make_new_plans() -> None:
    async def main() -> None:
        case = Case(RATE)
        plan = case.plan(asked())
        case.services.version = "second"
        second = case.plan(asked())
        assert second is not plan
        override = {"subject": {"key": "keys:ann"}, "amount": "1"}
        await OverrideBook(case.store).create(case.rules[0], override, by="operator", source="")
        await case.live.load()
        third = case.plan(asked())
        assert third is not second
        assert third.terms[0].blank.rate is not None
        assert third.terms[0].blank.rate.limit == 1

    asyncio.run(main())


def test_a_plan_ends_with_its_window(monkeypatch: pytest.MonkeyPatch) -> None:
    case, now = Case(TEAM), time.time()
    plan = case.plan(asked())
    assert now < plan.until <= now + 3600
    monkeypatch.setattr(time, "time", lambda: plan.until)
    assert case.plan(asked()).keys != plan.keys


def test_a_plan_ends_with_an_override(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        case, now = Case(RATE), time.time()
        override = {"subject": {"key": "keys:ann"}, "amount": None, "until": now + 5}
        await OverrideBook(case.store).create(case.rules[0], override, by="operator", source="")
        await case.live.load()
        plan = case.plan(asked())
        assert (plan.terms, plan.until) == ((), now + 5)
        monkeypatch.setattr(time, "time", lambda: now + 5)
        assert [term.rule.name for term in case.plan(asked()).terms] == ["rate"]

    asyncio.run(main())


def test_who_lacks_what_a_limit_counts_per_is_refused_each_time() -> None:
    case = Case({**TEAM, "missing": "refuse"})
    for _ in range(2):
        with pytest.raises(RequestRejected, match="no team"):
            case.plan(asked(replace(ANN, team=None)))


def test_plans_are_bounded() -> None:
    case = Case(RATE)
    for number in range(5000):
        case.plan(asked(replace(ANN, id=str(number))))
    assert len(case.planner._plans) == 4096
