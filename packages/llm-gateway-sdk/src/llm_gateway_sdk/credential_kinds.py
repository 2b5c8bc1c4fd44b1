"""Kinds of credentials that end, for any HTTP provider: `auth: {type: NAME, …}`.

A kind is found by its entry point in the group `llm_gateway.credentials`, so that a cloud's own library is installed
only where that cloud is used.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any, ClassVar

from .credentials import Token
from .errors import ConfigError, ConfigProblem
from .http import HTTPClient

__all__ = ["CredentialKind", "find_kind", "make_credential"]

GROUP = "llm_gateway.credentials"
_DISTRIBUTIONS = {"entra": "llm-gateway[azure]", "google": "llm-gateway[vertex]"}


class CredentialKind:
    """One configured credential. One instance per provider."""

    name: ClassVar[str] = ""
    """Its `type`, which is the name of its entry point."""
    configuration_schema: ClassVar[Mapping[str, Any]] = {"type": "object"}
    """JSON Schema of its settings next to `type`. Types and names of keys are checked by `make_credential`."""
    http: HTTPClient
    """The provider's own client, for kinds that need no library. Set before the first `fetch`."""

    def configure(self, config: Mapping[str, Any], base_url: str) -> None:
        """Takes settings that are valid by the schema, and the provider's address. Connects to nothing.

        Raises ConfigError with paths below `auth`.
        """

    async def fetch(self) -> Token:
        """A new token. Raises any exception; its text goes to the log, and must hold no secret."""
        raise NotImplementedError

    async def close(self) -> None:
        """Called once, after the last call."""


def find_kind(name: str) -> type[CredentialKind]:
    """Raises ConfigError where there is no such kind, or its library is missing."""
    found: dict[str, EntryPoint] = {entry.name: entry for entry in entry_points(group=GROUP)}
    if name not in found:
        hint = f"; install {_DISTRIBUTIONS[name]}" if name in _DISTRIBUTIONS else ""
        known = ", ".join(sorted(found)) or "none"
        raise ConfigError([ConfigProblem(f"unknown kind of credential '{name}' (known: {known}){hint}", "auth.type")])
    try:
        kind: type[CredentialKind] = found[name].load()
    except ImportError as error:
        raise ConfigError([ConfigProblem(f"'{name}' can't be used: {error}", "auth.type")]) from error
    return kind


def make_credential(written: Mapping[str, Any], base_url: str) -> CredentialKind:
    """The credential that `auth` describes. Raises ConfigError with all that is wrong with it."""
    kind = find_kind(str(written.get("type", "")))
    config = {key: value for key, value in written.items() if key != "type" and value is not None}
    problems = list(_problems(kind, config))
    if problems:
        raise ConfigError(problems)
    credential = kind()
    credential.configure(config, base_url)
    return credential


def _problems(kind: type[CredentialKind], config: Mapping[str, Any]) -> list[ConfigProblem]:
    schema = kind.configuration_schema
    properties: Mapping[str, Any] = schema.get("properties", {})
    found = [
        ConfigProblem(f'unknown key "{key}" (known: {", ".join(sorted(properties))})', f"auth.{key}")
        for key in config
        if key not in properties
    ]
    found += [ConfigProblem("is missing", f"auth.{key}") for key in schema.get("required", ()) if key not in config]
    for key, value in config.items():
        wanted = properties.get(key, {}).get("type")
        if wanted in _TYPES and not isinstance(value, _TYPES[wanted]):
            found.append(ConfigProblem(f"expected {_NAMES[wanted]}", f"auth.{key}"))
        elif (choices := properties.get(key, {}).get("enum")) and value not in choices:
            found.append(ConfigProblem(f"expected one of {', '.join(map(str, choices))}", f"auth.{key}"))
    return found


_TYPES: Mapping[str, type | tuple[type, ...]] = {
    "string": str,
    "array": list,
    "object": dict,
    "boolean": bool,
    "number": (int, float),
}
_NAMES = {
    "string": "text",
    "array": "a list",
    "object": "a mapping",
    "boolean": "true or false",
    "number": "a number",
}
