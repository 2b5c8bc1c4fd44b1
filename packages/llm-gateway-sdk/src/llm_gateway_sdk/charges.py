"""What an attempt cost, from the usage that its provider reported: one calculation for limits, metrics and traces."""

from __future__ import annotations

from .model_facts import Prices, TokenCounts, tier_of
from .response import Usage

__all__ = ["TIERS", "charged_tier", "cost_of"]

TIERS = frozenset({"standard", "batch", "flex", "priority", "ultrafast"})
"""The service tiers that prices are written for."""


def charged_tier(word: str | None) -> str | None:
    """The service tier of a provider's word for it, `unknown` for a word that is not known: what a provider writes
    there goes into no ledger. None where no tier was reported."""
    if not word:
        return None
    tier = word if word in TIERS else tier_of(word)
    return tier if tier in TIERS else "unknown"


def cost_of(prices: Prices, usage: Usage, *, tier: str | None = None) -> int | None:
    """Nano-dollars, rounded up; None where a count or the price of a kind that was used is unknown, and where the price
    is only assumed from a similar model's name.

    The tier is the one that served the request, else `tier`. One without a separate price is charged like the
    dearest that has one: what was used is never left out of the books for it.
    """
    if prices.assumed_from is not None:
        return None
    served = usage.service_tier or tier
    counts = TokenCounts(
        input=usage.input_tokens,
        output=usage.output_tokens,
        cache_read=usage.cache_read_tokens,
        cache_write=usage.cache_write_tokens,
        cache_write_1h=usage.cache_write_1h_tokens,
        input_audio=usage.input_audio_tokens,
        output_audio=usage.output_audio_tokens,
        input_image=usage.input_image_tokens,
        output_image=usage.output_image_tokens,
        calls=usage.tool_calls or {},
        requests=usage.requests,
    )
    if counts.output is None and not any(band.rates.output for bands in prices.tiers.values() for band in bands):
        counts.output = 0  # a model that charges for no output: embeddings, moderation
    if served is None or served in prices.tiers or tier_of(served) in prices.tiers:
        return prices.cost(counts, served)
    known = [prices.cost(counts, name) for name in prices.tiers if name != "batch"]
    return max((cost for cost in known if cost is not None), default=None)
