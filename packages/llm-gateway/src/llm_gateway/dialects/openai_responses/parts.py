"""Content parts of messages and of tool results, both ways."""

from __future__ import annotations

import base64
from typing import Any

from llm_gateway_sdk.dialects.coverage import drop_block
from llm_gateway_sdk.errors import DialectError
from llm_gateway_sdk.losses import Losses
from llm_gateway_sdk.parts import (
    CacheHint,
    Citation,
    MediaPart,
    OpaquePart,
    Part,
    ProviderMetadata,
    RefusalPart,
    TextPart,
    ThinkingPart,
)
from llm_gateway_sdk.wire.media import build_data_url, split_data_url

from .fields import NAME, beyond, found, mapping, own, sequence, text

__all__ = [
    "decode_annotation",
    "decode_content",
    "decode_content_part",
    "encode_annotation",
    "encode_input_part",
    "encode_logprobs",
    "encode_output_part",
]


def decode_content(value: Any, path: str) -> list[Part]:
    """A string, a list of parts or nothing."""
    if value is None or value == "":
        return []
    if isinstance(value, str):
        return [TextPart(value)]
    if not isinstance(value, list):
        raise DialectError(f"expected a string or a list of parts, found {found(value)}", path=path)
    return [decode_content_part(part, f"{path}[{position}]") for position, part in enumerate(value)]


def decode_content_part(value: Any, path: str) -> Part:
    raw = mapping(value, path)
    kind = raw.get("type")
    match kind:
        case "input_text" | "output_text" | "text":
            return _decode_text(raw, kind, path)
        case "refusal":
            return RefusalPart(text(raw, "refusal", path) or "", provider_metadata=_rest(raw, ("type", "refusal")))
        case "input_image":
            return _decode_image(raw, path)
        case "input_file":
            return _decode_file(raw, path)
        case "input_audio":
            return _decode_audio(raw, path)
        case _:
            return OpaquePart(NAME, raw)


def encode_input_part(part: Part, path: str, losses: Losses) -> dict[str, Any] | None:
    """A part of a user or system message or of a tool result; None where it has no form, which is listed."""
    match part:
        case TextPart():
            written = {"type": own(part).get("_type", "input_text"), "text": part.text}
            if part.citations:
                losses.dropped(f"{path}.citations", "input text carries none")
        case RefusalPart():
            written = {"type": "input_text", "text": part.text}
            losses.converted(path, "a refusal outside an assistant message is written as text")
        case MediaPart(kind="image"):
            written = _encode_image(part)
        case MediaPart(kind="document"):
            written = _encode_file(part)
        case MediaPart(kind="audio"):
            written = _encode_audio(part, path)
        case OpaquePart():
            if part.dialect != NAME:
                drop_block(part, losses, path)
                return None
            data: dict[str, Any] = part.data
            return data
        case MediaPart():
            raise DialectError(f"a Responses request can't hold {part.kind}", path=path)
        case _:
            signed = type(part) is ThinkingPart and part.signature is not None
            losses.dropped(f"{path}.signature" if signed else path, "not in a turn of the user")
            return None
    if part.signature is not None:
        losses.dropped(f"{path}.signature")
    written.update(_verbatim(part))
    if part.cache is not None:
        written["prompt_cache_breakpoint"] = _encode_cache(part.cache, path, losses)
    return written


def encode_output_part(part: TextPart | RefusalPart) -> dict[str, Any]:
    """A part of an assistant message, as replies have it; the request side takes the same."""
    if isinstance(part, RefusalPart):
        return {"type": "refusal", "refusal": part.text, **_verbatim(part)}
    annotations = [note for citation in part.citations if (note := encode_annotation(citation, len(part.text)))]
    return {"type": "output_text", "annotations": annotations, "text": part.text, **_verbatim(part)}


