"""Waits that a provider asks for: `Retry-After` and the resets of rate limits, in every form that vendors use.

The text comes from outside, so that nothing here raises, and every number that comes out is finite and bounded:
between 0 and `LONGEST_WAIT_SECONDS`. What is not understood is None.

Sources: RFC 9110 §10.2.3 (`Retry-After`); the rate-limit pages of OpenAI (`6m0s`), Anthropic (RFC 3339 times), Azure
and Groq (`retry-after-ms`, `2m59.56s`); the openai and anthropic SDKs, which wait for at most 60 seconds.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

__all__ = [
    "LONGEST_RETRY_PAUSE_SECONDS",
    "LONGEST_WAIT_SECONDS",
    "bounded_seconds",
    "decode_reset",
    "decode_retry_after",
    "moment_of_seconds",
    "retry_after",
    "seconds_of_duration",
    "seconds_of_moment",
]

LONGEST_WAIT_SECONDS = 31 * 24 * 3600.0
"""The longest wait that is passed on: the longest window of a vendor's limits is a month."""
LONGEST_RETRY_PAUSE_SECONDS = 60.0
"""The longest wait before another try, as in the vendors' SDKs: beyond it the error goes to the client, who decides."""

_NUMBER = re.compile(r"[+-]?\d{1,400}(?:\.\d{0,400})?", re.ASCII)
_DURATION = re.compile(r"(?:\d{1,400}(?:\.\d{1,400})?(?:ms|us|µs|ns|s|m|h|d))+", re.ASCII | re.IGNORECASE)
_PIECE = re.compile(r"(?<![\d.])(\d++(?:\.\d++)?)(ms|us|µs|ns|s|m|h|d)", re.ASCII | re.IGNORECASE)
_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_LONGEST_TEXT = 256
_EPOCH_SECONDS = 1e9
_EPOCH_MILLISECONDS = 1e12
"""A reset above these is a moment, not a wait: some vendors write seconds or milliseconds since 1970."""
_LAST_MOMENT = 253402300799.0
"""The end of the year 9999."""


def bounded_seconds(seconds: float | None) -> float | None:
    """A wait that somebody else asked for: None where it is not a number, else between 0 and a month."""
    if seconds is None or seconds != seconds:
        return None
    return min(max(0.0, seconds), LONGEST_WAIT_SECONDS)


def decode_retry_after(value: str | None, *, now: float | None = None, date: str | None = None) -> float | None:
    """Seconds of a `Retry-After`: a number, a duration (`6m0s`), or a date.

    A date counts from `date`, the reply's own header, where that is readable, else from `now` (seconds since the
    epoch); without both it is None.
    """
    text = _text(value)
    if text is None:
        return None
    if _NUMBER.fullmatch(text):
        return bounded_seconds(_float(text))
    if _DURATION.fullmatch(text):
        return seconds_of_duration(text)
    moment, origin = _moment(text), _moment(_text(date) or "")
    begin = now if origin is None else origin
    return None if moment is None or begin is None else bounded_seconds(moment - begin)


def retry_after(headers: object, *, now: float | None = None) -> float | None:
    """Seconds, from `retry-after-ms` or `retry-after` of a reply. `headers` has `get(name) -> str | None`."""
    get = headers.get  # type: ignore[attr-defined]
    milliseconds = _text(get("retry-after-ms"))
    if milliseconds is not None and _NUMBER.fullmatch(milliseconds):
        return bounded_seconds(_float(milliseconds) / 1000)
    return decode_retry_after(get("retry-after"), now=now, date=get("date"))


def decode_reset(value: str | None, *, now: float) -> float | None:
    """Seconds until a rate limit is reset: from a number, a duration (`6m0s`, `12ms`) or a moment (RFC 3339, an HTTP
    date, seconds or milliseconds since 1970)."""
    text = _text(value)
    if text is not None and _NUMBER.fullmatch(text):
        number = _float(text)
        if number >= _EPOCH_MILLISECONDS:
            return bounded_seconds(number / 1000 - now)
        return bounded_seconds(number - now if number >= _EPOCH_SECONDS else number)
    return decode_retry_after(text, now=now)


def seconds_of_moment(value: object) -> int | None:
    """Seconds since 1970 of a moment in RFC 3339, in UTC where it names no zone; None for anything else.

    Some servers give nanoseconds, of which only the microseconds are read."""
    if not isinstance(value, str) or len(value) > _LONGEST_TEXT:
        return None
    try:
        moment = datetime.fromisoformat(value)
        return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
    except (ValueError, OverflowError):
        return None


def moment_of_seconds(seconds: float) -> str:
    """A moment in RFC 3339 (`2026-11-28T10:00:00Z`) of seconds since 1970, kept between then and the year 9999."""
    bounded = min(max(seconds, 0.0), _LAST_MOMENT) if seconds == seconds else 0.0
    return datetime.fromtimestamp(int(bounded), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def seconds_of_duration(text: str) -> float | None:
    """Seconds of `1s`, `6m0s`, `2m59.56s`, `12ms`, `300000000d`."""
    pieces = _PIECE.findall(text[:_LONGEST_TEXT])
    if not pieces:
        return None
    return bounded_seconds(sum(_float(number) * _UNITS[unit.lower()] for number, unit in pieces))


def _text(value: str | None) -> str | None:
    if value is None or len(value) > _LONGEST_TEXT:
        return None
    return value.strip() or None


def _float(digits: str) -> float:
    return float(digits)  # digits alone never raise: those too many are infinite, and bounded afterwards


def _moment(text: str) -> float | None:
    """Seconds since the epoch of a date without a zone's doubt: none means UTC."""
    if not text:
        return None
    for decode in (parsedate_to_datetime, datetime.fromisoformat):
        try:
            moment = decode(text)
            return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()
        except (ValueError, TypeError, OverflowError, IndexError, AttributeError, ArithmeticError):
            continue
    return None
