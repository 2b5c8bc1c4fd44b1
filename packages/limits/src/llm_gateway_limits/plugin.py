"""The plugin `limits`: reserves what a request may cost before it is sent, and settles what it did cost."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, get_args
from weakref import WeakSet

from llm_gateway_sdk import (
    CounterState,
    Operation,
    Plugin,
    PluginResult,
    RequestContext,
    RequestRejected,
    StoreError,
    StoreUnavailable,
    plugin_metadata,
)
from llm_gateway_sdk.admin import AdminRoute

from .admin import limit_routes
from .applied import Applied, Spending, applied_of, shown_of
from .batches import HELD_SECONDS, charges_of, parts_of, written_of
from .blocks import BlockSettings
from .books import Books
from .estimates import Estimator, Usage
from .headers import limit_headers
from .journal import Journal, default_folder
from .overrides import LiveRules
from .plans import Plan, Planner, Shown, Term
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
        self._show = bool(config.get("headers", True))
        self._keeper = asyncio.create_task(self._keep())
        self._live.start()
        self._plugins: WeakSet[Limits] = self.gateway.shared("limits:plugins", WeakSet)
        self._plugins.add(self)

    async def close(self) -> None:
        self._plugins.discard(self)
        await self._live.close()
        self._keeper.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._keeper
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

    async def before_request(self, ctx: RequestContext) -> PluginResult | None:
        try:
            if ctx.batch:
                await self._reserve_batch(ctx)
                return None
            plan = self._planner.plan(ctx)
            if not plan.terms and not self._settlement.by_model:
                return None
            usage = self._usage(ctx)
            applied = applied_of(plan.terms, usage)
            spending = Spending(plan.asker, usage, applied, plan.model, [], {plan.asker.model})
            ctx.plugin_data[_HOLDS] = spending
            if not applied:
                return None
            # Nearly every request of a caller that asks often is served by a block, without a step in the store.
            hold = None if plan.alone else self._books.reserve_in_block(plan.keys, [each.held for each in applied])
            if hold is None:
                hold = await self._reserver.reserve(ctx, spending, applied, tried=not plan.alone)
            else:
                spending.holds.append((applied, hold))
            self._note(ctx, applied, hold.states, plan)
        except RequestRejected as refusal:
            self._refuse(ctx, refusal)
            raise
        return None

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
                self._note(ctx, applied, hold.states)
        spending.waiting = waiting

    async def defer_request(self, ctx: RequestContext) -> Any:
        """What the lines of a batch have reserved is held until it has ended."""
        spending: Spending | None = ctx.plugin_data.get(_HOLDS)
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

    async def before_model(self, ctx: RequestContext) -> None:
        """A router or a fallback chose another model than was reserved for: tops up where it is dearer, reserves what
        its own limits take, or refuses that model."""
        spending: Spending | None = ctx.plugin_data.get(_HOLDS)
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
                self._note(ctx, [*missing, *new], hold.states)
        except RequestRejected as refusal:
            self._refuse(ctx, refusal)
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
            self._refuse(ctx, refusal)
            raise

    async def after_request(self, ctx: RequestContext) -> None:
        if self._shares is not None:
            self._shares.release(ctx)
        if self._usage_book is not None:
            self._usage_book.add(ctx)
        spending: Spending | None = ctx.plugin_data.pop(_HOLDS, None)
        if spending is None:
            return
        await self._settlement.settle(ctx, spending)

    # What it takes.

    def _usage(self, ctx: RequestContext) -> Usage:
        if not self._estimates or ctx.operation == "count_tokens":
            return Usage()
        if ctx.operation == "native" and ctx.http_request.method in _READING:
            return Usage(0, 0)
        estimate = ctx.estimate()
        return Usage(estimate.input_tokens, estimate.output_tokens, estimate.pieces)

    # What is shown and written down.

    def _refuse(self, ctx: RequestContext, refusal: RequestRejected) -> None:
        self._records.counts["refused_total"] += 1
        if refusal.retry_after is None:
            ctx.reply_headers["x-should-retry"] = "false"  # official SDKs would try a spent budget again
        self._records.name_request(ctx.request_id)

    def _note(
        self, ctx: RequestContext, applied: Sequence[Applied], states: Sequence[CounterState], plan: Plan | None = None
    ) -> None:
        """What the client is shown of its limits. `plan` is where all of `applied` come from."""
        if plan is None or not plan.counted:
            for each in applied:
                self._records.remember(each.term)
            if plan is not None:
                plan.counted = True
        if plan is None or plan.shadow:
            self._note_shadow(ctx, applied, states)
        if not self._show:
            return
        now, dialect, headers = time.time(), ctx.client_dialect, None
        shown = None if plan is None else plan.shown
        if shown is not None and shown.states is states and shown.second == int(now) and shown.dialect == dialect:
            headers = shown.headers
        if headers is None:
            headers = limit_headers(shown_of(applied, states), dialect, now)
            if plan is not None:
                plan.shown = Shown(states, int(now), dialect, headers)
        ctx.reply_headers.update(headers)
        if "x-llm-gateway-limit-warning" in headers:
            self._records.counts["warned_total"] += 1

    def _note_shadow(self, ctx: RequestContext, applied: Sequence[Applied], states: Sequence[CounterState]) -> None:
        for each, state in zip(applied, states, strict=False):
            if state.limit is not None and state.exceeded and not each.rule.enforce:
                self._records.counts["shadow_total"] += 1
                self._records.event("shadow", each, state, request=ctx.request_id)

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
