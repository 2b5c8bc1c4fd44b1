"""Batches: what their lines may cost is reserved with the submission, held for as long as the provider may work on
them, and replaced by what they did cost once that is known.

    submission ── reserved for every model of the lines ── deferred (a lease of days, kept with the batch) ── settled

Limits of requests and of concurrency count the submission alone, as one request. All others count the lines, each
under its own model: a limit per model or for some models gets the share of those lines.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from llm_gateway_sdk import Amount, Entry, RequestContext

from .estimates import Estimator, Usage
from .marks import Marks
from .plans import missing
from .rules import Asker, Rule
from .windows import Window

__all__ = ["HELD_SECONDS", "Part", "charges_of", "parts_of", "written_of"]

HELD_SECONDS = 50 * 3600.0
"""Of a reservation for a batch. A provider works on one for a day, some for two; what is settled later than that
replaces what the end of the reservation has charged."""

_AT_ONCE = frozenset({"requests", "concurrent"})


@dataclass(slots=True)
class Part:
    """What a batch takes of one limit for one subject."""

    rule: Rule
    subject: tuple[tuple[str, str], ...]
    amount: int
    models: frozenset[str] | None
    """The models whose lines count; None is all of them."""

    @property
    def waits(self) -> bool:
        """Whether it is held until the batch has ended."""
        return self.rule.measure not in _AT_ONCE

    def most(self, usage: Usage) -> int:
        """The amount, whatever a single request would use."""
        return self.amount


def parts_of(
    rules: Sequence[Rule],
    ctx: RequestContext,
    asker: Asker,
    estimator: Estimator,
    provider_of: Callable[[str], str],
) -> list[Part]:
    """Raises RequestRejected where the caller lacks what a limit counts per, or a price is missing."""
    found: list[Part] = []
    for rule in rules:
        known: dict[tuple[tuple[str, str], ...], Part] = {}
        for share in ctx.batch:
            one = asker.choosing(share.model, provider_of(share.model), share.provider_model, *share.names)
            if not rule.applies(one):
                continue
            subject = rule.subject(one)
            if subject is None:
                if rule.refuse_missing and rule.enforce:
                    raise missing(rule, one)
                continue
            amount = estimator.reserve_share(rule, share)
            part = known.get(subject)
            if part is None:
                known[subject] = Part(rule, subject, amount, frozenset({share.model}) if rule.by_model else None)
            elif part.waits:
                part.amount += amount
                part.models = part.models | {share.model} if part.models is not None else None
        found += known.values()
    return found


def written_of(part: Part, entry: Entry) -> dict[str, Any]:
    """What is kept with the batch, so that whatever process settles it needs neither this one nor its limits."""
    rule = part.rule
    return {
        "key": entry.key,
        "ends": entry.ends,
        "limit": rule.name,
        "measure": rule.measure,
        "scale": rule.scale,
        "unknownPrice": rule.unknown_price,
        "amount": part.amount,
        "models": None if part.models is None else sorted(part.models),
    }


def charges_of(written: Sequence[Mapping[str, Any]], ctx: RequestContext, estimator: Estimator) -> list[Amount]:
    """What a batch that has ended is charged with, from what `written_of` has kept of it."""
    charges = []
    for each in written:
        rule = Rule(
            str(each["limit"]), str(each["measure"]), 0, Window(),
            scale=int(each["scale"]), unknown_price=each["unknownPrice"],
        )  # fmt: skip
        models = each["models"]
        counted = [attempt for attempt in ctx.attempts if models is None or attempt.model in models]
        reserved = int(each["amount"])
        marks = Marks()
        used = rule.scaled(estimator.settle(rule, ctx, counted, reserved, marks) if counted else 0)
        charges.append(Amount(str(each["key"]), used, float(each["ends"]), *marks.within(rule, used)))
    return charges
