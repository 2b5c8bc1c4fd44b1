"""Images and documents within the counts and sizes that a receiver takes.

Agents collect images: a conversation with a screenshot per turn grows beyond what a provider takes, and would then be
refused for good. So the oldest images, which the model has seen and spoken about, make room for the newest ones; a text
is left in their place, and the loss is reported. What the client has just sent is never left out: where that alone is
too much the request is refused.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass

from ..errors import DialectError
from ..losses import Losses
from ..parts import MediaPart, Part, TextPart, ToolResultPart
from ..request import Message
from ..values import replace
from .media import sniff
from .receiver import Images

__all__ = ["fit_images", "pixels"]

_HEAD = 350_000
"""Base64 letters of an image that are read for its size: a JPEG has it after its metadata."""


@dataclass(slots=True, frozen=True)
class _Found:
    """An image of the conversation, and where it is."""

    part: MediaPart
    place: tuple[int, int, int]
    """Message, part, and part of a tool's result (-1: it is in none)."""

    @property
    def path(self) -> str:
        message, part, inner = self.place
        return f"messages[{message}].content[{part}]" + (f".content[{inner}]" if inner >= 0 else "")


def fit_images(messages: list[Message], bounds: Images, losses: Losses) -> list[Message]:
    """The messages with no more images than are taken; the same list where all are.

    Raises DialectError for an image that is too large, and where the last turn alone holds too many, or one of a type
    that is not taken.
    """
    if bounds.types is not None:
        messages = _fit_types(messages, bounds.types, losses)
    images = _images(messages)
    longest = [_checked(image, bounds) for image in images]
    if bounds.per_message:
        for position in range(len(messages)):
            _refuse_too_many(sum(image.place[0] == position for image in images), bounds.count, "images", position)
    if bounds.documents is not None:
        for position, message in enumerate(messages):
            _refuse_too_many(_documents(message), bounds.documents, "documents", position)
    most = None if bounds.per_message else bounds.count
    reason = f"the model takes {most} images"
    many, side = bounds.many, bounds.many_side
    if many is not None and side is not None and len(images) > many and max(longest) > side:
        most, reason = many, f"with more than {many} images none may have more than {side} pixels at a side"
    if most is None or len(images) <= most:
        return messages
    newest = _begin_of_last_turn(messages)
    left_out = images[: len(images) - most]
    if left_out[-1].place[0] >= newest:
        raise DialectError(f"{len(images)} images: {reason}", path=left_out[-1].path)
    losses.dropped("messages[*].content[*]", f"the first {len(left_out)} images: {reason}")
    return _without(messages, {image.place for image in left_out})


def _fit_types(messages: list[Message], taken: frozenset[str], losses: Losses) -> list[Message]:
    """With images of other types than are `taken` as text where they are text (SVG), and else left out where the model
    has seen them before."""
    changes: dict[tuple[int, int, int], Part] = {}
    newest = None
    for image in _images(messages):
        part = image.part
        if part.data is None or part.media_type is None or part.media_type in taken:
            continue
        if (found := sniff(part.data)) in taken:
            changes[image.place] = replace(part, media_type=found)
        elif part.media_type == "image/svg+xml" and (text := _text(part.data)) is not None:
            losses.converted("messages[*].content[*]", "an image of image/svg+xml as text")
            changes[image.place] = TextPart(text, cache=part.cache)
        else:
            newest = _begin_of_last_turn(messages) if newest is None else newest
            reason = f"this model's provider takes no image of type '{part.media_type}' (known: {_listed(taken)})"
            if image.place[0] >= newest:
                raise DialectError(reason, path=image.path)
            losses.dropped("messages[*].content[*]", reason)
            changes[image.place] = TextPart(_OF_OTHER_TYPE)
    return _changed(messages, changes) if changes else messages


def _listed(types: frozenset[str]) -> str:
    return ", ".join(sorted(types))


