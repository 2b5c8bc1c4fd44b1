from __future__ import annotations

import copy
from typing import Any

import pytest

from llm_gateway_sdk.dialects.schemas import structured_schema


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

    said = structured_schema(schema)

    assert said["additionalProperties"] is False
    assert said["properties"]["a"]["items"]["additionalProperties"] is False
    assert said["$defs"]["B"]["properties"]["properties"]["additionalProperties"] is False
    assert schema == before


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        (
            {"type": "integer", "minimum": 1, "maximum": 10, "description": "A number"},
            {"type": "integer", "description": "A number\n\n{minimum: 1, maximum: 10}"},
        ),
        ({"type": "string", "format": "color"}, {"type": "string", "description": "{format: color}"}),
        ({"type": "array", "minItems": 3}, {"type": "array", "description": "{minItems: 3}"}),
        ({"oneOf": [{"type": "null"}]}, {"anyOf": [{"type": "null"}]}),
        (True, True),
    ],
)
def test_what_is_not_enforced_moves_into_the_description(schema: Any, said: Any) -> None:
    assert structured_schema(schema) == said
