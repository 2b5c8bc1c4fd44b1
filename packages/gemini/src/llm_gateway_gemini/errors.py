"""Google's error bodies ↔ ErrorInfo: `{"error": {code, message, status, details}}` (google.rpc.Status, AIP-193)."""

from __future__ import annotations

import re
from typing import Any

from llm_gateway_sdk import DialectError, ErrorClass, ErrorInfo, Headers, LLMResponse, WireReply
from llm_gateway_sdk.dialects.bare_errors import named_error
from llm_gateway_sdk.errors import kind_of_status
from llm_gateway_sdk.waiting import retry_after, seconds_of_duration
from llm_gateway_sdk.wire import json

from .parts import NAME

__all__ = ["build_error", "check_answer", "decode_error", "encode_error", "read_error"]

_KINDS: dict[str, ErrorClass] = {
    "INVALID_ARGUMENT": "bad_request",
    "FAILED_PRECONDITION": "bad_request",
    "OUT_OF_RANGE": "bad_request",
    "UNAUTHENTICATED": "authentication",
    "PERMISSION_DENIED": "permission",
    "NOT_FOUND": "not_found",
    "RESOURCE_EXHAUSTED": "rate_limit",
    "UNAVAILABLE": "overloaded",
    "DEADLINE_EXCEEDED": "timeout",
    "INTERNAL": "upstream",
    "UNKNOWN": "upstream",
    "ABORTED": "upstream",
    "CANCELLED": "upstream",
}

_STATUSES: dict[ErrorClass, tuple[int, str]] = {
    "bad_request": (400, "INVALID_ARGUMENT"),
    "context_length": (400, "INVALID_ARGUMENT"),
    "content_policy": (400, "INVALID_ARGUMENT"),
    "too_large": (413, "INVALID_ARGUMENT"),
    "authentication": (401, "UNAUTHENTICATED"),
    "permission": (403, "PERMISSION_DENIED"),
    "not_found": (404, "NOT_FOUND"),
    "rate_limit": (429, "RESOURCE_EXHAUSTED"),
    "quota": (402, "RESOURCE_EXHAUSTED"),
    "overloaded": (503, "UNAVAILABLE"),
    "timeout": (504, "DEADLINE_EXCEEDED"),
    "upstream": (502, "INTERNAL"),
    "unknown": (500, "INTERNAL"),
}

_CONTEXT = re.compile(r"exceeds the maximum number of tokens|input token count|context (?:length|window)", re.I)
_QUOTA = re.compile(r"per ?day|spend(?:ing)? (?:cap|limit)|prepay|credits? (?:are|is) depleted", re.I)
_DELAY = re.compile(r"(\d+(?:\.\d+)?)s")
_REASONS: dict[ErrorClass, str] = {
    "context_length": "CONTEXT_LENGTH_EXCEEDED",
    "content_policy": "CONTENT_POLICY",
    "quota": "QUOTA_EXCEEDED",
}
"""What the status does not tell, as the reason of a google.rpc.ErrorInfo."""
_KINDS_OF_REASONS: dict[str, ErrorClass] = {
    **{reason: kind for kind, reason in _REASONS.items()},
    "API_KEY_INVALID": "authentication",
    "API_KEY_EXPIRED": "authentication",
}
_ERROR_INFO = "type.googleapis.com/google.rpc.ErrorInfo"
_RETRY_INFO = "type.googleapis.com/google.rpc.RetryInfo"
_REQUEST_INFO = "type.googleapis.com/google.rpc.RequestInfo"


def decode_error(wire: WireReply) -> ErrorInfo:
    try:
        body = json.loads(wire.body)
    except ValueError:
        body = None
    if isinstance(body, list) and body:
        body = body[0]
    error = named_error(body) if isinstance(body, dict) else None
    if error is None:
        return ErrorInfo(_plain(wire), wire.status, kind_of_status(wire.status), retry_after=retry_after(wire.headers))
    info = read_error(error, wire.status)
    if info.retry_after is None:
        info.retry_after = retry_after(wire.headers)
    return info


