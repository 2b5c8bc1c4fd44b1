"""The schema of an answer is written as the receiver takes it, or asked for in the system prompt."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from llm_gateway_sdk import LLMRequest, Losses, Message, ResponseFormat, TextPart
from llm_gateway_sdk.dialects.formats import fit_format
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
        {"$ref": "#/$defs/L", "$defs": {"L": {"type": "array"}}},
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
    asked, request, _ = fitted({"type": "array"}, replace(CHAT, object_formats=False))

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
