"""JSON Schemas in the form that a receiver takes: roots, strictness, structured outputs, bare references.

Each function gives a new value and leaves its argument as it is; where nothing has to change, the result is equal.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

from ..numerals import whole_number
from ..wire import json

__all__ = [
    "bare_references",
    "is_openai_strict",
    "is_recursive",
    "is_whole",
    "plain_root",
    "resolve",
    "structured_schema",
    "whole_root",
]


# The root of a tool's schema.


def is_whole(schema: dict[str, Any] | None) -> bool:
    """Whether the root is an object with properties, as nearly all are, and no combination of schemas."""
    return (
        schema is not None
        and "type" in schema
        and schema["type"] == "object"
        and "properties" in schema
        and type(schema["properties"]) is dict
        and ("required" not in schema or schema["required"] is not None)
        and _NOT_PLAIN.isdisjoint(schema)
    )


def whole_root(schema: dict[str, Any] | None) -> dict[str, Any]:
    """The schema of a tool's arguments with what every receiver wants at its root: an object with properties."""
    if not schema:
        return {"type": "object", "properties": {}}
    kind = schema.get("type")
    if kind == "object" and isinstance(schema.get("properties"), dict):
        return schema if schema.get("required", ()) is not None else _without(schema, "required")
    if not (isinstance(kind, list) and "object" in kind) and kind not in _OBJECT_WORDS:
        return schema  # arguments that are not an object: the receiver's own answer is the clearest
    whole = {"type": "object", **schema}
    whole["type"] = "object"
    if not isinstance(whole.get("properties"), dict):
        whole["properties"] = {}
    if whole.get("required", ()) is None:
        del whole["required"]
    return whole


_OBJECT_WORDS = (None, "", "None", "null", "object", "Object", "OBJECT")
"""What senders write where they mean an object."""


def _without(schema: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in schema.items() if name != key}


_COMBINED = ("anyOf", "oneOf", "allOf")
_NOT_PLAIN = frozenset({*_COMBINED, "not", "enum", "const", "$ref", "if", "then", "else"})


def plain_root(schema: dict[str, Any]) -> dict[str, Any]:
    """The same arguments without a combination of schemas at the root: what is combined becomes one object.

    Of alternatives (`anyOf`, `oneOf`) a property is required where all of them require it; all of `allOf` hold. The
    alternatives themselves are described in words.
    """
    if _NOT_PLAIN.isdisjoint(schema):
        return schema
    plain = _flattened(schema, schema, 0)
    for key in ("$defs", "definitions"):
        if key in schema:
            plain[key] = schema[key]
    return whole_root(plain)


def _flattened(schema: Any, root: dict[str, Any], depth: int) -> dict[str, Any]:
    if not isinstance(schema, dict) or depth > 8:
        return {}
    plain = {key: value for key, value in schema.items() if key not in _NOT_PLAIN}
    target = resolve(schema.get("$ref"), root)
    if target is not None:
        plain = _both(_flattened(target, root, depth + 1), plain)
    for part in _list(schema.get("allOf")):
        plain = _both(plain, _flattened(part, root, depth + 1))
    for key in ("anyOf", "oneOf"):
        variants = [_flattened(part, root, depth + 1) for part in _list(schema.get(key))]
        variants = [variant for variant in variants if variant.get("type") != "null"]
        if variants:
            plain = _both(plain, _either(variants))
    return plain


def _both(a: dict[str, Any], b: dict[str, Any]) -> dict[str, Any]:
    joined = {**a, **b}
    if isinstance(a.get("properties"), dict) and isinstance(b.get("properties"), dict):
        joined["properties"] = {**a["properties"], **b["properties"]}
    required = dict.fromkeys([*_list(a.get("required")), *_list(b.get("required"))])
    if required:
        joined["required"] = list(required)
    return joined


