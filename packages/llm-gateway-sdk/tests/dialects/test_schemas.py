from __future__ import annotations

import copy
from typing import Any

import pytest

from llm_gateway_sdk.dialects.schemas import (
    bare_references,
    is_openai_strict,
    is_recursive,
    is_whole,
    plain_root,
    structured_schema,
    whole_root,
)


def test_a_schema_that_fits_comes_back_as_it_is() -> None:
    schema = {
        "type": "object",
        "properties": {"when": {"type": "string", "format": "date"}, "tags": {"type": "array", "minItems": 1}},
        "required": ["when"],
        "additionalProperties": False,
    }

    assert structured_schema(schema) == schema


def test_every_object_forbids_further_properties() -> None:
    schema: dict[str, Any] = {
        "type": "object",
        "additionalProperties": True,
        "properties": {"a": {"type": "array", "items": {"properties": {}}}, "b": {"$ref": "#/$defs/B"}},
        "$defs": {"B": {"type": "object", "properties": {"properties": {"type": "object"}}}},
    }
    before = copy.deepcopy(schema)

    words = structured_schema(schema)

    assert words["additionalProperties"] is False
    assert words["properties"]["a"]["items"]["additionalProperties"] is False
    assert words["$defs"]["B"]["properties"]["properties"]["additionalProperties"] is False
    assert schema == before


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        (
            {"type": "integer", "minimum": 1, "maximum": 10, "description": "A number"},
            {"type": "integer", "description": "A number\n\n{minimum: 1, maximum: 10}"},
        ),
        ({"type": "string", "format": "color"}, {"type": "string", "description": "{format: color}"}),
        ({"type": "array", "minItems": 3}, {"type": "array", "description": "{minItems: 3}"}),
        ({"oneOf": [{"type": "null"}]}, {"anyOf": [{"type": "null"}]}),
        (
            {"type": "object", "properties": {}, "x-own": 1, "$id": "i", "dependentRequired": {}},
            {
                "type": "object",
                "properties": {},
                "additionalProperties": False,
                "description": "{dependentRequired: {}}",
            },
        ),
        (
            {"type": "array", "prefixItems": [{"type": "null"}], "uniqueItems": False},
            {"type": "array", "description": '{prefixItems: [{"type":"null"}]}'},
        ),
        (True, True),
    ],
)
def test_what_is_not_enforced_moves_into_the_description(schema: Any, words: Any) -> None:
    assert structured_schema(schema) == words


# Roots.


@pytest.mark.parametrize(
    "schema",
    [
        None,
        {},
        {"type": "object"},
        {"properties": None},
        {"type": ["object", "null"], "description": "d"},
        {"type": "object", "properties": {}, "required": None},
        {"type": "None"},
    ],
)
def test_a_root_is_completed(schema: dict[str, Any] | None) -> None:
    before = copy.deepcopy(schema)

    whole = whole_root(schema)

    assert whole["type"] == "object"
    assert whole["properties"] == {}
    assert whole.get("required", []) is not None
    assert is_whole(whole)
    assert schema == before


def test_a_whole_root_is_the_very_same() -> None:
    schema = {"type": "object", "properties": {"a": {}}, "required": ["a"]}

    assert whole_root(schema) is schema
    assert plain_root(schema) is schema
    assert is_whole(schema)


def test_alternatives_at_the_root_become_one_object() -> None:
    schema = {
        "type": "object",
        "anyOf": [
            {"properties": {"path": {"type": "string"}, "mode": {"enum": ["r"]}}, "required": ["path", "mode"]},
            {"properties": {"url": {"type": "string"}, "mode": {"enum": ["w"]}}, "required": ["url", "mode"]},
        ],
        "properties": {"note": {"type": "string"}},
        "required": ["note"],
    }

    plain = plain_root(schema)

    assert is_whole(plain)
    assert set(plain["properties"]) == {"note", "path", "url", "mode"}
    assert plain["properties"]["mode"] == {"anyOf": [{"enum": ["r"]}, {"enum": ["w"]}]}
    assert plain["required"] == ["note", "mode"]


