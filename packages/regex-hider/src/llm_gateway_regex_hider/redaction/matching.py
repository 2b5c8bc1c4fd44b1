"""The `regex` engine asked about one place of a text, within a budget, and what takes the place of a match."""

from __future__ import annotations

from time import perf_counter

import regex

from ..patterns import CompiledRule
from .bounds import REPLACING, Blocked, Budget, Findings, Span

__all__ = ["UNCHARGED", "joined", "match_at", "replaced", "timed_match"]

UNCHARGED = 20.0  # microseconds that asking the engine costs in the ordinary case
_DOUBTFUL = 5_000.0
"""Microseconds after which a match is measured again: what is slow by itself is slow twice, what the machine held up is
not, and a text must not be hidden for that."""


def timed_match(rule: CompiledRule, text: str, at: int, timeout: float) -> tuple[regex.Match[str] | None, float]:
    """The match at a place, and the microseconds that it took. Raises TimeoutError after `timeout` seconds."""
    before = perf_counter()
    match: regex.Match[str] | None = rule.regex.match(text, at, timeout=timeout)
    spent = (perf_counter() - before) * 1e6
    if spent > _DOUBTFUL:
        before = perf_counter()
        rule.regex.match(text, at, timeout=timeout)
        spent = min(spent, (perf_counter() - before) * 1e6)
    return match, spent


def match_at(
    text: str, at: int, rules: list[CompiledRule], budget: Budget
) -> tuple[CompiledRule, regex.Match[str]] | None:
    """Asks the engine without the automaton's advice. What that costs in vain is bounded for all texts of a budget."""
    for rule in rules:
        timeout = min(budget.trials, budget.microseconds, budget.matches) / 1e6
        if timeout <= 0:
            return None
        try:
            match, spent = timed_match(rule, text, at, timeout)
        except TimeoutError:
            budget.trials = 0.0
            return None
        if match is None:
            budget.trials -= spent
            continue
        if spent > UNCHARGED:
            budget.microseconds -= spent
        budget.matches -= spent + REPLACING
        return rule, match
    return None


def replaced(rule: CompiledRule, match: regex.Match[str], findings: Findings) -> Span:
    if rule.rule.block:
        raise Blocked(rule.index, rule.rule.description)
    findings.add(rule.index)
    return match.group(), rule.replace(match)


def joined(spans: list[Span]) -> str:
    if len(spans) == 1 and spans[0][1] is None:
        return spans[0][0]
    return "".join([piece if replacement is None else replacement for piece, replacement in spans])
