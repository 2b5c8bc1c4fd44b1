"""Settling what a request did take, and the limits of models that were chosen after it was admitted."""

from __future__ import annotations

import time
from collections.abc import Sequence

from llm_gateway_sdk import MAX_AMOUNT, Attempt, RequestContext, RequestRejected

from .applied import Applied, Served, Spending, applied_of
from .books import Books
from .estimates import Estimator
from .marks import Marks
from .overrides import LiveRules
from .plans import Planner
from .rules import Asker, Rule

__all__ = ["Settlement"]

_NOTHING = (0, Marks())


class Settlement:
    def __init__(
        self, rules: Sequence[Rule], live: LiveRules, planner: Planner, estimator: Estimator, books: Books
    ) -> None:
        """`rules` are those of the configuration, `live` the same with what was changed at run time."""
        self._live = live
        self._planner = planner
        self._estimator = estimator
        self._books = books
        self.by_model = any(rule.by_model for rule in rules)
        """Some limit depends on the model, which a plugin may choose later."""
        self._by_name = any("model" in rule.when for rule in rules)

    async def settle(self, ctx: RequestContext, spending: Spending) -> None:
        """Charges what the request has used, and frees the rest of what it held."""
        if self._books.ledger or len(spending.holds) != 1:
            await self._settle_in_turn(ctx, spending)
        else:
            [(applied, hold)] = spending.holds
            by_model, settle = self.by_model, self._estimator.settle
            charged, attempts = [], ctx.attempts
            for each in applied:
                rule = each.term.rule
                counting = self._counting(ctx, spending, each) if by_model else attempts
                used = settle(rule, ctx, counting, each.amount)
                charged.append(used if rule.scale == 1 and used < MAX_AMOUNT else rule.scaled(used))
            await self._books.settle(hold, charged)
        if self.by_model and not ctx.batch and not self._as_asked(ctx, spending):
            await self._charge_unreserved(ctx, spending)

    def settle_served(self, ctx: RequestContext, served: Served) -> bool:
        """As `settle`, at once; False, and nothing done, where the request is not like most."""
        plan = served.plan
        if self.by_model:
            return False
        charged = self._estimator.settle_plain(ctx, plan.rules, served.amounts, plan.prices)
        if charged is None:
            return False
        served.block.finish(served.held, plan.held(charged))
        return True

    def _taken(self, ctx: RequestContext, spending: Spending, each: Applied) -> tuple[int, Marks]:
        """What the request did take of a limit, in the units of the measure, and how well that is known."""
        marks = Marks()
        counting = self._counting(ctx, spending, each)
        return self._estimator.settle(each.rule, ctx, counting, each.amount, marks), marks

    async def _settle_in_turn(self, ctx: RequestContext, spending: Spending) -> None:
        """Settles the reservations of one request, however many they are, with marks for the ledger."""
        # Each reservation is charged with no more than it holds, and the last one with what is left over: settling one
        # must not count what another still holds, or the counter would pass its limit between the two steps.
        used = {each.term.counter: self._taken(ctx, spending, each) for each in spending.applied}
        for number, (applied, hold) in enumerate(spending.holds):
            later = {each.term.counter for more, _ in spending.holds[number + 1 :] for each in more}
            charged, known = [], []
            for each in applied:
                counter = each.term.counter
                left, marks = used.get(counter, _NOTHING)
                part = min(left, each.held * each.rule.scale) if counter in later else left
                first, rest = marks.split(part)
                used[counter] = left - part, rest
                charged.append(each.rule.scaled(part))
                known.append(first.within(each.rule, charged[-1]))
            await self._books.settle(hold, charged, known)

    async def _charge_unreserved(self, ctx: RequestContext, spending: Spending) -> None:
        """Models that a plugin after this one has chosen have their own limits: they are charged all the same."""
        for attempt in ctx.attempts:
            for each in self.not_yet(ctx, spending, self._at(spending, attempt), attempt.model, refuse=False):
                if each.rule.measure == "concurrent":
                    continue
                spending.applied = [*spending.applied, each]
                hold = self._books.without_store([each.entry], note=ctx.request_id)
                used, marks = self._taken(ctx, spending, each)
                charged = each.rule.scaled(used)
                await self._books.settle(hold, [charged], [marks.within(each.rule, charged)])

    def _counting(self, ctx: RequestContext, spending: Spending, each: Applied) -> Sequence[Attempt]:
        """The attempts that count for a limit."""
        rule = each.rule
        if not rule.by_model or self._as_asked(ctx, spending):
            return ctx.attempts
        askers = [(attempt, self._at(spending, attempt)) for attempt in ctx.attempts]
        return [
            attempt for attempt, asker in askers if rule.applies(asker) and rule.subject(asker) == each.term.subject
        ]

    def _as_asked(self, ctx: RequestContext, spending: Spending) -> bool:
        """Whether the model that was reserved for is the one that was asked, as it is for nearly all requests."""
        asker = spending.asker
        for attempt in ctx.attempts:
            if attempt.model != asker.model:
                return False
            if self._by_name and attempt.target.partition("/")[2] not in (asker.model, *asker.names):
                return False
        return True

    def _at(self, spending: Spending, attempt: Attempt) -> Asker:
        """The request as it was when it made this attempt."""
        provider, _, upstream = attempt.target.partition("/")
        # A model that passes names on counts under the name that was asked of it.
        model = upstream if upstream in spending.named else attempt.model
        return spending.asker.choosing(model, provider, upstream)

    def not_yet(
        self, ctx: RequestContext, spending: Spending, asker: Asker, model: str, *, refuse: bool = True
    ) -> list[Applied]:
        """The limits that depend on the model and have not been applied to the request. Raises RequestRejected, with
        `refuse`, where one allows none of it."""
        if not self.by_model:
            return []
        rules = [rule for rule in self._live.rules if rule.by_model]
        known = {each.term.counter for each in spending.applied}
        try:
            terms = self._planner.terms(ctx, asker, model, rules, time.time())
        except RequestRejected:
            if refuse:
                raise
            return []
        return applied_of([term for term in terms if term.counter not in known], spending.usage)