def _either(variants: list[dict[str, Any]]) -> dict[str, Any]:
    properties: dict[str, Any] = {}
    for variant in variants:
        for name, schema in (variant.get("properties") or {}).items():
            if name in properties and properties[name] != schema:
                known = properties[name]
                both = known["anyOf"] if isinstance(known, dict) and set(known) == {"anyOf"} else [known]
                properties[name] = {"anyOf": [*both, *([] if schema in both else [schema])]}
            else:
                properties[name] = schema
    required = [
        name
        for name in _list(variants[0].get("required"))
        if all(name in _list(variant.get("required")) for variant in variants)
    ]
    either: dict[str, Any] = {"type": "object", "properties": properties}
    if required:
        either["required"] = required
    choices = [_list(variant.get("required")) for variant in variants]
    if len(variants) > 1 and any(choices):
        either["description"] = "One of: " + "; ".join(", ".join(map(str, names)) or "none" for names in choices)
    if all(variant.get("additionalProperties") is False for variant in variants):
        either["additionalProperties"] = False
    return either


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def resolve(reference: Any, root: dict[str, Any]) -> Any:
    """What a reference within the document leads to; None where it leads nowhere."""
    if not isinstance(reference, str) or not reference.startswith("#"):
        return None
    place: Any = root
    for step in reference[1:].split("/")[1:]:
        step = unquote(step).replace("~1", "/").replace("~0", "~")
        if isinstance(place, dict) and step in place:
            place = place[step]
        elif isinstance(place, list) and (number := whole_number(step)) is not None and number < len(place):
            place = place[number]
        else:
            return None
    return place


def is_recursive(schema: dict[str, Any]) -> bool:
    """Whether a reference leads back to a schema that holds it."""
    return _recurs(schema, schema, set(), set())


def _recurs(node: Any, root: dict[str, Any], open_: set[int], done: set[int]) -> bool:
    """`open_` holds the schemas around this one, `done` those that were searched already."""
    if isinstance(node, list):
        return any(_recurs(inner, root, open_, done) for inner in node)
    if not isinstance(node, dict) or id(node) in done:
        return False
    if id(node) in open_:
        return True
    open_.add(id(node))
    target = resolve(node.get("$ref"), root)
    found = (target is not None and _recurs(target, root, open_, done)) or any(
        _recurs(inner, root, open_, done)
        for key, inner in node.items()
        if key not in ("$defs", "definitions", "$ref") and key not in _VALUES
    )
    open_.discard(id(node))
    done.add(id(node))
    return found


# Strictness.

_OPENAI_UNSUPPORTED = frozenset(
    {
        "allOf", "not", "dependentRequired", "dependentSchemas", "if", "then", "else", "oneOf", "patternProperties",
        "propertyNames", "minProperties", "maxProperties", "unevaluatedProperties", "contains", "uniqueItems",
        "prefixItems", "minContains", "maxContains", "unevaluatedItems",
    }
)  # fmt: skip
"""OpenAI, "Structured Outputs": keywords that strict mode refuses."""


def is_openai_strict(schema: Any, *, root: bool = True) -> bool:
    """Whether a schema is in the form of OpenAI's strict mode: objects are closed and require all their properties."""
    if not isinstance(schema, dict):
        return True
    if not _OPENAI_UNSUPPORTED.isdisjoint(schema):
        return False
    if root and ("anyOf" in schema or schema.get("type") != "object"):
        return False
    kind = schema.get("type")
    properties = schema.get("properties")
    if kind == "object" or (isinstance(kind, list) and "object" in kind) or properties is not None:
        names = properties if isinstance(properties, dict) else {}
        if schema.get("additionalProperties") is not False or set(names) != set(_list(schema.get("required"))):
            return False
    if _is_empty(schema) and not root:
        return False
    for key, value in schema.items():
        if key in ("properties", "$defs", "definitions") and isinstance(value, dict):
            inner: list[Any] = list(value.values())
        elif key == "anyOf" and isinstance(value, list):
            inner = value
        elif key == "items":
            inner = [value]
        else:
            continue
        if not all(is_openai_strict(one, root=False) for one in inner):
            return False
    return True


