"""Errors: OpenAI's `{"error": {message, type, param, code}}`, and the other shapes that servers of the format answer.

OpenAI platform documentation, "Error codes".
"""

from __future__ import annotations

import re
from typing import Any

from llm_gateway_sdk.dialect import Headers, WireReply
from llm_gateway_sdk.dialects.bare_errors import named_error, title_of
from llm_gateway_sdk.errors import ErrorClass, ErrorInfo, kind_of_status, names_conversation, status_of_kind
from llm_gateway_sdk.numerals import whole_number
from llm_gateway_sdk.waiting import retry_after, seconds_of_duration
from llm_gateway_sdk.wire import json

from .fields import NAME

__all__ = ["decode_error", "encode_error", "error_body", "error_in", "error_of_choice"]


def decode_error(wire: WireReply) -> ErrorInfo:
    try:
        body = json.loads(wire.body) if wire.body else None
    except ValueError:
        body = None
    # Google's compatible endpoint wraps the object in a list.
    if isinstance(body, list) and body and isinstance(body[0], dict):
        body = body[0]
    info = error_in(body, status=wire.status) if isinstance(body, dict) else None
    if info is None:
        info = ErrorInfo(_message_of_text(wire), wire.status, _kind(wire.status, None, None, ""))
    info.retry_after = _retry_after(wire.headers, info)
    info.request_id = wire.headers.get("x-request-id") or info.request_id
    return info


def error_of_choice(wire: Any) -> ErrorInfo | None:
    """The error next to a choice's finish reason `error`, as OpenRouter writes it; None where there is none."""
    error = wire.get("error") if isinstance(wire, dict) else None
    return error_in({"error": error}) if isinstance(error, dict) else None


def error_in(body: dict[str, Any], status: int | None = None) -> ErrorInfo | None:
    """The error in an object, a reply's body or a stream's event; None where it has none."""
    error = named_error(body)
    if error is None:
        return None
    message = error.get("message")
    if not isinstance(message, str) or not message:
        message = json.dumps_text(error) if error.get("message") is None else json.dumps_text(error["message"])
    code, kind_word = _word(error.get("code")), _word(error.get("type"))
    if status is None:
        status = _status_of(error.get("code"), kind_word, code)
    detail = _provider_detail(error.get("metadata"))
    if detail and detail not in message:
        message = f"{message}: {detail}"
    rest = {key: value for key, value in error.items() if key not in _ERROR_FIELDS}
    return ErrorInfo(
        message,
        status,
        _kind(status, kind_word, code, message, _word(error.get("param"))),
        type=kind_word,
        code=code,
        param=_word(error.get("param")),
        request_id=_word(body.get("request_id")),
        provider_metadata={NAME: rest},
    )


_ERROR_FIELDS = frozenset({"message", "type", "param", "code"})


def _provider_detail(extra: Any) -> str:
    """OpenRouter's `metadata.raw`: the words of the provider that it called."""
    raw = extra.get("raw") if isinstance(extra, dict) else None
    return raw if isinstance(raw, str) and len(raw) < 2000 else ""


def _word(value: Any) -> str | None:
    if isinstance(value, str):
        return value or None
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else None


def _message_of_text(wire: WireReply) -> str:
    text = wire.body[:4000].decode("utf-8", "replace").strip()
    title = title_of(text)
    if title is not None:
        text = title
    elif text.startswith("<"):
        text = ""
    return text[:500] or f"The provider answered with status {wire.status} and no message."


def _status_of(code: Any, kind: str | None, word: str | None) -> int:
    """The status that an error inside a stream has as a reply."""
    if isinstance(code, int) and not isinstance(code, bool) and 400 <= code <= 599:
        return code
    number = whole_number(word)
    if number is not None and 400 <= number <= 599:
        return number
    for name in (word, kind):
        if name in _STATUSES:
            return _STATUSES[name]
    return 500


_STATUSES: dict[str | None, int] = {
    "invalid_request_error": 400, "context_length_exceeded": 400, "content_filter": 400,
    "content_policy_violation": 400,
    "invalid_api_key": 401, "authentication_error": 401, "permission_error": 403, "request_forbidden": 403,
    "not_found_error": 404, "model_not_found": 404, "rate_limit_exceeded": 429, "rate_limit_error": 429,
    "requests": 429, "tokens": 429, "insufficient_quota": 429, "overloaded_error": 503, "server_is_overloaded": 503,
    "slow_down": 503,
    "engine_overloaded": 503, "service_unavailable": 503, "timeout": 504, "server_error": 500,
}  # fmt: skip


