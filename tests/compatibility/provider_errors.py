"""Errors in the words of five vendors: what each answers for a class of error, as a reply and inside a stream.

Statuses and bodies are those of the vendors' documents and of recorded traffic.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

__all__ = ["CLASSES", "NO_FORM", "RATE_LIMIT_HEADERS", "ProviderError", "failure_inside", "provider_error"]

CLASSES = (
    "bad_request",
    "authentication",
    "permission",
    "not_found",
    "too_large",
    "rate_limit",
    "quota",
    "overloaded",
    "timeout",
    "context_length",
    "content_policy",
    "upstream",
)

NO_FORM = {("gemini", "content_policy"), ("bedrock", "content_policy")}
"""These vendors tell it by a finish reason, not by an error."""


@dataclass(slots=True)
class ProviderError:
    """`body`, `status` and `headers` as a reply; `name` and `event` inside a stream; `whole` under status 200."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    name: str = ""
    event: Any = None
    whole: Any = None


_OPENAI: dict[str, tuple[int, str, str | None, str, str | None]] = {
    "bad_request": (400, "invalid_request_error", None, "Invalid value for 'temperature'.", "temperature"),
    "authentication": (401, "invalid_request_error", "invalid_api_key", "Incorrect API key provided.", None),
    "permission": (403, "permission_error", None, "Your project has no access to this model.", None),
    "not_found": (404, "invalid_request_error", "model_not_found", "The model `x` does not exist.", None),
    "too_large": (413, "invalid_request_error", None, "The request is too large.", None),
    "rate_limit": (429, "requests", "rate_limit_exceeded", "Rate limit reached. Please try again in 7s.", None),
    "quota": (429, "insufficient_quota", "insufficient_quota", "You exceeded your current quota.", None),
    "overloaded": (503, "server_error", None, "The engine is currently overloaded.", None),
    "timeout": (504, "server_error", None, "The request timed out.", None),
    "context_length": (
        400,
        "invalid_request_error",
        "context_length_exceeded",
        "This model's maximum context length is 8192 tokens.",
        "messages",
    ),
    "content_policy": (
        400,
        "invalid_request_error",
        "content_policy_violation",
        "Your request was rejected by our safety system.",
        None,
    ),
    "upstream": (500, "server_error", None, "The server had an error.", None),
}

_ANTHROPIC: dict[str, tuple[int, str, str]] = {
    "bad_request": (400, "invalid_request_error", "max_tokens: Field required"),
    "authentication": (401, "authentication_error", "invalid x-api-key"),
    "permission": (403, "permission_error", "Your API key has no permission for this resource."),
    "not_found": (404, "not_found_error", "model: claude-x"),
    "too_large": (413, "request_too_large", "Request exceeds the maximum size"),
    "rate_limit": (429, "rate_limit_error", "This request would exceed your rate limit."),
    "quota": (402, "billing_error", "Your account's payment details need attention."),
    "overloaded": (529, "overloaded_error", "Overloaded"),
    "timeout": (504, "timeout_error", "The request timed out."),
    "context_length": (400, "invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum"),
    "content_policy": (400, "invalid_request_error", "Output blocked by content filtering policy"),
    "upstream": (500, "api_error", "Internal server error"),
}

