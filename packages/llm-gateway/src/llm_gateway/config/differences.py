"""In what two loaded configurations differ, without their secrets.

Compared are the settings in effect, inherited and default ones included: what the gateway would do otherwise, and not
how a file is written.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, Final

from pydantic import BaseModel, SecretStr

from llm_gateway_sdk.secrets import secrets_in_text

from .secrets import is_secret_place

__all__ = ["Difference", "differences"]

_HIDDEN: Final = "***"
_LONGEST: Final = 200
_LEFT_OUT: Final = frozenset({"read_secrets", "directory"})
"""Fields of a loaded configuration that are not settings."""
_NONE: Final = object()


@dataclass(slots=True, frozen=True)
class Difference:
    path: str
    """`projects.default.models[echo].provider.type`."""
    running: str | None
    """The value in effect; None where there is none. A secret is `***`."""
    written: str | None


def differences(running: Any, written: Any) -> list[Difference]:
    """By path, in the order of the settings. A secret that has changed is listed, without its values."""
    before, after = dict(_settings(running)), dict(_settings(written))
    return [
        Difference(path, _shown(before.get(path, _NONE)), _shown(after.get(path, _NONE)))
        for path in dict.fromkeys([*before, *after])
        if before.get(path, _NONE) != after.get(path, _NONE)
    ]


@dataclass(slots=True, frozen=True)
class _Secret:
    value: str


def _settings(value: Any, keys: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """(path, scalar) of every setting."""
    if isinstance(value, SecretStr):
        yield _path(keys), _Secret(value.get_secret_value())
    elif isinstance(value, BaseModel):
        for name, field in type(value).model_fields.items():
            yield from _settings(getattr(value, name), (*keys, field.alias or name))
    elif is_dataclass(value) and not isinstance(value, type):
        for each in fields(value):
            if each.name not in _LEFT_OUT:
                yield from _settings(getattr(value, each.name), (*keys, each.name))
    elif isinstance(value, Mapping):
        for key, child in value.items():
            yield from _settings(child, (*keys, str(key)))
    elif isinstance(value, list | tuple):
        for name, child in _items(value):
            yield from _settings(child, (*keys, f"[{name}]"))
    elif isinstance(value, str | bool | int | float) or value is None:
        secret = value is not None and is_secret_place([key for key in keys if not key.startswith("[")])
        yield _path(keys), _Secret(str(value)) if secret else value


def _items(values: list[Any] | tuple[Any, ...]) -> list[tuple[str, Any]]:
    """Entries with a name are compared by it, so that one more at the top is one difference and not a hundred."""
    names = [
        str(each.get("name", "") if isinstance(each, Mapping) else getattr(each, "name", "") or "") for each in values
    ]
    if not all(names) or len(set(names)) < len(names):
        names = [str(place) for place in range(len(values))]
    return list(zip(names, values, strict=True))


def _path(keys: tuple[str, ...]) -> str:
    return "".join(key if key.startswith("[") else f".{key}" for key in keys).removeprefix(".")


def _shown(value: Any) -> str | None:
    if value is _NONE:
        return None
    if isinstance(value, _Secret):
        return _HIDDEN
    if not isinstance(value, str):
        return json.dumps(value)
    for found in secrets_in_text(value):
        value = value.replace(found, _HIDDEN)
    return value if len(value) <= _LONGEST else f"{value[: _LONGEST - 1]}…"
