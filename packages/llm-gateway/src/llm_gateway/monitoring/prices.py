"""What a request cost, by the prices of the model book and the configuration."""

from __future__ import annotations

from llm_gateway_sdk import Prices, RequestMetrics, TokenCounts

__all__ = ["cost_of"]


def cost_of(prices: Prices, metrics: RequestMetrics) -> int | None:
    """Nano-dollars; None where a count or the price of a kind is unknown. A price that is only assumed, because the
    model's name is unknown, is no known price."""
    if prices.assumed_from is not None:
        return None
    counts = TokenCounts(
        input=metrics.input_tokens,
        output=metrics.output_tokens,
        cache_read=metrics.cache_read_tokens,
        cache_write=metrics.cache_write_tokens,
    )
    return prices.cost(counts)
