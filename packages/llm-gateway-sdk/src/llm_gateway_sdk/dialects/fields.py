"""Reading JSON whose shape nothing has checked: a value of the right type, None, or a DialectError naming the place.

Every function takes a value and its path in the body (`messages[2].content`). `null` counts as absent, as it does for
the vendors: the `optional_` functions give None (or an empty list) for it. All dialects use these, so that a mismatch
reads the same in every one: `expected a string, found a list`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from ..errors import DialectError
from ..wire import json

__all__ = [
    "as_list",
    "as_object",
    "join_path",
    "kind_of",
    "mismatch",
    "optional_bool",
    "optional_int",
    "optional_list",
    "optional_number",
    "optional_object",
    "optional_str",
    "read_object",
    "required_str",
    "unknown_fields",
]

_KINDS: dict[type, str] = {
    dict: "an object",
    list: "a list",
    str: "a string",
    bool: "a boolean",
    int: "a number",
    float: "a number",
    type(None): "null",
}


def kind_of(value: object) -> str:
    """What a JSON value is, for messages: `a string`, `null`, …"""
    return _KINDS.get(type(value), "an object")


def mismatch(path: str, expected: str, value: object) -> DialectError:
    """The error of a value that is not what was `expected` (`a string`, `a list of items`)."""
    return DialectError(f"expected {expected}, found {kind_of(value)}", path=path or None)


def join_path(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def read_object(data: bytes | str, what: str = "the body") -> dict[str, Any]:
    """Parses a body or an event that has to be a JSON object. Raises DialectError."""
    try:
        value = json.loads(data)
    except ValueError as error:
        raise DialectError(f"{what} is not valid JSON: {error}") from None
    if not isinstance(value, dict):
        raise DialectError(f"expected a JSON object, found {kind_of(value)}")
    return value


def as_object(value: Any, path: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise mismatch(path, "an object", value)
    return value


def as_list(value: Any, path: str) -> list[Any]:
    if not isinstance(value, list):
        raise mismatch(path, "a list", value)
    return value


def required_str(value: Any, path: str) -> str:
    if not isinstance(value, str):
        raise mismatch(path, "a string", value)
    return value


def optional_str(value: Any, path: str) -> str | None:
    return None if value is None else required_str(value, path)


def optional_object(value: Any, path: str) -> dict[str, Any] | None:
    return None if value is None else as_object(value, path)


def optional_list(value: Any, path: str) -> list[Any]:
    return [] if value is None else as_list(value, path)


def optional_bool(value: Any, path: str) -> bool | None:
    if value is None or isinstance(value, bool):
        return value
    raise mismatch(path, "a boolean", value)


def optional_number(value: Any, path: str) -> float | None:
    """A whole or a decimal number; a boolean is not one, as it is in Python."""
    if value is None or type(value) in (float, int):
        number: float | None = value
        return number
    raise mismatch(path, "a number", value)


def optional_int(value: Any, path: str) -> int | None:
    """A whole number, also where it is written `5.0`."""
    number = optional_number(value, path)
    if isinstance(number, float):
        if not number.is_integer():
            raise DialectError(f"expected a whole number, found {number}", path=path)
        return int(number)
    return number


def unknown_fields(raw: Mapping[str, Any], known: Collection[str]) -> dict[str, Any]:
    """The fields of an object that have no canonical place, for `provider_metadata` (see `metadata.py`). Nulls are
    left out; so are names that begin with an underscore, which there mark a dialect's notes."""
    return {key: value for key, value in raw.items() if key not in known and value is not None and key[:1] != "_"}
