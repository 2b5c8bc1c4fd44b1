"""Which limits apply to a request, worked out once for all requests that are alike to them.

What applies follows from who asks, for which model, and from the time; nearly every request of a caller has the same
answer as the one before. A `Plan` is that answer, and a request that finds one only adds its amounts. A plan is made
anew as soon as one of these is not what it was made from:

    the caller     compared with the plan's by value: the team of a key may change
    the limits     another object after every change, be it of the configuration or of an override at run time
    the models     another object after every change of the configuration: names, prices, ceilings
    the time       a plan ends with the first of its windows, and with the first override that ends
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf

from llm_gateway_sdk import (
    MAX_AMOUNT,
    CounterState,
    Entry,
    GatewayServices,
    Principal,
    RequestContext,
    RequestRejected,
)

from .estimates import Estimator, KnownPrices, Usage
from .overrides import LiveRules
from .rules import Asker, Rule

__all__ = ["Plan", "Planner", "Shown", "Subject", "Term", "missing"]

Subject = tuple[tuple[str, str], ...]
"""Whom a limit counts for, by what it is `per`."""

_MOST = 4096
"""Plans that a worker holds."""


@dataclass(slots=True)
class Term:
    """One limit for one subject in the present window: all of an entry but its amount."""

    rule: Rule
    subject: Subject
    blank: Entry
    """The entry with the amount 0."""
    most: Callable[[Usage], int]
    """What a request may take at most, in the units of the measure. Raises RequestRejected."""
    counter: tuple[str, Subject] = field(init=False)
    """What it is counted in, whatever window it is."""

    def __post_init__(self) -> None:
        self.counter = self.rule.name, self.subject

    @property
    def resets_after(self) -> float | None:
        """Seconds until the window ends; None where it does not."""
        ends = self.blank.ends
        return max(0.0, ends - time.time()) if ends else None


@dataclass(slots=True)
class Shown:
    """The headers for one outcome. They are the same for all requests of a second that one block serves."""

    states: Sequence[CounterState]
    second: int
    dialect: str
    headers: Mapping[str, str]


@dataclass(slots=True)
class Plan:
    """What applies to requests that are alike."""

    asker: Asker
    model: str
    """The model whose price is reserved."""
    terms: tuple[Term, ...]
    made_from: tuple[Principal | None, Sequence[Rule], object]
    """The caller, the limits and the models."""
    until: float
    """Seconds since the epoch."""
    keys: tuple[str, ...] = field(init=False)
    """Of the counters."""
    alone: bool = field(init=False)
    """Each request asks the store."""
    shadow: bool = field(init=False)
    """Some of the limits refuse nothing."""
    scaled: bool = field(init=False)
    """Some of the counters count in coarser units than their measures."""
    rules: tuple[Rule, ...] = field(init=False)
    most: tuple[Callable[[Usage], int], ...] = field(init=False)
    """What a request may take at most of each, in the units of its measure."""
    prices: KnownPrices = field(default_factory=KnownPrices)
    counted: bool = False
    """A request was counted by it."""
    shown: Shown | None = None

    def __post_init__(self) -> None:
        keys, self.alone, self.shadow, self.scaled = [], False, False, False
        for term in self.terms:
            keys.append(term.blank.key)
            if term.rule.scale != 1:
                self.scaled = True
            if term.rule.on_store_down == "deny":
                self.alone = True
            if not term.rule.enforce:
                self.shadow = True
        self.keys = tuple(keys)
        self.rules = tuple(term.rule for term in self.terms)
        self.most = tuple(term.most for term in self.terms)

    def held(self, amounts: list[int]) -> list[int]:
        """Amounts in the units of the measures, in the units of the counters."""
        if not self.scaled:
            for amount in amounts:
                if amount >= MAX_AMOUNT:
                    break
            else:
                return amounts
        return [term.rule.scaled(amount) for term, amount in zip(self.terms, amounts, strict=True)]


class Planner:
    """Finds the plan of each request of a project."""

    def __init__(self, services: GatewayServices, live: LiveRules, estimator: Estimator) -> None:
        self._services = services
        self._live = live
        self._estimator = estimator
        self._by_address = any("ip" in rule.per or "ip" in rule.when for rule in live.rules)
        self._plans: OrderedDict[tuple[object, ...], Plan] = OrderedDict()
        self._most: dict[tuple[str, str, bool, str], Callable[[Usage], int]] = {}
        """What requests take at most, which is the same for all callers: by the limit's name, the operation, whether it
        is a batch, and the model."""
        self._most_from: tuple[Sequence[Rule], object] = ((), None)
        """The limits and the models that it was made from."""

    def plan(self, ctx: RequestContext, now: float) -> Plan:
        """`now` is seconds since the epoch. Raises RequestRejected where the caller lacks what a limit counts per, or a
        price is missing."""
        if ctx.operation == "native":
            return self._make(ctx, now)  # prices go by the path
        principal, caller = ctx.principal, ctx.caller
        key = (
            caller if principal is None else (principal.source, principal.id), ctx.requested_model, ctx.target_model,
            ctx.operation, ctx.session is None,
            ctx.client_ip if self._by_address or (principal is None and caller is None) else None,
        )  # fmt: skip
        plan = self._plans.get(key)
        if plan is not None and now < plan.until:
            known, rules, models = plan.made_from
            current = rules is self._live.rules and models is self._services.models_version
            if current and (known is principal or known == principal):
                return plan
        if plan is None and len(self._plans) >= _MOST:
            self._plans.popitem(last=False)
        plan = self._plans[key] = self._make(ctx, now)
        return plan

    def _make(self, ctx: RequestContext, now: float) -> Plan:
        services, rules = self._services, self._live.rules
        made_from = ctx.principal, rules, services.models_version
        asker = self.asker(ctx)
        model = ctx.target_model or asker.model
        terms = self.terms(ctx, asker, model, rules, now)
        until = inf
        for term in terms:
            if term.blank.ends and term.blank.ends < until:
                until = term.blank.ends
        for rule in rules:
            for each in rule.overrides:
                # An override that ends may also bring a limit back.
                if each.until is not None and now < each.until < until:
                    until = each.until
        return Plan(asker, model, tuple(terms), made_from, until)

    def asker(self, ctx: RequestContext) -> Asker:
        """What limits look at in the request."""
        return Asker.of(ctx, self._services.model_name, self.provider_of)

    def terms(self, ctx: RequestContext, asker: Asker, model: str, rules: Sequence[Rule], now: float) -> list[Term]:
        """Those of `rules` that apply where this model answers. Raises RequestRejected."""
        found = []
        subjects: dict[tuple[str, ...], Subject | None] = {}
        for rule in rules:
            if (rule.when and not rule.applies(asker)) or (ctx.operation == "realtime" and not _is_of(rule, ctx)):
                continue
            per = rule.per
            if per not in subjects:
                subjects[per] = rule.subject(asker)
            subject = subjects[per]
            if subject is None:
                if rule.refuse_missing and rule.enforce:
                    raise missing(rule, asker)
                continue
            blank = rule.entry(subject, 0, now)
            if blank is not None:
                found.append(Term(rule, subject, blank, self._most_of(rule, ctx, model)))
        return found

    def _most_of(self, rule: Rule, ctx: RequestContext, model: str) -> Callable[[Usage], int]:
        """Raises RequestRejected."""
        if ctx.operation == "native":
            return self._estimator.most(rule, ctx, model)  # prices go by the path
        rules, models = self._most_from
        if rules is not self._live.rules or models is not self._services.models_version or len(self._most) > _MOST:
            self._most.clear()
            self._most_from = self._live.rules, self._services.models_version
        key = rule.name, ctx.operation, bool(ctx.batch), model
        most = self._most.get(key)
        if most is None:
            most = self._most[key] = self._estimator.most(rule, ctx, model)
        return most

    def provider_of(self, model: str) -> str:
        """The type of the model's provider; empty where there is no such model."""
        return self._services.model_provider(model) or ""


def missing(rule: Rule, asker: Asker) -> RequestRejected:
    """The refusal where the caller lacks what a limit counts per."""
    lacking = ", ".join(each for each in rule.per if asker.value(each) is None)
    return RequestRejected(
        f"The limit '{rule.name}' counts per {', '.join(rule.per)}, and this caller has no {lacking}.",
        status=403,
        code="limit_subject_missing",
        limit=rule.name,
    )


def _is_of(rule: Rule, ctx: RequestContext) -> bool:
    """Of a realtime session the session itself is one of those that run at once, and its responses are what it uses;
    both are requests."""
    if ctx.session is None:
        return rule.measure in ("requests", "concurrent")
    return rule.measure != "concurrent"
