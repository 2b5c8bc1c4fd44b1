"""Every string of a request or reply that may carry words, found in one walk.

Code that reads or changes text (redaction, guards, prompts) uses this walk. It visits all fields of the canonical types
and all values of vendors' JSON, and leaves out only what `text_exclusions.py` lists: a field that is added to a type,
or that a vendor adds to its API, is offered without a change here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from typing import Any, Literal, Protocol

from .encoded_text import address, address_of, decoded, is_base64, is_data_url, is_escaped_address
from .parts import MediaPart, OpaquePart, Part, RefusalPart, TextPart, ThinkingPart, ToolCallPart, ToolResultPart
from .text_exclusions import (
    CANONICAL,
    FORM_NOTES,
    NAMED_SCHEMAS,
    OWN_KEYS,
    PAYLOADS,
    Shape,
    excluded_in_json,
    has_own_keys,
    is_field_name,
    is_long_number,
    is_moment,
    number_text,
)

__all__ = [
    "KeyText", "NumberText", "TextKind", "TextPlace", "is_text_alone", "map_places", "walk_json", "walk_message",
    "walk_part", "walk_value", "write_back",
]  # fmt: skip

TextKind = Literal[
    "system", "user", "assistant", "thinking", "refusal", "tool_arguments", "tool_result", "tool_description",
    "document", "schema", "metadata", "opaque",
]  # fmt: skip
"""`tool_arguments` is JSON text (free text for custom tools); everything else is plain text. `schema`: in a JSON Schema
or grammar. `metadata`: about the request, such as the end user, stop sequences and labels. `opaque`: in a vendor's own
JSON."""


@dataclass(slots=True)
class TextPlace:
    """One text, readable and writable where it is."""

    kind: TextKind
    """Whose words they are, or what else: `system`, `user`, `assistant`, `thinking`, `tool_arguments`, …."""
    path: str
    """Where, in canonical terms: `messages[2].content[0].text`."""
    holder: Any
    """The object, list or mapping that the text is in."""
    key: Any
    """Its name or place there."""
    part: Any = None
    """The part that the text belongs to, None outside of messages."""

    @property
    def text(self) -> str:
        """The words; setting them changes the request or reply."""
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


class EncodedText(TextPlace):
    """A text that is held in base64 or in a data URL. It is decoded when read and encoded again when written."""

    __slots__ = ()

    @property
    def text(self) -> str:
        found = decoded(super().text, media_type=_type_of(self.part))
        return found.text if found is not None else ""

    @text.setter
    def text(self, value: str) -> None:
        found = decoded(super().text, media_type=_type_of(self.part))
        if found is not None:
            TextPlace.text.fset(self, found.written(value))  # type: ignore[attr-defined]


class AddressText(TextPlace):
    """A URL with its escapes undone. What is in clear text in it has been offered before."""

    __slots__ = ()

    @property
    def text(self) -> str:
        return address(super().text)

    @text.setter
    def text(self, value: str) -> None:
        TextPlace.text.fset(self, address_of(value))  # type: ignore[attr-defined]


class KeyText(TextPlace):
    """The key of an entry of JSON that is not the name of a field."""

    __slots__ = ()

    @property
    def text(self) -> str:
        return str(self.key)

    @text.setter
    def text(self, value: str) -> None:
        entries = list(self.holder.items())
        taken = {key for key, _ in entries if key != self.key}
        name, number = value, 1
        while name in taken:  # two entries stay two
            number += 1
            name = f"{value} {number}"
        self.holder.clear()
        for key, inner in entries:
            self.holder[name if key == self.key else key] = inner
        self.key = name


class NumberText(TextPlace):
    """A number of a vendor's JSON that is long enough to say something: a card's, a person's. Setting it writes a
    string in its place."""

    __slots__ = ()

    @property
    def text(self) -> str:
        return number_text(self.holder[self.key])

    @text.setter
    def text(self, value: str) -> None:
        self.holder[self.key] = value


class Turn(Protocol):
    """What a message is to this module, which `request.py` builds on."""

    role: str
    content: list[Part]


def walk_message(message: Turn, path: str) -> Iterator[TextPlace]:
    kind: TextKind = _ROLE_KINDS.get(message.role, "user")
    for position, part in enumerate(message.content):
        yield from walk_part(part, f"{path}.content[{position}]", kind)
    yield from _walk_fields(message, path, "metadata", None, ("name", "role", "provider_metadata"))


def is_text_alone(part: TextPart) -> bool:
    """Whether a part has words in its `text` and nowhere else, as nearly all have: it needs no walk then."""
    return not (
        part.citations or part.provider_metadata or part.item_id or part.signature or part.signed_by or part.cache
    )


def walk_part(part: Part, path: str, kind: TextKind) -> Iterator[TextPlace]:
    if type(part) is TextPart and is_text_alone(part):
        if part.text:
            yield TextPlace(kind, f"{path}.text", part, "text", part)
        return
    yield from _walk_fields(part, path, _PART_KINDS.get(type(part), kind), part)


def walk_value(
    value: Any, path: str, kind: TextKind = "opaque", part: Any = None, *, without: tuple[str, ...] = ()
) -> Iterator[TextPlace]:
    """The texts of a canonical value of any type: a request, a reply, an error, a tool. `without`: its fields that are
    left out, because the caller has walked them."""
    if isinstance(value, _PARTS):
        yield from walk_part(value, path, kind)
    elif type(value).__name__ == "Message":
        yield from walk_message(value, path)
    else:
        yield from _walk_fields(value, path, kind, part, without=without)


def walk_json(value: Any, path: str, part: Any = None, kind: TextKind = "opaque") -> Iterator[TextPlace]:
    """The texts in a vendor's JSON, which may be changed while the walk goes on."""
    yield from _walk_json(value, path, part, kind, None)