def decode_annotation(value: Any, path: str) -> Citation:
    raw = mapping(value, path)
    metadata: ProviderMetadata = {NAME: raw}
    kind = raw.get("type")
    if kind == "url_citation":
        start, end = raw.get("start_index"), raw.get("end_index")
        return Citation(
            kind="url",
            url=text(raw, "url", path),
            title=text(raw, "title", path),
            start=start if isinstance(start, int) else None,
            end=end if isinstance(end, int) else None,
            provider_metadata=metadata,
        )
    return Citation(
        kind="file" if kind in ("file_citation", "container_file_citation", "file_path") else str(kind),
        title=text(raw, "filename", path),
        file_id=text(raw, "file_id", path),
        provider_metadata=metadata,
    )


def encode_annotation(citation: Citation, length: int) -> dict[str, Any] | None:
    """None where the citation points at nothing that an annotation can name: its source has neither URL nor file id.

    `length` is that of the citing text, which a citation without place is about as a whole.
    """
    raw = citation.provider_metadata.get(NAME)
    if raw is not None:
        return raw
    if citation.url is not None:
        return {
            "type": "url_citation",
            "start_index": citation.start if citation.start is not None else 0,
            "end_index": citation.end if citation.end is not None else length,
            "url": citation.url,
            "title": citation.title or citation.url,
        }
    if citation.file_id is not None:
        return {
            "type": "file_citation",
            "file_id": citation.file_id,
            "filename": citation.title or citation.file_id,
            "index": citation.end if citation.end is not None else length,
        }
    return None


def encode_logprobs(entries: list[Any]) -> list[dict[str, Any]]:
    """Chat's entries are the same but for `bytes`, which may be null there."""
    return [
        {
            "token": entry.get("token", ""),
            "bytes": entry.get("bytes") or [],
            "logprob": entry.get("logprob", 0.0),
            "top_logprobs": [
                {"token": top.get("token", ""), "bytes": top.get("bytes") or [], "logprob": top.get("logprob", 0.0)}
                for top in _objects(entry.get("top_logprobs"))
            ],
        }
        for entry in _objects(entries)
    ]


