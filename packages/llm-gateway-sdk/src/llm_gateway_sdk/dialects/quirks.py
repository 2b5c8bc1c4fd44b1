"""Quirks: what a server does otherwise than its API's document, as settings that are checked when the gateway starts.

A dialect declares its own as JSON Schemas, by their names in Python; in YAML they are written in camelCase, and the
names in snake_case are taken too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

__all__ = ["FLAG", "NUMBER", "WORD", "WORDS", "Quirks", "choice", "normalised", "quirks_schema"]

Quirks = Mapping[str, Mapping[str, Any]]
"""JSON Schema of each quirk, by its name in Python."""

FLAG: Mapping[str, Any] = {"type": "boolean"}
NUMBER: Mapping[str, Any] = {"type": "integer", "minimum": 1}
WORD: Mapping[str, Any] = {"type": "string"}
WORDS: Mapping[str, Any] = {"type": "array", "items": {"type": "string"}}

_SNAKE = re.compile(r"_([a-z0-9])")
_CAMEL = re.compile(r"(?<=[a-z0-9])([A-Z])")


def choice(*words: str) -> Mapping[str, Any]:
    """The schema of a quirk that is one of these words."""
    return {"enum": list(words)}


def quirks_schema(*declared: Quirks) -> dict[str, Any]:
    """The schema of a provider's `quirks`, which may be those of several dialects."""
    properties: dict[str, Any] = {}
    for quirks in declared:
        for name, schema in quirks.items():
            properties[_SNAKE.sub(lambda match: match[1].upper(), name)] = dict(schema)
    for quirks in declared:
        for name, schema in quirks.items():
            properties.setdefault(name, {**schema, "deprecated": True})
    return {
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
        "description": "What this server does otherwise than the API's document.",
    }


def normalised(quirks: Mapping[str, Any] | None) -> dict[str, Any]:
    """Quirks as they are configured, by their names in Python."""
    return {_CAMEL.sub(lambda match: f"_{match[1].lower()}", key): value for key, value in (quirks or {}).items()}
