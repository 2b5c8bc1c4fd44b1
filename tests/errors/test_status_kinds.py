"""What a provider's status means for the walk: who is blamed, and whether another model is asked."""

from __future__ import annotations

import pytest

from llm_gateway.exchange.errors import http_error
from llm_gateway.extensions import installed
from llm_gateway_sdk.errors import kind_of_status

DIALECTS = ["openai_chat", "openai_responses", "anthropic", "gemini", "bedrock"]
BODIES = {
    "openai_chat": b'{"error": {"message": "m", "type": "invalid_request_error"}}',
    "openai_responses": b'{"error": {"message": "m", "type": "invalid_request_error"}}',
    "anthropic": b'{"type": "error", "error": {"type": "invalid_request_error", "message": "m"}}',
    "gemini": b'{"error": {"message": "m", "status": "INVALID_ARGUMENT"}}',
    "bedrock": b'{"__type": "ValidationException", "message": "m"}',
}


@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize("name", DIALECTS)
def test_no_word_of_a_body_makes_a_status_the_clients_fault_that_is_not(name: str, named: bool) -> None:
    dialect = installed().get("dialect", name).cls()
    for status in range(400, 500):
        body = BODIES[name] if named else b'{"message": "m"}'
        error = http_error(dialect, status, [], body, sent=())
        if kind_of_status(status) != "bad_request":
            assert error.kind != "bad_request", status


@pytest.mark.parametrize("name", ["openai_chat", "openai_responses"])
@pytest.mark.parametrize(
    ("param", "kind"),
    [
        ("tools[24].function.name", "bad_request"),
        ("messages[0].content", "context_length"),
        ("input", "context_length"),
    ],
)
def test_a_text_that_is_too_long_is_not_always_the_conversation(name: str, param: str, kind: str) -> None:
    dialect = installed().get("dialect", name).cls()
    body = f'{{"error": {{"code": "string_above_max_length", "param": "{param}", "message": "too long"}}}}'
    assert http_error(dialect, 400, [], body.encode(), sent=()).kind == kind
