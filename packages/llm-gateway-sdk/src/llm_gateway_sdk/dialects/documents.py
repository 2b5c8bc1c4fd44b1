"""Documents of the types that a receiver reads: what is text goes as text, the rest is refused.

A document's type is read from its first bytes where these show it, then from its label, then from its name. Pure
functions.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable

from ..errors import DialectError
from ..losses import Losses
from ..parts import MediaPart, Part, ToolResultPart
from ..request import Message
from ..values import replace

__all__ = ["NO_DOCUMENTS", "OFFICE", "PDF", "document_type", "fit_documents"]

PDF = frozenset({"application/pdf"})
NO_DOCUMENTS: frozenset[str] = frozenset()

_OPEN_XML = "application/vnd.openxmlformats-officedocument."
_OPEN = "application/vnd.oasis.opendocument."
_BY_SUFFIX = {
    "pdf": "application/pdf", "doc": "application/msword", "docx": f"{_OPEN_XML}wordprocessingml.document",
    "xls": "application/vnd.ms-excel", "xlsx": f"{_OPEN_XML}spreadsheetml.sheet",
    "ppt": "application/vnd.ms-powerpoint", "pptx": f"{_OPEN_XML}presentationml.presentation",
    "odt": f"{_OPEN}text", "ods": f"{_OPEN}spreadsheet", "odp": f"{_OPEN}presentation", "rtf": "application/rtf",
    "txt": "text/plain", "md": "text/markdown", "csv": "text/csv", "html": "text/html", "xml": "text/xml",
    "json": "application/json", "zip": "application/zip", "epub": "application/epub+zip",
}  # fmt: skip
OFFICE = frozenset(_BY_SUFFIX[suffix] for suffix in ("doc", "docx", "xls", "xlsx", "ppt", "pptx", "odt", "rtf"))
"""Texts, tables and slides of office programs."""

_ZIPPED = (
    (b"word/", _BY_SUFFIX["docx"]), (b"xl/", _BY_SUFFIX["xlsx"]), (b"ppt/", _BY_SUFFIX["pptx"]),
    (b"mimetype" + _BY_SUFFIX["odt"].encode(), _BY_SUFFIX["odt"]),
    (b"mimetype" + _BY_SUFFIX["ods"].encode(), _BY_SUFFIX["ods"]),
    (b"mimetype" + _BY_SUFFIX["odp"].encode(), _BY_SUFFIX["odp"]),
    (b"mimetypeapplication/epub+zip", _BY_SUFFIX["epub"]),
)  # fmt: skip
"""Names of entries in the containers of ISO/IEC 29500 and 26300 that show what is in them."""
_LOOKED_AT = 8192
"""Base64 letters of a container that are read: its first entries' names."""
_GENERIC = frozenset({"", "application/octet-stream", "binary/octet-stream", "application/binary"})
_CONTAINER = "application/zip"
_TEXTS = frozenset(
    {
        "application/json", "application/xml", "application/yaml", "application/x-yaml", "application/javascript",
        "application/x-javascript", "application/x-sh", "application/toml", "application/sql", "application/x-ndjson",
        "application/x-python",
    }
)  # fmt: skip


def document_type(part: MediaPart) -> str | None:
    """The media type of a document that is given as data; None where neither bytes, label nor name show it."""
    label = (part.media_type or "").partition(";")[0].strip().lower()
    label = "" if label in _GENERIC else label
    named = _BY_SUFFIX.get((part.name or "").rpartition(".")[2].lower()) if part.name else None
    head = _head(part.data or "")
    if head.startswith(b"%PDF-"):
        return "application/pdf"
    if head.startswith(b"PK\x03\x04"):
        for entry, media_type in _ZIPPED:
            if entry in head:
                return media_type
        known = [kind for kind in (label, named) if kind and kind != "application/pdf" and not _is_text(kind)]
        return known[0] if known else _CONTAINER
    if head.startswith(b"{\\rtf"):
        return _BY_SUFFIX["rtf"]
    return label or named


def _head(data: str) -> bytes:
    try:
        begin = base64.b64decode(data[:8].replace("-", "+").replace("_", "/"), validate=True)
        if begin.startswith(b"PK\x03\x04"):
            begin = base64.b64decode(data[:_LOOKED_AT].replace("-", "+").replace("_", "/"), validate=True)
        return begin
    except (binascii.Error, ValueError):
        return b""


def _is_text(media_type: str) -> bool:
    return media_type.startswith("text/") or media_type in _TEXTS or media_type.endswith(("+json", "+xml"))


def fit_documents(messages: list[Message], taken: Iterable[str], losses: Losses) -> list[Message]:
    """The messages with each document in a form that is taken; those without a change are the same objects.

    `taken`: the types that are read; `text/*` for all of text. Texts that are not among them go as text, without a
    document around them where the API has none of text. Raises DialectError for a document that is neither.
    """
    types = frozenset(taken)
    fitted = []
    for position, message in enumerate(messages):
        path = f"messages[{position}].content"
        content = [_fitted(part, types, f"{path}[{place}]", losses) for place, part in enumerate(message.content)]
        if any(new is not old for new, old in zip(content, message.content, strict=True)):
            message = replace(message, content=content)
        fitted.append(message)
    return fitted


def _fitted(part: Part, taken: frozenset[str], path: str, losses: Losses) -> Part:
    if type(part) is MediaPart and part.kind == "document":
        return _fitted_document(part, taken, path, losses)
    if type(part) is ToolResultPart:
        content = [
            _fitted(inner, taken, f"{path}.content[{place}]", losses) for place, inner in enumerate(part.content)
        ]
        if any(new is not old for new, old in zip(content, part.content, strict=True)):
            return replace(part, content=content)
    return part


def _fitted_document(part: MediaPart, taken: frozenset[str], path: str, losses: Losses) -> MediaPart:
    if part.data is None:
        return part
    media_type = document_type(part)
    if media_type is None:
        # Nothing shows what it is: a PDF, as most are, where the receiver reads any.
        media_type = "application/pdf"
    elif _takes(taken, media_type):
        if media_type == part.media_type:
            return part
        if part.media_type is not None:
            losses.converted("messages[*].content[*].media_type", "as the bytes say")
        return replace(part, media_type=media_type)
    if media_type in taken:
        return part
    if (text := _text_of(part.data, media_type)) is not None:
        losses.converted("messages[*].content[*].media_type", f"{media_type} as text")
        return replace(part, data=None, text=text, media_type="text/plain")
    if not taken:
        raise DialectError(f"this model's provider takes no documents but texts, and not '{media_type}'", path=path)
    known = "PDF and text documents" if taken <= _PLAIN else f"documents of other types ({_listed(taken)})"
    raise DialectError(f"this model's provider takes {known}, not '{media_type}'", path=path)


_PLAIN = PDF | {"text/*"}


def _listed(taken: frozenset[str]) -> str:
    """By the endings of files, as people know them."""
    return ", ".join(sorted(suffix for suffix, media_type in _BY_SUFFIX.items() if _takes(taken, media_type)))


def _takes(taken: frozenset[str], media_type: str) -> bool:
    return media_type in taken or ("text/*" in taken and media_type.startswith("text/"))


def _text_of(data: str, media_type: str) -> str | None:
    """The document as text; None where it isn't one."""
    if not _is_text(media_type):
        return None
    try:
        return base64.b64decode(data.replace("-", "+").replace("_", "/"), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return None
