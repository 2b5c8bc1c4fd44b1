"""The kit's reading of fields, and what this dialect keeps in `provider_metadata`."""

from __future__ import annotations

from itertools import filterfalse
from typing import Any

from llm_gateway_sdk.dialects.fields import (
    as_list,
    as_object,
    optional_bool,
    optional_int,
    optional_list,
    optional_number,
    optional_object,
    optional_str,
    read_object,
    required_str,
)
from llm_gateway_sdk.dialects.fields import kind_of as describe
from llm_gateway_sdk.parts import ProviderMetadata

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
"""Key in our `provider_metadata` for how something was written (not its content), so that it is written so again."""


def extras(wire: dict[str, Any], known: frozenset[str]) -> dict[str, Any]:
    """The fields that have no canonical place; nulls are left out."""
    if known.issuperset(wire):
        return {}
    return {key: value for key in filterfalse(known.__contains__, wire) if (value := wire[key]) is not None}


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
