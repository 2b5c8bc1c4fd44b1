"""Gemini's OpenAPI-like `Schema` ↔ JSON Schema (`generativelanguage` v1beta, `Schema`; google-genai `types.Schema`).

`functionDeclarations[].parameters` and `responseSchema` take the former, `parametersJsonSchema` and
`responseJsonSchema` the latter.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from llm_gateway_sdk.dialects.schemas import bare_references
from llm_gateway_sdk.numerals import whole_number

__all__ = ["AsWritten", "camel", "for_json_schema_field", "to_json_schema", "to_openapi"]

_SNAKE = re.compile(r"_([a-z0-9])")

_OPENAPI_KEYS = frozenset(
    {
        "type", "format", "title", "description", "nullable", "enum", "maxItems", "minItems", "properties", "required",
        "minProperties", "maxProperties", "minLength", "maxLength", "pattern", "example", "anyOf", "propertyOrdering",
        "default", "items", "minimum", "maximum",
    }
)  # fmt: skip

_MAX_DEPTH = 64
"""Deeper schemas are recursive in fact; what lies below is left out."""


def camel(name: str) -> str:
    """`any_of` → `anyOf`: the API's JSON takes both spellings of every field."""
    return _SNAKE.sub(lambda match: match[1].upper(), name) if "_" in name else name


