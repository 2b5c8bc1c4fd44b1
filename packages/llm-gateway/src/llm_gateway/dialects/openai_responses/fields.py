"""Reading untrusted JSON: each function gives a value of the wanted shape or raises DialectError naming the place.

`null` counts as absent everywhere, as it does for the vendor.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from llm_gateway_sdk.dialects.fields import as_object as mapping
from llm_gateway_sdk.dialects.fields import (
    join_path,
    optional_bool,
    optional_int,
    optional_list,
    optional_number,
    optional_str,
    unknown_fields,
)
from llm_gateway_sdk.dialects.fields import kind_of as found

__all__ = [
    "NAME",
    "beyond",
    "boolean",
    "found",
    "integer",
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
    `_item` (fields of its input item other than content and id), `_form` (`string` or `list` content), `_name` (a
    tool's name before it was flattened).
    """
    value: dict[str, Any] | None = node.provider_metadata.get(NAME)
    return value if value is not None else {}


def beyond(raw: Mapping[str, Any], known: Collection[str]) -> dict[str, Any]:
    """The fields that are not known, verbatim, for `provider_metadata`. Names with `_` are for notes on form."""
    return unknown_fields(raw, known)


def sequence(holder: dict[str, Any], key: str, path: str) -> list[Any]:
    """The list at `key`; empty where it is absent."""
    return optional_list(holder.get(key), join_path(path, key))


def text(holder: dict[str, Any], key: str, path: str) -> str | None:
    value = holder.get(key)
    return value if type(value) is str else optional_str(value, join_path(path, key))


def boolean(holder: dict[str, Any], key: str, path: str) -> bool | None:
    return optional_bool(holder.get(key), join_path(path, key))


def integer(holder: dict[str, Any], key: str, path: str) -> int | None:
    return optional_int(holder.get(key), join_path(path, key))


def number(holder: dict[str, Any], key: str, path: str) -> float | None:
    return optional_number(holder.get(key), join_path(path, key))
