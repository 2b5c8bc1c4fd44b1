"""What a request cost, by the prices in a model's metadata: `prices: {input, output, cacheRead, cacheWrite}` in US
dollars per million tokens."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, NamedTuple

from llm_gateway_sdk import RequestMetrics

__all__ = ["Price", "cost_of", "price_of"]

log = logging.getLogger("llm_gateway.monitoring")


class Price(NamedTuple):
    """US dollars per million tokens. A cache price of None is unknown."""

    input: float
    output: float
    cache_read: float | None
    cache_write: float | None


def price_of(model: str, metadata: Mapping[str, Any]) -> Price | None:
    """The price in a model's metadata; None where there is none that can be understood."""
    written = metadata.get("prices")
    if written is None:
        return None
    if isinstance(written, Mapping):
        values = [written.get(key) for key in ("input", "output", "cacheRead", "cacheWrite")]
        numbers = [None if value is None or isinstance(value, bool) else _number(value) for value in values]
        if numbers[0] is not None and numbers[1] is not None:
            return Price(numbers[0], numbers[1], numbers[2], numbers[3])
    log.warning(
        "model '%s': metadata.prices needs the numbers `input` and `output` (US dollars per million tokens); "
        "its cost is not counted",
        model,
    )
    return None


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if 0 <= number < float("inf") else None


def cost_of(price: Price, metrics: RequestMetrics) -> float | None:
    """US dollars; None where a count or the price of a kind is unknown. `input_tokens` includes what the cache held."""
    if metrics.input_tokens is None or metrics.output_tokens is None:
        return None
    read, write = metrics.cache_read_tokens or 0, metrics.cache_write_tokens or 0
    if (read and price.cache_read is None) or (write and price.cache_write is None):
        return None
    plain = max(0, metrics.input_tokens - read - write)
    total = plain * price.input + metrics.output_tokens * price.output
    return (total + read * (price.cache_read or 0.0) + write * (price.cache_write or 0.0)) / 1_000_000
