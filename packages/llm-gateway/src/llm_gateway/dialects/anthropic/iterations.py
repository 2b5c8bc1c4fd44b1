"""What `usage.iterations` has beyond the counts of a reply.

A reply may take several calls of models at the vendor's. Its counts are of those that wrote the answer; a summary of
the conversation that was made on the way (`compaction`) and the advice of another model (`advisor_message`) are billed
in addition to them. Where the model that was asked declined, another one may have answered.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from llm_gateway_sdk.operations.reading import count
from llm_gateway_sdk.response import Usage

__all__ = ["ADVISOR", "add_counts", "answered_by", "beyond"]

ADVISOR = "advisor"
"""The kind of piece, as in `Prices.calls`: an advisor's price is not that of the model."""
_BEYOND = frozenset({"compaction", "advisor_message"})


def beyond(source: Mapping[str, Any]) -> Usage | None:
    """The sum of what is billed next to the counts of this `usage` of the vendor's; None where there is nothing."""
    iterations = source.get("iterations")
    if not isinstance(iterations, list):
        return None
    found = [each for each in iterations if isinstance(each, dict) and each.get("type") in _BEYOND]
    if not found:
        return None
    steps = [_counts_of(each) for each in found]
    advice = sum(each["type"] == "advisor_message" for each in found)
    whole = Usage(tool_calls={ADVISOR: advice} if advice else None, steps=steps)
    for name in _TOKENS:
        setattr(whole, name, sum(getattr(each, name) for each in steps))
    return whole


def answered_by(source: Mapping[str, Any]) -> str | None:
    """The model that took the place of the one that was asked (`fallbacks`), whose counts these are; None where none
    did. The vendor charges that model's price, and nothing for what the other has declined."""
    iterations = source.get("iterations")
    if not isinstance(iterations, list):
        return None
    for each in reversed(iterations):
        if isinstance(each, dict) and each.get("type") == "fallback_message":
            model = each.get("model")
            return model if isinstance(model, str) and 0 < len(model) <= _LONGEST_NAME else None
    return None


_LONGEST_NAME = 200
_TOKENS = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "cache_write_1h_tokens")


def _counts_of(iteration: Mapping[str, Any]) -> Usage:
    fresh, written, read, output = (
        count(iteration.get(name)) or 0
        for name in ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "output_tokens")
    )
    kept = iteration.get("cache_creation")
    long_kept = count(kept.get("ephemeral_1h_input_tokens")) if isinstance(kept, dict) else None
    return Usage(fresh + read + written, output, read, written, cache_write_1h_tokens=long_kept or 0)


def add_counts(usage: Usage, more: Usage, sign: Literal[1, -1] = 1) -> None:
    """Adds what is beyond the counts to them, or takes it out again. Input and output that are unknown stay unknown."""
    for name in ("input_tokens", "output_tokens"):
        if (counted := getattr(usage, name)) is not None:
            setattr(usage, name, max(0, counted + sign * (getattr(more, name) or 0)))
    for name in ("cache_read_tokens", "cache_write_tokens", "cache_write_1h_tokens"):
        if added := getattr(more, name):
            setattr(usage, name, max(0, (getattr(usage, name) or 0) + sign * added))
    usage.steps = more.steps if sign > 0 else None
    if more.tool_calls and sign > 0:
        usage.tool_calls = {**(usage.tool_calls or {}), **more.tool_calls}
