"""Limits without a gateway: a store in memory, the books, and requests that are asked of them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from llm_gateway_limits.applied import Applied, Spending, applied_of
from llm_gateway_limits.blocks import BlockSettings
from llm_gateway_limits.books import Books
from llm_gateway_limits.estimates import Estimator, Usage
from llm_gateway_limits.journal import Journal
from llm_gateway_limits.overrides import LiveRules
from llm_gateway_limits.plans import Planner
from llm_gateway_limits.records import Records
from llm_gateway_limits.reserving import Reserver
from llm_gateway_limits.rules import compile_rules
from llm_gateway_limits.settling import Settlement

from llm_gateway.stores.memory import MemoryStore
from llm_gateway_sdk import GatewayServices, Principal, RequestContext, Store

ANN = Principal("ann", "ann", "keys", team="red")
USAGE = Usage(100, 50)


class Services(GatewayServices):
    def __init__(self, store: Store) -> None:
        self.kept = store

    @property
    def store(self) -> Store:
        return self.kept

    @property
    def project(self) -> str:
        return "default"

    def model_name(self, name: str) -> str | None:
        return name

    def model_provider(self, name: str) -> str | None:
        return "echo"


class Case:
    def __init__(
        self, *limits: dict[str, Any], weights: Mapping[str, float] | None = None, ledger: bool = False
    ) -> None:
        self.store = MemoryStore()
        services = Services(self.store)
        rules = compile_rules(limits)
        live = LiveRules(rules, self.store)
        estimator = Estimator(
            (),
            prices_of=lambda name: None,
            prices_of_attempt=lambda attempt: None,
            facts_of=lambda name: None,
            models=(),
        )
        self.books = Books(self.store, Journal(None), blocks=BlockSettings(share=0.0, seconds=1), ledger=ledger)
        self.records = Records(services, 100)
        self.planner = Planner(services, live, estimator)
        self.reserver = Reserver(self.books, self.records, weights or {})
        self.settlement = Settlement(rules, live, self.planner, estimator, self.books)

    def asked(self, model: str = "m", **more: Any) -> tuple[RequestContext, Spending]:
        """A request of Ann's, for which nothing is reserved yet."""
        ctx = RequestContext(request_id="r", requested_model=model, client_ip="192.0.2.1", **more)
        ctx.principal = ANN
        plan = self.planner.plan(ctx, time.time())
        applied = applied_of(plan.terms, USAGE)
        return ctx, Spending(plan.asker, USAGE, applied, plan.model, [], {plan.asker.model})

    async def ledger(self, part: str) -> list[int]:
        """Of each event the sum of one of its parts: `charges`, `partial`, `estimated`."""
        events = await self.store.read_since("ledger")
        return [sum(each.event.get(part, {}).values()) for each in events]

    async def settled(self, applied: list[Applied]) -> list[tuple[int, int]]:
        """What is settled and open of each, in the counter's units."""
        return [(state.settled, state.open) for state in await self.store.read([each.entry for each in applied])]
