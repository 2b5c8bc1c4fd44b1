from __future__ import annotations

import json
from typing import Any

import httpx2
import openai
import pytest

from llm_gateway.dialects.openai_responses import OpenAIResponses
from llm_gateway_sdk.dialect import Headers, WireReply
from llm_gateway_sdk.errors import ErrorClass, ErrorInfo
from llm_gateway_sdk.testing.dialect_laws import counting_mint

DIALECT = OpenAIResponses()


def read(status: int, body: Any, *headers: tuple[str, str]) -> ErrorInfo:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return DIALECT.decode_error(WireReply(status, Headers(headers), data))


@pytest.mark.parametrize(
    ("status", "error", "kind"),
    [
        (400, {"code": "context_length_exceeded", "type": "invalid_request_error"}, "context_length"),
        (400, {"message": "maximum context length is 5", "type": "invalid_request_error"}, "context_length"),
        (400, {"type": "invalid_request_error"}, "bad_request"),
        (401, {"code": "invalid_api_key", "type": "invalid_request_error"}, "authentication"),
        (401, {"type": "invalid_request_error"}, "authentication"),
        (403, {"code": "unsupported_country_region_territory", "type": "request_forbidden"}, "permission"),
        (404, {"code": "model_not_found", "type": "invalid_request_error"}, "not_found"),
        (429, {"code": "rate_limit_exceeded", "type": "requests"}, "rate_limit"),
        (429, {"code": "insufficient_quota", "type": "insufficient_quota"}, "quota"),
        (500, {"type": "server_error"}, "upstream"),
        (503, {"type": "server_error"}, "overloaded"),
        (400, {"code": "content_policy_violation"}, "content_policy"),
    ],
)
def test_what_kind_of_error_it_is(status: int, error: dict[str, Any], kind: ErrorClass) -> None:
    assert read(status, {"error": {"message": "x", **error}}).kind == kind


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "The provider answered with status 502 and no explanation."),
        (b"<html><head><style>p{}</style></head><h1>502 Bad Gateway</h1></html>", "502 Bad Gateway"),
        (b"[]", "[]"),
        ({"error": "plain"}, "plain"),
        ({"message": "flat"}, "flat"),
        ({"error": {"message": {"deep": 1}}}, '{"deep":1}'),
    ],
)
def test_any_body_gives_a_sensible_message(body: Any, message: str) -> None:
    assert read(502, body).message == message


@pytest.mark.parametrize(("status", "word"), [("failed", "failed"), ("cancelled", "was cancelled")])
def test_a_response_that_did_not_end_well_is_an_error(status: str, word: str) -> None:
    body = json.dumps({"id": "resp_1", "status": status, "error": None, "output": []}).encode()
    reply = DIALECT.decode_response(WireReply(200, Headers(), body), counting_mint())

    assert reply.error is not None
    assert word in reply.error.message


def test_when_to_try_again_is_read_from_headers_and_words() -> None:
    error = {"error": {"message": "Please try again in 350ms.", "code": "rate_limit_exceeded"}}

    assert read(429, error).retry_after == 0.35
    assert read(429, error, ("retry-after", "7")).retry_after == 7.0
    assert read(429, error, ("retry-after", "7"), ("retry-after-ms", "1500")).retry_after == 1.5


@pytest.mark.parametrize(
    ("info", "exception"),
    [
        (ErrorInfo("x", 400, "bad_request"), openai.BadRequestError),
        (ErrorInfo("x", 401, "authentication"), openai.AuthenticationError),
        (ErrorInfo("x", 403, "permission"), openai.PermissionDeniedError),
        (ErrorInfo("x", 404, "not_found"), openai.NotFoundError),
        (ErrorInfo("x", 429, "rate_limit"), openai.RateLimitError),
        (ErrorInfo("x", 402, "quota"), openai.APIStatusError),
        (ErrorInfo("x", 529, "overloaded", type="overloaded_error"), openai.InternalServerError),
        (ErrorInfo("x", 504, "timeout"), openai.InternalServerError),
        (ErrorInfo("x", 200, "upstream"), openai.InternalServerError),
    ],
)
def test_the_official_client_raises_the_right_exception(info: ErrorInfo, exception: type[Exception]) -> None:
    reply = DIALECT.encode_error(info)

    def answer(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(reply.status, headers=list(reply.headers), content=reply.body)

    http = httpx2.Client(transport=httpx2.MockTransport(answer))
    client = openai.OpenAI(api_key="k", base_url="http://sdk.invalid/v1", http_client=http, max_retries=0)
    with pytest.raises(exception) as raised:
        client.responses.create(model="m", input="x")

    assert isinstance(raised.value, openai.APIStatusError)
    assert raised.value.status_code == (503 if info.status == 529 else reply.status)
    assert isinstance(raised.value.body, dict)
    assert set(raised.value.body) == {"message", "type", "param", "code"}


def test_an_error_of_another_vendor_gets_words_of_this_one() -> None:
    body = json.loads(DIALECT.encode_error(ErrorInfo("x", 529, "overloaded", type="overloaded_error")).body)

    assert body["error"] == {"message": "x", "type": "server_error", "param": None, "code": "overloaded"}