def to_json_schema(schema: Any) -> Any:
    """The JSON Schema of an OpenAPI-like schema: types in lower case, `nullable` as its own type, `anyOf` for
    `any_of`. Always a new value; what it does not know stays."""
    if isinstance(schema, list):
        return [to_json_schema(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    result: dict[str, Any] = {}
    for written, value in schema.items():
        key = camel(written)
        if key == "type" and isinstance(value, str):
            result[key] = value.lower()
        elif key in ("properties", "defs") and isinstance(value, dict):
            result["$defs" if key == "defs" else key] = {name: to_json_schema(inner) for name, inner in value.items()}
        elif key in ("items", "anyOf", "additionalProperties"):
            result[key] = to_json_schema(value)
        elif key == "ref":
            result["$ref"] = value
        elif key in ("minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties"):
            # 64-bit integers are strings in Google's JSON.
            number = whole_number(value) if isinstance(value, str) else None
            result[key] = value if number is None else number
        elif key == "nullable":
            continue
        else:
            result[key] = value
    if any(camel(key) == "nullable" and value is True for key, value in schema.items()):
        return _nullable(result)
    return result


@dataclass(slots=True)
class AsWritten:
    """A schema as the client wrote it, kept next to the JSON Schema that plugins see and edit."""

    schema: Any

    def with_texts_of(self, edited: Any) -> Any:
        """The schema with the texts of `edited`, the JSON Schema made of it; None where more than texts was edited."""
        made = to_json_schema(self.schema)
        if made == edited:
            return self.schema
        schema = _with_texts(self.schema, made, edited)
        return schema if to_json_schema(schema) == edited else None


def _with_texts(written: Any, made: Any, edited: Any) -> Any:
    if isinstance(written, dict) and isinstance(made, dict) and isinstance(edited, dict):
        names = {key: {"defs": "$defs", "ref": "$ref"}.get(camel(key), camel(key)) for key in written}
        names = {key: name if name in made else key for key, name in names.items()}
        return {key: _with_texts(value, made.get(names[key]), edited.get(names[key])) for key, value in written.items()}
    if isinstance(written, list) and isinstance(made, list) and isinstance(edited, list) and len(made) == len(edited):
        return [_with_texts(*items) for items in zip(written, made, edited, strict=False)]
    return edited if isinstance(written, str) and isinstance(edited, str) and made != edited else written


def _nullable(schema: dict[str, Any]) -> dict[str, Any]:
    kind = schema.get("type")
    if isinstance(kind, str):
        schema = {**schema, "type": [kind, "null"]}
        if isinstance(schema.get("enum"), list) and None not in schema["enum"]:
            schema["enum"] = [*schema["enum"], None]
        return schema
    if isinstance(schema.get("anyOf"), list):
        return {**schema, "anyOf": [*schema["anyOf"], {"type": "null"}]}
    return schema


def for_json_schema_field(schema: dict[str, Any]) -> dict[str, Any]:
    """A JSON Schema as `parametersJsonSchema` and `responseJsonSchema` take it: without `$schema`, which the service
    refuses, and with nothing next to a reference."""
    bare: dict[str, Any] = bare_references(schema)
    return bare


def to_openapi(schema: dict[str, Any]) -> dict[str, Any]:
    """The OpenAPI-like schema nearest to a JSON Schema, for servers without `parametersJsonSchema`.

    References are put in place, `const` becomes a one-value `enum`, a type list with `null` becomes `nullable`,
    `oneOf` becomes `anyOf`, `allOf` is joined; keywords without a counterpart are left out.
    """
    definitions: dict[str, Any] = {}
    for key in ("$defs", "definitions"):
        if isinstance(schema.get(key), dict):
            definitions.update({f"#/{key}/{name}": value for name, value in schema[key].items()})
    return _openapi(schema, definitions, (), 0)


def _openapi(schema: Any, definitions: dict[str, Any], seen: tuple[str, ...], depth: int) -> dict[str, Any]:
    if not isinstance(schema, dict) or depth > _MAX_DEPTH:
        return {}
    reference = schema.get("$ref")
    if isinstance(reference, str):
        if reference in seen or reference not in definitions:
            return {"type": "OBJECT"}
        rest = {key: value for key, value in schema.items() if key != "$ref"}
        target = definitions[reference]
        return _openapi(
            {**target, **rest} if isinstance(target, dict) else rest, definitions, (*seen, reference), depth
        )
    if isinstance(schema.get("allOf"), list):
        joined: dict[str, Any] = {key: value for key, value in schema.items() if key != "allOf"}
        for part in schema["allOf"]:
            joined = _join(_resolved(part, definitions), joined)
        return _openapi(joined, definitions, seen, depth + 1)

    def inner(value: Any) -> dict[str, Any]:
        return _openapi(value, definitions, seen, depth + 1)

    result: dict[str, Any] = {}
    for key, value in schema.items():
        match key:
            case "type":
                _put_type(result, value)
            case "properties" if isinstance(value, dict):
                result[key] = {name: inner(property_) for name, property_ in value.items()}
            case "items":
                result[key] = inner(value)
            case "anyOf" | "oneOf" if isinstance(value, list):
                variants = [variant for variant in value if variant != {"type": "null"}]
                if len(variants) < len(value):
                    result["nullable"] = True
                result["anyOf"] = [inner(variant) for variant in variants]
            case "enum" if isinstance(value, list):
                result[key] = [str(item) for item in value if item is not None]
            case "const":
                result["enum"] = [str(value)]
            case _ if key in _OPENAPI_KEYS:
                result[key] = value
    if len(result.get("anyOf", ())) == 1:
        only = result.pop("anyOf")[0]
        result = {**only, **result}
    return result


def _put_type(result: dict[str, Any], value: Any) -> None:
    if isinstance(value, str):
        result["type"] = value.upper()
    elif isinstance(value, list):
        kinds = [str(kind).upper() for kind in value if kind != "null"]
        if "null" in value:
            result["nullable"] = True
        if len(kinds) == 1:
            result["type"] = kinds[0]
        elif kinds:
            result["anyOf"] = [{"type": kind} for kind in kinds]


def _resolved(schema: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(schema, dict):
        return {}
    target = definitions.get(str(schema.get("$ref")))
    return target if isinstance(target, dict) else schema


def _join(a: dict[str, Any], b: dict[str, Any]) -> dict[str, Any]:
    joined = {**a, **b}
    if isinstance(a.get("properties"), dict) and isinstance(b.get("properties"), dict):
        joined["properties"] = {**a["properties"], **b["properties"]}
    if isinstance(a.get("required"), list) and isinstance(b.get("required"), list):
        joined["required"] = [*a["required"], *(name for name in b["required"] if name not in a["required"])]
    return joined
