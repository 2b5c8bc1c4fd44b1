"""Other vendors' output schemas in the form that structured outputs take.

After docs.anthropic.com/en/docs/build-with-claude/structured-outputs and the SDK's `transform_schema`: objects forbid
further properties, `oneOf` is said as `anyOf`, and constraints that are not enforced move into the description, where
the model at least reads them.
"""

from __future__ import annotations

from typing import Any

from llm_gateway_sdk.wire import json

__all__ = ["structured_schema"]


def structured_schema(schema: Any) -> Any:
    """The schema as this API takes it; the argument is not changed, and comes back equal where nothing needs to be."""
    if not isinstance(schema, dict):
        return schema
    said: dict[str, Any] = {}
    told: dict[str, Any] = {}
    for key, value in schema.items():
        if key in _NAMED and isinstance(value, dict):
            said[key] = {name: structured_schema(inner) for name, inner in value.items()}
        elif key in _LISTS and isinstance(value, list):
            said["anyOf" if key == "oneOf" and "anyOf" not in schema else key] = [
                structured_schema(inner) for inner in value
            ]
        elif key == "items":
            said[key] = structured_schema(value)
        elif key in _UNENFORCED or (key, value) == ("uniqueItems", True) or _is_unknown(key, value):
            told[key] = value
        else:
            said[key] = value
    if said.get("type") == "object" or "properties" in said:
        said["additionalProperties"] = False
    if told:
        limits = "{" + ", ".join(f"{key}: {_text(value)}" for key, value in told.items()) + "}"
        description = said.get("description")
        said["description"] = f"{description}\n\n{limits}" if isinstance(description, str) and description else limits
    return said


def _is_unknown(key: str, value: object) -> bool:
    if key == "format":
        return value not in _FORMATS
    return key == "minItems" and value not in (0, 1)


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps_text(value)


_NAMED = frozenset({"properties", "$defs", "definitions"})
_LISTS = frozenset({"anyOf", "oneOf", "allOf", "prefixItems"})
_UNENFORCED = frozenset(
    {
        "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength", "pattern",
        "maxItems", "minProperties", "maxProperties", "patternProperties", "propertyNames",
    }
)  # fmt: skip
_FORMATS = ("date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid")