def test_a_reference_at_the_root_is_resolved_and_definitions_stay() -> None:
    schema = {
        "$ref": "#/$defs/Arguments",
        "$defs": {
            "Arguments": {"type": "object", "properties": {"spot": {"$ref": "#/$defs/Spot"}}, "required": ["spot"]},
            "Spot": {"type": "object", "properties": {}},
        },
    }

    plain = plain_root(schema)

    assert is_whole(plain)
    assert plain["properties"] == {"spot": {"$ref": "#/$defs/Spot"}}
    assert plain["required"] == ["spot"]
    assert "Spot" in plain["$defs"]


def test_all_of_holds_together() -> None:
    schema = {"allOf": [{"properties": {"a": {}}, "required": ["a"]}, {"properties": {"b": {}}, "required": ["b"]}]}

    plain = plain_root(schema)

    assert set(plain["properties"]) == {"a", "b"}
    assert plain["required"] == ["a", "b"]


def test_a_recursive_root_ends() -> None:
    assert plain_root({"$ref": "#"})["type"] == "object"


# Strict forms.


@pytest.mark.parametrize(
    ("schema", "strict"),
    [
        ({"type": "object", "properties": {}, "additionalProperties": False}, True),
        (
            {
                "type": "object",
                "properties": {"a": {"type": "string"}, "b": {"const": 1}, "c": {"anyOf": [{"type": "null"}]}},
                "required": ["a", "b", "c"],
                "additionalProperties": False,
            },
            True,
        ),
        ({"type": "object", "properties": {"a": {}}, "required": ["a"], "additionalProperties": False}, False),
        ({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}, False),
        ({"type": "object", "properties": {"a": {}, "b": {}}, "required": ["a"], "additionalProperties": False}, False),
        ({"type": "array", "items": {}}, False),
        (
            {
                "type": "object",
                "properties": {"a": {"type": "array", "items": {"type": "object", "properties": {"x": {}}}}},
                "required": ["a"],
                "additionalProperties": False,
            },
            False,
        ),
        (
            {
                "type": "object",
                "properties": {"a": {"$ref": "#/$defs/A"}},
                "required": ["a"],
                "additionalProperties": False,
                "$defs": {"A": {"type": "object", "properties": {"x": {}}}},
            },
            False,
        ),
        (
            {
                "type": "object",
                "properties": {"a": {"anyOf": [{"type": "null"}, {"type": "object", "properties": {"x": {}}}]}},
                "required": ["a"],
                "additionalProperties": False,
            },
            False,
        ),
        (
            {
                "type": "object",
                "properties": {"a": {"allOf": [{"type": "string"}]}},
                "required": ["a"],
                "additionalProperties": False,
            },
            False,
        ),
    ],
)
def test_the_form_of_openais_strict_mode(schema: dict[str, Any], strict: bool) -> None:
    assert is_openai_strict(schema) is strict


def test_recursion_is_found_and_a_shared_schema_is_none() -> None:
    assert is_recursive({"$defs": {"A": {"properties": {"a": {"$ref": "#/$defs/A"}}}}, "$ref": "#/$defs/A"})
    assert not is_recursive(
        {"$defs": {"A": {"type": "string"}}, "properties": {"a": {"$ref": "#/$defs/A"}, "b": {"$ref": "#/$defs/A"}}}
    )


# References.


def test_nothing_is_next_to_a_reference_and_nothing_is_lost() -> None:
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {
            "spot": {"$ref": "#/$defs/Spot", "description": "the place", "default": {"$ref": "data", "x": 1}},
            "bare": {"$ref": "#/$defs/Spot"},
            "$schema": {"type": "string"},
        },
        "$defs": {"Spot": {"$schema": "x", "type": "object"}},
    }
    before = copy.deepcopy(schema)

    bare = bare_references(schema)

    assert bare["properties"]["spot"] == {
        "anyOf": [{"$ref": "#/$defs/Spot"}],
        "description": "the place",
        "default": {"$ref": "data", "x": 1},
    }
    assert bare["properties"]["bare"] == {"$ref": "#/$defs/Spot"}
    assert "$schema" not in bare
    assert bare["properties"]["$schema"] == {"type": "string"}
    assert bare["$defs"]["Spot"] == {"type": "object"}
    assert schema == before