def _walk_fields(
    node: Any,
    path: str,
    kind: TextKind,
    part: Any,
    names: tuple[str, ...] | None = None,
    without: tuple[str, ...] = (),
) -> Iterator[TextPlace]:
    for name, shape, own_kind in _plan(node.__class__):
        value = getattr(node, name)
        if not value or name in without or (names is not None and name not in names):
            continue
        at = f"{path}.{name}" if path else name
        yield from _walk_field(node, name, value, shape, at, own_kind or kind, part)


def _walk_field(
    node: Any, name: str, value: Any, shape: Shape | None, path: str, kind: TextKind, part: Any
) -> Iterator[TextPlace]:
    if isinstance(value, str):
        if name in _ENCODED or (":" in value and is_data_url(value)):
            yield from _payload_places(node, name, value, path, part, "document")
        elif shape is None or not shape(value):
            yield from _readings(node, name, value, path, part, kind)
    elif isinstance(value, list):
        for position, item in enumerate(value):
            yield from _walk_item(value, position, item, shape, f"{path}[{position}]", kind, part)
    elif isinstance(value, dict):
        if shape is None:
            yield from _walk_json(value, path, part, kind, None, name in OWN_KEYS and has_own_keys(name, value))
    elif is_dataclass(value):
        yield from walk_value(value, path, kind, part)


def _walk_item(
    holder: list[Any], position: int, item: Any, shape: Shape | None, path: str, kind: TextKind, part: Any
) -> Iterator[TextPlace]:
    if isinstance(item, str):
        if ":" in item and is_data_url(item):
            yield from _payload_places(holder, position, item, path, part, kind)
        elif item and (shape is None or not shape(item)):
            yield from _readings(holder, position, item, path, part, kind)
    elif isinstance(item, tuple):
        for inner in item:
            if isinstance(inner, dict | list):
                yield from _walk_json(inner, path, part, kind, None)
    elif isinstance(item, dict | list):
        yield from _walk_json(item, path, part, kind, None)
    elif is_dataclass(item):
        yield from walk_value(item, path, kind, part)


def _walk_json(
    value: Any, path: str, part: Any, kind: TextKind, key: str | None, own: bool = False
) -> Iterator[TextPlace]:
    """`key`: under which key of an object a list is. `own`: the keys are the client's, and say nothing of what is under
    them."""
    if isinstance(value, dict):
        is_note, names_schemas = key in FORM_NOTES, key in NAMED_SCHEMAS
        for name, inner in list(value.items()):
            known_as = None if own or names_schemas else key if is_note else name
            if isinstance(inner, str):
                if inner:
                    yield from _string_places(value, name, known_as, inner, f"{path}.{name}", part, kind, own)
            elif inner and isinstance(inner, dict | list):
                below = own or (known_as in OWN_KEYS and has_own_keys(name, inner, key))
                yield from _walk_json(inner, f"{path}.{name}", part, kind, known_as, below)
            elif is_long_number(inner) and _is_offered(known_as, kind, own):
                yield NumberText(kind, f"{path}.{name}", value, name, part)
            if not is_field_name(name):
                yield KeyText(kind, f"{path}.{name}", value, name, part)
    elif isinstance(value, list):
        for position, inner in enumerate(value):
            if isinstance(inner, str):
                if inner:
                    yield from _string_places(value, position, key, inner, f"{path}[{position}]", part, kind, own)
            elif isinstance(inner, dict | list):
                yield from _walk_json(inner, f"{path}[{position}]", part, kind, key, own)
            elif is_long_number(inner) and _is_offered(key, kind, own):
                yield NumberText(kind, f"{path}[{position}]", value, position, part)


def _is_offered(key: str | None, kind: TextKind, own: bool) -> bool:
    """Whether a number under that key is offered: not the bounds of a JSON Schema, and no moments."""
    return own or (kind != "schema" and not (key is not None and is_moment(key)))