def _text(data: str) -> str | None:
    try:
        return base64.b64decode(data, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None


def _images(messages: list[Message]) -> list[_Found]:
    return [
        _Found(one, (position, place, inner))
        for position, message in enumerate(messages)
        for place, part in enumerate(message.content)
        for inner, one in (enumerate(part.content) if type(part) is ToolResultPart else ((-1, part),))
        if type(one) is MediaPart and one.kind == "image"
    ]


def _documents(message: Message) -> int:
    return sum(
        type(one) is MediaPart and one.kind == "document"
        for part in message.content
        for one in (part.content if type(part) is ToolResultPart else (part,))
    )


def _checked(image: _Found, bounds: Images) -> int:
    """The pixels of the longer side; 0 where they are not known. Raises DialectError where the image is too large."""
    data = image.part.data
    if data is None:
        return 0
    if bounds.letters is not None and len(data) > bounds.letters:
        size, most = len(data) / 1024 / 1024, bounds.letters / 1024 / 1024
        raise DialectError(f"an image of {size:.1f} MB (as base64): the model takes {most:g} MB", path=image.path)
    if bounds.side is None:
        return 0
    width, height = pixels(data) or (0, 0)
    if max(width, height) > bounds.side:
        raise DialectError(
            f"an image of {width} x {height} pixels: the model takes {bounds.side} at a side", path=image.path
        )
    return max(width, height)


def _refuse_too_many(count: int, most: int | None, what: str, position: int) -> None:
    if most is not None and count > most:
        raise DialectError(f"{count} {what} in one message: the model takes {most}", path=f"messages[{position}]")


def _begin_of_last_turn(messages: list[Message]) -> int:
    """The place of the first message after the model's last one."""
    for position in range(len(messages) - 1, -1, -1):
        if messages[position].role == "assistant":
            return position + 1
    return 0


def _without(messages: list[Message], places: set[tuple[int, int, int]]) -> list[Message]:
    return _changed(messages, dict.fromkeys(places, TextPart(_LEFT_OUT)))


def _changed(messages: list[Message], changes: Mapping[tuple[int, int, int], Part]) -> list[Message]:
    """With other parts in the places of some."""
    changed = list(messages)
    for position in {place[0] for place in changes}:
        content: list[Part] = []
        for place, part in enumerate(messages[position].content):
            if (new := changes.get((position, place, -1))) is not None:
                content.append(new)
            elif type(part) is ToolResultPart:
                inner = [changes.get((position, place, number), one) for number, one in enumerate(part.content)]
                content.append(replace(part, content=inner))
            else:
                content.append(part)
        changed[position] = replace(messages[position], content=content)
    return changed


_OF_OTHER_TYPE = "[An earlier image was left out here: it is of a type that the model does not take.]"
_LEFT_OUT = "[An earlier image was left out here: there are more than the model takes.]"


# The size of an image, from its first bytes.


def pixels(data: str) -> tuple[int, int] | None:
    """Width and height of a PNG, GIF, WebP or JPEG in base64; None where they can't be read."""
    head = data[:_HEAD]
    try:
        raw = base64.b64decode(head[: len(head) // 4 * 4].replace("-", "+").replace("_", "/"))
    except (binascii.Error, ValueError):
        return None
    if raw[:8] == b"\x89PNG\r\n\x1a\n" and raw[12:16] == b"IHDR" and len(raw) >= 24:
        return int.from_bytes(raw[16:20], "big"), int.from_bytes(raw[20:24], "big")
    if raw[:4] == b"GIF8" and len(raw) >= 10:
        return int.from_bytes(raw[6:8], "little"), int.from_bytes(raw[8:10], "little")
    if raw[:4] == b"RIFF" and raw[8:12] == b"WEBP" and len(raw) >= 30:
        return _of_webp(raw)
    return _of_jpeg(raw) if raw[:2] == b"\xff\xd8" else None


def _of_webp(raw: bytes) -> tuple[int, int] | None:
    """Google, "WebP Container Specification": the three forms of its first chunk."""
    kind = raw[12:16]
    if kind == b"VP8X":
        return int.from_bytes(raw[24:27], "little") + 1, int.from_bytes(raw[27:30], "little") + 1
    if kind == b"VP8L" and raw[20] == 0x2F:
        bits = int.from_bytes(raw[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8 " and raw[23:26] == b"\x9d\x01\x2a":
        return int.from_bytes(raw[26:28], "little") & 0x3FFF, int.from_bytes(raw[28:30], "little") & 0x3FFF
    return None


def _of_jpeg(raw: bytes) -> tuple[int, int] | None:
    """ITU T.81: segments of a marker and a length; the frame's header has the size."""
    place = 2
    while place + 9 <= len(raw):
        if raw[place] != 0xFF:
            return None
        marker = raw[place + 1]
        if marker == 0xFF:  # a fill byte
            place += 1
        elif 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            return int.from_bytes(raw[place + 7 : place + 9], "big"), int.from_bytes(raw[place + 5 : place + 7], "big")
        elif marker == 0x01 or 0xD0 <= marker <= 0xD8:  # markers without a length
            place += 2
        else:
            length = int.from_bytes(raw[place + 2 : place + 4], "big")
            if length < 2:
                return None
            place += 2 + length
    return None
