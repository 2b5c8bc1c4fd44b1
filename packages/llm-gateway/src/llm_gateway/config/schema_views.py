"""The parts of a JSON Schema that apply to one place in a value, through references and combinations.

A *view* is one schema object that may hold for a place; several may, for `anyOf` and its kind are not decided here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from llm_gateway.config.document import Path

Schema: TypeAlias = Mapping[str, Any]

_COMBINATORS = ("allOf", "anyOf", "oneOf")


def expand(schemas: Sequence[Schema], root: Schema) -> Iterator[Schema]:
    """Each schema with all that it refers to or combines: every view that may hold for the value."""
    pending, seen = list(schemas), set[int]()
    while pending:
        schema = pending.pop(0)
        if not isinstance(schema, Mapping) or id(schema) in seen:
            continue
        seen.add(id(schema))
        yield schema
        if isinstance(reference := schema.get("$ref"), str):
            pending.append(_referred(reference, root))
        for combinator in _COMBINATORS:
            pending += schema.get(combinator, ())
        pending += [schema[key] for key in ("then", "else") if key in schema]


def _referred(reference: str, root: Schema) -> Schema:
    target: Any = root
    for part in reference.removeprefix("#").strip("/").split("/"):
        if part:
            target = target.get(part.replace("~1", "/").replace("~0", "~"), {}) if isinstance(target, Mapping) else {}
    return target if isinstance(target, Mapping) else {}


def certain(schema: Schema, root: Schema) -> Iterator[Schema]:
    """The views that hold in any case: without the branches of `anyOf` and `oneOf`."""
    yield schema
    if isinstance(reference := schema.get("$ref"), str):
        yield from certain(_referred(reference, root), root)
    for part in schema.get("allOf", ()):
        yield from certain(part, root)


def children(views: Sequence[Schema], key: str | int) -> Iterator[Schema]:
    """The schemas of one child of a place that has these views."""
    for view in views:
        if isinstance(key, int):
            prefix = view.get("prefixItems", ())
            child = prefix[key] if key < len(prefix) else view.get("items")
        else:
            child = view.get("properties", {}).get(key, view.get("additionalProperties"))
        if isinstance(child, Mapping):
            yield child


def marked(value: Any, schema: Schema, marker: str) -> Iterator[tuple[Path, Any, Any]]:
    """Path, value and the marker's value, for every place in `value` whose schema has `marker`."""
    yield from _marked(value, [schema], schema, marker, ())


def _marked(
    value: Any, schemas: Sequence[Schema], root: Schema, marker: str, path: Path
) -> Iterator[tuple[Path, Any, Any]]:
    views = list(expand(schemas, root))
    for view in views:
        if marker in view:
            yield path, value, view[marker]
            break
    items: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in items:
        yield from _marked(child, list(children(views, key)), root, marker, (*path, key))
