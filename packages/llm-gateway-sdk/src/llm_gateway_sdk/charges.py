"""What an attempt cost, from the usage that its provider reported: one calculation for limits, metrics and traces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

from .model_facts import MILLION, Prices, TokenCounts, tier_of
from .response import Usage
from .values import replace

__all__ = ["TIERS", "Charge", "charge_of", "charged_tier", "cost_of"]

TIERS = frozenset({"standard", "batch", "flex", "priority", "ultrafast"})
"""The service tiers that prices are written for."""


def charged_tier(word: str | None) -> str | None:
    """The service tier of a provider's word for it, `unknown` for a word that is not known: what a provider writes
    there goes into no ledger. None where no tier was reported."""
    if not word:
        return None
    tier = word if word in TIERS else tier_of(word)
    return tier if tier in TIERS else "unknown"


def cost_of(prices: Prices, usage: Usage, *, tier: str | None = None, unpriced: list[str] | None = None) -> int | None:
    """Nano-dollars, rounded up; None where a count or the price of a kind that was used is unknown, and where the price
    is only assumed from a similar model's name. With a list as `unpriced` it is that of `charge_of`.

    The tier is the one that served the request, else `tier`. One without a separate price is charged like the
    dearest that has one: what was used is never left out of the books for it.
    """
    if prices.assumed_from is not None:
        return None
    if usage.steps:
        return _cost_of_steps(prices, usage, usage.steps, usage.service_tier or tier, unpriced)
    served = usage.service_tier or tier
    plain = _cost_of_text(prices, usage, served)
    if plain is not None:
        return plain
    calls = usage.tool_calls or {}
    counts = TokenCounts(
        input=usage.input_tokens,
        output=usage.output_tokens,
        cache_read=usage.cache_read_tokens,
        cache_read_audio=usage.cache_read_audio_tokens,
        cache_read_image=usage.cache_read_image_tokens,
        cache_write=usage.cache_write_tokens,
        cache_write_1h=usage.cache_write_1h_tokens,
        input_audio=usage.input_audio_tokens,
        output_audio=usage.output_audio_tokens,
        input_image=usage.input_image_tokens,
        output_image=usage.output_image_tokens,
        calls={**calls, **usage.pieces} if usage.pieces else calls,
        requests=usage.requests,
    )
    if unpriced is not None:
        counts.input, counts.output = counts.input or 0, counts.output or 0
    elif counts.output is None and not any(band.rates.output for bands in prices.tiers.values() for band in bands):
        counts.output = 0  # a model that charges for no output: embeddings, moderation
    if served is None or served in prices.tiers or tier_of(served) in prices.tiers or not prices.tiers:
        return prices.cost(counts, served, unpriced)
    known = [prices.cost(counts, name, unpriced) for name in prices.tiers if name != "batch"]
    return max((cost for cost in known if cost is not None), default=None)


def _cost_of_text(prices: Prices, usage: Usage, tier: str | None) -> int | None:
    """The same of text alone, some of it perhaps from the cache, as nearly all requests are; None where there is more
    to it."""
    if (
        usage.cache_write_tokens
        or usage.cache_write_1h_tokens
        or usage.input_audio_tokens
        or usage.output_audio_tokens
        or usage.input_image_tokens
        or usage.output_image_tokens
        or usage.tool_calls
        or usage.pieces
        or usage.requests != 1
        or (inputs := usage.input_tokens) is None
        or (outputs := usage.output_tokens) is None
    ):
        return None
    rates = prices.rates(inputs, tier)
    if rates is None or rates.input is None or rates.output is None:
        return None
    read = usage.cache_read_tokens or 0
    if read and rates.cache_read is None:
        return None
    total = outputs * rates.output if outputs > 0 else 0
    if inputs > read:
        total += (inputs - read) * rates.input
    if read:
        total += read * (rates.cache_read or 0)
    return -(-total // MILLION)


def _cost_of_steps(
    prices: Prices, usage: Usage, steps: Sequence[Usage], tier: str | None, unpriced: list[str] | None
) -> int | None:
    """The cost of several calls, each at the rates for its own prompt."""
    answer = replace(usage, steps=None)
    for name in _TOKENS:
        if (whole := getattr(usage, name)) is not None:
            setattr(answer, name, max(0, whole - sum(getattr(each, name) or 0 for each in steps)))
    costs = [cost_of(prices, each, tier=tier, unpriced=unpriced) for each in (answer, *steps)]
    return sum(cost for cost in costs if cost is not None) if None not in costs else None


_TOKENS = tuple(each.name for each in fields(Usage) if each.name.endswith("_tokens"))


@dataclass(slots=True, frozen=True)
class Charge:
    """What is known of a cost."""

    nanos: int
    unpriced: tuple[str, ...] = ()
    """Kinds that were used and have no price, by their names in `Rates` and in `Prices.calls`, sorted. Tokens of such a
    kind are charged like plain ones, pieces not at all."""


def charge_of(prices: Prices, usage: Usage, *, tier: str | None = None) -> Charge | None:
    """The same where the price of a kind that was used may be missing: what is known is charged, and the rest named. A
    count that is unknown is taken for none. None where the model has no price, or only an assumed one."""
    unpriced: list[str] = []
    nanos = cost_of(prices, usage, tier=tier, unpriced=unpriced)
    return None if nanos is None else Charge(nanos, tuple(sorted(set(unpriced))))
