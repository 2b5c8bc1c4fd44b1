"""Reading untrusted JSON: each function gives a value of the wanted shape or raises DialectError naming the place.

`null` counts as absent everywhere, as it does for the vendor.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from llm_gateway_sdk.errors import DialectError
from llm_gateway_sdk.losses import Losses

__all__ = [
    "NAME",
    "beyond",
    "boolean",
    "found",
    "integer",
    "list_foreign",
    "mapping",
    "number",
    "own",
    "sequence",
    "text",
]

NAME = "openai_responses"
"""The dialect's name, and its key in `provider_metadata`."""


def own(node: Any) -> dict[str, Any]:
    """What this dialect has put aside at a node of the canonical form; empty where that is nothing.

    Keys are the vendor's own fields, verbatim, but for those beginning with `_`, which say how the node was written:
    `_item` (fields of its input item beside content and id), `_form` (`string` or `list` content), `_name` (a tool's
    name before it was flattened).
    """
    value: dict[str, Any] | None = node.provider_metadata.get(NAME)
    return value if value is not None else {}


def beyond(raw: Mapping[str, Any], known: Collection[str]) -> dict[str, Any]:
    """The fields that are not known, verbatim, for `provider_metadata`. Names with `_` are for notes on form."""
    return {key: value for key, value in raw.items() if key not in known and value is not None and key[:1] != "_"}


def list_foreign(node: Any, path: str, losses: Losses) -> None:
    """Tells what of another dialect's own fields is left behind."""
    for dialect, fields in node.provider_metadata.items():
        if dialect != NAME:
            for key in fields:
                if key[:1] != "_":
                    losses.dropped(f"{path}.{key}" if path else key)


def found(value: Any) -> str:
    """What a JSON value is, for messages."""
    return _KINDS.get(type(value), type(value).__name__)


def mapping(value: Any, path: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise DialectError(f"expected an object, found {found(value)}", path=path)
    return value


def sequence(holder: dict[str, Any], key: str, path: str) -> list[Any]:
    """The list at `key`; empty where it is absent."""
    value = holder.get(key)
    if value is None:
        return []
    if not isinstance(value, list):
        raise DialectError(f"expected a list, found {found(value)}", path=_join(path, key))
    return value


def text(holder: dict[str, Any], key: str, path: str) -> str | None:
    value = holder.get(key)
    if value is not None and not isinstance(value, str):
        raise DialectError(f"expected a string, found {found(value)}", path=_join(path, key))
    return value


def boolean(holder: dict[str, Any], key: str, path: str) -> bool | None:
    value = holder.get(key)
    if value is not None and not isinstance(value, bool):
        raise DialectError(f"expected true or false, found {found(value)}", path=_join(path, key))
    return value


def integer(holder: dict[str, Any], key: str, path: str) -> int | None:
    value = holder.get(key)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if value is not None and type(value) is not int:
        raise DialectError(f"expected an integer, found {found(value)}", path=_join(path, key))
    return value


def number(holder: dict[str, Any], key: str, path: str) -> float | None:
    value = holder.get(key)
    if value is not None and type(value) is not int and type(value) is not float:
        raise DialectError(f"expected a number, found {found(value)}", path=_join(path, key))
    return value


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


_KINDS: dict[type, str] = {
    dict: "an object",
    list: "a list",
    str: "a string",
    bool: "a boolean",
    int: "a number",
    float: "a number",
    type(None): "null",
}
