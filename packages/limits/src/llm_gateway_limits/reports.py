"""What the command line asks of the plugin, without a gateway: from the settings, the store, or a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from llm_gateway_sdk import Store

from .amounts import show_amount
from .overrides import LiveRules
from .reporting import simulate, state_of
from .rules import compile_rules
from .usage_report import UsageQuery, usage_of

__all__ = ["Reports"]


class Reports:
    """Part of the plugin's class."""

    @staticmethod
    def show_amount(measure: str, amount: int) -> str:
        """The amount for people."""
        return show_amount(measure, amount)

    @classmethod
    async def state_of(cls, config: Mapping[str, Any], store: Store) -> list[dict[str, Any]]:
        """One row per limit and subject, as in `reporting.state_of`."""
        live = LiveRules(compile_rules(config.get("limits", ())), store)
        await live.load()
        return await state_of(live.rules, store)

    @staticmethod
    async def usage_of(query: Mapping[str, Any], store: Store) -> list[dict[str, Any]]:
        """What was used, as in `usage_report.usage_of`, for the fields of a UsageQuery. Raises ValueError where one
        can't be used."""
        return await usage_of(store, UsageQuery(**query))

    @classmethod
    def simulate(
        cls,
        config: Mapping[str, Any],
        records: Sequence[Mapping[str, Any]],
        step: Callable[[int], object] | None = None,
    ) -> list[dict[str, Any]]:
        """What each limit would have done with recorded requests; `step` is called with 1 after each. Raises ValueError
        where they can't be read."""
        found = simulate(compile_rules(config.get("limits", ())), records, step)
        return [
            {
                "limit": name,
                "seen": each.seen,
                "refused": each.refused,
                "skipped": each.skipped,
                "bySubject": each.by_subject.most_common(),
            }
            for name, each in found.items()
        ]
