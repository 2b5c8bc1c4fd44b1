"""The plugin `limits`: reserves what a request may cost before it is sent, and settles what it did cost."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, get_args
from weakref import WeakSet

from llm_gateway_sdk import (
    Attempt,
    CounterState,
    Entry,
    Operation,
    Plugin,
    PluginResult,
    Refused,
    RequestContext,
    RequestRejected,
    Store,
    StoreError,
    StoreUnavailable,
    plugin_metadata,
)
from llm_gateway_sdk.admin import AdminRoute

from .admin import limit_routes
from .amounts import show_amount
from .batches import HELD_SECONDS, Part, charges_of, parts_of, written_of
from .blocks import BlockSettings
from .books import Books, Hold
from .estimates import Estimator, Usage
from .headers import LimitState, limit_headers
from .journal import Journal, default_folder
from .overrides import LiveRules
from .plans import Plan, Planner, Shown, Subject, Term
from .queueing import FairQueue
from .refusals import refusal_of, store_down, tightest
from .reporting import SUBJECTS, simulate, state_of
from .rules import Asker, Rule, compile_rules
from .settings import SCHEMA

__all__ = ["Limits"]

log = logging.getLogger("llm_gateway.plugins.limits")

_KEEP_SECONDS = 0.5
_READING = ("GET", "HEAD", "DELETE", "OPTIONS")
"""Native calls that ask for nothing new."""
_HOLDS = "llm_gateway_limits.holds"
_AT_ONCE = 64
"""Subjects that are written together."""
_MOST_EVENTS = 1000
"""Events that wait for the log; more are left out and counted."""


@dataclass(slots=True)
class _Applied:
    """One limit that applies to a request."""

    term: Term
    amount: int
    """What is reserved, in the units of the measure."""
    held: int
    """The same in the counter's units, or what is to be added to it."""
    tops_up: bool = False
    """It is what a dearer model takes beyond what was reserved."""

    @property
    def rule(self) -> Rule:
        return self.term.rule

    @property
    def entry(self) -> Entry:
        entry = self.term.entry(self.held)
        return replace(entry, enforce=False) if self.tops_up and self.rule.overdraft else entry


@dataclass(slots=True)
class _Spending:
    """What one request has reserved."""

    asker: Asker
    usage: Usage
    applied: list[_Applied]
    model: str
    """The model whose price was reserved."""
    holds: list[tuple[list[_Applied], Hold]]
    named: set[str]
    """The models, by the names under which they are counted."""
    waiting: Sequence[tuple[Part, _Applied]] = ()
    """What the lines of a batch have reserved, in the last of `holds`."""


