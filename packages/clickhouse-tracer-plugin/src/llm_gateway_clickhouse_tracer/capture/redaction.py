"""What must not be recorded: the values of secret headers, and whatever looks like a key in an error's text."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from ..settings import TracerSettings

__all__ = ["HIDDEN", "Redactor"]

HIDDEN: Final = "[hidden]"

_KEY_LIKE: Final = re.compile(
    r"\b(?:sk|pk|rk|xai|gsk|key|api|ghp|glpat|AKIA|ASIA|AIza|ya29)[-_A-Za-z0-9.*]{12,}"
    r"|\bBearer\s+\S+|\beyJ[\w-]{10,}(?:\.[\w.-]+)?"
)
_LEAST_SECRET: Final = 6
"""Shorter header values are words such as `Bearer` or `true`; hiding them everywhere would garble the text."""

_REMEMBERED_NAMES: Final = 4096


class Redactor:
    def __init__(self, settings: TracerSettings) -> None:
        self._secret = _Names(settings)

    def headers(self, items: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
        """Headers for the record, by lower-case name."""
        secret = self._secret
        return [(name, HIDDEN) if secret[name] else (name, value) for name, value in items]

    def secrets(self, items: Iterable[tuple[str, str]]) -> list[str]:
        """The secrets that the client sent in headers, longest first."""
        found: set[str] = set()
        for name, value in items:
            if self._secret[name]:
                found.update(word for word in (value, *value.split()) if len(word) >= _LEAST_SECRET)
        return sorted(found, key=len, reverse=True)

    def without_secrets(self, text: str, secrets: Iterable[str]) -> str:
        """Error texts quote keys, in part or masked; this takes out the client's own and what looks like one."""
        for secret in secrets:
            text = text.replace(secret, HIDDEN)
        return _KEY_LIKE.sub(HIDDEN, text)


class _Names(dict[str, bool]):
    """Whether a header of that name is secret, looked up once per name."""

    def __init__(self, settings: TracerSettings) -> None:
        super().__init__()
        self._settings = settings

    def __missing__(self, name: str) -> bool:
        secret = self._settings.is_redacted(name)
        if len(self) < _REMEMBERED_NAMES:
            self[name] = secret
        return secret