def _is_empty(schema: dict[str, Any]) -> bool:
    """ "schema must have a 'type' key" (the API's own answer)."""
    return not any(key in schema for key in ("type", "anyOf", "$ref", "enum", "const"))


def structured_schema(schema: Any) -> Any:
    """The schema in the form of Claude's structured outputs and strict tools.

    After docs.anthropic.com/en/docs/build-with-claude/structured-outputs and the SDK's `transform_schema`: objects
    forbid further properties, `oneOf` becomes `anyOf`, and constraints that are not enforced move into the description,
    where the model at least reads them.
    """
    if not isinstance(schema, dict):
        return schema
    kept: dict[str, Any] = {}
    moved: dict[str, Any] = {}
    for key, value in schema.items():
        if key in _NAMED and isinstance(value, dict):
            kept[key] = {name: structured_schema(inner) for name, inner in value.items()}
        elif key in _LISTS and isinstance(value, list):
            kept["anyOf" if key == "oneOf" and "anyOf" not in schema else key] = [
                structured_schema(inner) for inner in value
            ]
        elif key == "items":
            kept[key] = structured_schema(value)
        elif key in _ENFORCED and not _is_unknown(key, value):
            kept[key] = value
        elif key not in _IRRELEVANT and not key.startswith("x-") and (key, value) != ("uniqueItems", False):
            moved[key] = value
    kind = kept.get("type")
    if kind == "object" or (isinstance(kind, list) and "object" in kind) or "properties" in kept:
        kept["additionalProperties"] = False
    if moved:
        limits = "{" + ", ".join(f"{key}: {_text(value)}" for key, value in moved.items()) + "}"
        description = kept.get("description")
        kept["description"] = f"{description}\n\n{limits}" if isinstance(description, str) and description else limits
    return kept


def _is_unknown(key: str, value: object) -> bool:
    if key == "format":
        return value not in _FORMATS
    return key == "minItems" and value not in (0, 1)


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps_text(value)


_NAMED = frozenset({"properties", "$defs", "definitions"})
_LISTS = frozenset({"anyOf", "oneOf", "allOf"})
_ENFORCED = frozenset(
    {
        "type", "enum", "const", "anyOf", "allOf", "required", "additionalProperties", "$ref", "default", "description",
        "title", "format", "minItems",
    }
)  # fmt: skip
"""What structured outputs know, next to the keywords that hold schemas; all else is refused ("Structured outputs",
"JSON Schema limitations")."""
_IRRELEVANT = frozenset({"$schema", "$id", "$anchor", "$comment", "propertyOrdering", "readOnly", "writeOnly"})
"""What does not describe an answer."""
_FORMATS = ("date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid")


# References.


def bare_references(schema: Any) -> Any:
    """The schema with nothing next to a `$ref` but keys that begin with `$`, and without any `$schema`.

    Google's reference of `responseJsonSchema`: "If `$ref` is set on a sub-schema, no other properties, except for than
    those starting as a `$`, may be set." What is next to a reference moves into a schema around it.
    """
    if isinstance(schema, list):
        return [bare_references(inner) for inner in schema]
    if not isinstance(schema, dict):
        return schema
    bare = {
        key: _bare_named(value) if key in _NAMED else value if key in _VALUES else bare_references(value)
        for key, value in schema.items()
        if key != "$schema"
    }
    reference = bare.get("$ref")
    if isinstance(reference, str) and any(key[:1] != "$" for key in bare):
        rest = {key: value for key, value in bare.items() if key != "$ref"}
        if "anyOf" not in rest:
            return {"anyOf": [{"$ref": reference}], **rest}
        return {**rest, "allOf": [*_list(rest.get("allOf")), {"$ref": reference}]}
    return bare


def _bare_named(schemas: Any) -> Any:
    if not isinstance(schemas, dict):
        return schemas
    return {name: bare_references(inner) for name, inner in schemas.items()}


_VALUES = frozenset({"enum", "const", "default", "example", "examples", "required"})
"""Keywords whose values are data, not schemas."""
