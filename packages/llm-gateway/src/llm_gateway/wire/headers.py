"""Which headers cross the gateway, in which direction.

Within one dialect everything crosses but a deny-list, so that features which a vendor adds tomorrow work today. Across
dialects only what has a counterpart crosses.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import lru_cache

__all__ = [
    "CREDENTIAL_HEADERS",
    "bearer_or_key",
    "client_to_upstream",
    "translate_limits",
    "upstream_to_client",
]

_HOP_BY_HOP = frozenset(
    {
        "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te", "trailer",
        "transfer-encoding", "upgrade", "expect",
    }
)  # fmt: skip

CREDENTIAL_HEADERS = frozenset({"authorization", "x-api-key", "x-goog-api-key", "api-key"})

_NOT_UPSTREAM = (
    _HOP_BY_HOP
    | CREDENTIAL_HEADERS
    | {
        "host", "content-length", "content-encoding", "accept-encoding", "cookie", "forwarded", "via",
        "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-forwarded-port", "x-real-ip", "x-request-id",
        "origin", "referer",
    }
)  # fmt: skip

_NOT_TO_CLIENT = _HOP_BY_HOP | {
    "content-length", "content-encoding", "set-cookie", "server", "date", "alt-svc", "strict-transport-security",
    "x-request-id", "content-type", "vary",
}  # fmt: skip

_OWN_PREFIX = "x-llm-gateway-"


def client_to_upstream(headers: Iterable[tuple[str, str]], *, credentials: bool = False) -> list[tuple[str, str]]:
    """What of a client's headers goes to a provider of the same dialect. Names are lower-case."""
    crossing = [item for item in headers if _goes_upstream(item[0]) or (credentials and item[0] in CREDENTIAL_HEADERS)]
    named_by_connection = _connection_tokens(headers)
    if named_by_connection:
        return [item for item in crossing if item[0] not in named_by_connection]
    return crossing


def upstream_to_client(headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """What of a provider's headers goes to a client of the same dialect."""
    return [item for item in headers if _goes_to_client(item[0])]


@lru_cache(maxsize=2048)
def _goes_upstream(name: str) -> bool:
    return name not in _NOT_UPSTREAM and not name.startswith(_OWN_PREFIX)


@lru_cache(maxsize=2048)
def _goes_to_client(name: str) -> bool:
    return name not in _NOT_TO_CLIENT and not name.startswith(_OWN_PREFIX)


def bearer_or_key(headers: Iterable[tuple[str, str]]) -> str | None:
    """The caller's credential, wherever it stands."""
    for name, value in headers:
        if name == "authorization" and value[:7].lower() == "bearer ":
            return value[7:].strip()
        if name in CREDENTIAL_HEADERS and name != "authorization":
            return value.strip()
    return None


def _connection_tokens(headers: Iterable[tuple[str, str]]) -> frozenset[str]:
    """RFC 9110 §7.6.1: what `Connection` names is for this hop alone."""
    for name, value in headers:
        if name == "connection" and value.lower() not in ("keep-alive", "close"):
            return frozenset(token.strip().lower() for token in value.split(","))
    return frozenset()


_RATE_LIMIT = re.compile(r"(?:x-ratelimit-(limit|remaining|reset)-(requests|tokens))$")
_ANTHROPIC_LIMIT = re.compile(
    r"anthropic-ratelimit-(requests|tokens|input-tokens|output-tokens)-(limit|remaining|reset)$"
)


def translate_limits(headers: Iterable[tuple[str, str]], client_dialect: str, *, now: float) -> list[tuple[str, str]]:
    """`retry-after` and rate-limit headers in the client's terms.

    OpenAI says `x-ratelimit-reset-requests: 6m0s`, Anthropic `anthropic-ratelimit-requests-reset` with an RFC 3339
    time.
    """
    translated: list[tuple[str, str]] = []
    for name, value in headers:
        if name in ("retry-after", "retry-after-ms", "x-should-retry"):
            translated.append((name, value))
        elif match := _RATE_LIMIT.match(name):
            what, unit = match.groups()
            if client_dialect == "anthropic":
                said = _reset_time(value, now) if what == "reset" else value
                translated.append((f"anthropic-ratelimit-{unit}-{what}", said))
            else:
                translated.append((name, value))
        elif match := _ANTHROPIC_LIMIT.match(name):
            unit, what = match.groups()
            if client_dialect == "anthropic":
                translated.append((name, value))
            elif unit in ("requests", "tokens"):
                said = _reset_duration(value, now) if what == "reset" else value
                translated.append((f"x-ratelimit-{what}-{unit}", said))
    return translated


_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def _reset_time(duration: str, now: float) -> str:
    parts = _DURATION_PART.findall(duration)
    if not parts:
        return duration
    seconds = sum(float(number) * _SECONDS[unit] for number, unit in parts)
    return (datetime.fromtimestamp(now, UTC) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def _reset_duration(moment: str, now: float) -> str:
    try:
        seconds = datetime.fromisoformat(moment).timestamp() - now
    except ValueError:
        return moment
    return f"{max(0.0, seconds):.0f}s"
