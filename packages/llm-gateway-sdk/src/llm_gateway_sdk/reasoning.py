"""Reasoning effort ↔ thinking budget: one table for all dialects.

Some vendors take a word for how much a model should think, others a number of tokens. The words are OpenAI's
(`reasoning_effort`) and Anthropic's (`output_config.effort`); the numbers Anthropic's `thinking.budget_tokens` and
Gemini's `thinkingBudget`.
"""

from __future__ import annotations

__all__ = ["EFFORTS", "MIN_BUDGET", "budget_of_effort", "effort_of_budget", "lower_effort"]

EFFORTS: tuple[str, ...] = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
"""From least to most."""

MIN_BUDGET = 1024
"""The least that Anthropic takes."""

_BUDGETS = {"minimal": 1024, "low": 2048, "medium": 8192, "high": 16384, "xhigh": 24576, "max": 32000}
# Of a bound on the whole answer, thinking may take this much, so that something is left to say.
_SHARES = {"minimal": 0.1, "low": 0.25, "medium": 0.5, "high": 0.75, "xhigh": 0.85, "max": 0.9}


def budget_of_effort(effort: str, max_tokens: int | None = None) -> int | None:
    """Thinking tokens for `effort`, below `max_tokens` (the bound of the whole answer).

    None: no thinking at all, be it that the effort is `none` or that `max_tokens` leaves no room for the least budget.
    An unknown word counts as `medium`.
    """
    if effort == "none":
        return None
    budget = _BUDGETS.get(effort, _BUDGETS["medium"])
    if max_tokens is None:
        return budget
    if max_tokens <= MIN_BUDGET:
        return None
    return max(MIN_BUDGET, min(budget, int(max_tokens * _SHARES.get(effort, _SHARES["medium"]))))


def effort_of_budget(budget: int) -> str:
    """The word for a budget: only those that every reasoning model knows."""
    if budget <= 0:
        return "none"
    if budget <= 2048:
        return "low"
    return "medium" if budget <= 8192 else "high"


def lower_effort(effort: str, known: tuple[str, ...]) -> str:
    """`effort` itself where it is `known`, else the nearest known one below it, else the least known one."""
    if effort in known or effort not in EFFORTS:
        return effort
    below = [word for word in EFFORTS[: EFFORTS.index(effort)] if word in known and word != "none"]
    return below[-1] if below else next((word for word in EFFORTS if word in known and word != "none"), effort)
