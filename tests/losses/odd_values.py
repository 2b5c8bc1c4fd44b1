"""Values of wrong types in each place of a vendor's type, the inner ones of objects and lists included."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from sdk_types import Node, minimal

__all__ = ["ODD_VALUES", "each_place", "with_odd_value"]

ODD_VALUES: list[Any] = [[], {}, [["a"]], {"a": ["b"]}, None, True, 7, -1.5, "a", "", [None], [{}], [7], 10**30]
_MARK = "@@odd@@"


def each_place(node: Node, key: str = "") -> Iterator[tuple[str, Any]]:
    """(path, smallest value of `node` with a mark in one place) for each place below it."""
    if key:
        yield "", _MARK
    if node.kind == "object":
        smallest = minimal(node, key)
        for name, (inner, _) in node.fields.items():
            for path, value in each_place(inner, name):
                yield f".{name}{path}", {**smallest, name: value}
    elif node.kind == "list":
        for inner in node.items:
            yield from ((f".*{path}", [value]) for path, value in each_place(inner, key))
    elif node.kind == "union":
        for number, inner in enumerate(node.items):
            # The place itself has been tried.
            yield from ((f"<{number}>{path}", value) for path, value in each_place(inner, key) if value != _MARK)


def with_odd_value(marked: Any, odd: Any) -> bytes:
    return json.dumps(marked).replace(json.dumps(_MARK), json.dumps(odd)).encode()
