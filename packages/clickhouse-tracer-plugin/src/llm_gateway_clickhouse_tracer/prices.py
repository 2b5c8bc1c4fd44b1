"""What a request cost, by the model book. An unknown price is None, never 0."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from llm_gateway_model_book import Book, read_prices, shipped_book, spellings

from llm_gateway_sdk import Usage
from llm_gateway_sdk.charges import Charge, charge_of
from llm_gateway_sdk.model_facts import Prices
from llm_gateway_sdk.wire import json

__all__ = ["PriceTable"]


class PriceTable:
    """The model book, with prices of one's own in front."""

    def __init__(self, own: Mapping[str, Prices], book: Book | None, as_of: str = "") -> None:
        self._own = dict(own)
        self._book = book
        self.as_of = as_of
        """The day on which the prices were looked up."""
        self._find = lru_cache(maxsize=1024)(self._look_up)

    @classmethod
    def load(cls, file: Path | None = None, overrides: Mapping[str, Mapping[str, float]] | None = None) -> PriceTable:
        """The model book, or the table of `file` in its place; `overrides` go first. Raises OSError, ValueError."""
        own: dict[str, Prices] = {}
        as_of = ""
        if file is not None:
            table = json.loads(file.read_bytes())
            if not isinstance(table, dict) or not isinstance(table.get("models"), dict):
                raise ValueError(f"{file}: a price table is a JSON object with 'models'")
            own = {name: _price(name, entry) for name, entry in table["models"].items()}
            as_of = str(table.get("asOf", ""))
        own.update({name: _price(name, entry) for name, entry in (overrides or {}).items()})
        return cls(own, shipped_book() if file is None else None, as_of)

    def find(self, *models: str, provider: str = "") -> Prices | None:
        """The price of the first of these names that is known, by any platform's spelling. A price that is only
        assumed, for a name that the book does not have, is not a known price."""
        for model in models:
            if model and (price := self._find(model, provider)) is not None:
                return price
        return None

    def _look_up(self, model: str, provider: str) -> Prices | None:
        if model in self._own:
            return self._own[model]
        for name in spellings(model):
            if name in self._own:
                return self._own[name]
        entry = self._book.find(model, provider) if self._book is not None else None
        if entry is None or entry.prices is None or entry.prices.assumed_from is not None:
            return None
        return entry.prices

    def charge(self, usage: Usage, *models: str, provider: str = "") -> Charge | None:
        """What is known of the cost, and the kinds without a price; None where the model or its price is unknown."""
        price = self.find(*models, provider=provider)
        return None if price is None else charge_of(price, usage)


def _price(name: str, entry: Mapping[str, Any]) -> Prices:
    try:
        prices = read_prices(entry)
        if prices is None or entry.get("input") is None or entry.get("output") is None:
            raise ValueError("numbers are missing")
    except (TypeError, ValueError) as error:
        raise ValueError(f"price of '{name}': expected numbers 'input' and 'output', found {dict(entry)}") from error
    return prices
