"""Images, documents, video and audio: `{format, source: {bytes | s3Location | text}}` ↔ MediaPart.

Bytes are base64 in JSON. There are no addresses but those of S3.
"""

from __future__ import annotations

import base64
import re
from typing import Any

from llm_gateway_sdk import DialectError, MediaPart

__all__ = ["MEDIA_KEYS", "DocumentNames", "decode_media", "encode_media"]

NAME = "bedrock"
MEDIA_KEYS = ("image", "document", "video", "audio")

_TYPES = {
    "image": {"png": "image/png", "jpeg": "image/jpeg", "gif": "image/gif", "webp": "image/webp"},
    "document": {
        "pdf": "application/pdf",
        "csv": "text/csv",
        "doc": "application/msword",
        "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "xls": "application/vnd.ms-excel",
        "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "html": "text/html",
        "txt": "text/plain",
        "md": "text/markdown",
    },
    "video": {
        "mp4": "video/mp4",
        "mov": "video/quicktime",
        "mkv": "video/x-matroska",
        "webm": "video/webm",
        "flv": "video/x-flv",
        "mpeg": "video/mpeg",
        "mpg": "video/mpg",
        "wmv": "video/x-ms-wmv",
        "three_gp": "video/3gpp",
    },
    "audio": {
        "mp3": "audio/mpeg",
        "wav": "audio/wav",
        "ogg": "audio/ogg",
        "flac": "audio/flac",
        "aac": "audio/aac",
        "opus": "audio/opus",
        "m4a": "audio/mp4",
        "webm": "audio/webm",
        "pcm": "audio/pcm",
    },
}
_USUAL = {"image": "image/png", "document": "application/pdf"}
"""What is assumed where neither a type nor a name shows the format."""
_FORMATS = {kind: {media_type: word for word, media_type in table.items()} for kind, table in _TYPES.items()}
_FORMATS["image"]["image/jpg"] = "jpeg"
_FORMATS["document"]["application/x-pdf"] = "pdf"
_FORMATS["audio"] |= {"audio/mp3": "mp3", "audio/x-wav": "wav", "audio/wave": "wav", "audio/x-m4a": "m4a"}


def decode_media(kind: Any, block: dict[str, Any], path: str) -> MediaPart | None:
    """None where the source is of a kind that has no canonical form (chunked documents)."""
    source = block.get("source")
    word = block.get("format")
    if not isinstance(source, dict):
        return None
    media_type = _TYPES[kind].get(word, f"{kind}/{word}") if isinstance(word, str) else None
    part = MediaPart(kind, media_type)
    metadata = {key: value for key, value in block.items() if key not in ("source", "format", "name")}
    if isinstance(source.get("bytes"), str):
        part.data = source["bytes"]
    elif isinstance(source.get("text"), str):
        part.text = source["text"]
    elif isinstance(source.get("s3Location"), dict) and isinstance(source["s3Location"].get("uri"), str):
        part.file_id = source["s3Location"]["uri"]
        if owner := {key: value for key, value in source["s3Location"].items() if key != "uri"}:
            metadata["s3Location"] = owner
    else:
        return None
    if isinstance(block.get("name"), str):
        part.name = block["name"]
    if metadata:
        part.provider_metadata = {NAME: metadata}
    return part


class DocumentNames:
    """Every document needs a separate name, in letters, digits, single spaces, hyphens and brackets."""

    def __init__(self) -> None:
        self._used: set[str] = set()
        self._numbers: dict[str, int] = {}
        """By name, the last number after it: of many documents with one name none tries all numbers anew."""
        self._count = 0

    def of(self, wanted: str | None) -> str:
        self._count += 1
        wanted = (wanted or "")[:_LONGEST_ADDRESS]
        name = _SPACES.sub(" ", _FORBIDDEN.sub(" ", wanted)).strip()[:190] or f"Document {self._count}"
        unique, number = name, self._numbers.get(name, 1)
        while unique in self._used:
            number += 1
            unique = f"{name} ({number})"
        self._used.add(unique)
        self._numbers[name] = number
        return unique


_FORBIDDEN = re.compile(r"[^A-Za-z0-9\s\-()\[\]]")
_SPACES = re.compile(r"\s+")
_LONGEST_ADDRESS = 4096
"""Of an address or a name no more is looked at."""
_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,5}$")


def encode_media(part: MediaPart, names: DocumentNames, path: str) -> dict[str, Any]:
    """The block. Raises DialectError for what Converse can't take: addresses other than S3's, unknown formats."""
    kind, word = _format(part, path)
    metadata = part.provider_metadata.get(NAME) or {}
    block: dict[str, Any] = {"format": word, "source": _source(part, kind, metadata, path)}
    if kind == "document":
        block["name"] = names.of(part.name and _SUFFIX.sub("", part.name[:_LONGEST_ADDRESS]))
    for key, value in metadata.items():
        if key != "s3Location":
            block[key] = value
    return {kind: block}


def _format(part: MediaPart, path: str) -> tuple[str, str]:
    media_type = (part.media_type or "").partition(";")[0].strip().lower()
    kind = part.kind
    if not media_type:
        media_type = "text/plain" if part.text is not None else _of_address(part, kind)
    word = _FORMATS[kind].get(media_type)
    if word is None and kind == "document" and (part.text is not None or media_type.startswith("text/")):
        word = "txt"
    if word is None and media_type.partition("/")[0] == kind:
        # A format that came from Bedrock itself.
        word = media_type.partition("/")[2] if part.provider_metadata.get(NAME) is not None else None
    if word is None:
        known = ", ".join(_TYPES[kind].values())
        raise DialectError(f"Bedrock takes no {kind} of type '{media_type}' (known: {known})", path=path)
    return kind, word


def _of_address(part: MediaPart, kind: str) -> str:
    address = (part.file_id or part.url or part.name or "")[:_LONGEST_ADDRESS]
    suffix = address.partition("?")[0].rpartition(".")[2].lower()
    suffix = {"jpg": "jpeg", "3gp": "three_gp"}.get(suffix, suffix)
    return _TYPES[kind].get(suffix, _USUAL.get(kind, ""))


def _source(part: MediaPart, kind: str, metadata: dict[str, Any], path: str) -> dict[str, Any]:
    if part.data is not None:
        return {"bytes": part.data}
    if part.text is not None:
        if metadata.get("citations") is not None:
            return {"text": part.text}
        return {"bytes": base64.b64encode(part.text.encode("utf-8", "surrogatepass")).decode()}
    address = part.file_id or part.url or ""
    if address.startswith("s3://"):
        return {"s3Location": {"uri": address, **(metadata.get("s3Location") or {})}}
    what = "an address" if part.url else "a file of another vendor"
    raise DialectError(f"Bedrock takes the bytes of {_ARTICLES[kind]} or its place in S3, not {what}", path=path)


_ARTICLES = {"image": "an image", "document": "a document", "video": "a video", "audio": "an audio clip"}