def read_error(error: dict[str, Any], status: int | None = None) -> ErrorInfo:
    """The error object, be it in a body or in a stream."""
    code = error.get("code")
    if status is None or status < 400:
        status = code if isinstance(code, int) and 400 <= code < 600 else 500
    word = error.get("status") if isinstance(error.get("status"), str) else None
    message = error.get("message")
    message = message if isinstance(message, str) and message else f"The provider answered with status {status}."
    details = [item for item in error.get("details") or () if isinstance(item, dict)] if _is_list(error) else []
    info = ErrorInfo(message, status, type=word)
    for detail in details:
        delay = detail.get("retryDelay")
        if isinstance(delay, str) and _DELAY.fullmatch(delay):
            info.retry_after = seconds_of_duration(delay)
        if isinstance(detail.get("reason"), str):
            info.code = detail["reason"]
        if isinstance(detail.get("requestId"), str):
            info.request_id = detail["requestId"]
    info.kind = _kind(info, details)
    rest = {key: value for key, value in error.items() if key not in ("code", "message", "status")}
    if rest:
        info.provider_metadata = {NAME: rest}
    return info


def check_answer(response: LLMResponse, bodies: list[dict[str, Any]]) -> LLMResponse:
    """A whole reply with the error that is in place of an answer. Raises DialectError where it holds neither."""
    for body in bodies if not response.choices and response.error is None else ():
        failure = named_error(body)
        if failure is not None:
            response.error = read_error(failure)
            return response
    if not response.choices and response.error is None:
        raise DialectError("the reply holds no answer", path="candidates")
    return response


def _is_list(error: dict[str, Any]) -> bool:
    return isinstance(error.get("details"), list)


def _kind(info: ErrorInfo, details: list[dict[str, Any]]) -> ErrorClass:
    if info.code in _KINDS_OF_REASONS:
        return _KINDS_OF_REASONS[info.code]
    kind = _KINDS.get(info.type or "") or kind_of_status(info.status)
    if info.status == 413:
        return "too_large"
    if info.status == 402:
        return "quota"
    if kind == "bad_request" and "api key" in info.message.lower():
        return "authentication"
    if kind == "bad_request" and _CONTEXT.search(info.message):
        return "context_length"
    if kind == "rate_limit" and (_QUOTA.search(info.message) or _QUOTA.search(_quota_ids(details))):
        return "quota"
    return kind


def _quota_ids(details: list[dict[str, Any]]) -> str:
    violations = [item for detail in details for item in detail.get("violations") or () if isinstance(item, dict)]
    return " ".join(str(item.get("quotaId", "")) for item in violations)


def _plain(wire: WireReply) -> str:
    text = wire.body.decode("utf-8", "replace").strip()
    if not text or text.startswith("<"):
        return f"The provider answered with status {wire.status}."
    return text[:1000]


def build_error(error: ErrorInfo) -> dict[str, Any]:
    native = error.provider_metadata.get(NAME)
    status, word = _STATUSES[error.kind]
    if native is not None or error.type in _KINDS:
        status, word = error.status, error.type or word
    elif error.status not in (408, 529) and kind_of_status(error.status) == error.kind:
        # A 4xx for what is the provider's fault would blame the client.
        status = status if error.kind == "upstream" and error.status < 500 else error.status
    body: dict[str, Any] = {"code": status, "message": error.message, "status": word}
    if native is not None:
        return {"error": {**body, **native}}
    details: list[dict[str, Any]] = []
    if error.kind in _REASONS:
        details.append({"@type": _ERROR_INFO, "reason": _REASONS[error.kind], "domain": "llm-gateway"})
    if error.retry_after is not None:
        details.append({"@type": _RETRY_INFO, "retryDelay": f"{error.retry_after:g}s"})
    if error.request_id is not None:
        details.append({"@type": _REQUEST_INFO, "requestId": error.request_id})
    if details:
        body["details"] = details
    return {"error": body}


def encode_error(error: ErrorInfo) -> WireReply:
    body = build_error(error)
    headers = [("content-type", "application/json; charset=UTF-8")]
    if error.retry_after is not None:
        headers.append(("retry-after", f"{error.retry_after:g}"))
    return WireReply(body["error"]["code"], Headers.of(headers), json.dumps(body))
