"""Schemas in Gemini's spelling and in JSON Schema's."""

from __future__ import annotations

from typing import Any

import pytest
from llm_gateway_gemini.schema import to_json_schema, to_openapi


@pytest.mark.parametrize(
    ("openapi", "expected"),
    [
        ({"type": "STRING", "nullable": True}, {"type": ["string", "null"]}),
        ({"type": "STRING", "enum": ["a"], "nullable": True}, {"type": ["string", "null"], "enum": ["a", None]}),
        ({"any_of": [{"type": "INTEGER"}], "nullable": True}, {"anyOf": [{"type": "integer"}, {"type": "null"}]}),
        ({"type": "ARRAY", "items": {"type": "NUMBER"}, "minItems": "2"}, None),
        ({"type": "OBJECT", "property_ordering": ["b"], "properties": {"max_items": {"type": "STRING"}}}, None),
    ],
)
def test_geminis_schema_reads_as_json_schema(openapi: Any, expected: Any) -> None:
    known = {
        "ARRAY": {"type": "array", "items": {"type": "number"}, "minItems": 2},
        "OBJECT": {"type": "object", "propertyOrdering": ["b"], "properties": {"max_items": {"type": "string"}}},
    }

    assert to_json_schema(openapi) == (expected or known[openapi["type"]])


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": ["string", "null"]}, {"type": "STRING", "nullable": True}),
        ({"type": ["string", "integer"]}, {"anyOf": [{"type": "STRING"}, {"type": "INTEGER"}]}),
        ({"const": "a", "type": "string"}, {"enum": ["a"], "type": "STRING"}),
        ({"oneOf": [{"type": "string"}, {"type": "null"}]}, {"nullable": True, "type": "STRING"}),
        ({"type": "object", "additionalProperties": False, "$schema": "x"}, {"type": "OBJECT"}),
        (
            {"allOf": [{"properties": {"a": {"type": "string"}}, "required": ["a"]}], "required": ["b"]},
            {"properties": {"a": {"type": "STRING"}}, "required": ["a", "b"]},
        ),
        (
            {"$ref": "#/$defs/T", "description": "d", "$defs": {"T": {"type": "integer"}}},
            {"type": "INTEGER", "description": "d"},
        ),
    ],
)
def test_json_schema_becomes_the_nearest_subset(schema: Any, expected: Any) -> None:
    assert to_openapi(schema) == expected


def test_a_schema_that_holds_itself_comes_to_an_end() -> None:
    node = {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}}}

    subset = to_openapi({"$ref": "#/$defs/Node", "$defs": {"Node": node}})

    assert subset == {"type": "OBJECT", "properties": {"next": {"type": "OBJECT"}}}
