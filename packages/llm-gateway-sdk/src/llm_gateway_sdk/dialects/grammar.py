"""Schemas that are promised strictly, within the size that a receiver compiles.

A provider turns such schemas into one grammar and refuses a request whose grammar would be too large. The bounds are
data of the receiver (`receiver.Grammar`). A tool that is beyond them is sent without the promise, a form of the answer
is then asked for in words; both are reported.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

from ..losses import Losses
from ..request import LLMRequest, Tool, ToolLike
from ..values import replace
from .receiver import Grammar, Receiver

__all__ = ["SchemaSize", "fit_strict_tools", "size_of", "too_large"]

_MOST_LEVELS = 200
"""Levels that are looked at: deeper than any receiver takes."""


@dataclass(slots=True)
class SchemaSize:
    """What receivers count. The names are those of the bounds in `receiver.Grammar`."""

    properties: int = 0
    levels: int = 0
    """Objects within objects; the root is the first level."""
    enum_values: int = 0
    letters: int = 0
    """Of all names of properties and definitions, and of all values of `enum` and `const`."""
    long_enum_letters: int = 0
    """The most letters of one enumeration that has more than 250 values."""
    optional: int = 0
    """Properties that are not required."""
    unions: int = 0
    """Properties of several types: `anyOf`, or a list of types."""

    def __add__(self, other: SchemaSize) -> SchemaSize:
        return SchemaSize(
            self.properties + other.properties,
            max(self.levels, other.levels),
            self.enum_values + other.enum_values,
            self.letters + other.letters,
            max(self.long_enum_letters, other.long_enum_letters),
            self.optional + other.optional,
            self.unions + other.unions,
        )


def size_of(schema: Any) -> SchemaSize:
    """The size of a JSON Schema. What a reference leads to counts once, where it is defined."""
    size = SchemaSize()
    for node, level in _schemas(schema, 1):
        _count(node, level, size)
    return size


def _count(node: dict[str, Any], level: int, size: SchemaSize) -> None:
    properties = node.get("properties")
    if isinstance(properties, dict):
        size.levels = max(size.levels, level)
        size.properties += len(properties)
        size.letters += sum(map(len, properties))
        required = node.get("required")
        needed = {name for name in required if isinstance(name, str)} if isinstance(required, list) else set[str]()
        size.optional += len(properties.keys() - needed)
        size.unions += sum(map(_is_union, properties.values()))
    for key in ("$defs", "definitions"):
        if isinstance(node.get(key), dict):
            size.letters += sum(map(len, node[key]))
    values = node.get("enum")
    if isinstance(values, list):
        letters = sum(len(value) for value in values if isinstance(value, str))
        size.enum_values += len(values)
        size.letters += letters
        if len(values) > 250:
            size.long_enum_letters = max(size.long_enum_letters, letters)
    if isinstance(node.get("const"), str):
        size.letters += len(node["const"])


def _is_union(schema: Any) -> bool:
    if not isinstance(schema, dict):
        return False
    kind = schema.get("type")
    return isinstance(schema.get("anyOf"), list) or (isinstance(kind, list) and len(kind) > 1)


def _schemas(schema: Any, level: int) -> Iterator[tuple[dict[str, Any], int]]:
    """Each schema within the schema, with the level of the object that it is or is in."""
    waiting: list[tuple[Any, int]] = [(schema, level)]
    while waiting:
        node, level = waiting.pop()
        if not isinstance(node, dict) or level > _MOST_LEVELS:
            continue
        yield node, level
        inner = level + 1
        for key in ("properties", "patternProperties"):
            if isinstance(node.get(key), dict):
                waiting += [(value, inner) for value in node[key].values()]
        for key in ("$defs", "definitions"):
            if isinstance(node.get(key), dict):
                waiting += [(value, 1) for value in node[key].values()]
        for key in ("anyOf", "oneOf", "allOf", "prefixItems"):
            if isinstance(node.get(key), list):
                waiting += [(value, level) for value in node[key]]
        waiting += [(node.get(key), level) for key in ("items", "additionalProperties")]


def too_large(size: SchemaSize, bounds: Grammar) -> str:
    """What of the size is beyond the bounds, in words; an empty text where all is within."""
    for each in fields(SchemaSize):
        most: int | None = getattr(bounds, each.name)
        count: int = getattr(size, each.name)
        if most is not None and count > most:
            return f"{count:,} {_WORDS[each.name]}, the provider takes {most:,}"
    return ""


_WORDS = {
    "properties": "properties",
    "levels": "levels of objects",
    "enum_values": "values of enumerations",
    "letters": "characters of names and values",
    "long_enum_letters": "characters of one enumeration",
    "optional": "optional properties",
    "unions": "properties of several types",
}


def fit_strict_tools(request: LLMRequest, tools: list[ToolLike], receiver: Receiver, losses: Losses) -> list[ToolLike]:
    """These tools of the request, strict as far as the receiver compiles their schemas; the same list where it does so
    for all.

    The form of the answer, which has no other way to be kept, goes first, then the tools in their order.
    """
    bounds = receiver.grammar
    if bounds is None:
        return tools
    for tool in tools:
        if type(tool) is Tool and tool.strict:
            break
    else:
        return tools
    wanted = request.response_format
    compiled = SchemaSize()
    if bounds.together and wanted is not None and wanted.schema is not None:
        compiled = size_of(wanted.schema)
    fitted: list[ToolLike] | None = None
    strict = 0
    for place, tool in enumerate(tools):
        if type(tool) is not Tool or not tool.strict:
            continue
        size = size_of(tool.parameters)
        together = compiled + size if bounds.together else size
        reason = too_large(together, bounds)
        if not reason and bounds.tools is not None and strict == bounds.tools:
            reason = f"the provider takes {bounds.tools} strict tools"
        if not reason:
            strict += 1
            compiled = together
            continue
        losses.dropped("tools[*].strict", f"{tool.name[:80]}: {reason}")
        fitted = list(tools) if fitted is None else fitted
        fitted[place] = replace(tool, strict=None if receiver.strict == "anthropic" else False)
    return tools if fitted is None else fitted
