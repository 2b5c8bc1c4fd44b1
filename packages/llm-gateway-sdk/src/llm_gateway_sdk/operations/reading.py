"""Reading of JSON bodies of operations: what is missing or of another type is reported with its place."""

from __future__ import annotations

from typing import Any

from ..dialect import Headers, WireReply, WireRequest
from ..errors import DialectError
from ..numerals import whole_number
from ..wire import json

__all__ = [
    "count", "json_reply", "json_request", "number_in", "numbers", "object_of", "positive", "text", "texts",
    "value_in",
]  # fmt: skip

_NUMBERS = frozenset({int, float})
"""Types of a JSON document's numbers; `true` and `false` are neither."""


def object_of(body: bytes) -> dict[str, Any]:
    """Raises DialectError."""
    try:
        value = json.loads(body)
    except ValueError as error:
        raise DialectError(f"not valid JSON: {error}") from None
    if not isinstance(value, dict):
        raise DialectError("expected a JSON object")
    return value


def text(body: dict[str, Any], name: str) -> str:
    """A text that has to be there. Raises DialectError."""
    value = body.get(name)
    if not isinstance(value, str):
        raise DialectError(f"{name}: expected a string", path=name)
    return value


def texts(value: Any, path: str) -> list[str]:
    """Raises DialectError."""
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise DialectError(f"{path}: expected an array of strings", path=path)
    return value


def positive(body: dict[str, Any], name: str) -> int | None:
    """A whole number from 1 on, or None where it is left out. Raises DialectError."""
    value = body.get(name)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise DialectError(f"{name}: expected a whole number from 1 on", path=name)
    return value


def numbers(value: Any, path: str) -> list[float]:
    """Raises DialectError."""
    if not isinstance(value, list) or not _NUMBERS.issuperset(map(type, value)):
        raise DialectError(f"{path}: expected an array of numbers", path=path)
    return value


def count(value: Any) -> int | None:
    """A count as a provider reports it; None for anything but a whole number from 0 on."""
    if type(value) is int:
        return value if value >= 0 else None
    return int(value) if isinstance(value, float) and value.is_integer() and value >= 0 else None


def number_in(body: bytes, *names: str) -> int | None:
    """The whole number, 1 or more, under these names one in another, as a form writes it or as JSON does; None for
    anything else. For counting, where what is not valid is somebody else's to refuse."""
    found = value_in(body, *names)
    return count(whole_number(found) if isinstance(found, str) else found) or None


def value_in(body: bytes, *names: str) -> Any:
    """The value under these names one in another; None where there is none."""
    try:
        found = json.loads(body)
    except ValueError:
        return None
    for name in names:
        found = found.get(name) if isinstance(found, dict) else None
    return found


def json_request(path: str, body: dict[str, Any]) -> WireRequest:
    return WireRequest("POST", path, "", Headers.of([("content-type", "application/json")]), json.dumps(body))


def json_reply(body: dict[str, Any]) -> WireReply:
    return WireReply(200, Headers.of([("content-type", "application/json")]), json.dumps(body))
