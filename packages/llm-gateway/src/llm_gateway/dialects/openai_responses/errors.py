"""Errors: the HTTP body, the `error` of a failed reply, and both in-stream forms.

Source: OpenAI API reference, error codes; `ResponseError` and `ResponseErrorEvent` of the official SDK.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from llm_gateway_sdk.dialect import Headers, WireReply
from llm_gateway_sdk.dialects.bare_errors import named_error
from llm_gateway_sdk.errors import ErrorClass, ErrorInfo, kind_of_status, names_conversation, status_of_kind
from llm_gateway_sdk.waiting import retry_after
from llm_gateway_sdk.wire import json

from .fields import NAME

__all__ = ["decode_error", "decode_error_event", "decode_response_error", "encode_error", "encode_response_error"]


def decode_error(wire: WireReply) -> ErrorInfo:
    seconds = retry_after(wire.headers)
    try:
        body = json.loads(wire.body)
    except ValueError:
        body = None
    raw = named_error(body) if isinstance(body, dict) else None
    if raw is None:
        raw = body if isinstance(body, dict) else {}
    info = _info(raw, wire.status)
    if not info.message:
        info.message = _plain_text(wire)
    if seconds is not None:
        info.retry_after = seconds
    info.request_id = wire.headers.get("x-request-id")
    return info


def encode_error(error: ErrorInfo) -> WireReply:
    type_, code = _TYPES.get(error.kind, ("server_error", None))
    body: dict[str, Any] = {
        "error": {
            "message": error.message,
            "type": error.type if _is_own(error) and error.type else type_,
            "param": error.param,
            "code": error.code or code,
        }
    }
    headers = [("content-type", "application/json")]
    if error.request_id is not None:
        headers.append(("x-request-id", error.request_id))
    if error.retry_after is not None:
        headers.append(("retry-after", _seconds(error.retry_after)))
    return WireReply(_status(error), Headers.of(headers), json.dumps(body))


def decode_response_error(body: dict[str, Any]) -> ErrorInfo | None:
    """The error of a `response` object that failed."""
    raw = body.get("error")
    status = body.get("status")
    if status not in ("failed", "cancelled") and not raw:
        return None
    info = _info(raw if isinstance(raw, dict) else {}, 500)
    info.message = (
        info.message
        or f"The provider reports that the response {'was cancelled' if status == 'cancelled' else 'failed'}."
    )
    return info


def decode_error_event(event: dict[str, Any]) -> ErrorInfo:
    """An `error` event, flat as documented, or with a nested `error` as some servers send it."""
    nested = event.get("error")
    raw = nested if isinstance(nested, dict) else event
    named = (event.get("status"), raw.get("status"), raw.get("code"))
    info = _info(raw, next((word for word in named if isinstance(word, int) and 400 <= word < 600), 500))
    if raw is event:
        info.type = None
    info.message = info.message or "The provider reports an error."
    return info


def encode_response_error(error: ErrorInfo) -> dict[str, Any]:
    """Agents tell failures apart by `code`, and read from the message when to try again."""
    message = error.message
    if error.kind == "rate_limit" and error.retry_after is not None and "try again in" not in message.lower():
        message = f"{message} Please try again in {_seconds(error.retry_after)}s."
    code = error.code if _is_own(error) and error.code else _STREAM_CODES.get(error.kind, "server_error")
    return {"code": code, "message": message}


def _info(raw: dict[str, Any], status: int) -> ErrorInfo:
    message, type_, code, param = (raw.get(key) for key in ("message", "type", "code", "param"))
    info = ErrorInfo(
        message=message if isinstance(message, str) else json.dumps_text(message) if message else "",
        status=status,
        type=type_ if isinstance(type_, str) else None,
        code=str(code) if isinstance(code, str | int) and not isinstance(code, bool) else None,
        param=param if isinstance(param, str) else None,
        provider_metadata={NAME: {}},
    )
    info.kind = _kind_of(info)
    if status == 500 and info.kind in _STATUSES:
        info.status = _STATUSES[info.kind]
    if info.kind == "rate_limit":
        info.retry_after = _wait_in(info.message)
    return info


def _kind_of(info: ErrorInfo) -> ErrorClass:
    if info.code == "string_above_max_length":
        return "context_length" if names_conversation(info.param, info.message) else "bad_request"
    for word in (info.code, info.type):
        if word in _KINDS:
            return _KINDS[word]
    if info.status in (400, 500) and info.type in (None, "invalid_request_error") and _CONTEXT.search(info.message):
        return "context_length"
    if info.status == 500 and info.type == "invalid_request_error":
        return "bad_request"
    if info.code is not None:
        if "policy" in info.code:
            return "content_policy"
        if info.code.endswith("timeout"):
            return "timeout"
    return kind_of_status(info.status)


def _status(error: ErrorInfo) -> int:
    # 529 is Anthropic's; clients here know 503.
    if error.status == 529:
        return 503
    if error.kind == "rate_limit" or error.kind == "quota":
        return 429 if error.status < 400 or error.status >= 500 else error.status
    usual = _STATUSES.get(error.kind, 500)
    if _is_own(error):
        return error.status if 400 <= error.status < 600 else usual
    return status_of_kind(error, usual)


def _is_own(error: ErrorInfo) -> bool:
    return NAME in error.provider_metadata or "openai_chat" in error.provider_metadata


def _plain_text(wire: WireReply) -> str:
    """Something readable of a body that is not an error object: proxies answer in HTML, or not at all."""
    body = wire.body.decode("utf-8", "replace")
    plain = " ".join(" ".join(_visible(body)).split())[:500]
    return plain or f"The provider answered with status {wire.status} and no explanation."


def _visible(page: str) -> Iterator[str]:
    """The texts between the tags, but for scripts and styles."""
    hidden = ""
    for place, piece in enumerate(_TAGS.split(page)):
        if place % 2 == 0:
            if not hidden:
                yield piece
        elif hidden:
            hidden = "" if piece.strip().lower() == f"/{hidden}" else hidden
        elif (found := _HIDDEN.match(piece)) is not None:
            hidden = found[0].lower()


def _wait_in(message: str) -> float | None:
    match = _TRY_AGAIN.search(message)
    if match is None:
        return None
    return float(match[1]) / (1000 if match[2].lower().startswith("ms") else 1)


def _seconds(value: float) -> str:
    return str(int(value)) if value == int(value) else f"{value:.3f}".rstrip("0")


_TRY_AGAIN = re.compile(r"try again in\s*(\d{1,9}(?:\.\d{1,9})?)\s*(ms|s)", re.IGNORECASE)
_CONTEXT = re.compile(r"context (length|window)|too many tokens|prompt is too long|maximum context", re.IGNORECASE)
_TAGS = re.compile(r"<([^<>]*)>")
_HIDDEN = re.compile(r"(?:script|style)\b", re.IGNORECASE)

_KINDS: dict[str | None, ErrorClass] = {
    "context_length_exceeded": "context_length",
    "insufficient_quota": "quota",
    "billing_hard_limit_reached": "quota",
    "usage_not_included": "quota",
    "usage_limit_reached": "quota",
    "rate_limit_exceeded": "rate_limit",
    "rate_limit_error": "rate_limit",
    "slow_down": "overloaded",
    "server_is_overloaded": "overloaded",
    "overloaded": "overloaded",
    "overloaded_error": "overloaded",
    "engine_overloaded": "overloaded",
    "content_policy_violation": "content_policy",
    "content_filter": "content_policy",
    "bio_policy": "content_policy",
    "invalid_prompt": "content_policy",
    "misalignment_policy_violation": "content_policy",
    "image_content_policy_violation": "content_policy",
    "invalid_api_key": "authentication",
    "authentication_error": "authentication",
    "model_not_found": "not_found",
}
# Status where an error inside a 200 reply names none.
_STATUSES: dict[ErrorClass, int] = {
    "bad_request": 400,
    "authentication": 401,
    "permission": 403,
    "not_found": 404,
    "too_large": 413,
    "rate_limit": 429,
    "quota": 429,
    "overloaded": 503,
    "timeout": 504,
    "context_length": 400,
    "content_policy": 400,
    "upstream": 500,
}
_TYPES: dict[ErrorClass, tuple[str, str | None]] = {
    "bad_request": ("invalid_request_error", None),
    "authentication": ("invalid_request_error", "invalid_api_key"),
    "permission": ("permission_error", None),
    "not_found": ("invalid_request_error", None),
    "too_large": ("invalid_request_error", "request_too_large"),
    "rate_limit": ("rate_limit_error", "rate_limit_exceeded"),
    "quota": ("insufficient_quota", "insufficient_quota"),
    "overloaded": ("server_error", "overloaded"),
    "timeout": ("server_error", "timeout"),
    "context_length": ("invalid_request_error", "context_length_exceeded"),
    "content_policy": ("invalid_request_error", "content_policy_violation"),
    "upstream": ("server_error", None),
    "unknown": ("server_error", None),
}
_STREAM_CODES: dict[ErrorClass, str] = {
    "context_length": "context_length_exceeded",
    "quota": "insufficient_quota",
    "rate_limit": "rate_limit_exceeded",
    "content_policy": "invalid_prompt",
    "bad_request": "invalid_prompt",
    "overloaded": "server_is_overloaded",
}
