"""The time limits of a call: the provider's settings, shortened where the client's headers ask for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from llm_gateway_sdk import HTTPProvider, InvalidRequest, parse_duration
from llm_gateway_sdk.numerals import whole_number

__all__ = ["LIMIT_HEADERS", "Limits", "limit_of_header", "limits_of"]


@dataclass(slots=True)
class Limits:
    """Seconds."""

    total: float
    first_token: float
    idle: float


def limits_of(headers: Mapping[str, str], http: HTTPProvider) -> Limits:
    """`headers` are the client's. Raises InvalidRequest."""
    settings = http.settings
    limits = Limits(settings.timeout, settings.first_token_timeout, settings.stream_idle_timeout)
    if LIMIT_HEADERS.isdisjoint(headers):
        return limits
    for name, attribute in _LIMITS:
        if name in headers:
            # A request may shorten a limit, never lengthen it.
            setattr(limits, attribute, min(getattr(limits, attribute), limit_of_header(headers, name)))
    return limits


def limit_of_header(headers: Mapping[str, str], name: str) -> float:
    """Seconds. Raises InvalidRequest."""
    value = headers[name]
    try:
        number = whole_number(value)
        return parse_duration(value if number is None else number)
    except (ValueError, OverflowError) as error:
        raise InvalidRequest(f"Header {name}: {error}") from None


_LIMITS = (
    ("x-llm-gateway-timeout", "total"),
    ("x-llm-gateway-first-token-timeout", "first_token"),
    ("x-llm-gateway-stream-idle-timeout", "idle"),
)
LIMIT_HEADERS = frozenset(name for name, _ in _LIMITS)
"""With one of these a client sets its own limits."""
