"""Secrets that lie elsewhere: `${NAME:reference}` in a configuration, read when the configuration is.

A source is found by its entry point in the group `llm_gateway.secrets`; the entry point's name is what is written
before the colon. How it reaches its service follows from the environment, as it does for the vendor's own tools.
"""

from __future__ import annotations

from typing import ClassVar

from .wire import json

__all__ = ["SecretSource", "SecretUnavailable", "member", "split_reference"]


class SecretUnavailable(Exception):
    """The secret can't be read. The message is for operators; it has no part of any secret, and no credential."""


class SecretSource:
    """One service. One instance per process, made when it is first needed; `read` is called in any thread, by one
    caller at a time, and may wait, for some seconds at most."""

    name: ClassVar[str] = ""

    def read(self, reference: str) -> str:
        """The secret's present value. Raises SecretUnavailable."""
        raise NotImplementedError


def split_reference(reference: str) -> tuple[str, str | None]:
    """`path#key` → (`path`, `key`); without a key None."""
    path, _, key = reference.partition("#")
    return path.strip(), key.strip() or None


def member(text: str, key: str | None) -> str:
    """The value of `key` in a secret that is a JSON object; the text itself without a key. Raises SecretUnavailable."""
    if key is None:
        return text
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise SecretUnavailable(f"the secret is not a JSON object, so that it has no key '{key}'")
    if key not in value:
        raise SecretUnavailable(f"the secret has no key '{key}'")
    found = value[key]
    return found if isinstance(found, str) else json.dumps(found).decode()
