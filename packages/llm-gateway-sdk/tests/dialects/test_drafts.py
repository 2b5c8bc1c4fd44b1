"""Whatever a sender calls a schema, what goes on is JSON Schema 2020-12, and a valid one goes on as it is."""

from __future__ import annotations

import copy
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway_sdk.dialects.drafts import current_draft

KEYWORDS = (
    "type", "items", "properties", "required", "enum", "description", "format", "pattern", "minimum", "maximum",
    "exclusiveMinimum", "minLength", "maxItems", "anyOf", "allOf", "additionalProperties", "additionalItems", "$ref",
    "$defs", "definitions", "not", "uniqueItems", "examples", "title", "nullable", "default", "const", "$schema",
    "prefixItems", "multipleOf", "dependentSchemas", "readOnly", "contains", "patternProperties",
)  # fmt: skip
values = st.sampled_from(
    (None, True, False, 0, 3, -1, 2.5, "", "3", "x", "STRING", "any", "array", "#/$defs/a", "#/nowhere", [], {}, ["a"])
)
odd = st.recursive(
    values,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(KEYWORDS), inner, max_size=4),
        st.dictionaries(st.sampled_from(("a", "b")), inner, max_size=2),
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(KEYWORDS), odd, max_size=5))
def test_what_goes_on_is_a_schema_of_the_current_draft(schema: dict[str, Any]) -> None:
    before = copy.deepcopy(schema)

    found = current_draft(schema)

    jsonschema.Draft202012Validator.check_schema(without_words(found))
    assert schema == before
    assert current_draft(found) is found


def without_words(schema: Any) -> Any:
    """`$schema`, `pattern` and names are texts that the check has opinions on."""
    if isinstance(schema, list):
        return [without_words(inner) for inner in schema]
    if not isinstance(schema, dict):
        return schema
    texts = ("$schema", "pattern", "$ref", "patternProperties")
    return {key: without_words(value) for key, value in schema.items() if key not in texts}


def test_what_is_valid_already_is_the_same_object() -> None:
    schema = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "object",
        "properties": {
            "a": {"type": ["array", "null"], "items": {"type": "string", "minLength": 1}, "description": "d"},
            "type": {"$ref": "#/$defs/T", "default": None},
            "n": {"type": "number", "exclusiveMinimum": 0, "enum": [1, 2]},
        },
        "required": ["a"],
        "additionalProperties": False,
        "$defs": {"T": {"anyOf": [{"type": "string"}, {"type": "null"}], "x-own": None}},
    }

    assert current_draft(schema) is schema


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ({"type": "array"}, {"type": "array", "items": {}}),
        ({"type": ["array", "null"]}, {"type": ["array", "null"], "items": {}}),
        ({"type": "STRING", "enum": []}, {"type": "string"}),
        ({"type": "int", "minimum": "3", "maximum": None}, {"type": "integer", "minimum": 3}),
        ({"multipleOf": 0}, {}),
        ({"multipleOf": "-1", "minimum": -1}, {"minimum": -1}),
        ({"multipleOf": "0.5"}, {"multipleOf": 0.5}),
        ({"type": "any", "description": "d"}, {"description": "d"}),
        ({"minimum": 0, "exclusiveMinimum": True}, {"exclusiveMinimum": 0}),
        ({"minimum": 0, "exclusiveMinimum": False}, {"minimum": 0}),
        ({"properties": {"a": True, "b": "string"}}, {"properties": {"a": {}, "b": {"type": "string"}}}),
        (
            {"properties": {"a": {"type": "string", "required": True}, "b": {"required": False}}, "required": ["b"]},
            {"properties": {"a": {"type": "string"}, "b": {}}, "required": ["b", "a"]},
        ),
        (
            {"items": [{"type": "string"}, True], "additionalItems": False},
            {"prefixItems": [{"type": "string"}, {}], "items": {}, "maxItems": 2},
        ),
        ({"items": [{"type": "string"}]}, {"prefixItems": [{"type": "string"}], "items": {}}),
        ({"$ref": "#/$defs/lost", "description": "d"}, {"description": "d"}),
        ({"$ref": "https://e.example/s.json"}, {}),
        ({"$schema": "http://json-schema.org/draft-04/schema#", "type": "Object"}, {"type": "object"}),
        ({"anyOf": [], "oneOf": {"type": "string"}}, {"oneOf": [{"type": "string"}]}),
        ({"properties": [], "required": None, "description": 5}, {"properties": {}, "description": "5"}),
    ],
)
def test_older_drafts_and_words_of_others(written: dict[str, Any], meant: dict[str, Any]) -> None:
    assert current_draft(written) == meant


def test_references_that_lead_somewhere_stay() -> None:
    for schema in (
        {"$defs": {"a/b %": {"type": "string"}}, "properties": {"x": {"$ref": "#/%24defs/a~1b%20%25"}}},
        {"properties": {"x": {"$ref": "#"}, "y": {"$ref": "#name"}}, "$defs": {"n": {"$anchor": "name"}}},
    ):
        assert current_draft(schema) is schema
