"""The `regex` engine asked about one place of a text, within a budget, and what takes the place of a match."""

from __future__ import annotations

from time import perf_counter

import regex

from llm_gateway_sdk.wire.pieces import PIECE_BYTES, joined_text
from llm_gateway_sdk.wire.text_bound import TextTooLarge

from ..patterns import CompiledRule
from .bounds import REPLACING, Blocked, Budget, Findings, Span

__all__ = ["MOST_SPANS", "UNCHARGED", "fold", "joined", "kept", "match_at", "put_together", "replaced", "timed_match"]

UNCHARGED = 20.0  # microseconds that asking the engine costs in the ordinary case
MOST_SPANS = 4096
"""As many are kept before they are put together."""
_FEW, _VERY_FEW = 1000, 8
"""Pieces that are put together by one call."""
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
    pieces = [piece if replacement is None else replacement for piece, replacement in spans]
    return "".join(pieces) if len(pieces) <= _VERY_FEW else put_together(pieces)


def put_together(pieces: list[str]) -> str:
    """The same as `"".join(pieces)`. Of many or long ones, other threads have their turn in between."""
    count = len(pieces)
    if count == 1:
        return pieces[0]
    if count <= _FEW and sum(map(len, pieces)) <= PIECE_BYTES:
        return "".join(pieces)
    try:
        if count <= _FEW:
            return joined_text(pieces)
        return joined_text([put_together(pieces[start : start + _FEW]) for start in range(0, count, _FEW)])
    except TextTooLarge:  # what takes the place of a match has made all letters wider
        return "".join(pieces)


def kept(text: str, start: int, end: int) -> list[Span]:
    """A part of a text that stays as it is."""
    if end - start <= PIECE_BYTES:
        return [(text[start:end], None)]
    return [(text[at : min(at + PIECE_BYTES, end)], None) for at in range(start, end, PIECE_BYTES)]


def fold(spans: list[Span], folded: int) -> int:
    """Puts those after the first `folded` spans together, where it no longer matters which of them were replaced. How
    many there are now.

    A list of a million spans is a tenth of a second of one call each time it is copied or freed.
    """
    spans[folded:] = kept(whole := joined(spans[folded:]), 0, len(whole))
    return len(spans)
