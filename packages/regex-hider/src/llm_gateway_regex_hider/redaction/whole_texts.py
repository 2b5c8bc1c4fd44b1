"""Redaction of a text that is there as a whole, which is the ordinary case of requests: no more is read than the places
at which a match can begin. From the first one on where that is not decided at once, it is read as a stream is."""

from __future__ import annotations

from ..engine.openings import Starts
from ..patterns import CompiledRule, RuleSet
from .bounds import Budget, Findings, OnLimit, Span
from .matching import MOST_SPANS, fold, joined, kept, match_at, replaced
from .redactor import StreamRedactor

__all__ = ["redact", "redact_spans"]


def redact(
    text: str,
    rules: RuleSet,
    *,
    on_limit: OnLimit = "mask",
    findings: Findings | None = None,
    budget: Budget | None = None,
) -> str:
    """A whole text at once. The same string comes back if nothing in it matches."""
    spans = _spans(text, rules, on_limit, findings, budget, folds=True)
    return text if spans is None else joined(spans)


def redact_spans(
    text: str,
    rules: RuleSet,
    *,
    on_limit: OnLimit = "mask",
    findings: Findings | None = None,
    budget: Budget | None = None,
) -> list[Span] | None:
    """As `redact`, but reports what was replaced; None if nothing in the text can match."""
    return _spans(text, rules, on_limit, findings, budget, folds=False)


def _spans(
    text: str, rules: RuleSet, on_limit: OnLimit, findings: Findings | None, budget: Budget | None, *, folds: bool
) -> list[Span] | None:
    """`folds`: only what they are together is asked for."""
    candidates = rules.candidates(text)
    if candidates is None:
        return None
    starts = candidates.starts(text)
    spans: list[Span] = []
    at = 0
    if starts is not None:
        if starts.after(0) < 0:
            return None
        findings = findings if findings is not None else Findings()
        budget = budget if budget is not None else Budget()
        at = _replace_at_once(text, candidates.rules, starts, findings, budget, spans, folds=folds)
        if at == len(text):
            return spans
    redactor = StreamRedactor(candidates, max_size=None, on_limit=on_limit, findings=findings, budget=budget)
    return redactor.finish_whole(text, at, starts, spans, folds=folds)


def _replace_at_once(
    text: str,
    rules: list[CompiledRule],
    starts: Starts,
    findings: Findings,
    budget: Budget,
    spans: list[Span],
    *,
    folds: bool,
) -> int:
    """Replaces matches from the left on for as long as one begins wherever one can, which is the ordinary case. Up to
    where the text is done."""
    at = folded = 0
    budget.trials += len(text) * budget.trials_per_character
    while (begin := starts.after(at)) >= 0:
        found = match_at(text, begin, [rules[number] for number in starts.patterns_at(begin)], budget)
        if found is None:
            break
        rule, match = found
        replacement = replaced(rule, match, findings)
        if begin > at:
            spans += kept(text, at, begin)
        spans.append(replacement)
        at = match.end()
        if folds and len(spans) > folded + MOST_SPANS:
            folded = fold(spans, folded)
    else:
        if at < len(text):
            spans += kept(text, at, len(text))
            at = len(text)
    budget.microseconds += at * budget.per_character
    return at
