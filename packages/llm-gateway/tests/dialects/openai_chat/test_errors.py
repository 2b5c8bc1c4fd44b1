from __future__ import annotations

import httpx
import openai
import pytest
from chat_wire import CHAT

from llm_gateway_sdk import ErrorClass, ErrorInfo, Headers, WireReply
from llm_gateway_sdk.wire import json


def reported(status: int, body: object, **headers: str) -> ErrorInfo:
    data = body if isinstance(body, bytes) else json.dumps(body)
    return CHAT.decode_error(
        WireReply(status, Headers((key.replace("_", "-"), value) for key, value in headers.items()), data)
    )


@pytest.mark.parametrize(
    ("status", "error", "kind"),
    [
        (400, {"code": "context_length_exceeded", "message": "x"}, "context_length"),
        (400, {"message": "This model's maximum context length is 8192 tokens."}, "context_length"),
        (400, {"code": "content_filter", "message": "x"}, "content_policy"),
        (401, {"code": "invalid_api_key", "message": "x"}, "authentication"),
        (402, {"code": 402, "message": "Insufficient credits"}, "quota"),
        (403, {"message": "x"}, "permission"),
        (404, {"code": "model_not_found", "message": "x"}, "not_found"),
        (429, {"code": "insufficient_quota", "message": "x"}, "quota"),
        (429, {"type": "tokens", "code": "rate_limit_exceeded", "message": "x"}, "rate_limit"),
        (500, {"message": "x"}, "upstream"),
        (503, {"message": "x"}, "overloaded"),
        (500, {"message": "The engine is currently overloaded"}, "overloaded"),
    ],
)
def test_the_class_of_an_error(status: int, error: dict[str, object], kind: ErrorClass) -> None:
    assert reported(status, {"error": error}).kind == kind


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"error": "model 'x' not found"}, "model 'x' not found"),
        ({"object": "error", "message": "Unauthorized", "request_id": "r1"}, "Unauthorized"),
        ({"detail": [{"loc": ["body", "messages"], "msg": "field required"}]}, "messages: field required"),
        ({"detail": "Not Found"}, "Not Found"),
        ([{"error": {"code": 400, "message": "API key not valid", "status": "INVALID_ARGUMENT"}}], "API key not valid"),
        (b"<html><head><title>502 Bad\n Gateway</title></head></html>", "502 Bad Gateway"),
        (b"upstream connect error", "upstream connect error"),
        (b"", "The provider answered with status 502 and no message."),
    ],
)
def test_messages_of_other_shapes(body: object, message: str) -> None:
    assert reported(502, body).message == message


@pytest.mark.parametrize(
    ("headers", "message", "seconds"),
    [
        ({"retry_after": "7"}, "x", 7.0),
        ({"retry_after": "0.5"}, "x", 0.5),
        ({"retry_after_ms": "250", "retry_after": "1"}, "x", 0.25),
        ({"retry_after": "Wed, 21 Oct 2026 07:28:30 GMT", "date": "Wed, 21 Oct 2026 07:28:00 GMT"}, "x", 30.0),
        ({"retry_after": "soon"}, "x", None),
        ({}, "Please try again in 1m2.5s.", 62.5),
        ({}, "Please try again in 20ms.", 0.02),
    ],
)
def test_how_long_to_wait(headers: dict[str, str], message: str, seconds: float | None) -> None:
    assert reported(429, {"error": {"message": message}}, **headers).retry_after == seconds


@pytest.mark.parametrize(
    ("kind", "status", "raised"),
    [
        ("bad_request", 400, openai.BadRequestError),
        ("authentication", 401, openai.AuthenticationError),
        ("permission", 403, openai.PermissionDeniedError),
        ("not_found", 404, openai.NotFoundError),
        ("rate_limit", 429, openai.RateLimitError),
        ("quota", 402, openai.RateLimitError),
        ("overloaded", 529, openai.InternalServerError),
        ("upstream", 502, openai.InternalServerError),
        ("timeout", 504, openai.InternalServerError),
    ],
)
def test_the_official_sdk_raises_what_its_users_expect(kind: ErrorClass, status: int, raised: type[Exception]) -> None:
    reply = CHAT.encode_error(ErrorInfo("It went wrong.", status, kind, type="overloaded_error"))
    client = openai.OpenAI(api_key="k", base_url="http://sdk.invalid/v1", max_retries=0)
    request = httpx.Request("POST", "http://sdk.invalid/v1")
    response = httpx.Response(reply.status, headers=list(reply.headers), content=reply.body, request=request)

    error = client._make_status_error_from_response(response)  # type: ignore[arg-type]

    assert isinstance(error, raised)
    assert "It went wrong." in str(error)


def test_an_own_error_keeps_its_words() -> None:
    error = {"message": "m", "type": "requests", "param": None, "code": "rate_limit_exceeded", "failed_generation": "{"}

    assert json.loads(CHAT.encode_error(reported(429, {"error": error})).body) == {"error": error}


def test_the_gateway_s_request_id_is_reported() -> None:
    body = json.loads(CHAT.encode_error(ErrorInfo("m", 500, request_id="req_1")).body)

    assert body["request_id"] == "req_1"
