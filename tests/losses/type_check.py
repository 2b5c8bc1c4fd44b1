"""Whether a body is of the type that a vendor's SDK has for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sdk_types import Node

__all__ = ["violations"]

_KINDS = {bool: "flag", int: "integer", float: "number", str: "text", list: "list", dict: "object"}


def violations(node: Node, value: Any, path: str = "") -> list[str]:
    """What of `value` is not as `node` has it: unknown keys, missing ones, other kinds and words. Null is as absent."""
    kind = _KINDS.get(type(value), "null")
    match node.kind:
        case "any":
            return []
        case "union":
            return _of_union(node, value, path)
        case "literal":
            return [] if value in node.values else [f"{path}: {value!r} is not one of {node.values}"]
        case "object" if kind == "object":
            return list(_of_object(node, value, path))
        case "list" if kind == "list":
            items = node.items[0] if len(node.items) == 1 else Node("union", items=node.items)
            return [found for item in value for found in violations(items, item, f"{path}[*]")]
        case "number" if kind == "integer":
            return []
    return [] if node.kind == kind else [f"{path}: {kind}, not {node.kind}"]


def _of_object(node: Node, value: dict[str, Any], path: str) -> Iterator[str]:
    for key, inner in value.items():
        if key in node.fields and inner is not None:
            yield from violations(node.fields[key][0], inner, f"{path}.{key}")
        elif key not in node.fields and key not in node.skipped:
            yield f"{path}.{key}: unknown"
    for key, (_, required) in node.fields.items():
        if required and key not in value:
            yield f"{path}.{key}: missing"


def _of_union(node: Node, value: Any, path: str) -> list[str]:
    """Those of the alternative that is meant: that of the value's own type or role, else the nearest one."""
    tried = [(violations(inner, value, path), inner) for inner in node.items]
    meant = [found for found, inner in tried if _is_meant(inner, value)]
    return min(meant or [found for found, _ in tried], key=len)


def _is_meant(node: Node, value: Any) -> bool:
    if node.kind != "object" or not isinstance(value, dict):
        return False
    for key in ("type", "role"):
        if key in node.fields and (words := node.fields[key][0].values):
            return value.get(key) in words
    return len(value) == 1 and next(iter(value)) in node.fields and len(node.fields) == 1
