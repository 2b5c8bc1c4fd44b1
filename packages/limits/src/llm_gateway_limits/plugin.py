"""The plugin `limits`: reserves what a request may cost before it is sent, and settles what it did cost."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import time
from collections.abc import Awaitable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, get_args
from weakref import WeakSet

from llm_gateway_sdk import (
    Operation,
    Plugin,
    RequestContext,
    RequestRejected,
    StoreError,
    StoreUnavailable,
    plugin_metadata,
)
from llm_gateway_sdk.admin import AdminRoute
from llm_gateway_sdk.background import end_tasks
from llm_gateway_sdk.plugin import HookReturn

from .admin import limit_routes
from .applied import Applied, Served, Spending, applied_of
from .batches import HELD_SECONDS, charges_of, parts_of, written_of
from .blocks import BlockSettings
from .books import Books
from .estimates import Estimator, Usage
from .journal import Journal, default_folder
from .notes import Notes
from .overrides import LiveRules
from .plans import Plan, Planner, Term
from .records import Records
from .reports import Reports
from .reserving import Reserver
from .rules import Asker, Rule, compile_rules
from .settings import SCHEMA
from .settling import Settlement
from .sharing import UpstreamShares
from .usage import usage_book, who_asks

__all__ = ["Limits"]

log = logging.getLogger("llm_gateway.plugins.limits")

_KEEP_SECONDS = 0.5
_USAGE_TURNS = 4
"""Turns of `_KEEP_SECONDS` between two times that usage is written."""
_READING = ("GET", "HEAD", "DELETE", "OPTIONS")
"""Native calls that ask for nothing new."""
_HOLDS = "llm_gateway_limits.holds"


@plugin_metadata(
    name="limits",
    version="0.1.0",
    description="Rates, token limits, budgets and concurrency per key, user, team, model and more, over any number of "
    "gateways.",
    configuration_schema=SCHEMA,
)
class Limits(Reports, Plugin):
    operations: ClassVar[frozenset[Operation] | None] = frozenset(get_args(Operation)) - {"models"}
    reads_reply = False

    async def validate_config(self, config: Any) -> bool | str | None:
        if config.keys().isdisjoint(("limits", "upstreamQueue", "usage")):
            return '"limits" is missing: a list of limits, or "upstreamQueue", or "usage"'
        if config.get("domain", "fleet") != "fleet":
            return (
                f'domain: expected "fleet", found {config["domain"]!r}: all limits of a request are reserved in one '
                "step, which needs all counters on one server; spread them by one store for each organization's "
                "gateways"
            )
        try:
            compile_rules(config.get("limits", ()))
            Estimator(
                config.get("paths", ()),
                prices_of=lambda name: None,
                prices_of_attempt=lambda attempt: None,
                facts_of=lambda name: None,
                models=(),
            )
        except ValueError as error:
            return str(error)
        return None

    async def configure(self, config: Any) -> None:
        self._configured = compile_rules(config.get("limits", ()))
        self._live = LiveRules(self._configured, self.gateway.store)
        self._estimator = Estimator(
            config.get("paths", ()),
            prices_of=self.gateway.prices_of,
            prices_of_attempt=self.gateway.prices_of_attempt,
            facts_of=self.gateway.facts_of,
            models=self.gateway.models,
        )
        self._planner = Planner(self.gateway, self._live, self._estimator)
        self._estimates = "upstreamQueue" in config or any(
            rule.measure not in ("requests", "concurrent") for rule in self._configured
        )
        blocks: Mapping[str, Any] = config.get("blocks", {})
        store = self.gateway.store
        private = None if "journal" in config else default_folder()
        folder = (private or Path(config["journal"])) / (store.identity or "store")
        self._books = Books(
            store,
            Journal(folder if store.shared else None, private=private),
            blocks=BlockSettings(
                float(blocks.get("share", 0.02)), float(blocks.get("duration", 2000)) / 1000, blocks.get("requests", 64)
            ),
            lease_seconds=float(config.get("lease", 60_000)) / 1000,
            ledger=bool(config.get("ledger", False)),
        )
        self._records = Records(self.gateway, int(config.get("explainRetention", 10_000)))
        self._reserver = Reserver(self._books, self._records, config.get("weights", {}))
        self._shares = UpstreamShares.configured(config, self.gateway, self._records)
        self._settlement = Settlement(self._configured, self._live, self._planner, self._estimator, self._books)
        self._usage_book = usage_book(config, self.gateway, self._books, self._estimator)
        self._notes = Notes(self._records, shown=bool(config.get("headers", True)))
        self._keeper = asyncio.create_task(self._keep())
        self._live.start()
        self._plugins: WeakSet[Limits] = self.gateway.shared("limits:plugins", WeakSet)
        self._plugins.add(self)

    async def close(self) -> None:
        self._plugins.discard(self)
        await self._live.close()
        await end_tasks(self._keeper)
        with contextlib.suppress(StoreError):
            if self._usage_book is not None:
                await self._usage_book.flush()
            await self._books.close()
            await self._records.flush()

    def admin_routes(self) -> Sequence[AdminRoute]:
        plugins = self._plugins
        return limit_routes(
            self.gateway.store, self._of_all_projects, lambda: any(each._usage_book is not None for each in plugins)
        )

    def _of_all_projects(self) -> list[Rule]:
        """The administration API asks the plugin of one project for the limits of all."""
        found: dict[str, Rule] = {}
        for plugin in self._plugins:
            found.update({rule.name: rule for rule in plugin._configured})
        return list(found.values())

    def metrics(self) -> dict[str, float]:
        figures = self._books.figures
        return {
            **self._records.counts,
            "store_calls_total": figures.store_calls,
            "from_blocks_total": figures.from_blocks,
            "store_failures_total": figures.store_failures,
            "blocks": self._books.in_blocks,
            "journal": len(self._books.journal),
            "journal_lost_total": self._books.journal.lost,
        }

    # The hooks.

    def before_request(self, ctx: RequestContext) -> Awaitable[HookReturn] | None:
        if ctx.batch:
            return self._admit_batch(ctx)
        try:
            now = time.time()
            plan = self._planner.plan(ctx, now)
            if not plan.terms and not self._settlement.by_model:
                return None
            usage = self._usage(ctx)
        except RequestRejected as refusal:
            self._notes.refused(ctx, refusal)
            raise
        if plan.alone or not plan.terms or self._books.ledger:
            return self._admit(ctx, plan, usage, tried=False)
        # Nearly every request of a caller that asks often is served by a block, without a step in the store.
        amounts = [most(usage) for most in plan.most]
        held = plan.held(amounts)
        demand = self._books.take(plan.keys, held)
        if demand is None or demand.block is None:
            return self._admit(ctx, plan, usage, tried=True)
        ctx.plugin_data[_HOLDS] = served = Served(plan, usage, amounts, held, demand.block, demand.states)
        if plan.shadow or not plan.counted:
            self._notes.note(ctx, served.spending().applied, served.states)
            plan.counted = True
        elif self._notes.shown:
            self._notes.show_plan(ctx, plan, served.states, now)
        return None

    async def _admit(self, ctx: RequestContext, plan: Plan, usage: Usage, *, tried: bool) -> None:
        """By a step in the store. `tried`: no block has it. Raises RequestRejected."""
        applied = applied_of(plan.terms, usage)
        spending = Spending(plan.asker, usage, applied, plan.model, [], {plan.asker.model})
        ctx.plugin_data[_HOLDS] = spending
        if not applied:
            return
        try:
            hold = await self._reserver.reserve(ctx, spending, applied, tried=tried)
        except RequestRejected as refusal:
            self._notes.refused(ctx, refusal)
            raise
        if plan.shadow or not plan.counted:
            self._notes.note(ctx, applied, hold.states)
            plan.counted = True
        elif self._notes.shown:
            self._notes.show_plan(ctx, plan, hold.states, time.time())

    async def _admit_batch(self, ctx: RequestContext) -> None:
        try:
            await self._reserve_batch(ctx)
        except RequestRejected as refusal:
            self._notes.refused(ctx, refusal)
            raise

    async def _reserve_batch(self, ctx: RequestContext) -> None:
        """Raises RequestRejected."""
        provider_of, now = self._planner.provider_of, time.time()
        asker = Asker.of(ctx, self.gateway.model_name, provider_of)
        found = []
        for part in parts_of(self._live.rules, ctx, asker, self._estimator, provider_of):
            blank = part.rule.entry(part.subject, 0, now)
            if blank is not None:
                term = Term(part.rule, part.subject, blank, part.most)
                found.append((part, Applied(term, part.amount, part.rule.scaled(part.amount))))
        if not found:
            return
        spending = ctx.plugin_data[_HOLDS] = Spending(asker, Usage(), [], asker.model, [], {asker.model})
        waiting = [(part, each) for part, each in found if part.waits]
        for applied in ([each for part, each in found if not part.waits], [each for _, each in waiting]):
            if applied:
                hold = await self._reserver.reserve(ctx, spending, applied)
                spending.applied += applied
                self._notes.note(ctx, applied, hold.states)
        spending.waiting = waiting

    async def defer_request(self, ctx: RequestContext) -> Any:
        """What the lines of a batch have reserved is held until it has ended."""
        spending = self._spending(ctx)
        counted = {"who": who_asks(ctx)} if self._usage_book is not None and ctx.batch else None
        if spending is None or not spending.waiting:
            return counted
        _, hold = spending.holds.pop()
        spending.applied = spending.applied[: -len(spending.waiting)]
        try:
            await self._books.defer(hold, HELD_SECONDS)
        except StoreUnavailable as error:
            log.warning("a batch's reservation may end before the batch does: %s", error)
        entries = [written_of(part, each.entry) for part, each in spending.waiting]
        return {"lease": hold.lease_id, "reserved": hold.reserved, "entries": entries, **(counted or {})}

    async def settle_deferred(self, held: Any, ctx: RequestContext) -> None:
        if "lease" in held:
            charges = charges_of(held["entries"], ctx, self._estimator)
            await self._books.settle_deferred(
                str(held["lease"]), charges, reserved=bool(held["reserved"]), note=ctx.request_id
            )
        if self._usage_book is not None and "who" in held:
            self._usage_book.add_batch(ctx, held["who"])

    def before_model(self, ctx: RequestContext) -> Awaitable[HookReturn] | None:
        if self._shares is None:
            if ctx.target_model is None:
                return None
            held: Served | Spending | None = ctx.plugin_data.get(_HOLDS)
            if held is None or ctx.target_model == (held.plan.model if isinstance(held, Served) else held.model):
                return None
        return self._follow_model(ctx)

    async def _follow_model(self, ctx: RequestContext) -> None:
        """A router or a fallback chose another model than was reserved for: tops up where it is dearer, reserves what
        its own limits take, or refuses that model."""
        spending = self._spending(ctx)
        model = ctx.target_model
        if self._shares is not None and not ctx.batch and ctx.operation != "realtime":
            await self._share(ctx, spending)
        if spending is None or model is None or model == spending.model:
            return
        missing, topped_up = [], []
        for each in spending.applied:
            if each.rule.measure != "cost":
                continue
            more = self._estimator.reserve(each.rule, ctx, spending.usage, model) - each.amount
            if more > 0:
                missing.append(Applied(each.term, more, each.rule.scaled(more), tops_up=True))
                topped_up.append(each)
        try:
            name = self.gateway.model_name(model) or model
            asker = spending.asker.choosing(name, self._planner.provider_of(name), model)
            new = self._settlement.not_yet(ctx, spending, asker, model)
            if missing or new:
                hold = await self._reserver.reserve(ctx, spending, [*missing, *new])
                self._notes.note(ctx, [*missing, *new], hold.states)
        except RequestRejected as refusal:
            self._notes.refused(ctx, refusal)
            raise
        spending.applied = [*spending.applied, *new]
        spending.named.add(name)
        # Only now: a model that was refused is asked for again where it is tried again.
        spending.model = model
        for each, more_of_it in zip(topped_up, missing, strict=True):
            each.amount += more_of_it.amount

    async def _share(self, ctx: RequestContext, spending: Spending | None) -> None:
        """Waits for what the provider has left. Raises RequestRejected."""
        assert self._shares is not None
        asker = spending.asker if spending is not None else self._planner.asker(ctx)
        try:
            await self._shares.admit(ctx, asker, ctx.target_model or ctx.requested_model, self._usage(ctx))
        except RequestRejected as refusal:
            self._notes.refused(ctx, refusal)
            raise

    def _spending(self, ctx: RequestContext) -> Spending | None:
        """What the request has reserved, in full."""
        held: Served | Spending | None = ctx.plugin_data.get(_HOLDS)
        if isinstance(held, Served):
            held = ctx.plugin_data[_HOLDS] = held.spending()
        return held

    def after_request(self, ctx: RequestContext) -> Awaitable[None] | None:
        if self._shares is not None:
            self._shares.release(ctx)
        if self._usage_book is not None:
            self._usage_book.add(ctx)
        held: Served | Spending | None = ctx.plugin_data.pop(_HOLDS, None)
        if held is None:
            return None
        if isinstance(held, Served):
            if not self._settlement.settle_served(ctx, held):
                return self._settlement.settle(ctx, held.spending())
            return self._books.settle_retired() if self._books.to_be_settled else None
        return self._settlement.settle(ctx, held)

    # What it takes.

    def _usage(self, ctx: RequestContext) -> Usage:
        if not self._estimates or ctx.operation == "count_tokens":
            return Usage()
        if ctx.operation == "native" and ctx.http_request.method in _READING:
            return Usage(0, 0)
        return ctx.estimate()

    # In the background.

    async def _keep(self) -> None:
        with contextlib.suppress(Exception):
            for note in await self.gateway.store.check():
                log.warning("the store: %s", note)
        for turn in itertools.count(1):
            await asyncio.sleep(_KEEP_SECONDS)
            try:
                await self._books.keep()
                await self._records.flush()
                if self._usage_book is not None and turn % _USAGE_TURNS == 0:
                    await self._usage_book.flush()
            except StoreUnavailable as error:
                log.debug("the store can't be reached: %s", error)
            except Exception:
                log.exception("limits failed in the background")
