"""The limits that apply to one request, what they hold for it, and what their states mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from llm_gateway_sdk import MAX_AMOUNT, CounterState, Entry

from .batches import Part
from .blocks import Block
from .books import Hold
from .estimates import Usage
from .headers import LimitState
from .plans import Plan, Term
from .refusals import tightest
from .rules import Asker, Rule

__all__ = ["Applied", "Served", "Spending", "applied_of", "refusing", "shown_of", "wait_of"]


@dataclass(slots=True)
class Applied:
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
        blank = self.term.blank
        enforce = blank.enforce and not (self.tops_up and self.term.rule.overdraft)
        return Entry(blank.key, self.held, blank.limit, blank.rate, enforce, blank.on_expiry, blank.ends)


@dataclass(slots=True)
class Spending:
    """What one request has reserved."""

    asker: Asker
    usage: Usage
    applied: list[Applied]
    model: str
    """The model whose price was reserved."""
    holds: list[tuple[list[Applied], Hold]]
    named: set[str]
    """The models, by the names under which they are counted."""
    waiting: Sequence[tuple[Part, Applied]] = ()
    """What the lines of a batch have reserved, in the last of `holds`."""


@dataclass(slots=True)
class Served:
    """What a block has given to one request, as it does to nearly all of a caller that asks often: as little as
    settling needs."""

    plan: Plan
    usage: Usage
    amounts: list[int]
    """In the units of the measures."""
    held: list[int]
    """In the units of the counters."""
    block: Block
    states: tuple[CounterState, ...]

    def spending(self) -> Spending:
        """The same in full, for a request that is not like most."""
        plan = self.plan
        parts = zip(plan.terms, self.amounts, self.held, strict=True)
        applied = [Applied(term, amount, held) for term, amount, held in parts]
        hold = Hold(self.block.lease_id, self.held, states=self.states, block=self.block)
        return Spending(plan.asker, self.usage, applied, plan.model, [(applied, hold)], {plan.asker.model})


def applied_of(terms: Sequence[Term], usage: Usage) -> list[Applied]:
    """What the terms reserve for a request of this estimated usage."""
    found = []
    for term in terms:
        amount, rule = term.most(usage), term.rule
        held = amount if rule.scale == 1 and amount < MAX_AMOUNT else rule.scaled(amount)
        found.append(Applied(term, amount, held))
    return found


def shown_of(terms: Sequence[Term], states: Sequence[CounterState]) -> list[LimitState]:
    """What a client is shown of the limits that have an amount."""
    found = []
    for term, state in zip(terms, states, strict=False):
        limit = state.limit
        if limit is not None:
            rule, remaining = term.rule, limit - state.settled - state.open
            resets = state.resets_after if rule.is_rate else term.resets_after
            scale = rule.scale
            found.append(LimitState(rule, limit * scale, remaining * scale if remaining > 0 else 0, resets))
    return found


def refusing(applied: Sequence[Applied], states: Sequence[CounterState]) -> int:
    """The position of the limit that is reported, of those that refused."""
    return tightest([each.rule for each in applied], states, [each.term.resets_after for each in applied])


def wait_of(applied: Sequence[Applied], states: Sequence[CounterState]) -> float | None:
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
