"""Field names in snake_case: the service takes both spellings, and an edited request goes out as it was spelled."""

from __future__ import annotations

from typing import Any

from .schema import camel

__all__ = ["respelled", "snake_names"]

_FREE_FORM = frozenset(
    {
        "args", "response", "parameters", "parametersJsonSchema", "responseSchema", "responseJsonSchema", "labels",
        "partMetadata", "safetySettings",
    }
)  # fmt: skip
"""Fields whose values hold names of the client's own."""


def snake_names(value: Any) -> dict[str, str]:
    """`{"systemInstruction": "system_instruction", …}` for the fields which a body spells that way."""
    names: dict[str, str] = {}
    stack = [value]
    while stack:
        node = stack.pop()
        if isinstance(node, list):
            stack.extend(node)
        elif isinstance(node, dict):
            for key, inner in node.items():
                name = camel(key)
                if name != key:
                    names[name] = key
                if isinstance(inner, dict | list) and name not in _FREE_FORM:
                    stack.append(inner)
    return names


def respelled(value: Any, names: dict[str, str]) -> Any:
    """The same body with these fields in snake_case."""
    if isinstance(value, list):
        return [respelled(item, names) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        names.get(key, key): inner if camel(key) in _FREE_FORM else respelled(inner, names)
        for key, inner in value.items()
    }
