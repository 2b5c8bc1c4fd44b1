"""What must not be recorded: the values of secret headers, and whatever looks like a key in an error's text."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from .settings import TracerSettings

__all__ = ["HIDDEN", "Redactor"]

HIDDEN: Final = "[hidden]"

_KEY_LIKE: Final = re.compile(
    r"\b(?:sk|pk|rk|xai|gsk|key|api|ghp|glpat|AKIA|ASIA|AIza|ya29)[-_A-Za-z0-9.*]{12,}"
    r"|\bBearer\s+\S+|\beyJ[\w-]{10,}\.[\w.-]+"
)
_LEAST_SECRET: Final = 6
"""Shorter header values are words such as `Bearer` or `true`; hiding them everywhere would garble the text."""

_REMEMBERED_NAMES: Final = 4096


class Redactor:
    def __init__(self, settings: TracerSettings) -> None:
        self._settings = settings
        self._known: dict[str, bool] = {}

    def headers(self, items: Iterable[tuple[str, str]]) -> dict[str, str]:
        """Headers for the record, by lower-case name; several of one name are joined."""
        known = self._known
        headers: dict[str, str] = {}
        for name, value in items:
            secret = known.get(name)
            if secret is None:
                secret = self._is_secret(name)
            if secret:
                headers[name] = HIDDEN
            elif name in headers:
                headers[name] += f", {value}"
            else:
                headers[name] = value
        return headers

    def secrets(self, items: Iterable[tuple[str, str]]) -> list[str]:
        """The secrets that the client sent in headers, longest first."""
        found: set[str] = set()
        for name, value in items:
            if self._is_secret(name):
                found.update(word for word in (value, *value.split()) if len(word) >= _LEAST_SECRET)
        return sorted(found, key=len, reverse=True)

    def without_secrets(self, text: str, secrets: Iterable[str]) -> str:
        """Error texts quote keys, in part or masked; this takes out the client's own and what looks like one."""
        for secret in secrets:
            text = text.replace(secret, HIDDEN)
        return _KEY_LIKE.sub(HIDDEN, text)

    def _is_secret(self, name: str) -> bool:
        secret = self._settings.is_redacted(name)
        if len(self._known) < _REMEMBERED_NAMES:
            self._known[name] = secret
        return secret
