"""How well what is charged is known, for the ledger.

`exact` is as the provider has reported it, every kind of it at its own price. `partial` is at least so much: a kind
that was used has no price, or the reply broke off after the provider's last count. `estimated` was counted by the
gateway, costs what another model does, or is what had been reserved. Requests are always exact.
"""

from __future__ import annotations

from dataclasses import dataclass

from llm_gateway_sdk.context import Precision

from .rules import Rule

__all__ = ["EXACT", "Known", "Marks"]

Known = tuple[int, int]
"""How much of an amount is partial, and how much is estimated, in the counter's units."""
EXACT: Known = (0, 0)


@dataclass(slots=True)
class Marks:
    """Of one amount, in the units of its measure."""

    partial: int = 0
    estimated: int = 0

    def add(self, precision: Precision | None, amount: int) -> None:
        if precision == "partial":
            self.partial += amount
        elif precision == "estimated":
            self.estimated += amount

    def within(self, rule: Rule, amount: int) -> Known:
        """In the counter's units, together no more than the `amount`, which is in these too."""
        estimated = min(rule.scaled(self.estimated), amount)
        return min(rule.scaled(self.partial), amount - estimated), estimated

    def split(self, amount: int) -> tuple[Marks, Marks]:
        """The marks of a part of this size, and of what is left."""
        estimated = min(self.estimated, amount)
        partial = min(self.partial, amount - estimated)
        return Marks(partial, estimated), Marks(self.partial - partial, self.estimated - estimated)
