"""The texts of a JSON body that no dialect reads, as parts of messages that plugins look through, and back.

What a plugin does with a text depends on what it is: arguments of a tool are JSON text, in which an escape spells a
letter, and so may any field be that only one API knows; what people and models say is read as it is written.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from llm_gateway_sdk import MediaPart, Part, TextPart, ThinkingPart, ToolCallPart
from llm_gateway_sdk.parts import RefusalPart
from llm_gateway_sdk.texts import TextPlace, write_back

__all__ = ["json_part", "letters_of", "put_back", "texts_of"]

_PROSE = frozenset({"text", "transcript", "content", "refusal", "instructions", "prompt", "input", "message"})


def json_part(place: TextPlace, text: str, index: int | None = None) -> Part:
    """The text of a place as a part of its kind. `index`: its place in a reply."""
    if place.key not in _PROSE and text.lstrip()[:1] in ("{", "["):
        return ToolCallPart(arguments=text, index=index)
    return TextPart(text, index=index)


def letters_of(part: Part) -> int:
    """How long the text of a part is, or its arguments, in characters; 0 where it has neither."""
    if isinstance(part, ToolCallPart):
        return len(part.arguments)
    return len(part.text or "") if isinstance(part, TextPart | ThinkingPart | RefusalPart | MediaPart) else 0


def texts_of(parts: Iterable[Part]) -> list[str]:
    """The texts of such parts, in order; a plugin may have put others in their places."""
    return [
        part.text if isinstance(part, TextPart) else part.arguments
        for part in parts
        if isinstance(part, TextPart | ToolCallPart)
    ]


def put_back(value: Any, places: Sequence[TextPlace], before: Sequence[str], after: Sequence[str]) -> None:
    """Writes what plugins have changed into the body. Tokens are left without their bytes, which spell them again."""
    write_back(places, before, after)
    if list(before) != list(after):
        _forget_bytes(value)


def _forget_bytes(value: Any) -> None:
    if isinstance(value, dict):
        if isinstance(value.get("token"), str) and isinstance(value.get("bytes"), list):
            value["bytes"] = None
        for inner in value.values():
            _forget_bytes(inner)
    elif isinstance(value, list):
        for inner in value:
            if isinstance(inner, dict | list):
                _forget_bytes(inner)
