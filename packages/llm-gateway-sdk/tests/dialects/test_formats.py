"""The schema of an answer is written as the receiver takes it, or asked for in the system prompt."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from llm_gateway_sdk import LLMRequest, Losses, Message, ResponseFormat, TextPart
from llm_gateway_sdk.dialects.fit import fit
from llm_gateway_sdk.dialects.formats import fit_format
from llm_gateway_sdk.dialects.model_limits import limits_of
from llm_gateway_sdk.dialects.receiver import CHAT, CONVERSE, GENERATE_CONTENT, MESSAGES, RESPONSES, Receiver

A = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
B = {"type": "object", "properties": {"b": {"type": "string"}}, "required": ["b"]}
TREE = {
    "type": "object",
    "properties": {"kids": {"type": "array", "items": {"$ref": "#/$defs/Tree"}}},
    "$defs": {"Tree": {"type": "object", "properties": {"kids": {"type": "array", "items": {"$ref": "#/$defs/Tree"}}}}},
}


def fitted(schema: dict[str, Any], receiver: Receiver) -> tuple[LLMRequest, LLMRequest, list[str]]:
    asked = LLMRequest("m", [Message("user", [TextPart("hi")])], response_format=ResponseFormat("json_schema", schema))
    losses = Losses()
    return asked, fit_format(asked, receiver, losses), [loss.path for loss in losses]


@pytest.mark.parametrize("receiver", [CHAT, RESPONSES])
@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#/$defs/A", "$defs": {"A": A}},
        {"anyOf": [A, B]},
        {"oneOf": [A, {"$ref": "#/$defs/B"}], "$defs": {"B": B}},
        {"allOf": [{"$ref": "#/$defs/A"}], "$defs": {"A": A}, "description": "d"},
        {"properties": {"a": {"type": "string"}}},
        {"type": "object", "properties": None, "required": None},
    ],
)
def test_openai_gets_one_object(receiver: Receiver, schema: dict[str, Any]) -> None:
    _, request, _ = fitted(schema, receiver)

    assert request.response_format is not None
    sent = request.response_format.schema or {}
    assert sent["type"] == "object"
    assert not {"anyOf", "oneOf", "allOf", "$ref"} & sent.keys()
    assert None not in sent.values()


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "array", "items": A},
        {"type": "string", "enum": ["a", "b"]},
        {"enum": ["a", 1]},
        {"anyOf": [A, {"type": "null"}]},
        {"$ref": "#/$defs/L", "$defs": {"L": {"type": "array", "items": A}}},
    ],
)
def test_openai_is_asked_in_words_for_anything_but_an_object(schema: dict[str, Any]) -> None:
    _, request, losses = fitted(schema, CHAT)

    assert request.response_format is None
    assert request.messages[0].role == "system"
    assert losses == ["response_format"]


@pytest.mark.parametrize("receiver", [MESSAGES, CONVERSE])
def test_claude_is_asked_in_words_for_a_recursive_schema(receiver: Receiver) -> None:
    _, request, losses = fitted(TREE, receiver)

    assert request.response_format is None
    assert losses == ["response_format"]


@pytest.mark.parametrize("receiver", [CHAT, RESPONSES, GENERATE_CONTENT])
def test_what_fits_is_the_very_same_request(receiver: Receiver) -> None:
    for schema in (A, TREE):
        asked, request, losses = fitted(schema, receiver)
        assert request is asked
        assert not losses


def test_servers_that_constrain_by_any_schema_get_it() -> None:
    asked, request, _ = fitted({"type": "array", "items": {}}, replace(CHAT, object_formats=False))

    assert request is asked


@pytest.mark.parametrize(
    ("name", "wanted"),
    [("answer", "answer"), ("My Format é", "My_Format__"), ("a" * 70, "a" * 64), ("a.b/c", "a_b_c"), (None, None)],
)
def test_the_name_of_a_format_is_one_that_openai_takes(name: str | None, wanted: str | None) -> None:
    schema = {"type": "object", "properties": {}, "required": [], "additionalProperties": False}
    request = LLMRequest(response_format=ResponseFormat("json_schema", schema, name))
    losses = Losses()

    fitted = fit_format(request, CHAT, losses)

    assert fitted.response_format is not None
    assert fitted.response_format.name == wanted
    assert [loss.path for loss in losses] == ([] if name == wanted else ["response_format.name"])
    assert (fitted is request) is (name == wanted)


@pytest.mark.parametrize("receiver", [CHAT, RESPONSES], ids=["chat", "responses"])
@pytest.mark.parametrize(
    ("text", "added"),
    [("Give me a Json list", False), ("Answer as {}", True), ("", True)],
    ids=["word", "none", "empty"],
)
def test_the_conversation_has_the_word_where_json_is_wanted(receiver: Receiver, text: str, added: bool) -> None:
    asked = LLMRequest(messages=[Message("user", [TextPart(text)])], response_format=ResponseFormat("json_object"))
    losses = Losses()

    fitted = fit(asked, receiver, losses).request

    assert fitted.response_format == ResponseFormat("json_object")
    assert any("json" in message.text.lower() for message in fitted.messages)
    assert bool(losses) is added
    assert [message.role for message in fitted.messages] == (["developer", "user"] if added else ["user"])


@pytest.mark.parametrize(
    ("model", "taken"),
    [
        ("gpt-4", False), ("gpt-4-0613", False), ("openai/gpt-4-32k", False), ("gpt-3.5-turbo-16k", False),
        ("gpt-35-turbo-instruct", False), ("o1-mini", False), ("gpt-4-turbo", True), ("gpt-4-1106-preview", True),
        ("gpt-4-0125-preview", True), ("gpt-3.5-turbo", True), ("gpt-4o", True), ("gpt-4.1", True), ("o1", True),
        ("gpt-5.6", True), ("qwen3", True),
    ],
)  # fmt: skip
def test_json_is_asked_for_in_words_of_models_without_the_setting(model: str, taken: bool) -> None:
    asked = LLMRequest(messages=[Message("user", [TextPart("json")])], response_format=ResponseFormat("json_object"))

    fitted = fit(asked, CHAT.of_model(limits_of(model)), Losses()).request

    assert (fitted.response_format is not None) is taken
    assert (fitted.messages[0].role == "system") is not taken
