"""The base of the canonical types: plain values with fields, made, compared and copied in C.

A request makes dozens of them and a stream some for each chunk, and a dataclass runs Python code for each. To their
users they are dataclasses: positional fields, `match`, and what the module `dataclasses` does (`fields`, `replace`,
`asdict`) work on them. A subclass must not be decorated with `@dataclass`: it is a value by its base.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import msgspec

__all__ = ["UNSET", "FrozenValue", "Unset", "Value", "field", "replace"]

UNSET = msgspec.UNSET
"""Of a shape that JSON is read into: a field that was not there, and is not written."""
Unset = msgspec.UnsetType
field = msgspec.field
replace = msgspec.structs.replace
"""A copy with some fields changed: `dataclasses.replace`, ten times as fast."""


class _FieldsOfDataclass:
    """What `dataclasses` looks for in a class, made when it first looks."""

    def __init__(self) -> None:
        self._known: dict[type, dict[str, dataclasses.Field[Any]]] = {}

    def __get__(self, value: object, cls: Any) -> dict[str, dataclasses.Field[Any]]:
        fields = self._known.get(cls)
        if fields is None:
            fields = self._known[cls] = _fields_of(cls)
        return fields


def _fields_of(cls: Any) -> dict[str, dataclasses.Field[Any]]:
    """By a dataclass that has the same ones."""
    described = []
    for each in msgspec.structs.fields(cls):
        if each.default_factory is not msgspec.NODEFAULT:
            default = dataclasses.field(default_factory=each.default_factory)
        elif each.default is not msgspec.NODEFAULT:
            default = dataclasses.field(default=each.default)
        else:
            default = dataclasses.field()
        described.append((each.name, each.type, default))
    made: Any = dataclasses.make_dataclass(cls.__name__, described, kw_only=True)
    return dict(made.__dataclass_fields__)


class Value(msgspec.Struct):
    """Fields are declared as in a dataclass, with `field` of this module."""

    __dataclass_fields__: ClassVar[Mapping[str, dataclasses.Field[Any]]] = _FieldsOfDataclass()  # type: ignore[assignment]


class FrozenValue(msgspec.Struct, frozen=True):
    """The same for values that never change, which are keys of dictionaries too where their fields are."""

    __dataclass_fields__: ClassVar[Mapping[str, dataclasses.Field[Any]]] = _FieldsOfDataclass()  # type: ignore[assignment]
