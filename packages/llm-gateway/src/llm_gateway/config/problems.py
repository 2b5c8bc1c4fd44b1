"""Gathering what is wrong with a configuration, each with file, line and path, and what would be right."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable

from llm_gateway.config.document import Node, Path, show_path
from llm_gateway.config.other_names import letters, other_name
from llm_gateway_sdk.errors import ConfigError, ConfigProblem


class Problems:
    """The problems of one document. Adding the same one twice keeps one."""

    def __init__(self, file: str, root: Node) -> None:
        self.file = file
        self.root = root
        self._found: dict[tuple[str, str], ConfigProblem] = {}

    def add(self, path: Path, message: str) -> None:
        """Notes a problem at `path`, whose line is looked up in the document."""
        shown = show_path(path)
        problem = ConfigProblem(message, shown, self.file, self.root.line_of(path))
        self._found.setdefault((shown, message), problem)

    def below(self, path: Path) -> bool:
        """Whether a problem at `path`, or below it, was noted."""
        shown = show_path(path)
        return any(found == shown or found.startswith((shown + ".", shown + "[")) for found, _ in self._found)

    def sorted(self) -> list[ConfigProblem]:
        """In the order of the document."""
        return sorted(self._found.values(), key=lambda problem: (problem.file or "", problem.line or 0))

    def raise_if_any(self) -> None:
        """Raises `ConfigError` with all of them."""
        if self._found:
            raise ConfigError(self.sorted())


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """`unknown provider "opnai"; did you mean "openai"?`, or with the known names where none is near."""
    names = sorted(set(known))
    near = closest(name, names)
    return f'unknown {kind} "{name}"' + (f'; did you mean "{near}"?' if near else f" (known: {_listed(names)})")


def unknown_key(key: str, near: str | None, known: Iterable[str]) -> str:
    """The message for a key that the schema does not have; `near` is what was probably meant."""
    return f'unknown key "{key}"' + (f'; did you mean "{near}"?' if near else f" (known: {_listed(list(known))})")


def json_in_text(value: object, wanted: type | tuple[type, ...]) -> str:
    """The remedy where a mapping or a list was written as JSON inside a text; else empty."""
    if not isinstance(value, str) or value.strip()[:1] not in ("{", "["):
        return ""
    try:
        found = json.loads(value)
    except ValueError:
        return ""
    return "; it is JSON inside a text: remove the quotes around it" if isinstance(found, wanted) else ""


def _listed(names: list[str]) -> str:
    return ", ".join(names) or "none"


def closest(name: str, known: Iterable[str]) -> str | None:
    """The known name that `name` was probably meant to be."""
    names = list(known)
    for candidate in names:
        if letters(candidate) == letters(name):
            return candidate
    if (meant := other_name(name, names)) is not None:
        return meant
    matches = difflib.get_close_matches(name, names, n=1, cutoff=0.65)
    return matches[0] if matches else None