def _string_places(
    holder: Any, at: str | int, key: str | None, value: str, path: str, part: Any, kind: TextKind, own: bool
) -> Iterator[TextPlace]:
    """The place of one string of JSON; items of a list count as values of the list's key."""
    if key in PAYLOADS or (own and at in PAYLOADS) or (":" in value and is_data_url(value)):
        yield from _payload_places(holder, at, value, path, part, kind)
        return
    shape = excluded_in_json(key) if key is not None else None
    if shape is None or not shape(value):
        yield from _readings(holder, at, value, path, part, kind)


def _readings(holder: Any, at: str | int, value: str, path: str, part: Any, kind: TextKind) -> Iterator[TextPlace]:
    """A string as it is, and a URL with its escapes undone too."""
    yield TextPlace(kind, path, holder, at, part)
    if "%" in value and is_escaped_address(value):
        yield AddressText(kind, path, holder, at, part)


def _payload_places(
    holder: Any, at: str | int, value: str, path: str, part: Any, kind: TextKind
) -> Iterator[TextPlace]:
    if decoded(value, media_type=_type_of(part)) is not None:
        yield EncodedText(kind, path, holder, at, part)
    if not is_data_url(value) and (len(value) < _LEAST_BINARY or not is_base64(value)):
        yield from _readings(holder, at, value, path, part, kind)


def _type_of(part: Any) -> str:
    return (part.media_type or "") if isinstance(part, MediaPart) else ""


def write_back(places: Sequence[TextPlace], before: Sequence[str], after: Sequence[str]) -> None:
    """Writes the texts that differ from those that were read `before`. A string may have been read in two ways: that
    nothing was found in one of them must not undo what was hidden in the other."""
    found = zip(places, before, after, strict=True)
    changed = [(place, new) for place, old, new in found if new != old]
    for place, text in sorted(changed, key=lambda each: _WRITTEN_IN_TURN.get(type(each[0]), 0)):
        place.text = text


def map_places(places: Iterator[TextPlace], change: Callable[[str], str], kinds: tuple[TextKind, ...] | None) -> None:
    for place in places:
        if kinds is None or place.kind in kinds:
            old = place.text
            new = change(old)
            if new != old:
                place.text = new


@cache
def _plan(cls: type) -> tuple[tuple[str, Shape | None, TextKind | None], ...]:
    """(name, shape of what is excluded, own kind) of each field of a canonical type that may hold a string."""
    return tuple(
        (
            field.name,
            CANONICAL.get(f"{cls.__name__}.{field.name}") or CANONICAL.get(f"*.{field.name}"),
            _FIELD_KINDS.get(f"{cls.__name__}.{field.name}"),
        )
        for field in fields(cls)
        if str(field.type).partition(" | ")[0] not in ("int", "float", "bool")
    )


_WRITTEN_IN_TURN: dict[type, int] = {EncodedText: 1, AddressText: 1, KeyText: 2}
"""What was decoded comes after what was read as it is, for it may hold more than can be seen in the string; keys, by
which the others are found, come last."""
_PARTS = (TextPart, RefusalPart, ThinkingPart, ToolCallPart, ToolResultPart, MediaPart, OpaquePart)
_ROLE_KINDS: dict[str, TextKind] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool_result",
}
_PART_KINDS: dict[type, TextKind] = {
    ThinkingPart: "thinking",
    RefusalPart: "refusal",
    ToolCallPart: "tool_arguments",
    ToolResultPart: "tool_result",
    MediaPart: "document",
    OpaquePart: "opaque",
}
_FIELD_KINDS: dict[str, TextKind] = {
    "TextPart.provider_metadata": "opaque",
    "RefusalPart.provider_metadata": "opaque",
    "ThinkingPart.provider_metadata": "opaque",
    "ToolCallPart.id": "metadata",
    "ToolCallPart.name": "metadata",
    "ToolCallPart.provider_metadata": "opaque",
    "ToolResultPart.provider_metadata": "opaque",
    "MediaPart.provider_metadata": "opaque",
    "Message.provider_metadata": "opaque",
    "Tool.description": "tool_description",
    "Tool.parameters": "schema",
    "Tool.format": "schema",
    "ResponseFormat.schema": "schema",
    "ResponseFormat.description": "schema",
    "LLMRequest.stop": "metadata",
    "LLMRequest.user": "metadata",
    "LLMRequest.cache_key": "metadata",
    "LLMRequest.metadata": "metadata",
    "Choice.stop_sequence": "metadata",
}
_ENCODED = frozenset({"data"})
"""Fields of canonical types that hold base64; the vendor's JSON in an OpaquePart's is not a string."""
_LEAST_BINARY = 128
"""Characters of base64: what is shorter may be a word as well."""
