"""The list of what is not offered as text, and its reasons."""

from __future__ import annotations

import base64
from dataclasses import fields

import pytest

from llm_gateway_sdk import (
    LLMRequest,
    LLMResponse,
    MediaPart,
    Message,
    OpaquePart,
    ResponseFormat,
    TextPart,
    Tool,
    errors,
    parts,
    request,
    response,
)
from llm_gateway_sdk.text_exclusions import CANONICAL, JSON_FIELDS, OWN_KEYS, REASONS, excluded_in_json


def texts(value: LLMRequest | LLMResponse) -> dict[str, str]:
    return {place.path: place.text for place in value.texts()}


def opaque(data: object) -> dict[str, str]:
    return texts(LLMRequest(messages=[Message("user", [OpaquePart("d", data)])]))


def test_each_entry_is_a_field_and_has_a_reason() -> None:
    known = {
        f"{cls.__name__}.{field.name}"
        for module in (parts, request, response, errors)
        for cls in vars(module).values()
        if hasattr(cls, "__dataclass_fields__")
        for field in fields(cls)
    }
    for entry in CANONICAL:
        assert entry.startswith("*.") or entry in known, entry
    assert set(JSON_FIELDS.values()) <= set(REASONS)


@pytest.mark.parametrize("key", ["id", "type", "name", "file_id", "signature", "required"])
def test_a_value_that_is_not_what_the_reason_promises_is_text(key: str) -> None:
    assert opaque({key: "a word"}) == {f"messages[0].content[0].data.{key}": "a word"}
    assert opaque({key: "jane@example.com"})
    assert opaque({key: "word_1"}) == {}


def test_what_a_dialect_keeps_of_a_request_is_text_and_its_notes_on_the_form_are_not() -> None:
    kept = {"_form": {"stop": "string"}, "_blocks": [{"citations": [{"cited_text": "sk-key"}]}], "_said": "sk-key"}

    assert set(opaque(kept).values()) == {"sk-key"}
    assert len(opaque(kept)) == 2


def test_ids_of_users_are_text() -> None:
    assert excluded_in_json("user_id") is None
    assert opaque({"metadata": {"user_id": "u-1"}})


def test_what_is_text_in_base64_is_offered_as_text_and_written_in_base64() -> None:
    data = base64.b64encode("my secret: ä".encode()).decode()
    asked = LLMRequest(messages=[Message("user", [MediaPart("document", "text/plain", data=data)])])

    asked.map_text(lambda text: text.replace("secret", "x"), kinds=None)

    (part,) = asked.messages[0].content
    assert base64.b64decode(part.data).decode() == "my x: ä"


@pytest.mark.parametrize("head", ["", "data:text/csv;base64,"])
@pytest.mark.parametrize("key", ["data", "file_data", "result"])
def test_texts_in_base64_are_found_in_the_json_of_vendors(head: str, key: str) -> None:
    data = {"source": {key: head + base64.b64encode(b"my secret").decode()}}
    offered = list(LLMRequest(messages=[Message("user", [OpaquePart("d", data)])]).texts())
    assert offered[0].text == "my secret"
    offered[0].text = "x"
    assert base64.b64decode(str(data["source"][key]).removeprefix(head)) == b"x"


def test_a_short_word_is_text_although_it_could_be_base64() -> None:
    assert list(opaque({"result": "nightfall", "data": "123-45-6789"}).values()) == ["nightfall", "123-45-6789"]


def test_pictures_are_not_text() -> None:
    png = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(range(256))).decode()
    assert opaque({"data": png, "image_url": f"data:image/png;base64,{png}"}) == {}


def test_a_data_url_without_base64_is_text() -> None:
    assert list(opaque({"url": "data:text/plain,my%20secret"}).values()) == ["my secret"]


def test_keys_that_are_no_names_of_fields_are_text() -> None:
    data = {"123-45-6789": 1, "jane@example.com": {"b": 2}, "plain": 3, "x-header": 4}
    asked = LLMRequest(messages=[Message("user", [OpaquePart("d", data)])])

    asked.map_text(lambda text: "hidden " + text[:1], kinds=None)

    assert data == {"hidden 1": 1, "hidden j": {"b": 2}, "plain": 3, "x-header": 4}


def test_keys_that_a_client_has_chosen_exclude_nothing() -> None:
    """Under `id` of a prompt's variables is what the person is called there."""
    words = dict.fromkeys(JSON_FIELDS, "nightfall")
    for holder in OWN_KEYS:
        value = [words] if holder in ("enum", "examples", "input_examples") else {"more": words}
        found = list(opaque({"functionResponse": {holder: value}}).values())
        assert found == ["nightfall"] * len(words), holder


def test_a_property_of_a_schema_is_a_schema_whatever_it_is_called() -> None:
    schema = {"type": "object", "properties": {name: {"type": "string", "format": "date"} for name in OWN_KEYS}}

    assert opaque({"schema": schema, "parameters": schema}) == {}


def test_two_keys_that_become_one_stay_two() -> None:
    data = {"a@example.com": 1, "b@example.com": 2, "[hidden]": 3}
    asked = LLMRequest(messages=[Message("user", [OpaquePart("d", data)])])

    asked.map_text(lambda text: "[hidden]", kinds=None)

    assert sorted(data.values()) == [1, 2, 3]
    assert not [key for key in data if "@" in key]


def test_schemas_and_what_is_about_the_request_are_offered() -> None:
    schema = {
        "type": "object",
        "title": "T",
        "properties": {"a": {"enum": ["E"], "default": "D", "const": "C", "examples": ["X"], "type": "string"}},
        "required": ["a"],
    }
    asked = LLMRequest(
        tools=[Tool("f", "what it does", schema)],
        response_format=ResponseFormat("json_schema", {"description": "R"}, "name", "of the format"),
        stop=["halt"],
        user="jane@example.com",
        metadata={"key": "value"},
        provider_metadata={"d": {"prompt": {"variables": {"city": "Bonn"}}}},
        messages=[Message("user", [TextPart("hi")], name="jane")],
    )

    found = sorted(text for text in texts(asked).values())

    assert found == sorted(
        ["hi", "jane", "what it does", "T", "E", "D", "C", "X", "R", "of the format", "halt", "jane@example.com",
         "value", "Bonn"]
    )  # fmt: skip
