"""What a model can be used for and has no price, so that it is not discovered on the bill."""

from __future__ import annotations

from llm_gateway_sdk.model_facts import ModelFacts, Prices, Rates

__all__ = ["unpriced_kinds"]


def unpriced_kinds(facts: ModelFacts | None, prices: Prices) -> list[str]:
    """Kinds of token and piece, by their names in the configuration, that the model takes or makes by its facts and
    for which it has neither a price nor another kind's in its place. What is charged like plain text is not among
    them: images that are read, mostly."""
    rates = prices.rates() or Rates()
    if not prices.tiers and prices.calls:
        return []  # by the piece, and by nothing else
    found = [name for name, rate in (("input", rates.input), ("output", rates.output)) if rate is None]
    if facts is None:
        return found
    made, heard = facts.output or frozenset(), facts.input or frozenset()
    if "output" in found and not made & {"text"}:
        found.remove("output")  # images and sound have prices of their own, and vectors have none
    if facts.caching and rates.cache_read is None:
        found.append("cacheRead")
    if "audio" in heard and rates.input_audio is None and "second" not in prices.calls:
        found.append("inputAudio")
    if "audio" in made and rates.output_audio is None and not prices.calls.keys() & {"character", "song"}:
        found.append("outputAudio")
    if "image" in made and rates.output_image is None and "image" not in prices.calls:
        found.append("outputImage")
    return found
