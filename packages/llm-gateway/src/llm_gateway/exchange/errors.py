"""What a provider's failure means, and what of it a client may see."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from llm_gateway_sdk import Dialect, ModelError, ModelHTTPError, WireReply
from llm_gateway_sdk.dialect import Headers
from llm_gateway_sdk.dialects.tool_names import restore_text
from llm_gateway_sdk.errors import ErrorInfo

__all__ = ["http_error", "retry_after_of", "scrub", "scrub_info", "verbatim"]

_SAME: Mapping[str, str] = {}
_RETRYABLE = frozenset({"rate_limit", "overloaded", "timeout", "upstream", "unknown"})


def http_error(
    dialect: Dialect,
    status: int,
    headers: list[tuple[str, str]],
    body: bytes,
    *,
    sent: Sequence[str],
    names: Mapping[str, str] = _SAME,
) -> ModelError:
    """The error of a reply that is no success. `sent` are the gateway's credentials, which may not be quoted, `names`
    the client's names of tools by those that were sent."""
    body = scrub(body, sent)
    headers = [(name, scrub(value.encode("latin-1"), sent).decode("latin-1")) for name, value in headers]
    info = dialect.decode_error(WireReply(status, Headers.of(headers), body))
    if names:
        info.message = restore_text(info.message, names)
    if info.retry_after is None:
        info.retry_after = retry_after_of(headers)
    retryable = info.kind in _RETRYABLE or status in (408, 409)
    for name, value in headers:
        if name == "x-should-retry":
            retryable = value.strip().lower() == "true" and info.kind != "quota"
    return ModelHTTPError(
        info.message,
        status=status,
        code=info.code,
        kind=info.kind,
        param=info.param,
        retry_after=info.retry_after,
        retryable=retryable,
        headers=headers,
        body=body,
        dialect=dialect.name,
        info=info,
    )


def verbatim(error: ModelError, client: Dialect) -> bool:
    """Whether the provider's own body goes to the client: it speaks the client's dialect."""
    return error.dialect == client.name and bool(error.body)


def retry_after_of(headers: Iterable[tuple[str, str]]) -> float | None:
    """Seconds, from `retry-after-ms` or `retry-after` (seconds or an HTTP date)."""
    found: float | None = None
    for name, value in headers:
        try:
            if name == "retry-after-ms":
                return max(0.0, float(value) / 1000)
            if name == "retry-after":
                try:
                    found = max(0.0, float(value))
                except ValueError:
                    moment = parsedate_to_datetime(value)
                    found = max(0.0, (moment - datetime.now(UTC)).total_seconds())
        except (ValueError, TypeError):
            continue
    return found


def scrub(body: bytes, secrets: Iterable[str]) -> bytes:
    """Removes the gateway's credentials: whole, by their ends, and in the masked form in which providers quote keys."""
    for secret in secrets:
        if len(secret) < 8:
            continue
        body = body.replace(secret.encode(), b"[redacted]")
        if len(secret) >= 20:
            half = len(secret) // 2
            for end in (secret[:half], secret[-half:]):
                body = body.replace(end.encode(), b"[redacted]")
        head, tail = secret[:4].encode(), secret[-4:].encode()
        if b"*" in body and tail in body:
            body = _scrub_masked(body, head, tail)
    return body


def scrub_info(info: ErrorInfo, secrets: Sequence[str]) -> None:
    """The same for an error that has been read already."""
    if any(secrets):
        info.message = scrub(info.message.encode("utf-8", "surrogatepass"), secrets).decode("utf-8", "surrogatepass")
        said = repr(info.provider_metadata).encode("utf-8", "replace")
        if scrub(said, secrets) != said:
            info.provider_metadata = {}


def _scrub_masked(body: bytes, head: bytes, tail: bytes) -> bytes:
    """`sk-ab****wxyz` and the like."""
    pattern = re.escape(head) + rb"[^\s\"']{0,24}\*{2,}[^\s\"']{0,8}" + re.escape(tail) + rb"|\*{3,}" + re.escape(tail)
    return re.sub(pattern, b"[redacted]", body)
