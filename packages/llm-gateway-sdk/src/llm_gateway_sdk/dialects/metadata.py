"""What a dialect keeps in `provider_metadata`: the vendor's fields without a canonical place, and notes on form.

A key is the vendor's own field, verbatim, and is written again where the same dialect encodes. A key that begins with
an underscore is a note on how something was written (`_form`), never sent anywhere. A dialect reads and writes only
its own entry; `coverage.report_unwritten` lists what others leave there.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Protocol

from ..parts import ProviderMetadata
from .fields import unknown_fields

__all__ = ["HasMetadata", "keep", "noted", "own"]


class HasMetadata(Protocol):
    provider_metadata: ProviderMetadata


def keep(dialect: str, raw: Mapping[str, Any], known: Collection[str], **notes: Any) -> ProviderMetadata:
    """The metadata of a node that was read from `raw`: its unknown fields, and `notes` (without their underscore);
    notes that are None are left out."""
    values = unknown_fields(raw, known)
    values.update((f"_{name}", value) for name, value in notes.items() if value is not None)
    return {dialect: values} if values else {}


def own(dialect: str, node: HasMetadata) -> dict[str, Any]:
    """The vendor's fields that this dialect has kept at a node, to be written again."""
    values = node.provider_metadata.get(dialect)
    if not values:
        return {}
    return {key: value for key, value in values.items() if key[:1] != "_"}


def noted(dialect: str, node: HasMetadata, name: str) -> Any:
    """A note that `keep` has made at a node; None where there is none."""
    values = node.provider_metadata.get(dialect)
    return values.get(f"_{name}") if values else None
