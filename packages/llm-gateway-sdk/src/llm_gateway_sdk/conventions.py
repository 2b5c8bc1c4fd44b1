"""How the dialects say what a vendor's format has no word for, so that they all say it alike and can read it back."""

from __future__ import annotations

import re
from typing import Any

from .wire import json

__all__ = [
    "CUSTOM_TOOL_INPUT",
    "TOOL_ERROR_PREFIX",
    "CustomInputReader",
    "custom_tool_parameters",
    "media_marker",
    "unwrap_custom_input",
    "wrap_custom_input",
]

TOOL_ERROR_PREFIX = "[tool error] "
"""Goes before the text of a failed tool's result where the format has no error flag (Chat Completions, Responses)."""

CUSTOM_TOOL_INPUT = "input"
"""The one parameter of the function that represents a custom (free-text) tool."""


def media_marker(tool_call_id: str) -> str:
    """The text before images and documents of a tool result which had to move into a user message."""
    return f"[content of tool result {tool_call_id}]"


def custom_tool_parameters(format: dict[str, Any] | None = None) -> dict[str, Any]:
    """JSON Schema of the function that represents a custom tool. `format` is its grammar, described in words."""
    text: dict[str, Any] = {"type": "string"}
    if format is not None and format.get("type") == "grammar":
        text["description"] = f"Must match this {format.get('syntax', '')} grammar:\n{format.get('definition', '')}"
    return {
        "type": "object",
        "properties": {CUSTOM_TOOL_INPUT: text},
        "required": [CUSTOM_TOOL_INPUT],
        "additionalProperties": False,
    }


def wrap_custom_input(text: str) -> str:
    """The arguments of the function that represents a custom tool, called with `text`."""
    return json.dumps_text({CUSTOM_TOOL_INPUT: text})


def unwrap_custom_input(arguments: str) -> str:
    """The free text in such arguments; the arguments themselves where they are something else."""
    try:
        value = json.loads(arguments)
    except ValueError:
        return arguments
    if isinstance(value, dict) and len(value) == 1 and isinstance(value.get(CUSTOM_TOOL_INPUT), str):
        text: str = value[CUSTOM_TOOL_INPUT]
        return text
    return arguments


class CustomInputReader:
    """`unwrap_custom_input` for arguments that come in pieces: gives the text as it grows."""

    __slots__ = ("_inside", "_raw")

    def __init__(self) -> None:
        self._raw = ""
        self._inside = False
        """The text has begun; `_raw` is what has not been given yet."""

    def feed(self, fragment: str) -> str:
        """The text which this fragment adds."""
        self._raw += fragment
        if not self._inside:
            match = _OPENING.match(self._raw)
            if match is None:
                return ""
            self._inside, self._raw = True, self._raw[match.end() :]
        return self._read()

    def close(self) -> str:
        """What is left at the end: all of it where the arguments were not the expected object."""
        if not self._inside:
            return unwrap_custom_input(self._raw)
        return "" if self._raw.startswith('"') else self._raw

    def _read(self) -> str:
        match = _STRING_PART.match(self._raw)
        end = match.end() if match is not None else 0
        if _HIGH_SURROGATE.search(self._raw, max(0, end - 6), end) and _LOW_BEGINS.fullmatch(self._raw, end):
            end -= 6  # half of a pair waits for its other half
        if end == 0:
            return ""
        piece, self._raw = self._raw[:end], self._raw[end:]
        text: str = json.loads(f'"{piece}"')
        return text


_OPENING = re.compile(r'\s*\{\s*"' + CUSTOM_TOOL_INPUT + r'"\s*:\s*"')
_STRING_PART = re.compile(r'(?:[^"\\\x00-\x1f]|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4})*')
_HIGH_SURROGATE = re.compile(r"\\u[dD][89abAB][0-9a-fA-F]{2}$")
_LOW_BEGINS = re.compile(r"(?:\\(?:u(?:[dD](?:[c-fC-F][0-9a-fA-F]?)?)?)?)?")
