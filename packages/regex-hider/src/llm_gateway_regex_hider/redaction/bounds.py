"""What redaction may spend and hold, what comes of it where that is not enough, and what was found."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

__all__ = [
    "DEFAULT_MAX_SIZE", "REPLACING", "Blocked", "Budget", "Exhausted", "Findings", "LimitExceeded", "OnLimit", "Span",
]  # fmt: skip

OnLimit = Literal["mask", "refuse"]
DEFAULT_MAX_SIZE = 8192
REPLACING = 5.0  # microseconds that putting something in a match's place costs


class Blocked(Exception):
    """A rule with `block` matched. Carries the rule's number, never the text."""

    def __init__(self, index: int, description: str) -> None:
        super().__init__(f"patterns[{index}]" + (f" ({description})" if description else ""))
        self.index = index


class LimitExceeded(Exception):
    """The text can't be judged within the bounds, and the policy is to refuse."""


@dataclass(slots=True)
class Budget:
    """What may be spent on a text beyond one walk through it, in microseconds. Protects against hostile text."""

    microseconds: float = 250_000.0
    per_character: float = 0.5
    trials: float = 2_000.0
    """For asking the engine before the automaton, where it finds nothing."""
    trials_per_character: float = 0.02
    matches: float = 10_000_000.0
    """For what is found and replaced, in all. What exceeds it is hidden without having been searched."""

    def found(self, microseconds: float) -> None:
        """Charges a match, however cheap it was to find: a text may be full of them."""
        self.matches -= microseconds + REPLACING
        if self.matches < 0:
            raise Exhausted

    def spend(self, microseconds: float) -> None:
        self.microseconds -= microseconds
        if self.microseconds < 0:
            raise Exhausted


class Exhausted(Exception):
    """The budget is spent: what is left of the text is hidden or refused, by the policy."""


@dataclass(slots=True)
class Findings:
    """What was hidden: how often by which rule, and how often for want of a verdict within the bounds."""

    matches: dict[int, int] = field(default_factory=dict)
    masked: int = 0

    @property
    def total(self) -> int:
        return sum(self.matches.values()) + self.masked

    def add(self, index: int, count: int = 1) -> None:
        self.matches[index] = self.matches.get(index, 0) + count


Span = tuple[str, str | None]
"""A piece of the text and its replacement; None where it stays."""
