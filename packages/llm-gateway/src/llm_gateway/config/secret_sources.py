"""`${vault:…}` and its like: secrets of other services, read through the sources that are installed."""

from __future__ import annotations

import threading
import time
from importlib.metadata import EntryPoint, entry_points

from pydantic import SecretStr

from llm_gateway_sdk.secret_source import SecretSource, SecretUnavailable

__all__ = ["Secrets", "secret_scheme"]

GROUP = "llm_gateway.secrets"
_WHEELS = {"vault": "vault-secrets", "aws-sm": "aws-secrets", "gcp-sm": "gcp-secrets", "azure-kv": "azure-secrets"}
"""The wheels of this project, for the message where one is missing."""

DEADLINE = 15.0
"""Seconds for one secret. The project's own sources give up sooner; a reload, which waits for all, must not wait for a
source that never does."""
SLOW_FAILURE = 2.0
"""Seconds. What fails after so long is a service that does not answer, not one that refuses: its other secrets are not
waited for in the same reading."""

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
        self._silent: dict[str, SecretUnavailable] = {}
        """By source, what the first secret of it failed with after a long wait."""

    def values(self) -> tuple[SecretStr, ...]:
        """What was read."""
        return tuple(SecretStr(value) for value in self._known.values() if isinstance(value, str) and value)

    def read(self, name: str) -> str:
        """`name` is `scheme:reference`. Raises SecretUnavailable."""
        if name not in self._known:
            self._known[name] = self._ask(name)
        found = self._known[name]
        if isinstance(found, SecretUnavailable):
            raise found
        return found

    def _ask(self, name: str) -> str | SecretUnavailable:
        scheme = name.partition(":")[0]
        if scheme in self._silent:
            return self._silent[scheme]
        began = time.monotonic()
        found = _read(name)
        if isinstance(found, SecretUnavailable) and time.monotonic() - began >= SLOW_FAILURE:
            self._silent[scheme] = found
        return found


def _read(name: str) -> str | SecretUnavailable:
    scheme, _, reference = name.partition(":")
    with _lock:
        found: list[str | SecretUnavailable] = []
        asking = threading.Thread(target=lambda: found.append(_ask_source(scheme, reference)), daemon=True)
        asking.start()
        asking.join(DEADLINE)
        if found:
            return found[0]
        _sources.pop(scheme, None)  # it still waits: another is made for the next reading
    return SecretUnavailable(f"it did not answer within {DEADLINE:g} s")


def _ask_source(scheme: str, reference: str) -> str | SecretUnavailable:
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
