"""Reading JSON whose shape nobody has checked: a value of the right type, None, or a DialectError naming the place."""

from __future__ import annotations

from typing import Any

from llm_gateway_sdk.errors import DialectError
from llm_gateway_sdk.parts import ProviderMetadata
from llm_gateway_sdk.wire import json

__all__ = [
    "FORM",
    "NAME",
    "as_list",
    "as_object",
    "describe",
    "extras",
    "form_of",
    "metadata",
    "optional_bool",
    "optional_int",
    "optional_list",
    "optional_number",
    "optional_object",
    "optional_str",
    "own",
    "read_object",
    "required_str",
]

NAME = "openai_chat"

FORM = "_form"
"""Key in our `provider_metadata` for how something was written (not what it said), so that it is written so again."""


def read_object(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except ValueError as error:
        raise DialectError(f"the body is no JSON: {error}") from None
    if not isinstance(value, dict):
        raise DialectError(f"expected a JSON object, found {describe(value)}")
    return value


def describe(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "a string"
        case list():
            return "a list"
        case _:
            return "an object"


def as_object(value: Any, path: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise DialectError(f"expected an object, found {describe(value)}", path=path)
    return value


def as_list(value: Any, path: str) -> list[Any]:
    if not isinstance(value, list):
        raise DialectError(f"expected a list, found {describe(value)}", path=path)
    return value


def required_str(value: Any, path: str) -> str:
    if not isinstance(value, str):
        raise DialectError(f"expected a string, found {describe(value)}", path=path)
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
    raise DialectError(f"expected a boolean, found {describe(value)}", path=path)


def optional_number(value: Any, path: str) -> float | None:
    if value is None or type(value) in _NUMBERS:
        number: float | None = value
        return number
    raise DialectError(f"expected a number, found {describe(value)}", path=path)


_NUMBERS = (float, int)


def optional_int(value: Any, path: str) -> int | None:
    number = optional_number(value, path)
    if isinstance(number, float):
        if not number.is_integer():
            raise DialectError(f"expected a whole number, found {number}", path=path)
        return int(number)
    return number


def extras(wire: dict[str, Any], known: frozenset[str]) -> dict[str, Any]:
    """What stands there beside the fields that have a canonical place; nulls say nothing."""
    if known.issuperset(wire):
        return {}
    return {key: value for key, value in wire.items() if key not in known and value is not None}


def metadata(values: dict[str, Any], form: dict[str, Any] | None = None) -> ProviderMetadata:
    if form:
        values = {**values, FORM: form}
    return {NAME: values} if values else {}


def own(node_metadata: ProviderMetadata) -> dict[str, Any]:
    """Our own metadata of a node, without the notes on form."""
    values = node_metadata.get(NAME)
    if not values:
        return {}
    kept = dict(values)
    kept.pop(FORM, None)
    return kept


def form_of(node_metadata: ProviderMetadata) -> dict[str, Any]:
    values = node_metadata.get(NAME)
    form = values.get(FORM) if values else None
    return form if isinstance(form, dict) else {}
