"""Cross-origin requests, as configured and no further."""

from __future__ import annotations

from llm_gateway_sdk import Headers
from llm_gateway_sdk.upstream_quota import RATE_LIMIT_HEADERS

from ..config.schema import CorsConfig

__all__ = ["Cors"]

_OWN = ("model", "attempts", "losses", "error-source", "estimate", "limit", "limit-warning")
"""The gateway's own headers of replies, after `x-llm-gateway-`."""
_EXPOSED = ", ".join(
    [
        "x-request-id", "request-id", "retry-after", "retry-after-ms", "x-should-retry", "server-timing",
        *(f"x-llm-gateway-{name}" for name in _OWN),
        *RATE_LIMIT_HEADERS, "ratelimit", "ratelimit-policy",
        "openai-processing-ms", "openai-version", "anthropic-version", "content-disposition",
    ]
).encode()  # fmt: skip
"""Headers of replies that a page's script may read: those by which the vendors' SDKs decide what to do next. `*` would
say the same, but does not hold for requests with credentials."""


class Cors:
    """The Fetch standard's CORS protocol for the origins of the configuration."""

    def __init__(self, config: CorsConfig) -> None:
        self._origins = frozenset(config.origins)
        self._any = "*" in self._origins
        self._methods = ", ".join(config.methods).encode()
        self._headers = ", ".join(config.headers).encode()
        self._credentials = config.credentials
        self._max_age = b"%d" % int(config.max_age_seconds)

    def allows(self, origin: str) -> bool:
        """Whether pages of that origin may call."""
        return self._any or origin in self._origins

    def headers(self, origin: str) -> list[tuple[bytes, bytes]]:
        """What every reply to that origin carries; nothing for one that is not allowed."""
        if self._any and not self._credentials:
            return [(b"access-control-allow-origin", b"*"), (b"access-control-expose-headers", b"*")]
        if not self._any and origin not in self._origins:
            return [(b"vary", b"Origin")]
        allowed = [
            (b"access-control-allow-origin", origin.encode("latin-1")),
            (b"vary", b"Origin"),
            (b"access-control-expose-headers", _EXPOSED),
        ]
        if self._credentials:
            allowed.append((b"access-control-allow-credentials", b"true"))
        return allowed

    def preflight(self, origin: str, headers: Headers) -> list[tuple[bytes, bytes]]:
        """The headers of the answer (204) to a preflight request."""
        answer = self.headers(origin)
        if any(name == b"access-control-allow-origin" for name, _ in answer):
            asked = headers.get("access-control-request-headers")
            answer += [
                (b"access-control-allow-methods", self._methods),
                (b"access-control-allow-headers", self._headers or (asked or "").encode("latin-1")),
                (b"access-control-max-age", self._max_age),
            ]
        return answer
