"""Credentials and rate limits in the headers of the APIs: where each vendor has them, and what it calls them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from llm_gateway_sdk.secrets import CREDENTIAL_HEADERS
from llm_gateway_sdk.upstream_quota import RATE_LIMIT_HEADERS
from llm_gateway_sdk.waiting import bounded_seconds, decode_reset, decode_retry_after

__all__ = ["bearer_or_key", "translate_limits"]


def bearer_or_key(headers: Iterable[tuple[str, str]]) -> str | None:
    """The caller's credential, in whichever header it is."""
    for name, value in headers:
        if name == "authorization" and value[:7].lower() == "bearer ":
            return value[7:].strip()
        if name in CREDENTIAL_HEADERS and name != "authorization":
            return value.strip()
    return None


_MEANINGS: dict[str, tuple[str, str]] = {
    **dict.fromkeys(("retry-after", "retry-after-ms", "x-should-retry"), ("", "")),
    **RATE_LIMIT_HEADERS,
}
"""Headers that tell a client when to come again: what they hold of which unit; nothing of both for those of retries."""
_COUNT = re.compile(r"-?\d{1,18}(?:\.\d{1,9})?", re.ASCII)


def translate_limits(headers: Iterable[tuple[str, str]], client_dialect: str, *, now: float) -> list[tuple[str, str]]:
    """`retry-after` and rate-limit headers in the client's terms; a value that is not understood is left out.

    OpenAI writes `x-ratelimit-reset-requests: 6m0s`, Anthropic `anthropic-ratelimit-requests-reset` with an RFC 3339
    time. `now` is seconds since the epoch. Never raises.
    """
    anthropic = client_dialect == "anthropic"
    translated: list[tuple[str, str]] = []
    for name, value in headers:
        meaning = _MEANINGS.get(name)
        if meaning is None:
            continue
        what, unit = meaning
        written: str | None
        if not unit:
            written = _retry_word(name, value, now)
        elif anthropic:
            written = _limit(what, value, now, anthropic=True)
            name = f"anthropic-ratelimit-{unit}-{what}"
        elif unit in ("requests", "tokens"):
            written = _limit(what, value, now, anthropic=False)
            name = f"x-ratelimit-{what}-{unit}"
        else:
            continue
        if written is not None:
            translated.append((name, written))
    return translated


def _retry_word(name: str, value: str, now: float) -> str | None:
    if name == "x-should-retry":
        return value if value.strip().lower() in ("true", "false") else None
    if name == "retry-after":
        seconds = decode_retry_after(value, now=now)
        if seconds is None or seconds == _plain(value):
            return None if seconds is None else value.strip()
        return f"{seconds:.0f}"
    number = _plain(value)
    bounded = None if number is None else bounded_seconds(number / 1000)
    return None if bounded is None else f"{bounded * 1000:.0f}"


def _plain(value: str) -> float | None:
    return float(value) if _COUNT.fullmatch(value.strip()) else None


def _limit(what: str, value: str, now: float, *, anthropic: bool) -> str | None:
    if what != "reset":
        return value if _COUNT.fullmatch(value.strip()) else None
    seconds = decode_reset(value, now=now)
    if seconds is None:
        return None
    if not anthropic:
        return _shown_duration(value, seconds)
    return (datetime.fromtimestamp(now, UTC) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def _shown_duration(value: str, seconds: float) -> str:
    return value if _DURATION.fullmatch(value) and seconds < _LONGEST_KEPT else f"{seconds:.0f}s"


_DURATION = re.compile(r"(?:\d{1,9}(?:\.\d{1,9})?(?:ms|s|m|h|d))+", re.ASCII)
_LONGEST_KEPT = 31 * 24 * 3600.0
