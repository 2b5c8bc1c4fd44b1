"""Bedrock's exceptions ↔ ErrorInfo: the type is in `x-amzn-errortype`, the body holds the message."""

from __future__ import annotations

import re
from typing import Any

from llm_gateway_sdk import ErrorClass, ErrorInfo, Headers, WireReply
from llm_gateway_sdk.dialects.bare_errors import named_error
from llm_gateway_sdk.errors import kind_of_status
from llm_gateway_sdk.waiting import retry_after
from llm_gateway_sdk.wire import json

from .eventstream import encode_message

__all__ = ["decode_error", "encode_error", "encode_exception", "error_in", "exception_name", "read_exception"]

_KINDS: dict[str, tuple[ErrorClass, int]] = {
    "ValidationException": ("bad_request", 400),
    "SerializationException": ("bad_request", 400),
    "ConflictException": ("bad_request", 400),
    "AccessDeniedException": ("permission", 403),
    "UnrecognizedClientException": ("authentication", 403),
    "InvalidSignatureException": ("authentication", 403),
    "ExpiredTokenException": ("authentication", 403),
    "IncompleteSignatureException": ("authentication", 403),
    "MissingAuthenticationTokenException": ("authentication", 403),
    "InvalidClientTokenId": ("authentication", 403),
    "ResourceNotFoundException": ("not_found", 404),
    "ThrottlingException": ("rate_limit", 429),
    "TooManyRequestsException": ("rate_limit", 429),
    "ServiceQuotaExceededException": ("quota", 400),
    "ModelNotReadyException": ("overloaded", 429),
    "ServiceUnavailableException": ("overloaded", 503),
    "ModelTimeoutException": ("timeout", 408),
    "InternalServerException": ("upstream", 500),
    "ModelErrorException": ("upstream", 424),
    "ModelStreamErrorException": ("upstream", 424),
}
"""Kind, and the status that the service gives (for exceptions within a stream, which come without one)."""

_NAMES: dict[ErrorClass, str] = {
    "bad_request": "ValidationException",
    "context_length": "ValidationException",
    "content_policy": "ValidationException",
    "too_large": "ValidationException",
    "authentication": "UnrecognizedClientException",
    "permission": "AccessDeniedException",
    "not_found": "ResourceNotFoundException",
    "rate_limit": "ThrottlingException",
    "quota": "ServiceQuotaExceededException",
    "overloaded": "ServiceUnavailableException",
    "timeout": "ModelTimeoutException",
    "upstream": "InternalServerException",
    "unknown": "InternalServerException",
}

_CONTEXT = re.compile(
    r"input is too long|too many (?:input )?tokens|maximum context length|prompt is too long"
    r"|exceeds? the (?:model'?s )?(?:maximum|context)",
    re.I,
)
_QUOTA = re.compile(r"per day|daily", re.I)


def decode_error(wire: WireReply) -> ErrorInfo:
    try:
        body = json.loads(wire.body)
    except ValueError:
        body = None
    name = (wire.headers.get("x-amzn-errortype") or "").partition(":")[0]
    message = _message_in(body) if isinstance(body, dict) else ""
    if isinstance(body, dict) and not name and isinstance(body.get("__type"), str):
        name = body["__type"].rpartition("#")[2]
    if not message:
        text = wire.body.decode("utf-8", "replace").strip()
        plain = text and not isinstance(body, dict) and not text.startswith("<")
        message = text[:1000] if plain else f"The provider answered with status {wire.status}."
    info = _info(name, message, wire.status)
    info.request_id = wire.headers.get("x-amzn-requestid")
    info.retry_after = retry_after(wire.headers)
    return info


def _message_in(body: dict[str, Any]) -> str:
    """The words of an error in the service's own form, or in that of what is in front of it; empty where it has none.
    A `message` may be null."""
    for key in ("message", "Message", "errorMessage"):
        if isinstance(body.get(key), str) and body[key]:
            return str(body[key])
    error = named_error(body)
    words = None if error is None else error.get("message")
    return words if isinstance(words, str) else "" if words is None else json.dumps_text(words)


def error_in(body: dict[str, Any]) -> ErrorInfo | None:
    """The error that a body is under a status that means success; None where it is none."""
    error = named_error(body)
    if error is None:
        return None
    code = error.get("code")
    status = code if type(code) is int and 400 <= code < 600 else 500
    return _info("", _message_in(body) or "The provider answered with an error.", status)


def read_exception(name: str, payload: bytes, message: str | None = None) -> ErrorInfo:
    """An exception that comes as a message of the stream; its name begins in lower case there."""
    try:
        body: Any = json.loads(payload) if payload else {}
    except ValueError:
        body = {}
    text = message
    if isinstance(body, dict):
        for key in ("message", "originalMessage"):
            if text is None and isinstance(body.get(key), str):
                text = body[key]
    name = name[:1].upper() + name[1:]
    status = _KINDS.get(name, ("unknown", 500))[1]
    return _info(name, text or f"The provider ended the stream with {name}.", status)


def _info(name: str, message: str, status: int) -> ErrorInfo:
    kind = _KINDS[name][0] if name in _KINDS else kind_of_status(status)
    if status == 413:
        kind = "too_large"
    elif kind == "bad_request" and _CONTEXT.search(message):
        kind = "context_length"
    elif kind == "rate_limit" and _QUOTA.search(message):
        kind = "quota"
    return ErrorInfo(message, status, kind, type=name or None)


def exception_name(error: ErrorInfo) -> str:
    return error.type if error.type in _KINDS else _NAMES[error.kind]


def encode_error(error: ErrorInfo) -> WireReply:
    name = exception_name(error)
    headers = [("content-type", "application/json"), ("x-amzn-errortype", name)]
    if error.request_id is not None:
        headers.append(("x-amzn-requestid", error.request_id))
    if error.retry_after is not None:
        headers.append(("retry-after", f"{error.retry_after:g}"))
    status = error.status if error.type in _KINDS else _KINDS[name][1]
    return WireReply(status, Headers.of(headers), json.dumps({"message": error.message}))


def encode_exception(error: ErrorInfo) -> bytes:
    """The same as a message of the stream, which it ends."""
    name = exception_name(error)
    headers = {
        ":exception-type": name[:1].lower() + name[1:],
        ":content-type": "application/json",
        ":message-type": "exception",
    }
    return encode_message(headers, json.dumps({"message": error.message}))
