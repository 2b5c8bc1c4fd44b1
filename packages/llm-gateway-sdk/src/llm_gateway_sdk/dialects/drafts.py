"""JSON Schemas of any draft, and those that are nearly one, as JSON Schema 2020-12.

Senders write older drafts (`items` as a list, `exclusiveMinimum: true`, `required: true` at a property), OpenAPI's and
other languages' words for types, null for what they leave out, arrays of anything. Receivers refuse these: "JSON
schema is invalid. It must match JSON Schema draft 2020-12" (Anthropic's answer), "array schema missing items" and
"'STRING' is not valid under any of the given schemas" (OpenAI's). What can be named in the current draft is; a keyword
whose value means nothing there is left out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .schemas import resolve

__all__ = ["current_draft"]


def current_draft(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema in the current draft, and the very same object where it is already."""
    changed = _schema(schema, schema)
    if changed is not schema and isinstance(changed, dict) and "$schema" in changed:
        return {key: value for key, value in changed.items() if key != "$schema"}
    return changed if isinstance(changed, dict) else schema


class _Gone:
    """In place of a value: the keyword is left out."""


_GONE = _Gone()
_TYPES = frozenset({"string", "number", "integer", "boolean", "object", "array", "null"})
_WORDS: dict[str, str] = {
    **{each: each for each in _TYPES},
    **dict.fromkeys(("str", "text", "char"), "string"),
    **dict.fromkeys(("int", "int32", "int64", "long"), "integer"),
    **dict.fromkeys(("float", "double", "decimal"), "number"),
    "bool": "boolean",
    **dict.fromkeys(("dict", "map", "struct"), "object"),
    **dict.fromkeys(("list", "tuple", "set"), "array"),
    "none": "null",
}
"""Types by the words of senders, in lower case."""


def _schema(node: Any, root: dict[str, Any]) -> Any:
    if type(node) is not dict:
        return _no_dict(node)
    changes: dict[str, Any] | None = None
    for key, value in node.items():
        if key == "type":
            if type(value) is str and value in _TYPES:
                if value == "array" and "items" not in node:
                    changes = {"items": {}} if changes is None else {**changes, "items": {}}
                continue
        elif key in _TEXTS and type(value) is str:
            continue
        rule = _RULES.get(key)
        if rule is None:
            continue
        new = rule(value, node, root)
        if new is not value:
            changes = {} if changes is None else changes
            changes.update(new.keywords if isinstance(new, _Several) else {key: new})
    if changes is None:
        return node
    whole = {key: value for key, value in {**node, **changes}.items() if value is not _GONE}
    kind = whole.get("type")
    if isinstance(kind, list) and "array" in kind:
        whole.setdefault("items", {})
    return _with_required(node, whole)


def _no_dict(node: Any) -> Any:
    if node is False:
        return node
    if isinstance(node, str) and node.lower() in _WORDS:
        return _schema({"type": _WORDS[node.lower()]}, {})
    return {}  # true, null and whatever else: anything


class _Several:
    """In place of a value: several keywords."""

    __slots__ = ("keywords",)

    def __init__(self, **keywords: Any) -> None:
        self.keywords = keywords


def _with_required(node: dict[str, Any], whole: dict[str, Any]) -> dict[str, Any]:
    """With the names of the properties that are required at themselves (draft 3)."""
    before = node.get("properties")
    if isinstance(before, dict) and whole.get("properties") is not before:
        named = [name for name, inner in before.items() if isinstance(inner, dict) and inner.get("required") is True]
        if named:
            whole["required"] = list(dict.fromkeys([*whole.get("required", ()), *named]))
    return whole


# What a keyword's value becomes: itself, another, or gone. The node around it and the root are there to look at.


def _type(value: Any, node: dict[str, Any], root: dict[str, Any]) -> Any:
    if isinstance(value, str):
        return _WORDS.get(value.lower(), _GONE)
    if not isinstance(value, list):
        return _GONE
    named = [_WORDS.get(each.lower()) if isinstance(each, str) else None for each in value]
    if None in named or not named:
        return _GONE  # one of them is any type
    if named == value and len(set(value)) == len(value):
        missing = "array" in value and "items" not in node
        return _Several(type=value, items={}) if missing else value
    return list(dict.fromkeys(named))


def _named(value: Any, node: dict[str, Any], root: dict[str, Any]) -> Any:
    if type(value) is not dict:
        return {} if isinstance(value, list) and not value else _GONE
    changed: dict[str, Any] | None = None
    for name, inner in value.items():
        new = _schema(inner, root)
        if new is not inner:
            changed = dict(value) if changed is None else changed
            changed[name] = new
    return value if changed is None else changed


def _items(value: Any, node: dict[str, Any], root: dict[str, Any]) -> Any:
    if not isinstance(value, list):
        return _schema(value, root)
    places = [_schema(inner, root) for inner in value]
    rest = node.get("additionalItems", {})
    more: dict[str, Any] = {"additionalItems": _GONE, "items": _schema(rest, root)}
    if rest is False:
        more |= {"items": {}, "maxItems": node.get("maxItems", len(places))}
    return _Several(**({"prefixItems": places} if places else {}), **more)