def _kind(status: int, kind: str | None, code: str | None, message: str, param: str | None = None) -> ErrorClass:
    if code == "string_above_max_length":
        # Every field with a length may be meant: a tool's name, an id, or the conversation's own text.
        return "context_length" if names_conversation(param, message) else "bad_request"
    for name in (code, kind):
        known = _KINDS.get(name or "")
        if known is not None:
            return known
    if status < 500 and _CONTEXT.search(message):
        return "context_length"
    if status == 429 and _QUOTA.search(message):
        return "quota"
    if status >= 500 and _OVERLOADED.search(message):
        return "overloaded"
    return kind_of_status(status)


_KINDS: dict[str, ErrorClass] = {
    "context_length_exceeded": "context_length",
    "insufficient_quota": "quota",
    "billing_hard_limit_reached": "quota",
    "billing_not_active": "quota",
    "usage_limit_reached": "quota",
    "rate_limit_exceeded": "rate_limit",
    "rate_limit_error": "rate_limit",
    "invalid_api_key": "authentication",
    "authentication_error": "authentication",
    "model_not_found": "not_found",
    "content_filter": "content_policy",
    "content_policy_violation": "content_policy",
    "ResponsibleAIPolicyViolation": "content_policy",
    "overloaded_error": "overloaded",
    "server_is_overloaded": "overloaded",
    "engine_overloaded": "overloaded",
    "slow_down": "overloaded",
}
_CONTEXT = re.compile(
    r"maximum context length|context (?:length|window|size)|prompt is too long|too many (?:input )?tokens"
    r"|input (?:is )?too long|reduce the length of",
    re.I,
)
_QUOTA = re.compile(r"exceeded your current quota|billing|credit balance|insufficient (?:credit|balance|fund)", re.I)
_OVERLOADED = re.compile(r"overloaded|at capacity|no capacity|currently loading", re.I)


def _retry_after(headers: Headers, info: ErrorInfo) -> float | None:
    seconds = retry_after(headers)
    if seconds is not None or info.kind != "rate_limit":
        return seconds
    match = _TRY_AGAIN.search(info.message)
    return seconds_of_duration(re.sub(r"\s+", "", match[1])) if match else None


_TRY_AGAIN = re.compile(r"try again in ((?:\d+(?:\.\d+)?(?:ms|s|m|h)\s*)+)", re.I)


def encode_error(error: ErrorInfo) -> WireReply:
    headers = Headers.of([("content-type", "application/json")])
    if error.retry_after is not None:
        headers.set("retry-after", f"{error.retry_after:g}")
    return WireReply(_encode_status(error), headers, json.dumps(error_body(error)))


def _encode_status(error: ErrorInfo) -> int:
    if error.status == 529:
        return 503
    if error.status == 402 and error.kind == "quota":
        return 429
    if NAME in error.provider_metadata:
        return error.status if 400 <= error.status <= 599 else 500
    return status_of_kind(error, _USUAL_STATUSES.get(error.kind, 500))


_USUAL_STATUSES: dict[ErrorClass, int] = {
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
    "upstream": 502,
}


def error_body(error: ErrorInfo) -> dict[str, Any]:
    """The error in OpenAI's words; its own type and code stay, those of other dialects are written anew."""
    kind, code = _WORDS.get(error.kind, ("server_error", None))
    rest = error.provider_metadata.get(NAME)
    if rest is not None:
        kind, code = error.type or kind, error.code
    elif error.code is not None and error.type is None:
        code = error.code
    body: dict[str, Any] = {"message": error.message, "type": kind, "param": error.param, "code": code, **(rest or {})}
    return {"error": body} if error.request_id is None else {"error": body, "request_id": error.request_id}


_WORDS: dict[ErrorClass, tuple[str, str | None]] = {
    "bad_request": ("invalid_request_error", None),
    "authentication": ("invalid_request_error", "invalid_api_key"),
    "permission": ("permission_error", None),
    "not_found": ("invalid_request_error", "not_found"),
    "too_large": ("invalid_request_error", "request_too_large"),
    "rate_limit": ("rate_limit_error", "rate_limit_exceeded"),
    "quota": ("insufficient_quota", "insufficient_quota"),
    "overloaded": ("server_error", "server_is_overloaded"),
    "timeout": ("server_error", "timeout"),
    "context_length": ("invalid_request_error", "context_length_exceeded"),
    "content_policy": ("invalid_request_error", "content_policy_violation"),
    "upstream": ("server_error", None),
    "unknown": ("server_error", None),
}
