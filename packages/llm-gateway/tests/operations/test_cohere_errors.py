"""Errors in the shape that Cohere's clients read."""

from __future__ import annotations

from llm_gateway.operations.cohere_errors import encode_error
from llm_gateway_sdk import ErrorInfo
from llm_gateway_sdk.wire import json


def test_an_error_has_its_message_and_the_requests_id() -> None:
    reply = encode_error(ErrorInfo("no such model", 404, request_id="req-1"))

    assert reply.status == 404
    assert reply.headers.get("content-type") == "application/json"
    assert json.loads(reply.body) == {"message": "no such model", "id": "req-1"}


def test_an_error_without_a_request_has_the_message_alone() -> None:
    assert json.loads(encode_error(ErrorInfo("slow down", 429)).body) == {"message": "slow down"}


def test_a_spent_budget_has_the_status_that_clients_do_not_try_again() -> None:
    assert encode_error(ErrorInfo("used up", 429, "quota")).status == 402
