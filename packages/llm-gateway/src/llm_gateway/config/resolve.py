"""Fills `${…}` in a document and brings its scalars to the types that a JSON Schema wants.

The schema decides three things here: where `${…}` is left alone (`x-template`), what type a variable's text becomes,
and which texts are durations (`x-duration`: `15s` becomes 15000). Whether the result fits is judged elsewhere.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from llm_gateway.config.document import Node, Path
from llm_gateway.config.env import VariableProblem, Variables
from llm_gateway.config.problems import Problems
from llm_gateway.config.schema_views import Schema, children, expand
from llm_gateway.config.units import decode_duration

_WORDS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


def resolve(node: Node, schema: Schema, variables: Variables, problems: Problems, path: Path = ()) -> None:
    """Resolves `node` and all below it in place, up to the settings of extensions, whose schemas come later."""
    _resolve(node, [schema], schema, variables, problems, path)


def _resolve(
    node: Node, schemas: Sequence[Schema], root: Schema, variables: Variables, problems: Problems, path: Path
) -> None:
    views = list(expand(schemas, root))
    if any(view.get("x-extension-settings") for view in views):
        return
    if any(view.get("x-template") for view in views) and isinstance(node.value, str):
        return
    whole = False
    if isinstance(node.value, str) and "${" in node.value:
        try:
            filled = variables.fill(node.value)
        except VariableProblem as problem:
            problems.add(path, str(problem))
            return
        node.value, node.variables, whole = filled.text, filled.variables, filled.whole
    if isinstance(node.value, str) and "\0" in node.value:
        problems.add(path, "the text has a NUL character, which no file, address or header can have; remove it")
        return
    _to_type(node, views, whole=whole)
    for key, child in node.items():
        _resolve(child, list(children(views, key)), root, variables, problems, (*path, key))


def _to_type(node: Node, views: Sequence[Schema], *, whole: bool) -> None:
    if any(view.get("x-duration") for view in views) and isinstance(node.value, str):
        try:
            milliseconds = decode_duration(node.value) * 1000
        except ValueError:
            return
        node.value = round(milliseconds) if milliseconds == round(milliseconds) else milliseconds
        return
    wanted = types_of(views)
    if not wanted:
        return
    value = node.value
    if isinstance(value, str) and "string" not in wanted:
        if whole:
            node.value = _decode(value, wanted)
        elif "boolean" in wanted:
            node.value = _WORDS.get(value.lower(), value)
    elif isinstance(value, int | float) and not isinstance(value, bool) and wanted <= {"string", "null"}:
        node.value = node.text if node.text is not None else str(value)


def types_of(views: Sequence[Schema]) -> set[str]:
    """The JSON types that any of the views declares."""
    types: set[str] = set()
    for view in views:
        declared = view.get("type", ())
        types.update([declared] if isinstance(declared, str) else declared)
        for value in [*view.get("enum", ()), *([view["const"]] if "const" in view else ())]:
            types.add(_type_of(value))
    return types


def _type_of(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
        case _:
            return "object"


def _decode(text: str, wanted: set[str]) -> Any:
    """A variable's text as the first of the wanted types that it can be; unchanged where it can be none."""
    stripped = text.strip()
    for kind, decode in (("integer", int), ("number", float)):
        if kind in wanted:
            try:
                return decode(stripped)
            except ValueError:
                pass
    if "boolean" in wanted and stripped.lower() in _WORDS:
        return _WORDS[stripped.lower()]
    if wanted & {"array", "object"} and stripped[:1] in ("[", "{"):
        try:
            return _as_nodes(json.loads(stripped))
        except ValueError:
            return text
    if "array" in wanted:
        return [Node(part.strip(), 0, part.strip()) for part in stripped.split(",")] if stripped else []
    if "null" in wanted and not stripped:
        return None
    return text


def _as_nodes(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: Node(_as_nodes(child), 0) for key, child in value.items()}
    if isinstance(value, list):
        return [Node(_as_nodes(child), 0) for child in value]
    return value
