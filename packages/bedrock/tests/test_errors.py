"""Bedrock's exceptions."""

from __future__ import annotations

import json

import pytest
from llm_gateway_bedrock.errors import decode_error, encode_error

from llm_gateway_sdk import ErrorInfo, Headers, WireReply


def read(status: int, body: bytes, *headers: tuple[str, str]) -> ErrorInfo:
    return decode_error(WireReply(status, Headers(headers), body))


@pytest.mark.parametrize(
    ("status", "name", "message", "kind"),
    [
        (400, "ValidationException", "The provided model identifier is invalid.", "bad_request"),
        (400, "ValidationException", "Input is too long for requested model.", "context_length"),
        (400, "ServiceQuotaExceededException", "Too much.", "quota"),
        (403, "AccessDeniedException", "You don't have access to the model.", "permission"),
        (403, "ExpiredTokenException", "The security token has expired.", "authentication"),
        (404, "ResourceNotFoundException", "No.", "not_found"),
        (408, "ModelTimeoutException", "Slow.", "timeout"),
        (424, "ModelErrorException", "Broken.", "upstream"),
        (429, "ThrottlingException", "Too many requests, please wait before trying again.", "rate_limit"),
        (429, "ThrottlingException", "Too many tokens per day, please wait before trying again.", "quota"),
        (429, "ModelNotReadyException", "Not yet.", "overloaded"),
        (503, "ServiceUnavailableException", "No capacity.", "overloaded"),
        (500, "InternalServerException", "Oops.", "upstream"),
    ],
)
def test_errors_are_distinguished_by_their_type(status: int, name: str, message: str, kind: str) -> None:
    headers = (("x-amzn-errortype", f"{name}:http://internal/"), ("x-amzn-requestid", "r1"), ("retry-after", "2"))

    info = read(status, json.dumps({"message": message}).encode(), *headers)

    assert (info.status, info.type, info.message, info.kind) == (status, name, message, kind)
    assert (info.request_id, info.retry_after) == ("r1", 2.0)


def test_older_services_spell_it_otherwise() -> None:
    info = read(400, b'{"__type": "com.amazon#ValidationException", "Message": "No."}')

    assert (info.type, info.message, info.kind) == ("ValidationException", "No.", "bad_request")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"detail": "Not good"}', "Not good"),
        (b'{"error": "text here"}', "text here"),
        (b'{"error": {"message": "No.", "code": "x"}}', "No."),
        (b'{"detail": [{"loc": ["body", "tools"], "msg": "extra"}]}', "tools: extra"),
        (b'{"message": null}', "The provider answered with status 422."),
    ],
)
def test_proxies_have_errors_of_their_own(body: bytes, message: str) -> None:
    assert read(422, body).message == message


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"null", b"\xff"])
def test_a_body_that_is_not_an_error_still_gives_one(body: bytes) -> None:
    info = read(503, body)

    assert (info.status, info.kind) == (503, "overloaded")
    assert info.message


def test_a_foreign_error_gets_awss_words() -> None:
    reply = encode_error(ErrorInfo("Overloaded", 529, "overloaded", type="overloaded_error", retry_after=1.5))

    assert (reply.status, reply.headers.get("x-amzn-errortype")) == (503, "ServiceUnavailableException")
    assert (json.loads(reply.body), reply.headers.get("retry-after")) == ({"message": "Overloaded"}, "1.5")
