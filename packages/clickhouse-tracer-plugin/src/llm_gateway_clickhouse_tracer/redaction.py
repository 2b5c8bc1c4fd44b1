"""What must not be recorded: the values of secret headers, and whatever looks like a key in an error's text."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from .settings import TracerSettings

__all__ = ["HIDDEN", "hidden_headers", "secrets_of", "without_secrets"]

HIDDEN: Final = "[hidden]"

_KEY_LIKE: Final = re.compile(
    r"\b(?:sk|pk|rk|xai|gsk|key|api|ghp|glpat|AKIA|ASIA|AIza|ya29)[-_A-Za-z0-9.*]{12,}|\bBearer\s+\S+|\beyJ[\w-]{10,}\.[\w.-]+",
)
_LEAST_SECRET: Final = 6
"""Shorter header values are words such as `Bearer` or `true`; hiding them everywhere would garble the text."""


def hidden_headers(items: Iterable[tuple[str, str]], settings: TracerSettings) -> dict[str, str]:
    """Headers for the record, by lower-case name; several of one name are joined."""
    headers: dict[str, str] = {}
    for name, value in items:
        if settings.is_redacted(name):
            headers[name] = HIDDEN
        elif name in headers:
            headers[name] += f", {value}"
        else:
            headers[name] = value
    return headers


def secrets_of(items: Iterable[tuple[str, str]], settings: TracerSettings) -> list[str]:
    """The secrets that the client sent in headers, longest first."""
    found: set[str] = set()
    for name, value in items:
        if settings.is_redacted(name):
            found.update(word for word in (value, *value.split()) if len(word) >= _LEAST_SECRET)
    return sorted(found, key=len, reverse=True)


def without_secrets(text: str, secrets: Iterable[str]) -> str:
    """Error texts quote keys, in part or masked; this takes out the client's own and what looks like one."""
    for secret in secrets:
        text = text.replace(secret, HIDDEN)
    return _KEY_LIKE.sub(HIDDEN, text)
