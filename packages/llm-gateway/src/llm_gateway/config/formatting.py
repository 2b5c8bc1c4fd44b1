"""How values and types are called in messages. Secrets are not shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from llm_gateway.config.document import Node, Path
from llm_gateway.config.secrets import is_secret_place

Show: TypeAlias = Callable[[object, Path], str]
"""How the value at a path is called."""

TYPE_WORDS = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping",
    "null": "nothing",
}


def is_duration_pattern(pattern: object) -> bool:
    """Whether a schema's `pattern` is one for durations with a unit."""
    return isinstance(pattern, str) and "ms|s" in pattern


def show(value: object, path: Path) -> str:
    """The value at `path` in words short enough for a message."""
    if isinstance(value, bool):
        return str(value).lower()
    if value is None:
        return "nothing"
    if isinstance(value, list | dict):
        kind = "list" if isinstance(value, list) else "mapping"
        return f"a {kind}" if value else f"an empty {kind}"
    if is_secret_place(path):
        return "a secret text" if isinstance(value, str) else "a secret value"
    if isinstance(value, str):
        return f'"{value}"' if len(value) <= 60 else f'"{value[:57]}…"'
    return str(value)


def show_of(root: Node) -> Show:
    """`show` for the values of a document: what came from a variable is called by the variable's name."""

    def shown(value: object, path: Path) -> str:
        node = root.find(path)
        if node is not None and node.variables and not isinstance(value, dict | list):
            return f"the value of ${{{node.variables[0]}}}"
        return show(value, path)

    return shown
