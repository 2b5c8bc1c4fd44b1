from __future__ import annotations

from typing import Any

import anthropic
import httpx
import pytest

from llm_gateway.dialects.anthropic import Anthropic
from llm_gateway_sdk import ErrorClass, ErrorInfo, Headers, WireReply
from llm_gateway_sdk.wire import json

DIALECT = Anthropic()


def read(status: int, type_: str, message: str = "m", details: Any = None, **headers: str) -> ErrorInfo:
    error: dict[str, Any] = {"type": type_, "message": message}
    if details is not None:
        error["details"] = details
    body = json.dumps({"type": "error", "error": error, "request_id": "req_1"})
    items = [(name.replace("_", "-"), value) for name, value in headers.items()]
    return DIALECT.decode_error(WireReply(status, Headers(items), body))


@pytest.mark.parametrize(
    ("status", "type_", "message", "kind"),
    [
        (400, "invalid_request_error", "max_tokens: Field required", "bad_request"),
        (400, "invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum", "context_length"),
        (400, "invalid_request_error", "input length and `max_tokens` exceed context limit: 1 + 2", "context_length"),
        (400, "invalid_request_error", "Your credit balance is too low to access the Anthropic API.", "quota"),
        (400, "invalid_request_error", "Output blocked by content filtering policy", "content_policy"),
        (401, "authentication_error", "invalid x-api-key", "authentication"),
        (402, "billing_error", "m", "quota"),
        (403, "permission_error", "m", "permission"),
        (404, "not_found_error", "model: x", "not_found"),
        (413, "request_too_large", "m", "too_large"),
        (429, "rate_limit_error", "m", "rate_limit"),
        (500, "api_error", "m", "upstream"),
        (504, "timeout_error", "m", "timeout"),
        (529, "overloaded_error", "Overloaded", "overloaded"),
        (418, "an_error_of_tomorrow", "m", "bad_request"),
    ],
)
def test_errors_are_classified_and_written_again_alike(status: int, type_: str, message: str, kind: str) -> None:
    info = read(status, type_, message)

    assert (info.kind, info.type, info.message, info.status) == (kind, type_, message, status)
    reply = DIALECT.encode_error(info)
    if type_ != "an_error_of_tomorrow":
        assert reply.status == status
        assert json.loads(reply.body) == {
            "type": "error",
            "error": {"type": type_, "message": message},
            "request_id": "req_1",
        }
        assert reply.headers.get("request-id") == "req_1"


def test_a_spend_cap_is_not_a_rate_limit() -> None:
    details = {"error_code": "enforced_spend_limit_reached"}

    info = read(429, "rate_limit_error", details=details)

    assert (info.kind, info.code) == ("quota", "enforced_spend_limit_reached")
    reply = DIALECT.encode_error(info)
    assert reply.status == 429
    assert json.loads(reply.body)["error"]["details"] == details


def test_other_vendors_words_do_not_hide_what_kind_it_is() -> None:
    info = ErrorInfo("Incorrect API key", 401, "authentication", type="invalid_request_error", code="invalid_api_key")

    reply = DIALECT.encode_error(info)

    assert reply.status == 401
    assert json.loads(reply.body)["error"]["type"] == "authentication_error"


def test_an_empty_account_elsewhere_is_reported_as_a_spend_cap() -> None:
    reply = DIALECT.encode_error(ErrorInfo("You exceeded your quota", 429, "quota", code="insufficient_quota"))

    assert reply.status == 429
    assert DIALECT.decode_error(reply).kind == "quota"


def test_how_long_to_wait() -> None:
    assert read(429, "rate_limit_error", retry_after="7").retry_after == 7
    assert read(429, "rate_limit_error", retry_after="7", retry_after_ms="1500").retry_after == 1.5
    when = read(
        429,
        "rate_limit_error",
        retry_after="Mon, 23 Nov 2026 10:00:30 GMT",
        date="Mon, 23 Nov 2026 10:00:00 GMT",
    )
    assert when.retry_after == 30
    assert read(429, "rate_limit_error", retry_after="soon").retry_after is None


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "status 502 and no body"),
        (b"<html><title> Bad Gateway </title></html>", "status 502: Bad Gateway."),
        (b"upstream connect error", "upstream connect error"),
        (b'{"error": "model not loaded"}', "model not loaded"),
        (b'{"error": {"message": null, "type": 5}}', "message"),
        (b"[1]", "[1]"),
        (b"\xff\xfe", "\ufffd"),
    ],
)
def test_bodies_of_any_kind_give_a_sensible_message(body: bytes, words: str) -> None:
    info = DIALECT.decode_error(WireReply(502, Headers(), body))

    assert words in info.message
    assert info.kind == "upstream"


SDK_ERRORS: list[tuple[ErrorClass, int, type[Exception]]] = [
    ("bad_request", 400, anthropic.BadRequestError),
    ("bad_request", 422, anthropic.UnprocessableEntityError),
    ("context_length", 400, anthropic.BadRequestError),
    ("content_policy", 400, anthropic.BadRequestError),
    ("authentication", 401, anthropic.AuthenticationError),
    ("permission", 403, anthropic.PermissionDeniedError),
    ("not_found", 404, anthropic.NotFoundError),
    ("rate_limit", 429, anthropic.RateLimitError),
    ("quota", 429, anthropic.RateLimitError),
    ("overloaded", 503, anthropic.InternalServerError),
    ("timeout", 504, anthropic.InternalServerError),
    ("upstream", 502, anthropic.InternalServerError),
    ("unknown", 500, anthropic.InternalServerError),
]


@pytest.mark.parametrize(("kind", "status", "exception"), SDK_ERRORS)
def test_the_sdk_raises_the_exception_of_the_kind(kind: ErrorClass, status: int, exception: type[Exception]) -> None:
    reply = DIALECT.encode_error(ErrorInfo("what went wrong", status, kind, retry_after=2))
    client = anthropic.Anthropic(api_key="k", base_url="http://gateway.invalid", max_retries=0)

    raised = client._make_status_error_from_response(_sdk_response(reply))

    assert isinstance(raised, exception)
    assert "what went wrong" in str(raised)
    assert reply.headers.get("retry-after") == "2"
    assert (kind != "overloaded") or reply.status == 529


def _sdk_response(reply: WireReply) -> Any:
    module = __import__("httpx2") if _uses_httpx2() else httpx
    request = module.Request("POST", "http://gateway.invalid/v1/messages")
    return module.Response(reply.status, headers=reply.headers.items, content=reply.body, request=request)


def _uses_httpx2() -> bool:
    from anthropic import _base_client

    return hasattr(_base_client, "httpx2")
