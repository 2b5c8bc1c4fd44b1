"""What the client is shown of its limits, in the words of its API and in those of the IETF draft."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache

from llm_gateway_sdk.values import FrozenValue

from .rules import Rule

__all__ = ["LimitState", "limit_headers"]

_KINDS = {"requests": "requests", "tokens": "tokens", "inputTokens": "input-tokens", "outputTokens": "output-tokens"}


class LimitState(FrozenValue, frozen=True):
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
    headers: dict[str, str] = {}
    by_kind: dict[str, tuple[float, LimitState]] = {}
    tightest, most = None, 0.0
    for each in limits:
        rule = each.rule
        if not rule.enforce:
            continue
        used = each.used_percent
        kind = _KINDS.get(rule.measure)
        if kind is not None and (kind not in by_kind or used > by_kind[kind][0]):
            by_kind[kind] = used, each
        if tightest is None or used > most:
            tightest, most = each, used
    if tightest is None:
        return headers
    for kind, (_, each) in by_kind.items():
        if dialect == "anthropic":
            _add_anthropic(headers, kind, each, now)
        else:
            _add_openai(headers, kind, each)
    name, window, resets = _string(tightest.rule.name), tightest.rule.window.rolling_seconds, tightest.resets_after
    left = f"{name};r={tightest.remaining}"
    headers["ratelimit"] = left if resets is None else f"{left};t={math.ceil(resets)}"
    policy = f"{name};q={tightest.limit}"
    headers["ratelimit-policy"] = policy if window is None else f"{policy};w={math.ceil(window)}"
    if tightest.rule.warn_at and most >= tightest.rule.warn_at[0]:
        headers["x-llm-gateway-limit-warning"] = f"{name};used={math.floor(most)}"
    return headers


def _add_openai(headers: dict[str, str], kind: str, each: LimitState) -> None:
    """OpenAI knows requests and tokens; input and output tokens are shown under their own names."""
    headers[f"x-ratelimit-limit-{kind}"] = str(each.limit)
    headers[f"x-ratelimit-remaining-{kind}"] = str(each.remaining)
    if each.resets_after is not None:
        headers[f"x-ratelimit-reset-{kind}"] = _duration(each.resets_after)


def _add_anthropic(headers: dict[str, str], kind: str, each: LimitState, now: float) -> None:
    name = f"anthropic-ratelimit-{kind}"
    headers[f"{name}-limit"] = str(each.limit)
    headers[f"{name}-remaining"] = str(each.remaining)
    if each.resets_after is not None:
        reset = datetime.fromtimestamp(math.ceil(now + each.resets_after), UTC)
        headers[f"{name}-reset"] = reset.strftime("%Y-%m-%dT%H:%M:%SZ")


def _duration(seconds: float) -> str:
    """As OpenAI writes it: `20ms`, `1s`, `6m0s`, `1h0m2s`."""
    if seconds < 1:
        return f"{math.ceil(seconds * 1000)}ms"
    whole = math.ceil(seconds)
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    if hours:
        return f"{hours}h{minutes}m{rest}s"
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"


@lru_cache(maxsize=1024)
def _string(name: str) -> str:
    """A string of structured fields (RFC 9651), which is ASCII."""
    plain = "".join(sign if " " <= sign <= "~" else "?" for sign in name)
    return '"' + plain.replace("\\", "\\\\").replace('"', '\\"') + '"'