def _objects(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _decode_text(raw: dict[str, Any], kind: str, path: str) -> TextPart:
    citations = [
        decode_annotation(note, f"{path}.annotations[{position}]")
        for position, note in enumerate(sequence(raw, "annotations", path))
    ]
    metadata = _rest(raw, ("type", "text", "annotations", "logprobs", "prompt_cache_breakpoint"))
    if kind == "text":
        metadata = {NAME: {**metadata.get(NAME, {}), "_type": kind}}
    return TextPart(
        text(raw, "text", path) or "", citations, cache=_decode_cache(raw, path), provider_metadata=metadata
    )


def _decode_image(raw: dict[str, Any], path: str) -> MediaPart | OpaquePart:
    url, file_id = text(raw, "image_url", path), text(raw, "file_id", path)
    part = MediaPart("image", detail=text(raw, "detail", path), cache=_decode_cache(raw, path))
    part.provider_metadata = _rest(raw, ("type", "image_url", "file_id", "detail", "prompt_cache_breakpoint"))
    if url is not None:
        _set_address(part, url)
    elif file_id is not None:
        part.file_id = file_id
    else:
        return OpaquePart(NAME, raw)
    return part


def _decode_file(raw: dict[str, Any], path: str) -> MediaPart | OpaquePart:
    data, url, file_id = (text(raw, key, path) for key in ("file_data", "file_url", "file_id"))
    name, detail = text(raw, "filename", path), text(raw, "detail", path)
    part = MediaPart("document", name=name, detail=detail, cache=_decode_cache(raw, path))
    known = ("type", "file_data", "file_url", "file_id", "filename", "detail", "prompt_cache_breakpoint")
    part.provider_metadata = _rest(raw, known)
    if data is not None:
        split = split_data_url(data)
        if split is not None:
            part.media_type, part.data = split
        else:
            # The vendor takes bare base64 too; only the name then shows the type.
            part.data, part.media_type = data, _media_type_of(name)
            part.provider_metadata = {NAME: {**own(part), "_bare": True}}
    elif url is not None:
        _set_address(part, url)
    elif file_id is not None:
        part.file_id = file_id
    else:
        return OpaquePart(NAME, raw)
    return part


def _decode_audio(raw: dict[str, Any], path: str) -> MediaPart:
    audio = mapping(raw.get("input_audio"), f"{path}.input_audio")
    format_ = text(audio, "format", f"{path}.input_audio") or "wav"
    return MediaPart(
        "audio",
        media_type=_AUDIO_TYPES.get(format_, f"audio/{format_}"),
        data=text(audio, "data", f"{path}.input_audio") or "",
        provider_metadata=_rest(raw, ("type", "input_audio")),
    )


def _set_address(part: MediaPart, url: str) -> None:
    split = split_data_url(url)
    if split is None:
        part.url = url
    else:
        part.media_type, part.data = split


def _encode_image(part: MediaPart) -> dict[str, Any]:
    written: dict[str, Any] = {"type": "input_image", "detail": part.detail or "auto"}
    if part.file_id is not None:
        written["file_id"] = part.file_id
    else:
        written["image_url"] = part.url if part.url is not None else build_data_url(part.media_type, part.data or "")
    return written


def _encode_file(part: MediaPart) -> dict[str, Any]:
    written: dict[str, Any] = {"type": "input_file"}
    if part.name is not None:
        written["filename"] = part.name
    if part.detail is not None:
        written["detail"] = part.detail
    if part.file_id is not None:
        written["file_id"] = part.file_id
    elif part.url is not None:
        written["file_url"] = part.url
    elif part.data is not None and own(part).get("_bare"):
        written["file_data"] = part.data
    else:
        data = part.data
        if data is None:
            data = base64.b64encode((part.text or "").encode("utf-8", "replace")).decode()
        media_type = part.media_type or ("text/plain" if part.data is None else "application/pdf")
        # Data needs a name there.
        written.setdefault("filename", "document.txt" if media_type.startswith("text/") else "document.pdf")
        written["file_data"] = build_data_url(media_type, data)
    return written


def _encode_audio(part: MediaPart, path: str) -> dict[str, Any]:
    if part.data is None:
        raise DialectError("audio must be given as data here, not by address", path=path)
    media_type = part.media_type or "audio/wav"
    format_ = _AUDIO_FORMATS.get(media_type) or media_type.partition("/")[2] or "wav"
    return {"type": "input_audio", "input_audio": {"data": part.data, "format": format_}}


def _decode_cache(raw: dict[str, Any], path: str) -> CacheHint | None:
    if raw.get("prompt_cache_breakpoint") is None:
        return None
    hint = mapping(raw["prompt_cache_breakpoint"], f"{path}.prompt_cache_breakpoint")
    return CacheHint(text(hint, "ttl", f"{path}.prompt_cache_breakpoint"), provider_metadata={NAME: hint})


def _encode_cache(hint: CacheHint, path: str, losses: Losses) -> dict[str, Any]:
    raw = hint.provider_metadata.get(NAME)
    if raw is not None:
        return raw
    written = {"mode": "explicit"}
    if hint.ttl in ("30m", "12h"):
        written["ttl"] = hint.ttl
    else:
        losses.converted(f"{path}.cache", "to a prompt cache breakpoint of the default time to live")
    return written


def _rest(raw: dict[str, Any], known: tuple[str, ...]) -> ProviderMetadata:
    rest = beyond(raw, known)
    return {NAME: rest} if rest else {}


def _verbatim(part: Part) -> dict[str, Any]:
    memo = part.provider_metadata.get(NAME)
    return {key: value for key, value in memo.items() if key[:1] != "_"} if memo else {}


def _media_type_of(name: str | None) -> str:
    suffix = name.rpartition(".")[2].lower() if name else ""
    return _TYPES_OF_SUFFIX.get(suffix, "application/pdf")


_TYPES_OF_SUFFIX = {
    "txt": "text/plain",
    "md": "text/markdown",
    "csv": "text/csv",
    "html": "text/html",
    "json": "application/json",
}
_AUDIO_TYPES = {"mp3": "audio/mpeg", "wav": "audio/wav"}
_AUDIO_FORMATS = {
    "audio/mpeg": "mp3",
    "audio/mp3": "mp3",
    "audio/wav": "wav",
    "audio/x-wav": "wav",
    "audio/wave": "wav",
}
