"""Requests with each field of the vendors' own types set, one at a time.

The types are those of the vendors' SDKs: TypedDicts of `openai` and `anthropic`, pydantic models of `google-genai`,
shapes of `botocore`. Each becomes a small tree, and `each_field` walks it: pairs of values, with the field and without.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import typing_extensions

__all__ = ["Field", "Node", "each_field", "each_map", "each_text", "of_annotation", "of_shape"]

DEPTH = 9


@dataclass
class Node:
    kind: str
    """`object`, `list`, `union`, `literal`, or a leaf: `text`, `number`, `integer`, `flag`, `any`."""
    fields: dict[str, tuple[Node, bool]] = field(default_factory=dict)
    """Of an object: node and whether it is required, by key."""
    skipped: frozenset[str] = frozenset()
    """Keys of an object whose values are left out here, since they hold objects of their own kind."""
    items: list[Node] = field(default_factory=list)
    values: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Field:
    path: str
    present: Any
    absent: Any
    value: Any = None
    """The field's own value."""


def each_field(node: Node, key: str = "") -> Iterator[Field]:
    """Each optional field and each alternative below `node`, as values of `node` with and without it."""
    match node.kind:
        case "object":
            smallest = minimal(node, key)
            for name, (inner, required) in node.fields.items():
                value = minimal(inner, name)
                if not required:
                    yield Field(name, {**smallest, name: value}, smallest, value)
                for found in each_field(inner, name):
                    with_, without = {**smallest, name: found.present}, {**smallest, name: found.absent}
                    yield Field(f"{name}.{found.path}", with_, without, found.value)
        case "list":
            for inner in node.items:
                for found in each_field(inner, key):
                    yield Field(f"*.{found.path}", [found.present], [found.absent], found.value)
        case "union":
            for inner in node.items:
                name = _alternative(inner)
                for found in each_field(inner, key):
                    yield Field(
                        f"<{name}>.{found.path}" if name else found.path, found.present, found.absent, found.value
                    )


def _alternative(node: Node) -> str:
    if node.kind == "object" and "type" in node.fields and node.fields["type"][0].values:
        return str(node.fields["type"][0].values[0])
    if node.kind == "object" and "role" in node.fields and node.fields["role"][0].values:
        return str(node.fields["role"][0].values[0])
    return ""


def minimal(node: Node, key: str = "") -> Any:
    match node.kind:
        case "object":
            required_ = ((name, inner) for name, (inner, required) in node.fields.items() if required)
            # Of an object's own words the first is the plainest: `user` of a role, `auto` of a choice.
            return {
                name: inner.values[0] if inner.kind == "literal" else minimal(inner, name) for name, inner in required_
            }
        case "list":
            return [minimal(node.items[0], key)] if node.items else []
        case "union":
            return minimal(node.items[0], key)
        case "literal":
            return node.values[-1]
        case "text":
            return _text(key)
        case "number":
            return 3.0 if key == "topK" else 0.5
        case "integer":
            return 0 if key == "index" else 3
        case "flag":
            return True
    return {"type": "object", "properties": {"a": {"type": "string"}}} if "schema" in key.lower() else {"a": "b"}


def _text(key: str) -> str:
    low = key.lower()
    if "url" in low or "uri" in low:
        return "https://example.com/a.png"
    if low in ("data", "bytes", "file_data"):
        return "aGVsbG8="
    if low == "arguments":
        return '{"a": 1}'
    if "mime" in low or "media_type" in low:
        return "image/png"
    return f"some {key}" if low in ("text", "content", "title") else f"some_{low or 'text'}"