@plugin_metadata(
    name="limits",
    version="0.1.0",
    description="Rates, token limits, budgets and concurrency per key, user, team, model and more, over any number of "
    "gateways.",
    configuration_schema=SCHEMA,
)
class Limits(Plugin):
    operations: ClassVar[frozenset[Operation] | None] = frozenset(get_args(Operation)) - {"models"}
    reads_reply = False

    async def validate_config(self, config: Any) -> bool | str | None:
        try:
            compile_rules(config["limits"])
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
        self._configured = compile_rules(config["limits"])
        self._live = LiveRules(self._configured, self.gateway.store)
        self._by_model = any(rule.by_model for rule in self._configured)
        self._by_name = any("model" in rule.when for rule in self._configured)
        self._estimator = Estimator(
            config.get("paths", ()),
            prices_of=self.gateway.prices_of,
            prices_of_attempt=self.gateway.prices_of_attempt,
            facts_of=self.gateway.facts_of,
            models=self.gateway.models,
        )
        self._planner = Planner(self.gateway, self._live, self._estimator)
        self._estimates = any(rule.measure not in ("requests", "concurrent") for rule in self._configured)
        blocks: Mapping[str, Any] = config.get("blocks", {})
        store = self.gateway.store
        folder = (Path(config["journal"]) if "journal" in config else default_folder()) / (store.identity or "store")
        self._books = Books(
            store,
            Journal(folder if store.shared else None),
            blocks=BlockSettings(
                float(blocks.get("share", 0.02)), float(blocks.get("duration", 2000)) / 1000, blocks.get("requests", 64)
            ),
            lease_seconds=float(config.get("lease", 60_000)) / 1000,
            ledger=bool(config.get("ledger", False)),
        )
        self._weights: Mapping[str, float] = config.get("weights", {})
        self._show = bool(config.get("headers", True))
        self._retention = int(config.get("explainRetention", 10_000))
        self._queues: dict[str, FairQueue] = {}
        self._events: deque[dict[str, Any]] = deque()
        self._subjects: set[tuple[str, Subject]] = set()
        self._new_subjects: deque[tuple[Rule, Subject]] = deque()
        self._counts: dict[str, float] = {"refused_total": 0, "warned_total": 0, "shadow_total": 0, "unasked_total": 0}
        self._counts.update(queued_total=0, queued_seconds_total=0.0)
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
            await self._books.close()
            await self._flush()

    def admin_routes(self) -> Sequence[AdminRoute]:
        return limit_routes(self.gateway.store, self._of_all_projects)

    def _of_all_projects(self) -> list[Rule]:
        """The administration API asks the plugin of one project for the limits of all."""
        found: dict[str, Rule] = {}
        for plugin in self._plugins:
            found.update({rule.name: rule for rule in plugin._configured})
        return list(found.values())

    def metrics(self) -> dict[str, float]:
        figures = self._books.figures
        return {
            **self._counts,
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
            if not plan.terms and not self._by_model:
                return None
            usage = self._usage(ctx)
            applied = _applied(plan.terms, usage)
            spending = _Spending(plan.asker, usage, applied, plan.model, [], {plan.asker.model})
            ctx.plugin_data[_HOLDS] = spending
            if not applied:
                return None
            # Nearly every request of a caller that asks often is served by a block, without a step in the store.
            hold = None if plan.alone else self._books.reserve_in_block(plan.keys, [each.held for each in applied])
            if hold is None:
                hold = await self._reserve(ctx, spending, applied, tried=not plan.alone)
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
                found.append((part, _Applied(term, part.amount, part.rule.scaled(part.amount))))
        if not found:
            return
        spending = ctx.plugin_data[_HOLDS] = _Spending(asker, Usage(), [], asker.model, [], {asker.model})
        waiting = [(part, each) for part, each in found if part.waits]
        for applied in ([each for part, each in found if not part.waits], [each for _, each in waiting]):
            if applied:
                hold = await self._reserve(ctx, spending, applied)
                spending.applied += applied
                self._note(ctx, applied, hold.states)
        spending.waiting = waiting

    async def defer_request(self, ctx: RequestContext) -> Any:
        """What the lines of a batch have reserved is held until it has ended."""
        spending: _Spending | None = ctx.plugin_data.get(_HOLDS)
        if spending is None or not spending.waiting:
            return None
        _, hold = spending.holds.pop()
        spending.applied = spending.applied[: -len(spending.waiting)]
        try:
            await self._books.defer(hold, HELD_SECONDS)
        except StoreUnavailable as error:
            log.warning("a batch's reservation may end before the batch does: %s", error)
        entries = [written_of(part, each.entry) for part, each in spending.waiting]
        return {"lease": hold.lease_id, "reserved": hold.reserved, "entries": entries}

    async def settle_deferred(self, held: Any, ctx: RequestContext) -> None:
        charges = charges_of(held["entries"], ctx, self._estimator)
        await self._books.settle_deferred(
            str(held["lease"]), charges, reserved=bool(held["reserved"]), note=ctx.request_id
        )

    async def before_model(self, ctx: RequestContext) -> None:
        """A router or a fallback chose another model than was reserved for: tops up where it is dearer, reserves what
        its own limits take, or refuses that model."""
        spending: _Spending | None = ctx.plugin_data.get(_HOLDS)
        model = ctx.target_model
        if spending is None or model is None or model == spending.model:
            return
        missing, topped_up = [], []
        for each in spending.applied:
            if each.rule.measure != "cost":
                continue
            more = self._estimator.reserve(each.rule, ctx, spending.usage, model) - each.amount
            if more > 0:
                missing.append(_Applied(each.term, more, each.rule.scaled(more), tops_up=True))
                topped_up.append(each)
        try:
            name = self.gateway.model_name(model) or model
            asker = spending.asker.choosing(name, self._planner.provider_of(name), model)
            new = self._not_yet(ctx, spending, asker, model)
            if missing or new:
                hold = await self._reserve(ctx, spending, [*missing, *new])
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

    async def after_request(self, ctx: RequestContext) -> None:
        spending: _Spending | None = ctx.plugin_data.pop(_HOLDS, None)
        if spending is None:
            return
        if len(spending.holds) == 1:
            [(applied, hold)] = spending.holds
            charged = []
            for each in applied:
                rule = each.term.rule
                attempts = self._counting(ctx, spending, each) if self._by_model else ctx.attempts
                charged.append(rule.scaled(self._estimator.settle(rule, ctx, attempts, each.amount)))
            await self._books.settle(hold, charged)
        else:
            await self._settle_in_turn(ctx, spending)
        if self._by_model and not ctx.batch and not self._as_asked(ctx, spending):
            await self._charge_unreserved(ctx, spending)

    def _taken(self, ctx: RequestContext, spending: _Spending, each: _Applied) -> int:
        """What the request did take of a limit, in the units of the measure."""
        return self._estimator.settle(each.rule, ctx, self._counting(ctx, spending, each), each.amount)

    async def _settle_in_turn(self, ctx: RequestContext, spending: _Spending) -> None:
        """Settles several reservations of one request, or none."""
        # Each reservation is charged with no more than it holds, and the last one with what is left over: settling one
        # must not count what another still holds, or the counter would pass its limit between the two steps.
        used = {each.term.counter: self._taken(ctx, spending, each) for each in spending.applied}
        for number, (applied, hold) in enumerate(spending.holds):
            later = {each.term.counter for more, _ in spending.holds[number + 1 :] for each in more}
            charged = []
            for each in applied:
                counter = each.term.counter
                left = used.get(counter, 0)
                part = min(left, each.held * each.rule.scale) if counter in later else left
                used[counter] = left - part
                charged.append(each.rule.scaled(part))
            await self._books.settle(hold, charged)

    async def _charge_unreserved(self, ctx: RequestContext, spending: _Spending) -> None:
        """Models that a plugin after this one has chosen have limits of their own: they are charged all the same."""
        for attempt in ctx.attempts:
            for each in self._not_yet(ctx, spending, self._at(spending, attempt), attempt.model, refuse=False):
                if each.rule.measure == "concurrent":
                    continue
                spending.applied = [*spending.applied, each]
                hold = self._books.without_store([each.entry], note=ctx.request_id)
                await self._books.settle(hold, [each.rule.scaled(self._taken(ctx, spending, each))])

    def _counting(self, ctx: RequestContext, spending: _Spending, each: _Applied) -> Sequence[Attempt]:
        """The attempts that count for a limit."""
        rule = each.rule
        if not rule.by_model or self._as_asked(ctx, spending):
            return ctx.attempts
        askers = [(attempt, self._at(spending, attempt)) for attempt in ctx.attempts]
        return [
            attempt for attempt, asker in askers if rule.applies(asker) and rule.subject(asker) == each.term.subject
        ]

    def _as_asked(self, ctx: RequestContext, spending: _Spending) -> bool:
        """Whether the model that was reserved for is the one that was asked, as it is for nearly all requests."""
        asker = spending.asker
        for attempt in ctx.attempts:
            if attempt.model != asker.model:
                return False
            if self._by_name and attempt.target.partition("/")[2] not in (asker.model, *asker.names):
                return False
        return True

    def _at(self, spending: _Spending, attempt: Attempt) -> Asker:
        """The request as it was when it made this attempt."""
        provider, _, upstream = attempt.target.partition("/")
        # A model that passes names on counts under the name that was asked of it.
        model = upstream if upstream in spending.named else attempt.model
        return spending.asker.choosing(model, provider, upstream)

    def _not_yet(
        self, ctx: RequestContext, spending: _Spending, asker: Asker, model: str, *, refuse: bool = True
    ) -> list[_Applied]:
        """The limits that depend on the model and have not been applied to the request."""
        if not self._by_model:
            return []
        rules = [rule for rule in self._live.rules if rule.by_model]
        known = {each.term.counter for each in spending.applied}
        try:
            terms = self._planner.terms(ctx, asker, model, rules, time.time())
        except RequestRejected:
            if refuse:
                raise
            return []
        return _applied([term for term in terms if term.counter not in known], spending.usage)

    # For the command line.

    @staticmethod
    def show_amount(measure: str, amount: int) -> str:
        """The amount for people."""
        return show_amount(measure, amount)

    @classmethod
    async def state_of(cls, config: Mapping[str, Any], store: Store) -> list[dict[str, Any]]:
        """One row per limit and subject, as in `reporting.state_of`."""
        live = LiveRules(compile_rules(config["limits"]), store)
        await live.load()
        return await state_of(live.rules, store)

    @classmethod
    def simulate(cls, config: Mapping[str, Any], records: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """What each limit would have done with recorded requests. Raises ValueError where they can't be read."""
        found = simulate(compile_rules(config["limits"]), records)
        return [
            {
                "limit": name,
                "seen": each.seen,
                "refused": each.refused,
                "skipped": each.skipped,
                "bySubject": each.by_subject.most_common(),
            }
            for name, each in found.items()
        ]

    # What it takes.

    def _usage(self, ctx: RequestContext) -> Usage:
        if not self._estimates or ctx.operation == "count_tokens":
            return Usage()
        if ctx.operation == "native" and ctx.http_request.method in _READING:
            return Usage(0, 0)
        estimate = ctx.estimate()
        return Usage(estimate.input_tokens, estimate.output_tokens)

    async def _reserve(
        self, ctx: RequestContext, spending: _Spending, applied: list[_Applied], *, tried: bool = False
    ) -> Hold:
        """`tried`: no block has it. Raises RequestRejected."""
        try:
            answer = await self._ask(ctx, applied, tried=tried)
            if isinstance(answer, Refused):
                answer = await self._queue(ctx, spending, applied, answer)
        except StoreUnavailable:
            strict = next(
                (each.rule for each in applied if each.rule.enforce and each.rule.on_store_down != "allow"), None
            )
            if strict is not None:
                raise store_down(strict.name) from None
            self._counts["unasked_total"] += 1
            answer = self._books.without_store([each.entry for each in applied], note=ctx.request_id)
        spending.holds.append((applied, answer))
        return answer

    async def _ask(self, ctx: RequestContext, applied: Sequence[_Applied], *, tried: bool = False) -> Hold | Refused:
        alone = bool(ctx.batch) or any(each.rule.on_store_down == "deny" for each in applied)
        ask = self._books.reserve_in_store if tried else self._books.reserve
        return await ask([each.entry for each in applied], note=ctx.request_id, alone=alone)

    async def _queue(self, ctx: RequestContext, spending: _Spending, applied: list[_Applied], refused: Refused) -> Hold:
        """Waits in turn where every limit that refused is one to wait for. Raises RequestRejected."""
        began = time.monotonic()
        until = began + min((each.rule.queue_seconds for each in applied if each.rule.queue), default=0.0)
        answer: Hold | Refused = refused
        waited = False
        position = _refusing(applied, refused.states)
        queue = self._queues.setdefault(applied[position].entry.key, FairQueue())
        try:
            async with contextlib.AsyncExitStack() as stack:
                while isinstance(answer, Refused):
                    wait = _wait(applied, answer.states)
                    if wait is None or time.monotonic() + wait > until:
                        raise self._refusal(applied, answer.states)
                    if not waited:
                        who, weight = self._weight(spending.asker)
                        waited = True
                        async with asyncio.timeout(until - time.monotonic()):
                            await stack.enter_async_context(queue.turn(who, weight=weight))
                        answer = await self._ask(ctx, applied)
                        continue
                    await asyncio.sleep(max(0.005, wait))
                    answer = await self._ask(ctx, applied)
        except TimeoutError:
            raise self._refusal(applied, refused.states) from None
        finally:
            if waited:
                seconds = time.monotonic() - began
                ctx.timings["limits.queue"] = ctx.timings.get("limits.queue", 0.0) + seconds
                self._counts["queued_total"] += 1
                self._counts["queued_seconds_total"] += seconds
            if queue.idle:
                self._queues.pop(applied[position].entry.key, None)
        return answer

    def _weight(self, asker: Asker) -> tuple[str, float]:
        """Who waits, and with which weight: the team's, else the user's, else the key's own."""
        for dimension in ("team", "user", "key"):
            value = asker.value(dimension)
            if value is not None and value in self._weights:
                return f"{dimension}={value}", float(self._weights[value])
        return f"key={asker.value('key')}", 1.0

    # What is shown and written down.

    def _refusal(self, applied: Sequence[_Applied], states: Sequence[CounterState]) -> RequestRejected:
        each = applied[_refusing(applied, states)]
        state = states[applied.index(each)]
        whom = ", ".join(f"{dimension} {value}" for dimension, value in each.term.subject)
        refusal = refusal_of(each.rule, state, each.held, whom=whom, resets_after=each.term.resets_after)
        for one, its in zip(applied, states, strict=True):
            if its.refused:
                self._event("refused", one, its)
        return refusal

    def _refuse(self, ctx: RequestContext, refusal: RequestRejected) -> None:
        self._counts["refused_total"] += 1
        if refusal.retry_after is None:
            ctx.reply_headers["x-should-retry"] = "false"  # official SDKs would try a spent budget again
        for event in self._events:
            event.setdefault("request", ctx.request_id)

    def _note(
        self, ctx: RequestContext, applied: Sequence[_Applied], states: Sequence[CounterState], plan: Plan | None = None
    ) -> None:
        """What the client is shown of its limits. `plan` is where all of `applied` come from."""
        if plan is None or not plan.counted:
            for each in applied:
                self._remember(each.term)
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
            headers = limit_headers(_shown(applied, states), dialect, now)
            if plan is not None:
                plan.shown = Shown(states, int(now), dialect, headers)
        ctx.reply_headers.update(headers)
        if "x-llm-gateway-limit-warning" in headers:
            self._counts["warned_total"] += 1

    def _note_shadow(self, ctx: RequestContext, applied: Sequence[_Applied], states: Sequence[CounterState]) -> None:
        for each, state in zip(applied, states, strict=False):
            if state.limit is not None and state.exceeded and not each.rule.enforce:
                self._counts["shadow_total"] += 1
                self._event("shadow", each, state, request=ctx.request_id)

    def _event(self, kind: str, each: _Applied, state: CounterState, **more: Any) -> None:
        if len(self._events) >= _MOST_EVENTS:
            return
        scale = each.rule.scale
        self._events.append(
            {
                "kind": kind,
                "limit": each.rule.name,
                "measure": each.rule.measure,
                "subject": dict(each.term.subject),
                "asked": each.amount,
                "settled": state.settled * scale,
                "open": state.open * scale,
                "of": (state.limit or 0) * scale,
                "retryAfter": state.retry_after,
                "project": self.gateway.project,
                "place": each.rule.place,
                **more,
            }
        )

    def _remember(self, term: Term) -> None:
        """Keeps a list of subjects, so that the state of a limit can be shown for all of them."""
        if term.counter not in self._subjects and len(self._subjects) < 100_000:
            self._subjects.add(term.counter)
            self._new_subjects.append((term.rule, term.subject))

    # In the background.

    async def _keep(self) -> None:
        with contextlib.suppress(Exception):
            for note in await self.gateway.store.check():
                log.warning("the store: %s", note)
        while True:
            await asyncio.sleep(_KEEP_SECONDS)
            try:
                await self._books.keep()
                await self._flush()
            except StoreUnavailable as error:
                log.debug("the store can't be reached: %s", error)
            except Exception:
                log.exception("limits failed in the background")

    async def _write_subject(self, rule: Rule, subject: Subject) -> None:
        key = f"{SUBJECTS}{rule.key(subject, '')}"
        if await self.gateway.store.get(key) is None:
            await self.gateway.store.put(key, b"")

    async def _flush(self) -> None:
        while self._new_subjects:
            # Together, so that a store that groups its steps has something to group.
            some = [self._new_subjects[place] for place in range(min(_AT_ONCE, len(self._new_subjects)))]
            failures = await asyncio.gather(*(self._write_subject(*each) for each in some), return_exceptions=True)
            for failure in failures:
                if failure is not None:
                    raise failure
            for _ in some:
                self._new_subjects.popleft()
        if self._events:
            events = [self._events.popleft() for _ in range(len(self._events))]
            await self.gateway.store.append("limits", events, keep=self._retention)


def _applied(terms: Sequence[Term], usage: Usage) -> list[_Applied]:
    found = []
    for term in terms:
        amount = term.most(usage)
        found.append(_Applied(term, amount, term.rule.scaled(amount)))
    return found


def _shown(applied: Sequence[_Applied], states: Sequence[CounterState]) -> list[LimitState]:
    found = []
    for each, state in zip(applied, states, strict=False):
        remaining, rule = state.remaining, each.rule
        if state.limit is not None and remaining is not None:
            resets = state.resets_after if rule.is_rate else each.term.resets_after
            found.append(LimitState(rule, state.limit * rule.scale, remaining * rule.scale, resets))
    return found


def _refusing(applied: Sequence[_Applied], states: Sequence[CounterState]) -> int:
    return tightest([each.rule for each in applied], states, [each.term.resets_after for each in applied])


def _wait(applied: Sequence[_Applied], states: Sequence[CounterState]) -> float | None:
    """Seconds until the limits that refused may let the request through; None where one is not to be waited for."""
    longest = 0.0
    for each, state in zip(applied, states, strict=True):
        if not state.refused:
            continue
        if not each.rule.queue or each.rule.is_budget:
            return None
        wait = 0.05 if each.rule.measure == "concurrent" else state.retry_after
        if wait is None:
            return None
        longest = max(longest, wait)
    return longest
