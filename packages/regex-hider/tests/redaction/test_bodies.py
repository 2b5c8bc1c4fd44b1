"""Redaction of one request, reply or error: every text, counted, and the same object where nothing matched."""

from __future__ import annotations

from typing import Any

import pytest
from llm_gateway_regex_hider import Rule, RuleSet, compile_rules
from llm_gateway_regex_hider.redaction.bodies import BodyRedactor

from llm_gateway_sdk import (
    Choice,
    Citation,
    LLMRequest,
    LLMResponse,
    Message,
    ModelError,
    ModelHTTPError,
    TextPart,
    Tool,
    ToolCallPart,
    ToolResultPart,
)
from llm_gateway_sdk.parts import CacheHint

RULES = RuleSet(compile_rules([Rule(r"secret-\d+", "[HIDDEN]")]))


@pytest.fixture
def redactor() -> BodyRedactor:
    return BodyRedactor(RULES)


def test_what_a_tool_answered_is_searched_across_its_parts(redactor: BodyRedactor) -> None:
    result = ToolResultPart("c", [TextPart("a sec"), TextPart("ret-1 of"), TextPart('{"a": "\\u0073ecret-2"}')])
    request = LLMRequest(model="m", messages=[Message("tool", [result])])

    redactor.request(request)

    assert [part.text for part in result.content if isinstance(part, TextPart)] == [
        "a [HIDDEN]", " of", '{"a": "[HIDDEN]"}',
    ]  # fmt: skip


def test_every_text_of_a_request_is_redacted_and_counted(redactor: BodyRedactor) -> None:
    request = LLMRequest(
        model="m",
        messages=[
            Message("user", [TextPart("secret-1 and secret-2")]),
            Message("assistant", [ToolCallPart("c", "f", '{"a":"secret-3"}')]),
        ],
        tools=[Tool("f", "Finds secret-4.", {"type": "object", "description": "secret-5"})],
    )
    redactor.request(request)

    assert "secret-" not in repr(request)
    assert request.messages[0].text == "[HIDDEN] and [HIDDEN]"
    assert redactor.findings.total == 5


def test_a_reply_is_redacted_in_every_choice(redactor: BodyRedactor) -> None:
    response = LLMResponse(
        id="secret-1", choices=[Choice(n, Message("assistant", [TextPart(f"secret-{n}")])) for n in range(2)]
    )
    redactor.response(response)

    assert [choice.message.text for choice in response.choices] == ["[HIDDEN]", "[HIDDEN]"]


def test_an_error_without_a_match_is_the_same_object(redactor: BodyRedactor) -> None:
    error = ModelHTTPError("down", status=503)

    assert redactor.error(error) is error


def test_an_error_is_a_redacted_copy_in_message_body_and_headers(redactor: BodyRedactor) -> None:
    error = ModelHTTPError("key secret-1 is wrong", status=401)
    error.body = b'{"error": {"message": "key secret-1 is wrong"}, "n": 1.0}'
    error.headers = [("x-hint", "secret-1"), ("x-other", "kept")]
    hidden = redactor.error(error)

    assert hidden is not error
    assert (str(hidden), hidden.message) == ("key [HIDDEN] is wrong", "key [HIDDEN] is wrong")
    assert hidden.body == b'{"error": {"message": "key [HIDDEN] is wrong"}, "n": 1.0}', "numbers keep their spelling"
    assert hidden.headers == [("x-hint", "[HIDDEN]"), ("x-other", "kept")]
    assert isinstance(hidden, ModelHTTPError)
    assert "secret-1" in error.message, "the original is the log's, and stays"


def test_a_body_that_is_not_text_survives(redactor: BodyRedactor) -> None:
    error = ModelError("secret-1")
    error.body = b"\xff\xfe secret-1 \x80"

    assert redactor.error(error).body == b"\xff\xfe [HIDDEN] \x80"


def test_a_match_spelled_with_escapes_is_found_in_a_vendors_json(redactor: BodyRedactor) -> None:
    value = {"deep": ["secret\u002d7", {"text": "plain"}], "n": 1}
    redactor.vendor_json(value)

    assert value == {"deep": ["[HIDDEN]", {"text": "plain"}], "n": 1}


def test_a_plain_part_without_a_match_keeps_its_text_object(redactor: BodyRedactor) -> None:
    text = "nothing to hide here"
    part = TextPart(text)
    redactor.part(part)

    assert part.text is text


@pytest.mark.parametrize("texts", [1, 2])
@pytest.mark.parametrize(
    "fields",
    [
        {"item_id": "a secret-1 word"},
        {"signature": "a secret-1 word"},
        {"signed_by": "a secret-1 word"},
        {"cache": CacheHint("a secret-1 word")},
        {"cache": CacheHint(None, {"anthropic": {"note": "a secret-1 word"}})},
        {"citations": [Citation(title="a secret-1 word")]},
        {"provider_metadata": {"anthropic": {"note": "a secret-1 word"}}},
    ],
    ids=str,
)
def test_what_is_next_to_a_text_is_redacted(redactor: BodyRedactor, fields: dict[str, Any], texts: int) -> None:
    """Whether the message has one text, or several that are read as one."""
    request = LLMRequest(messages=[Message("user", [TextPart("words", **fields) for _ in range(texts)])])

    redactor.request(request)

    assert "secret-" not in repr(request)
