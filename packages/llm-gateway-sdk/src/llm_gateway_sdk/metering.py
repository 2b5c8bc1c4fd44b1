"""What a request has used: the sum over its attempts, each count with the word for how it is known."""

from __future__ import annotations

from math import ceil
from typing import Any

from .charges import TIERS, charged_tier
from .context import Attempt, Precision, RequestMetrics
from .estimate import estimate_text
from .response import LLMResponse, Usage
from .values import replace

__all__ = ["MOST_PIECES", "MOST_TOKENS", "add_attempt", "estimate_output", "record", "record_cut", "weaker"]


MOST_TOKENS = 10**9
"""Tokens of one request that are believed. A provider that reports more, or less than none, has reported nothing."""
MOST_PIECES = 10**6
"""The same for what is charged by the piece, of each kind."""


def record(attempt: Attempt, usage: Usage | None) -> None:
    """Notes what the provider has reported for all of its reply."""
    if usage is None:
        return
    most = MOST_TOKENS if usage.requests == 1 else MOST_TOKENS * usage.requests
    if (
        not 0 <= (usage.input_tokens or 0) <= most
        or not 0 <= (usage.output_tokens or 0) <= most
        or not 0 <= (usage.cache_read_tokens or 0) <= most
        or usage.cache_write_tokens
        or usage.reasoning_tokens
        or usage.input_audio_tokens
        or usage.output_audio_tokens
        or usage.input_image_tokens
        or usage.output_image_tokens
        or usage.cache_read_audio_tokens
        or usage.cache_read_image_tokens
        or usage.tool_calls
        or usage.pieces
    ):
        usage = _believed(usage, most)
    tier = usage.service_tier
    if tier is not None and tier not in TIERS:
        usage.service_tier = "standard" if tier == "default" else charged_tier(tier)
    attempt.usage = _counts(usage) if usage.provider_metadata else usage
    precision: Precision = "estimated" if usage.estimated else "exact"
    attempt.input_precision = None if usage.input_tokens is None else precision
    attempt.output_precision = None if usage.output_tokens is None else precision


def record_cut(attempt: Attempt, reported: Usage | None, *, input_tokens: int, output_tokens: int) -> None:
    """Notes what an attempt has used whose reply broke off. `reported` is what the provider had reported by then, which
    may be the placeholder of a beginning; the tokens are the gateway's own estimates of what was sent to the provider,
    and of what it had sent."""
    usage = Usage() if reported is None else _counts(Usage(**{name: getattr(reported, name) for name in _FIELDS}))
    usage = _believed(usage, MOST_TOKENS)
    attempt.usage = usage
    attempt.input_precision = "exact"
    if usage.input_tokens is None:
        usage.input_tokens, attempt.input_precision = input_tokens, "estimated"
    if usage.output_tokens is not None and usage.output_tokens >= output_tokens:
        attempt.output_precision = "partial"
    else:
        usage.output_tokens, attempt.output_precision = output_tokens, "estimated"
    usage.estimated = "estimated" in (attempt.input_precision, attempt.output_precision)


def add_attempt(metrics: RequestMetrics, attempt: Attempt) -> None:
    """Adds what the attempt has used to the request's own counts. A count that is not known adds nothing."""
    usage = attempt.usage
    if usage is None:
        return
    if usage.input_tokens is not None:
        metrics.input_tokens = (metrics.input_tokens or 0) + usage.input_tokens
        if metrics.input_precision is None:
            metrics.input_precision = attempt.input_precision
        else:
            metrics.input_precision = weaker(metrics.input_precision, attempt.input_precision)
    if usage.output_tokens is not None:
        metrics.output_tokens = (metrics.output_tokens or 0) + usage.output_tokens
        if metrics.output_precision is None:
            metrics.output_precision = attempt.output_precision
        else:
            metrics.output_precision = weaker(metrics.output_precision, attempt.output_precision)
    if usage.cache_read_tokens is not None:
        metrics.cache_read_tokens = (metrics.cache_read_tokens or 0) + usage.cache_read_tokens
    if usage.cache_write_tokens is not None:
        metrics.cache_write_tokens = (metrics.cache_write_tokens or 0) + usage.cache_write_tokens
    if usage.reasoning_tokens is not None:
        metrics.reasoning_tokens = (metrics.reasoning_tokens or 0) + usage.reasoning_tokens
    if usage.estimated:
        metrics.usage_estimated = True
    if metrics.input_tokens is not None or metrics.output_tokens is not None:
        metrics.total_tokens = (metrics.input_tokens or 0) + (metrics.output_tokens or 0)


def estimate_output(response: LLMResponse | None) -> int:
    """Tokens of a reply, or of the part of it that came."""
    if response is None:
        return 0
    return ceil(
        sum(
            estimate_text(getattr(part, "text", None) or "") + estimate_text(getattr(part, "arguments", None) or "")
            for choice in response.choices
            for part in choice.message.content
        )
    )


def _believed(usage: Usage, most: int) -> Usage:
    """The usage without counts that can't be."""
    wrong: dict[str, Any] = {
        name: None
        for name in _FIELDS
        if name.endswith("_tokens") and (count := getattr(usage, name)) is not None and not 0 <= count <= most
    }
    for name in ("tool_calls", "pieces"):
        counted: dict[str, int] = getattr(usage, name) or {}
        kept = {kind: number for kind, number in counted.items() if 0 <= number <= MOST_PIECES * usage.requests}
        if len(kept) < len(counted):
            wrong[name] = kept or None
    return replace(usage, **wrong) if wrong else usage


def _counts(usage: Usage) -> Usage:
    """The usage without words of the provider's, which plugins may hide and the ledger must not have; the same object
    where it has none."""
    tier = usage.service_tier
    if (tier is None or tier in TIERS) and _is_numbers(usage.provider_metadata):
        return usage
    return replace(
        usage, provider_metadata=_numbers(usage.provider_metadata), service_tier=charged_tier(usage.service_tier)
    )


def _is_numbers(values: dict[str, Any]) -> bool:
    """Whether `_numbers` has nothing to leave out, which is so for nearly all usage."""
    for value in values.values():
        kind = type(value)
        if kind is not int and (kind is not dict or not value or not _is_numbers(value)):
            return False
    return True


def _numbers(value: Any) -> Any:
    if isinstance(value, dict):
        kept = {key: _numbers(inner) for key, inner in value.items() if not isinstance(inner, str)}
        return {key: inner for key, inner in kept.items() if inner not in ({}, [])}
    if isinstance(value, list):
        return [_numbers(inner) for inner in value if not isinstance(inner, str)]
    return value


_FIELDS = (
    "input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens",
    "input_audio_tokens", "output_audio_tokens", "provider_metadata", "cache_write_1h_tokens", "input_image_tokens",
    "output_image_tokens", "service_tier", "tool_calls", "pieces", "requests", "cache_read_audio_tokens",
    "cache_read_image_tokens", "steps", "answered_by",
)  # fmt: skip
_ORDER: dict[Precision | None, int] = {None: 0, "exact": 1, "partial": 2, "estimated": 3}


def weaker(a: Precision | None, b: Precision | None) -> Precision | None:
    """The word for two counts together; None is a count that is not known, which adds nothing."""
    return a if a is b or _ORDER[a] >= _ORDER[b] else b
