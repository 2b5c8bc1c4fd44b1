"""Google's error bodies."""

from __future__ import annotations

import json
from typing import Any

import pytest
from llm_gateway_gemini.errors import decode_error, encode_error

from llm_gateway_sdk import ErrorInfo, Headers, WireReply


def read(status: int, body: Any, **headers: str) -> ErrorInfo:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return decode_error(
        WireReply(status, Headers((name.replace("_", "-"), value) for name, value in headers.items()), data)
    )


def google(status: int, word: str, message: str, *details: Any) -> Any:
    return {"error": {"code": status, "message": message, "status": word, "details": list(details)}}


@pytest.mark.parametrize(
    ("status", "word", "message", "kind"),
    [
        (400, "INVALID_ARGUMENT", "Invalid value at 'contents'", "bad_request"),
        (
            400,
            "INVALID_ARGUMENT",
            "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
            "context_length",
        ),
        (400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.", "authentication"),
        (403, "PERMISSION_DENIED", "No.", "permission"),
        (404, "NOT_FOUND", "models/x is not found", "not_found"),
        (429, "RESOURCE_EXHAUSTED", "Resource has been exhausted (e.g. check quota).", "rate_limit"),
        (402, "RESOURCE_EXHAUSTED", "Nothing is left on your account.", "quota"),
        (500, "INTERNAL", "An internal error has occurred.", "upstream"),
        (503, "UNAVAILABLE", "The model is overloaded.", "overloaded"),
        (504, "DEADLINE_EXCEEDED", "Too slow.", "timeout"),
    ],
)
def test_errors_are_distinguished(status: int, word: str, message: str, kind: str) -> None:
    info = read(status, google(status, word, message))

    assert (info.status, info.type, info.message, info.kind) == (status, word, message, kind)


def test_details_tell_when_to_come_back_and_what_was_spent() -> None:
    retry = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.5s"}
    quota = {"@type": "x/google.rpc.QuotaFailure", "violations": [{"quotaId": "GenerateRequestsPerDayPerProject"}]}

    minute = read(429, google(429, "RESOURCE_EXHAUSTED", "Quota exceeded", retry))
    day = read(429, google(429, "RESOURCE_EXHAUSTED", "Quota exceeded", retry, quota))

    assert (minute.kind, minute.retry_after) == ("rate_limit", 34.5)
    assert day.kind == "quota"


@pytest.mark.parametrize("body", [b"", b"<html>Bad gateway</html>", b"[]", b"null", b'{"error": null}', b"\xff"])
def test_a_body_that_is_not_an_error_still_gives_one(body: bytes) -> None:
    info = read(502, body, retry_after="3")

    assert (info.status, info.kind, info.retry_after) == (502, "upstream", 3.0)
    assert info.message
    assert "<html>" not in info.message


def test_a_list_with_one_error_is_that_error() -> None:
    assert read(400, [google(400, "INVALID_ARGUMENT", "No.")]).message == "No."


def test_an_own_error_comes_back_as_it_was() -> None:
    body = google(429, "RESOURCE_EXHAUSTED", "Slow down", {"@type": "x/RetryInfo", "retryDelay": "7s"})

    reply = encode_error(read(429, body))

    assert (reply.status, json.loads(reply.body)) == (429, body)
    assert reply.headers.get("retry-after") == "7"


def test_a_foreign_error_gets_googles_words() -> None:
    info = ErrorInfo("Overloaded", 529, "overloaded", type="overloaded_error", retry_after=2.5, request_id="req_1")

    reply = encode_error(info)

    error = json.loads(reply.body)["error"]
    assert (reply.status, error["code"], error["status"]) == (503, 503, "UNAVAILABLE")
    assert [detail.get("retryDelay") or detail.get("requestId") for detail in error["details"]] == ["2.5s", "req_1"]
    assert decode_error(reply).request_id == "req_1"


@pytest.mark.parametrize("status", [405, 421, 424, 499])
def test_a_providers_fault_does_not_blame_the_client(status: int) -> None:
    error = ErrorInfo("no", status, "upstream")

    assert encode_error(error).status == 502
