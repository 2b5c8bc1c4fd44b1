"""What is known about configured models: the model book, corrected by the configuration, once per name."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from llm_gateway_model_book import Book, overlay_prices, read_facts, read_prices

from llm_gateway_sdk import ModelFacts, Prices

from .config.schema import ModelConfig

__all__ = ["UNKNOWN", "Description", "ModelDescriptions"]

log = logging.getLogger("llm_gateway")

MAX_NAMES = 256
"""Names that are passed on to a provider (`bypassModel`, aliases) and remembered, per configured model."""

CONFIGURATION = "configuration"


@dataclass(frozen=True, slots=True)
class Description:
    """Facts and prices of one name; None where nothing is known."""

    facts: ModelFacts | None = None
    prices: Prices | None = None


UNKNOWN = Description()


class ModelDescriptions:
    """Those of one configured model, by the provider's name of it."""

    def __init__(self, model: ModelConfig, book: Book) -> None:
        self._book = book
        self._provider = model.provider.type
        self._facts = model.facts.model_dump(by_alias=True, exclude_none=True)
        written = model.prices.model_dump(by_alias=True, exclude_none=True, exclude_defaults=True)
        self._prices = read_prices(written, source=CONFIGURATION)
        if self._prices is None:
            self._prices = _of_metadata(model.name, model.metadata)
        self._known: OrderedDict[str, Description] = OrderedDict()

    def of(self, name: str) -> Description:
        """The facts and prices of the model that the provider calls `name`."""
        known = self._known.get(name)
        if known is None:
            known = self._describe(name)
            if len(self._known) >= MAX_NAMES:
                self._known.popitem(last=False)
            self._known[name] = known
        return known

    def prices_in_book(self, name: str) -> Prices | None:
        """Those of another model of this provider: what the configuration writes is not about it. None where the book
        does not know the name itself."""
        entry = self._book.find(name, self._provider)
        prices = entry.prices if entry is not None else None
        return None if prices is None or prices.assumed_from is not None else prices

    def _describe(self, name: str) -> Description:
        entry = self._book.find(name, self._provider)
        facts = entry.facts if entry is not None else None
        prices = entry.prices if entry is not None else None
        if self._facts:
            facts = _corrected(facts or ModelFacts(name=name), read_facts(name, self._facts, source=CONFIGURATION))
        if self._prices is not None:
            prices = overlay_prices(self._prices, prices)
        return Description(facts, prices)


def _corrected(facts: ModelFacts, written: ModelFacts) -> ModelFacts:
    changes = {
        each.name: value
        for each in fields(ModelFacts)
        if each.name not in ("name", "checked") and (value := getattr(written, each.name)) not in (None, "")
    }
    return replace(facts, **changes)


def _of_metadata(model: str, metadata: Mapping[str, Any]) -> Prices | None:
    """`metadata.prices`, the older place of a model's prices."""
    written = metadata.get("prices")
    if written is None:
        return None
    try:
        if isinstance(written, Mapping) and written.get("input") is not None and written.get("output") is not None:
            return read_prices(written, source=CONFIGURATION)
    except ValueError:
        pass
    log.warning(
        "model '%s': metadata.prices needs the numbers `input` and `output` (US dollars per million tokens); "
        "its cost is not counted",
        model,
    )
    return None