def _inner(value: Any, node: dict[str, Any], root: dict[str, Any]) -> Any:
    if type(value) is bool:
        return value
    return _schema(value, root) if isinstance(value, dict) else _GONE


def _several(value: Any, node: dict[str, Any], root: dict[str, Any]) -> Any:
    if isinstance(value, dict):
        value = [value]
    if not isinstance(value, list) or not value:
        return _GONE
    changed = [_schema(inner, root) for inner in value]
    return value if all(a is b for a, b in zip(changed, value, strict=True)) else changed


def _required(value: Any, node: dict[str, Any], root: dict[str, Any]) -> Any:
    if not isinstance(value, list):
        return _GONE
    names = list(dict.fromkeys(each for each in value if isinstance(each, str)))
    return value if len(names) == len(value) else names


def _enum(value: Any, node: dict[str, Any], root: dict[str, Any]) -> Any:
    return value if isinstance(value, list) and value else _GONE


def _limit(value: Any, node: dict[str, Any], root: dict[str, Any]) -> Any:
    return value if type(value) in (int, float) else _number(value)


def _step(value: Any, node: dict[str, Any], root: dict[str, Any]) -> Any:
    found = _limit(value, node, root)
    return found if found is not _GONE and found > 0 else _GONE


def _count(value: Any, node: dict[str, Any], root: dict[str, Any]) -> Any:
    if type(value) is int and value >= 0:
        return value
    number = _number(value) if isinstance(value, str) else value
    whole = type(number) in (int, float) and number >= 0 and number == int(number)
    return int(number) if whole else _GONE


def _number(value: Any) -> Any:
    if isinstance(value, str):
        for make in (int, float):
            try:
                found = make(value)
            except ValueError:
                continue
            if abs(found) < _LARGEST:
                return found
    return _GONE


_LARGEST = 1e300


def _exclusive(limit: str) -> Callable[[Any, dict[str, Any], dict[str, Any]], Any]:
    def rule(value: Any, node: dict[str, Any], root: dict[str, Any]) -> Any:
        if value is True and type(node.get(limit)) in (int, float):  # draft 4
            return _Several(**{f"exclusive{limit[0].upper()}{limit[1:]}": node[limit], limit: _GONE})
        return _limit(value, node, root)

    return rule


def _text(value: Any, node: dict[str, Any], root: dict[str, Any]) -> Any:
    return value if isinstance(value, str) else str(value) if type(value) in (int, float) else _GONE


def _reference(value: Any, node: dict[str, Any], root: dict[str, Any]) -> Any:
    if not isinstance(value, str):
        return _GONE
    if value in ("", "#"):
        return value
    if value.startswith("#/"):
        return value if resolve(value, root) is not None else _GONE
    return value if _has_anchors(root) else _GONE


def _has_anchors(node: Any) -> bool:
    """Whether any schema is named, so that a reference may lead to it."""
    if isinstance(node, list):
        return any(map(_has_anchors, node))
    return isinstance(node, dict) and (not _ANCHORS.isdisjoint(node) or any(map(_has_anchors, node.values())))


_ANCHORS = frozenset({"$anchor", "$dynamicAnchor", "$id", "id"})


def _whether(value: Any, node: dict[str, Any], root: dict[str, Any]) -> Any:
    return value if type(value) is bool else _GONE


def _examples(value: Any, node: dict[str, Any], root: dict[str, Any]) -> Any:
    return value if isinstance(value, list) else _GONE if value is None else [value]


_TEXTS = frozenset({"description", "title", "format", "pattern", "$comment", "$schema", "$id", "$anchor"})
_RULES: dict[str, Callable[[Any, dict[str, Any], dict[str, Any]], Any]] = {
    "type": _type,
    "items": _items,
    "required": _required,
    "enum": _enum,
    "examples": _examples,
    "$ref": _reference,
    "exclusiveMinimum": _exclusive("minimum"),
    "exclusiveMaximum": _exclusive("maximum"),
    **dict.fromkeys(_TEXTS, _text),
    **dict.fromkeys(("properties", "$defs", "definitions", "patternProperties", "dependentSchemas"), _named),
    **dict.fromkeys(("anyOf", "oneOf", "allOf", "prefixItems"), _several),
    **dict.fromkeys(
        (
            "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames", "unevaluatedItems",
            "unevaluatedProperties",
        ),
        _inner,
    ),
    **dict.fromkeys(("minimum", "maximum"), _limit),
    "multipleOf": _step,
    **dict.fromkeys(
        (
            "minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties", "minContains",
            "maxContains",
        ),
        _count,
    ),
    **dict.fromkeys(("uniqueItems", "deprecated", "readOnly", "writeOnly"), _whether),
}  # fmt: skip
"""By keyword; a keyword that is not here stays as it is."""