def of_annotation(kind: Any, seen: tuple[Any, ...] = (), *, reply: bool = False) -> Node:
    """A Python type: a TypedDict, a pydantic model, or what such are made of. `reply`: of what a vendor answers, whose
    models say which fields are there always."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Annotated, *_REQUIRED, *_NOT_REQUIRED):
        return of_annotation(arguments[0], seen, reply=reply)
    if origin in (typing.Union, types.UnionType):
        inner = [of_annotation(one, seen, reply=reply) for one in arguments if one is not type(None)]
        inner = [node for node in inner if node.kind != "skip"]
        return _union(inner)
    if origin in (typing.Literal, typing_extensions.Literal):
        return Node("literal", values=arguments)
    if origin in (dict, typing.Dict):  # noqa: UP006
        return Node("any")
    if origin is not None and issubclass(origin, Iterable):
        node = of_annotation(arguments[0], seen, reply=reply)
        return node if node.kind == "skip" else Node("list", items=[node])
    if kind in (str, bytes):
        return Node("text")
    if kind in (int, float, bool):
        return Node({int: "integer", float: "number", bool: "flag"}[kind])
    if kind in seen or len(seen) > DEPTH:
        return Node("skip")
    if typing_extensions.is_typeddict(kind):
        hints = typing_extensions.get_type_hints(kind, include_extras=True)
        inner_ = (*seen, kind)
        return _object(
            {
                key: (of_annotation(hint, inner_, reply=reply), _is_required(kind, key, hint))
                for key, hint in hints.items()
            }
        )
    if hasattr(kind, "model_fields") and kind.__module__.startswith("anthropic") and not reply:
        return Node("skip")  # a block of a reply, which the SDK takes in place of its TypedDict
    if hasattr(kind, "model_fields"):
        fields = {}
        for name, about in kind.model_fields.items():
            fields[about.alias or name] = (
                of_annotation(about.annotation, (*seen, kind), reply=reply),
                reply and about.is_required(),
            )
        return _object(fields)
    if isinstance(kind, type) and hasattr(kind, "__members__"):
        words = [member.value for member in kind.__members__.values()]
        return Node("literal", values=tuple(word for word in words if "UNSPECIFIED" not in word))
    return Node("any")


def _is_required(kind: Any, key: str, hint: Any) -> bool:
    # The set of required keys that a TypedDict keeps is wrong where its annotations are texts.
    origin = typing.get_origin(hint)
    if origin in _REQUIRED:
        return True
    if origin in _NOT_REQUIRED:
        return False
    for base in (kind, *getattr(kind, "__orig_bases__", ())):
        if key in getattr(base, "__annotations__", {}):
            return bool(getattr(base, "__total__", False))
    return False


_REQUIRED = (typing.Required, typing_extensions.Required)
_NOT_REQUIRED = (typing.NotRequired, typing_extensions.NotRequired)


def of_shape(shape: Any, seen: tuple[str, ...] = ()) -> Node:
    """A shape of botocore's service models."""
    if shape.name in seen or len(seen) > DEPTH:
        return Node("skip")
    inner = (*seen, shape.name)
    match shape.type_name:
        case "structure" if getattr(shape, "is_tagged_union", False):
            members = [_object({name: (of_shape(member, inner), True)}) for name, member in shape.members.items()]
            return _union([node for node in members if node.fields])
        case "structure":
            if shape.is_document_type:
                return Node("any")
            required = set(shape.required_members)
            members_ = shape.members.items()
            return _object({name: (of_shape(member, inner), name in required) for name, member in members_})
        case "list":
            node = of_shape(shape.member, inner)
            return node if node.kind == "skip" else Node("list", items=[node])
        case "map":
            return Node("any")
        case "string":
            return Node("literal", values=tuple(shape.enum)) if shape.enum else Node("text")
        case "integer" | "long":
            return Node("integer")
        case "float" | "double":
            return Node("number")
        case "boolean":
            return Node("flag")
        case "blob":
            return Node("text")
    return Node("any")


def _object(fields: dict[str, tuple[Node, bool]]) -> Node:
    skipped = frozenset(key for key, (node, _) in fields.items() if node.kind == "skip")
    return Node("object", {key: value for key, value in fields.items() if key not in skipped}, skipped)


def _union(nodes: list[Node]) -> Node:
    if not nodes:
        return Node("skip")
    return nodes[0] if len(nodes) == 1 else Node("union", items=nodes)


def each_text(node: Node, planted: str, key: str = "") -> Iterator[tuple[str, Any]]:
    """(path, smallest valid value of `node` with `planted` in that one string) for each string position below it."""
    for path, kind, value in _each_leaf(node, {"text": planted, "any": {"a": planted}}, key):
        yield f"{path}.a" if kind == "any" else path, value


def each_map(node: Node, planted: dict[str, Any], key: str = "") -> Iterator[tuple[str, Any]]:
    """The same for each place below `node` that takes an object with whatever keys."""
    for path, _, value in _each_leaf(node, {"any": planted}, key):
        yield path, value


def _each_leaf(node: Node, planted: dict[str, Any], key: str) -> Iterator[tuple[str, str, Any]]:
    """(path, kind of leaf, value) for each leaf of a kind that something is to be planted in."""
    if node.kind in planted:
        yield "", node.kind, planted[node.kind]
    elif node.kind == "object":
        smallest = minimal(node, key)
        for name, (inner, _) in node.fields.items():
            for path, kind, value in _each_leaf(inner, planted, name):
                yield f".{name}{path}", kind, {**smallest, name: value}
    elif node.kind == "list":
        for inner in node.items:
            yield from ((f".*{path}", kind, [value]) for path, kind, value in _each_leaf(inner, planted, key))
    elif node.kind == "union":
        for inner in node.items:
            name = _alternative(inner)
            yield from ((f"<{name}>{path}", kind, value) for path, kind, value in _each_leaf(inner, planted, key))