_GEMINI: dict[str, tuple[int, str, str]] = {
    "bad_request": (400, "INVALID_ARGUMENT", "Invalid value at 'contents'."),
    "authentication": (400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key."),
    "permission": (403, "PERMISSION_DENIED", "The caller does not have permission."),
    "not_found": (404, "NOT_FOUND", "models/x is not found for API version v1beta."),
    "too_large": (413, "INVALID_ARGUMENT", "Request payload size exceeds the limit."),
    "rate_limit": (429, "RESOURCE_EXHAUSTED", "Resource has been exhausted."),
    "quota": (429, "RESOURCE_EXHAUSTED", "You exceeded your spend cap: your spending cap is reached."),
    "overloaded": (503, "UNAVAILABLE", "The model is overloaded. Please try again later."),
    "timeout": (504, "DEADLINE_EXCEEDED", "Deadline expired before operation could complete."),
    "context_length": (
        400,
        "INVALID_ARGUMENT",
        "The input token count (2000000) exceeds the maximum number of tokens allowed (1048576).",
    ),
    "content_policy": (400, "INVALID_ARGUMENT", "The request was blocked by content policy."),
    "upstream": (500, "INTERNAL", "An internal error has occurred."),
}

_BEDROCK: dict[str, tuple[int, str, str]] = {
    "bad_request": (400, "ValidationException", "The maximum tokens you requested exceeds the model limit."),
    "authentication": (403, "UnrecognizedClientException", "The security token included in the request is invalid."),
    "permission": (403, "AccessDeniedException", "You don't have access to the model with the specified model ID."),
    "not_found": (404, "ResourceNotFoundException", "Could not resolve the foundation model."),
    "too_large": (413, "ValidationException", "The request body is too large."),
    "rate_limit": (429, "ThrottlingException", "Too many requests, please wait before trying again."),
    "quota": (400, "ServiceQuotaExceededException", "Your request exceeds the service quota for your account."),
    "overloaded": (503, "ServiceUnavailableException", "Bedrock is unable to process your request."),
    "timeout": (408, "ModelTimeoutException", "Model has timed out in processing the request."),
    "context_length": (400, "ValidationException", "Input is too long for requested model."),
    "content_policy": (400, "ValidationException", "The request was blocked by content policy."),
    "upstream": (500, "InternalServerException", "The system encountered an unexpected error."),
}
_BEDROCK_STREAM_NAMES = {
    "ValidationException",
    "ThrottlingException",
    "ServiceUnavailableException",
    "InternalServerException",
}

RATE_LIMIT_HEADERS: dict[str, dict[str, str]] = {
    "openai": {
        "retry-after": "7",
        "retry-after-ms": "7000",
        "x-ratelimit-limit-requests": "60",
        "x-ratelimit-remaining-requests": "0",
        "x-ratelimit-reset-requests": "1m0s",
    },
    "anthropic": {
        "retry-after": "7",
        "anthropic-ratelimit-requests-limit": "60",
        "anthropic-ratelimit-requests-remaining": "0",
        "anthropic-ratelimit-requests-reset": "2099-01-01T00:00:00Z",
    },
    "gemini": {},
    "bedrock": {"retry-after": "7"},
}


def provider_error(dialect: str, kind: str) -> ProviderError:
    """What the provider answers. `kind` is one of CLASSES."""
    if dialect in ("openai_chat", "openai_responses"):
        status, type_, code, message, param = _OPENAI[kind]
        body: Any = {"error": {"message": message, "type": type_, "param": param, "code": code}}
        headers = dict(RATE_LIMIT_HEADERS["openai"]) if kind == "rate_limit" else {}
        return ProviderError(status, body, {"x-request-id": "req_upstream", **headers})
    if dialect == "anthropic":
        status, type_, message = _ANTHROPIC[kind]
        body = {"type": "error", "error": {"type": type_, "message": message}, "request_id": "req_upstream"}
        headers = dict(RATE_LIMIT_HEADERS["anthropic"]) if kind == "rate_limit" else {}
        return ProviderError(status, body, {"request-id": "req_upstream", **headers})
    if dialect == "gemini":
        status, word, message = _GEMINI[kind]
        error: dict[str, Any] = {"code": status, "message": message, "status": word}
        if kind == "rate_limit":
            error["details"] = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "7s"}]
        return ProviderError(status, {"error": error})
    status, name, message = _BEDROCK[kind]
    headers = dict(RATE_LIMIT_HEADERS["bedrock"]) if kind == "rate_limit" else {}
    return ProviderError(status, {"message": message}, {"x-amzn-errortype": name, **headers})


def failure_inside(dialect: str, kind: str) -> ProviderError:
    """The same error in a stream that has begun, and in a body under status 200 where the API knows such a thing."""
    error = provider_error(dialect, kind)
    if dialect == "openai_chat":
        inner = {**error.body["error"], "code": error.body["error"]["code"] or error.status}
        return ProviderError(event={"error": inner}, whole={"error": inner})
    if dialect == "openai_responses":
        inner = error.body["error"]
        code = inner["code"] or {"overloaded": "server_is_overloaded"}.get(kind, "server_error")
        failed = {
            "id": "resp_1",
            "object": "response",
            "created_at": 1_700_000_000,
            "status": "failed",
            "model": "upstream-model",
            "output": [],
            "error": {"code": code, "message": inner["message"]},
        }
        event = {"type": "response.failed", "sequence_number": 99, "response": failed}
        return ProviderError(name="response.failed", event=event, whole=failed)
    if dialect == "bedrock":
        name = error.headers["x-amzn-errortype"]
        name = name if name in _BEDROCK_STREAM_NAMES else "InternalServerException"
        return ProviderError(name=name[:1].lower() + name[1:], event=error.body)
    return ProviderError(name="error" if dialect == "anthropic" else "", event=error.body)
