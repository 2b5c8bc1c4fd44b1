"""What the client is shown of its limits, in the words of its API and in those of the IETF draft."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from .rules import Rule

__all__ = ["LimitState", "limit_headers"]

_KINDS = {"requests": "requests", "tokens": "tokens", "inputTokens": "input-tokens", "outputTokens": "output-tokens"}


@dataclass(frozen=True, slots=True)
class LimitState:
    """One limit as it is after this request."""

    rule: Rule
    limit: int
    remaining: int
    resets_after: float | None
    """Seconds until it is as good as unused; None for never."""

    @property
    def used_percent(self) -> float:
        return 100.0 if self.limit <= 0 else 100 * (1 - self.remaining / self.limit)


def limit_headers(limits: Sequence[LimitState], dialect: str, now: float) -> dict[str, str]:
    """Of several limits of one kind the tightest is shown. `now` is seconds since the epoch."""
    limits = [each for each in limits if each.rule.enforce]
    if not limits:
        return {}
    headers: dict[str, str] = {}
    by_kind: dict[str, LimitState] = {}
    for each in limits:
        kind = _KINDS.get(each.rule.measure)
        if kind is not None and (kind not in by_kind or each.used_percent > by_kind[kind].used_percent):
            by_kind[kind] = each
    for kind, each in by_kind.items():
        headers.update(_anthropic(kind, each, now) if dialect == "anthropic" else _openai(kind, each))
    tightest = max(limits, key=lambda each: each.used_percent)
    headers["ratelimit"] = _ietf(tightest)
    headers["ratelimit-policy"] = _policy(tightest)
    warning = _warning(tightest)
    if warning:
        headers["x-llm-gateway-limit-warning"] = warning
    return headers


def _openai(kind: str, each: LimitState) -> dict[str, str]:
    """OpenAI knows requests and tokens; input and output tokens are shown under their own names."""
    headers = {f"x-ratelimit-limit-{kind}": str(each.limit), f"x-ratelimit-remaining-{kind}": str(each.remaining)}
    if each.resets_after is not None:
        headers[f"x-ratelimit-reset-{kind}"] = _duration(each.resets_after)
    return headers


def _anthropic(kind: str, each: LimitState, now: float) -> dict[str, str]:
    name = f"anthropic-ratelimit-{kind}"
    headers = {f"{name}-limit": str(each.limit), f"{name}-remaining": str(each.remaining)}
    if each.resets_after is not None:
        reset = datetime.fromtimestamp(math.ceil(now + each.resets_after), UTC)
        headers[f"{name}-reset"] = reset.strftime("%Y-%m-%dT%H:%M:%SZ")
    return headers


def _duration(seconds: float) -> str:
    """As OpenAI writes it: `20ms`, `1s`, `6m0s`, `1h0m2s`."""
    if seconds < 1:
        return f"{math.ceil(seconds * 1000)}ms"
    whole = math.ceil(seconds)
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    if hours:
        return f"{hours}h{minutes}m{rest}s"
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"


def _ietf(each: LimitState) -> str:
    text = f"{_string(each.rule.name)};r={each.remaining}"
    return text if each.resets_after is None else f"{text};t={math.ceil(each.resets_after)}"


def _policy(each: LimitState) -> str:
    seconds = each.rule.window.rolling_seconds
    text = f"{_string(each.rule.name)};q={each.limit}"
    return text if seconds is None else f"{text};w={math.ceil(seconds)}"


def _string(name: str) -> str:
    """A string of structured fields (RFC 9651), which is ASCII."""
    plain = "".join(sign if " " <= sign <= "~" else "?" for sign in name)
    return '"' + plain.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _warning(each: LimitState) -> str:
    passed = [level for level in each.rule.warn_at if each.used_percent >= level]
    return f"{_string(each.rule.name)};used={math.floor(each.used_percent)}" if passed else ""
