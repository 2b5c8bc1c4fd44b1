"""Errors of the Messages API ↔ ErrorInfo, after docs.anthropic.com/en/api/errors.

A 429 whose `error.details.error_code` names a spend limit is a spend cap: waiting does not help (kind `quota`).
"""

from __future__ import annotations

import re
from typing import Any

from llm_gateway_sdk import ErrorClass, ErrorInfo, Headers, WireReply
from llm_gateway_sdk.dialects.bare_errors import named_error, title_of
from llm_gateway_sdk.errors import kind_of_status, status_of_kind
from llm_gateway_sdk.waiting import retry_after
from llm_gateway_sdk.wire import json

from .parts import NAME

__all__ = ["REQUEST_ID_HEADER", "SPEND_LIMIT", "decode_error", "encode_error", "error_body", "error_of_body"]

REQUEST_ID_HEADER = "request-id"
SPEND_LIMIT = "enforced_spend_limit_reached"


def decode_error(wire: WireReply) -> ErrorInfo:
    """Reads any body; never raises."""
    try:
        body = json.loads(wire.body)
    except ValueError:
        body = None
    info = error_of_body(body, wire.status) if isinstance(body, dict) else None
    if info is None:
        info = ErrorInfo(_plain_message(wire), wire.status, kind_of_status(wire.status))
    info.retry_after = retry_after(wire.headers)
    info.request_id = wire.headers.get(REQUEST_ID_HEADER) or info.request_id
    return info


def error_of_body(body: dict[str, Any], status: int | None = None) -> ErrorInfo | None:
    """The error in a body or stream event; None where there is none. Without `status` the type decides it."""
    error = named_error(body)
    if error is None:
        return None
    kind_name, message, details = error.get("type"), error.get("message"), error.get("details")
    type_ = kind_name if isinstance(kind_name, str) else None
    text = message if isinstance(message, str) and message else json.dumps_text(error)
    code = details.get("error_code") if isinstance(details, dict) else None
    code = code if isinstance(code, str) else None
    if status is None:
        named = error.get("code")
        status = named if isinstance(named, int) and 400 <= named < 600 else _STATUSES.get(type_ or "", 500)
    kind = _classify(type_, code, text, status)
    request_id = body.get("request_id")
    metadata = {NAME: {"details": details}} if isinstance(details, dict) else {}
    return ErrorInfo(
        text,
        status,
        kind,
        type=type_,
        code=code,
        request_id=request_id if isinstance(request_id, str) else None,
        provider_metadata=metadata,
    )


def encode_error(error: ErrorInfo) -> WireReply:
    """The vendor's shape, with the status that the vendor has for that kind."""
    headers = Headers.of([("content-type", "application/json")])
    if error.request_id:
        headers.items.append((REQUEST_ID_HEADER, error.request_id))
    if error.retry_after is not None:
        headers.items.append(("retry-after", f"{error.retry_after:g}"))
    return WireReply(_status(error), headers, json.dumps(error_body(error)))


def error_body(error: ErrorInfo) -> dict[str, Any]:
    inner: dict[str, Any] = {"type": _type(error), "message": error.message}
    details = (error.provider_metadata.get(NAME) or {}).get("details")
    if details is None and error.kind == "quota" and inner["type"] == "rate_limit_error":
        # By its type and status alone it would be worth waiting for.
        details = {"error_code": SPEND_LIMIT}
    if details is not None:
        inner["details"] = details
    body: dict[str, Any] = {"type": "error", "error": inner}
    if error.request_id:
        body["request_id"] = error.request_id
    return body


def _classify(type_: str | None, code: str | None, message: str, status: int) -> ErrorClass:
    if code is not None and "spend_limit" in code:
        return "quota"
    if type_ in (None, "invalid_request_error", "request_too_large"):
        if _CONTEXT.search(message):
            return "context_length"
        if _CREDIT.search(message):
            return "quota"
        if _POLICY.search(message):
            return "content_policy"
    if type_ in _KINDS:
        return _KINDS[type_]
    return kind_of_status(status)


def _type(error: ErrorInfo) -> str:
    if error.kind == "quota" and error.status == 429:
        return "rate_limit_error"
    named = _KINDS.get(error.type)
    # Other vendors have words that are the same and mean more: OpenAI's `invalid_request_error` may be a wrong key.
    if named is not None and (error.kind in (named, "unknown") or error.kind in _FINER):
        return str(error.type)
    kind = error.kind if error.kind != "unknown" else kind_of_status(error.status)
    return _TYPES.get(kind, "api_error")


def _status(error: ErrorInfo) -> int:
    usual = _STATUSES[_type(error)]
    if usual == 529 or error.kind == "rate_limit":
        return usual
    if error.kind == "timeout" and error.status == 408 and error.type is None:
        return 408
    # A finer status of the same sort (422 among bad requests, 503 among failures) is more exact than the usual one.
    return status_of_kind(error, usual) if error.status // 100 == usual // 100 else usual


def _plain_message(wire: WireReply) -> str:
    text = wire.body[:2000].decode("utf-8", "replace").strip()
    if not text:
        return f"The provider answered with status {wire.status} and no body."
    if text[:1] == "<":
        title = title_of(text)
        return f"The provider answered with status {wire.status}: {'an HTML page' if title is None else title}."
    return text[:500]


_KINDS: dict[str | None, ErrorClass] = {
    "invalid_request_error": "bad_request",
    "authentication_error": "authentication",
    "billing_error": "quota",
    "permission_error": "permission",
    "not_found_error": "not_found",
    "conflict_error": "bad_request",
    "request_too_large": "too_large",
    "rate_limit_error": "rate_limit",
    "timeout_error": "timeout",
    "api_error": "upstream",
    "overloaded_error": "overloaded",
}
_STATUSES = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "conflict_error": 409,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}
_TYPES: dict[ErrorClass, str] = {
    "bad_request": "invalid_request_error",
    "authentication": "authentication_error",
    "permission": "permission_error",
    "not_found": "not_found_error",
    "too_large": "request_too_large",
    "rate_limit": "rate_limit_error",
    "quota": "billing_error",
    "overloaded": "overloaded_error",
    "timeout": "timeout_error",
    "context_length": "invalid_request_error",
    "content_policy": "invalid_request_error",
    "upstream": "api_error",
}
# Kinds that this format does not show by its types.
_FINER = frozenset({"context_length", "content_policy", "quota"})
_CONTEXT = re.compile(r"prompt is too long|exceeds? (the )?(maximum )?context|context (window|limit|length)", re.I)
_CREDIT = re.compile(r"credit balance is too low|spend limit", re.I)
_POLICY = re.compile(r"content filtering policy|usage polic", re.I)
