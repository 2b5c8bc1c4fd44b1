"""Every place where text can stand in a request or reply, found in one walk.

Whoever reads or changes text (redaction, guards, prompts) uses this walk, so that a place once known here is known to
all. Structure is never offered: ids, names of tools, roles, media and signatures are not text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from .parts import MediaPart, OpaquePart, Part, RefusalPart, TextPart, ThinkingPart, ToolCallPart, ToolResultPart

if TYPE_CHECKING:
    from .request import Message

__all__ = ["TextKind", "TextPlace", "walk_message", "walk_part"]

TextKind = Literal[
    "system", "user", "assistant", "thinking", "refusal", "tool_arguments", "tool_result", "tool_description",
    "document", "opaque",
]  # fmt: skip
"""`tool_arguments` is JSON text (free text for custom tools); everything else is plain text."""


@dataclass(slots=True)
class TextPlace:
    """One text, readable and writable where it stands."""

    kind: TextKind
    path: str
    """Where, in canonical terms: `messages[2].content[0].text`."""
    holder: Any
    key: str | int
    part: Any = None
    """The part that the text belongs to, None for tool descriptions."""

    @property
    def text(self) -> str:
        value = getattr(self.holder, str(self.key)) if self.is_field else self.holder[self.key]
        return value if isinstance(value, str) else ""

    @text.setter
    def text(self, value: str) -> None:
        if self.is_field:
            setattr(self.holder, str(self.key), value)
        else:
            self.holder[self.key] = value

    @property
    def is_field(self) -> bool:
        """The text is a field of a canonical node, not an entry of a vendor's JSON."""
        return not isinstance(self.holder, dict) and not isinstance(self.holder, list)


def walk_message(message: Message, path: str) -> Iterator[TextPlace]:
    kind: TextKind = _ROLE_KINDS.get(message.role, "user")
    for position, part in enumerate(message.content):
        yield from walk_part(part, f"{path}.content[{position}]", kind)


def walk_part(part: Part, path: str, kind: TextKind) -> Iterator[TextPlace]:
    match part:
        case TextPart():
            yield TextPlace(kind, f"{path}.text", part, "text", part)
            for position, citation in enumerate(part.citations):
                if citation.cited_text:
                    yield TextPlace(kind, f"{path}.citations[{position}].cited_text", citation, "cited_text", part)
        case ThinkingPart():
            yield TextPlace("thinking", f"{path}.text", part, "text", part)
        case RefusalPart():
            yield TextPlace("refusal", f"{path}.text", part, "text", part)
        case ToolCallPart():
            yield TextPlace("tool_arguments", f"{path}.arguments", part, "arguments", part)
        case ToolResultPart():
            for position, inner in enumerate(part.content):
                yield from walk_part(inner, f"{path}.content[{position}]", "tool_result")
        case MediaPart():
            if part.text is not None:
                yield TextPlace("document", f"{path}.text", part, "text", part)
            if part.name is not None:
                yield TextPlace("document", f"{path}.name", part, "name", part)
        case OpaquePart():
            yield from _walk_json(part.data, f"{path}.data", part)
            for position, delta in enumerate(part.deltas):
                yield from _walk_json(delta, f"{path}.deltas[{position}]", part)


def _walk_json(value: Any, path: str, part: OpaquePart) -> Iterator[TextPlace]:
    if isinstance(value, dict):
        for key, inner in value.items():
            if isinstance(inner, str):
                if key not in _STRUCTURAL_KEYS:
                    yield TextPlace("opaque", f"{path}.{key}", value, key, part)
            elif inner and isinstance(inner, dict | list):
                yield from _walk_json(inner, f"{path}.{key}", part)
    elif isinstance(value, list):
        for position, inner in enumerate(value):
            if isinstance(inner, str):
                yield TextPlace("opaque", f"{path}[{position}]", value, position, part)
            else:
                yield from _walk_json(inner, f"{path}[{position}]", part)


def map_places(places: Iterator[TextPlace], change: Callable[[str], str], kinds: tuple[TextKind, ...] | None) -> None:
    for place in places:
        if kinds is None or place.kind in kinds:
            old = place.text
            new = change(old)
            if new != old:
                place.text = new


_ROLE_KINDS: dict[str, TextKind] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool_result",
}

# In blocks that are not understood: words that steer, proofs and payloads, never prose.
_STRUCTURAL_KEYS = frozenset(
    {
        "type", "id", "object", "role", "status", "name", "model", "call_id", "tool_use_id", "tool_call_id", "item_id",
        "file_id", "container_id", "server_label", "approval_request_id", "signature", "encrypted_content",
        "encrypted_index", "encrypted_stdout", "data", "media_type", "mime_type", "mimeType", "b64_json", "result",
        "partial_image_b64", "event_id", "response_id", "obfuscation", "phase", "namespace",
    }
)  # fmt: skip
