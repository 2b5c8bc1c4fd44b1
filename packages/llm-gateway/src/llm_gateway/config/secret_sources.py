"""`${vault:…}` and its like: secrets of other services, read through the sources that are installed."""

from __future__ import annotations

import threading
from importlib.metadata import EntryPoint, entry_points

from pydantic import SecretStr

from llm_gateway_sdk.secret_source import SecretSource, SecretUnavailable

__all__ = ["Secrets", "secret_scheme"]

GROUP = "llm_gateway.secrets"
_WHEELS = {"vault": "vault-secrets", "aws-sm": "aws-secrets", "gcp-sm": "gcp-secrets", "azure-kv": "azure-secrets"}
"""The wheels of this project, for the message where one is missing."""

_sources: dict[str, SecretSource] = {}
_lock = threading.Lock()


def secret_scheme(name: str) -> str | None:
    """The source that a `${…}` names; None where it names none."""
    scheme, colon, reference = name.partition(":")
    return scheme if colon and reference and (scheme in _WHEELS or scheme in _installed()) else None


class Secrets:
    """The secrets of one reading of a configuration: each is asked for once."""

    def __init__(self) -> None:
        self._known: dict[str, str | SecretUnavailable] = {}

    def values(self) -> tuple[SecretStr, ...]:
        """What was read."""
        return tuple(SecretStr(value) for value in self._known.values() if isinstance(value, str) and value)

    def read(self, name: str) -> str:
        """`name` is `scheme:reference`. Raises SecretUnavailable."""
        if name not in self._known:
            self._known[name] = _read(name)
        found = self._known[name]
        if isinstance(found, SecretUnavailable):
            raise found
        return found


def _read(name: str) -> str | SecretUnavailable:
    scheme, _, reference = name.partition(":")
    with _lock:
        try:
            return _source(scheme).read(reference)
        except SecretUnavailable as error:
            return error
        except Exception as error:  # a library's own error may quote what it was sent
            return SecretUnavailable(f"it can't be read: {type(error).__name__}")


def _source(scheme: str) -> SecretSource:
    if scheme not in _sources:
        entry = _installed().get(scheme)
        if entry is None:
            raise SecretUnavailable(f"install llm-gateway-{_WHEELS[scheme]} for secrets of '{scheme}'")
        try:
            _sources[scheme] = entry.load()()
        except ImportError as error:
            raise SecretUnavailable(f"its library can't be loaded: {error}") from None
    return _sources[scheme]


def _installed() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=GROUP)}
