"""What a medium is, is read from its first bytes: labels are often wrong, and some receivers compare the two."""

from __future__ import annotations

import base64
import binascii
import operator

from ..errors import DialectError
from ..losses import Losses
from ..parts import MediaKind, MediaPart, Part, ToolResultPart
from ..request import Message
from ..values import replace
from ..wire.pieces import PIECE_BYTES, joined_text

__all__ = ["fit_media", "labelled", "plain_base64", "refuse_audio", "sniff"]

# File signatures: RFC 2083 (PNG), ITU T.81 (JPEG), GIF89a, the RIFF container (WebP, WAVE), ISO 32000 (PDF), ID3v2 and
# MPEG audio frames, RFC 3533 (Ogg), RFC 9639 (FLAC).
_SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"%PDF-", "application/pdf"),
    (b"ID3", "audio/mpeg"),
    (b"OggS", "audio/ogg"),
    (b"fLaC", "audio/flac"),
)
_RIFF = {b"WEBP": "image/webp", b"WAVE": "audio/wav"}
_SYNONYMS = {
    "image/jpg": "image/jpeg",
    "image/pjpeg": "image/jpeg",
    "image/x-png": "image/png",
    "application/x-pdf": "application/pdf",
}
_ALIKE = {"audio/mpeg": ("audio/mp3", "audio/x-mp3"), "audio/wav": ("audio/x-wav", "audio/wave", "audio/vnd.wave")}
"""Other words for a type, which receivers know as well."""
_IMAGES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})


def plain_base64(data: str) -> str:
    """The same base64 as all receivers read it (RFC 4648, section 4): the alphabet with `+` and `/`, padded, and no
    line breaks. The same object where it is so already."""
    if len(data) <= PIECE_BYTES:
        data = _plain_piece(data, is_spaced="\n" in data or " " in data)
        return data + "=" * (-len(data) % 4) if len(data) % 4 in (2, 3) else data
    # In pieces, between which other threads have their turn: 60 MB of words would be a second.
    whole = [data[start : start + PIECE_BYTES] for start in range(0, len(data), PIECE_BYTES)]
    is_spaced = any("\n" in piece or " " in piece for piece in whole)
    pieces = [_plain_piece(piece, is_spaced=is_spaced) for piece in whole]
    size = sum(map(len, pieces))
    if size % 4 in (2, 3):
        pieces.append("=" * (-size % 4))
    elif all(map(operator.is_, pieces, whole)):
        return data
    return joined_text(pieces)


def _plain_piece(data: str, *, is_spaced: bool) -> str:
    if "-" in data or "_" in data:
        data = data.replace("-", "+").replace("_", "/")
    return "".join(data.split()) if is_spaced else data


def sniff(data: str) -> str | None:
    """The media type of base64 `data` by its first bytes; None where they say nothing."""
    try:
        head = base64.b64decode(data[:24].replace("-", "+").replace("_", "/"), validate=True)
    except (binascii.Error, ValueError):
        return None
    for signature, media_type in _SIGNATURES:
        if head.startswith(signature):
            return media_type
    return _RIFF.get(head[8:12]) if head[:4] == b"RIFF" else None


def labelled(part: MediaPart, *, checked: bool = True) -> MediaPart:
    """The part with the kind and type that its bytes have, its type without parameters and in lower case; the part
    itself where that is so already. Its data is `plain_base64`. With `checked` False a label of the right kind is
    believed."""
    if part.data is not None and (data := plain_base64(part.data)) is not part.data:
        part = replace(part, data=data)
    media_type = part.media_type
    if media_type is not None:
        media_type = media_type.partition(";")[0].strip().lower()
        media_type = _SYNONYMS.get(media_type, media_type) or None
    found = sniff(part.data) if part.data is not None else None
    believed = not checked and media_type is not None and media_type.startswith(f"{part.kind}/")
    if found is not None and not believed and media_type not in (found, *_ALIKE.get(found, ())):
        media_type = found
    elif found is None and part.kind == "image" and media_type is not None and not media_type.startswith("image/"):
        media_type = None
    kind = _kind(part, media_type)
    if media_type == part.media_type and kind == part.kind:
        return part
    return replace(part, media_type=media_type, kind=kind)


def _kind(part: MediaPart, media_type: str | None) -> MediaKind:
    if part.text is None and media_type in _IMAGES:
        return "image"
    if media_type == "application/pdf" and part.kind == "image":
        return "document"
    return part.kind


def fit_media(messages: list[Message], losses: Losses, *, checked: bool = True) -> list[Message]:
    """The messages with media labelled right; those without a change are the same objects."""
    fitted = []
    for message in messages:
        content = [_fitted(part, checked) for part in message.content]
        if any(new is not old for new, old in zip(content, message.content, strict=True)):
            if _labels(content) != _labels(message.content):
                losses.converted("messages[*].content[*].media_type", "detected from the bytes")
            message = replace(message, content=content)
        fitted.append(message)
    return fitted


def _labels(content: list[Part]) -> list[tuple[MediaKind, str | None]]:
    parts = [one for part in content for one in (part.content if type(part) is ToolResultPart else (part,))]
    return [(part.kind, part.media_type) for part in parts if type(part) is MediaPart]


def refuse_audio(messages: list[Message]) -> None:
    """Raises DialectError where a message holds audio."""
    for position, message in enumerate(messages):
        for place, part in enumerate(message.content):
            inner = part.content if type(part) is ToolResultPart else [part]
            if any(type(one) is MediaPart and one.kind == "audio" for one in inner):
                raise DialectError(
                    "this model's provider takes no audio here", path=f"messages[{position}].content[{place}]"
                )


def _fitted(part: Part, checked: bool) -> Part:
    if type(part) is MediaPart:
        return labelled(part, checked=checked)
    if type(part) is ToolResultPart:
        content = [_fitted(inner, checked) for inner in part.content]
        if any(new is not old for new, old in zip(content, part.content, strict=True)):
            return replace(part, content=content)
    return part
