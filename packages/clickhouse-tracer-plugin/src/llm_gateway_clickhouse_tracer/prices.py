"""What a request cost, by a price table that is pinned in the package. An unknown price is None, never 0."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any, Final

from llm_gateway_sdk.wire import json

__all__ = ["Price", "PriceTable", "TokenCounts"]

_MILLION: Final = Decimal(1_000_000)
_QUANTUM: Final = Decimal("0.000000001")

# `-2025-04-14`, `-20250514`, `@20250514`, `-latest`, `-v1:0`: the same model at a certain state.
_STATE: Final = re.compile(r"(?:[-@](?:20\d\d-\d\d-\d\d|20\d{6}|latest)|-v\d+(?::\d+)?)+$")
# Bedrock's `eu.anthropic.`, Vertex's and routers' `anthropic/`, `models/`.
_PREFIX: Final = re.compile(r"^(?:(?:us|eu|apac|global)\.)?(?:[a-z0-9-]+\.(?=[a-z])|[\w.-]+/)*")


@dataclass(slots=True, frozen=True)
class Price:
    """US dollars per million tokens. A cache price of None is unknown."""

    input: Decimal
    output: Decimal
    cache_read: Decimal | None = None
    cache_write: Decimal | None = None


@dataclass(slots=True, frozen=True)
class TokenCounts:
    """As in the SDK's Usage: `input` includes what was read from and written to a cache."""

    input: int | None = None
    output: int | None = None
    cache_read: int | None = None
    cache_write: int | None = None


class PriceTable:
    def __init__(self, prices: Mapping[str, Price], as_of: str = "") -> None:
        self._prices = dict(prices)
        self.as_of = as_of
        """The day on which the prices were looked up."""
        self._find = lru_cache(maxsize=1024)(self._look_up)

    @classmethod
    def load(cls, file: Path | None = None, overrides: Mapping[str, Mapping[str, float]] | None = None) -> PriceTable:
        """The shipped table, or that of `file`, with `overrides` in front. Raises OSError, ValueError."""
        data = file.read_bytes() if file is not None else _shipped().read_bytes()
        table = json.loads(data)
        if not isinstance(table, dict) or not isinstance(table.get("models"), dict):
            raise ValueError(f"{file}: a price table is a JSON object with 'models'")
        prices = {name: _price(name, entry) for name, entry in table["models"].items()}
        prices.update({name: _price(name, entry) for name, entry in (overrides or {}).items()})
        return cls(prices, str(table.get("asOf", "")))

    def find(self, *models: str) -> Price | None:
        """The price of the first of these names that is known: as written, then without date and vendor prefix."""
        for model in models:
            if model and (price := self._find(model)) is not None:
                return price
        return None

    def _look_up(self, model: str) -> Price | None:
        plain = _PREFIX.sub("", model)
        for name in (model, _STATE.sub("", model), plain, _STATE.sub("", plain)):
            if (price := self._prices.get(name)) is not None:
                return price
        return None

    def cost(self, counts: TokenCounts, *models: str) -> Decimal | None:
        """US dollars; None where the model, its price or a count is unknown."""
        if counts.input is None or counts.output is None or (price := self.find(*models)) is None:
            return None
        read, write = counts.cache_read or 0, counts.cache_write or 0
        if (read and price.cache_read is None) or (write and price.cache_write is None):
            return None
        cost = (
            max(0, counts.input - read - write) * price.input
            + read * (price.cache_read or 0)
            + write * (price.cache_write or 0)
            + counts.output * price.output
        )
        return (cost / _MILLION).quantize(_QUANTUM)


def _price(name: str, entry: Mapping[str, Any]) -> Price:
    try:
        return Price(
            input=Decimal(str(entry["input"])),
            output=Decimal(str(entry["output"])),
            cache_read=_optional(entry.get("cacheRead")),
            cache_write=_optional(entry.get("cacheWrite")),
        )
    except (KeyError, TypeError, ArithmeticError) as error:
        raise ValueError(f"price of '{name}': expected numbers 'input' and 'output', found {dict(entry)}") from error


def _optional(value: Any) -> Decimal | None:
    return None if value is None else Decimal(str(value))


def _shipped() -> Any:
    return resources.files(__package__).joinpath("prices.json")
