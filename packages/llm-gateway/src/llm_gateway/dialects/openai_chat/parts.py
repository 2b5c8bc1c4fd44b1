"""Content parts of messages: text, media, refusals, reasoning, cache hints and signatures.

OpenAI API reference, "Create chat completion", `messages[].content[]`; vendors' additions as each function names them.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Any

from llm_gateway_sdk.dialects.coverage import drop_block
from llm_gateway_sdk.errors import DialectError
from llm_gateway_sdk.losses import Losses
from llm_gateway_sdk.parts import (
    CacheHint,
    MediaPart,
    OpaquePart,
    Part,
    ProviderMetadata,
    RefusalPart,
    TextPart,
    ThinkingPart,
    ToolCallPart,
)
from llm_gateway_sdk.signatures import unwrap_signature, wrap_signature
from llm_gateway_sdk.wire import json
from llm_gateway_sdk.wire.media import build_data_url, split_data_url

from . import other_forms
from .fields import (
    FORM,
    NAME,
    as_object,
    describe,
    extras,
    form_of,
    metadata,
    optional_object,
    optional_str,
    own,
    required_str,
)

__all__ = [
    "THINKING_FIELDS",
    "decode_content",
    "decode_thinking",
    "encode_part",
    "encode_texts",
    "is_kept",
    "is_packed_detail",
    "keep_media",
    "read_extra_content",
    "thinking_block",
    "thinking_detail",
    "write_extra_content",
]


def decode_content(value: Any, path: str) -> tuple[list[Part], dict[str, Any]]:
    """(parts, notes on form) of a message's `content`: null, a string or a list of parts."""
    if value is None or value == "":
        return [], {}
    if isinstance(value, str):
        return [TextPart(value)], {}
    if not isinstance(value, list):
        raise DialectError(f"expected a string or a list of parts, found {describe(value)}", path=path)
    return [_decode_part(part, f"{path}[{position}]") for position, part in enumerate(value)], {"content": "parts"}


def _decode_part(wire: Any, path: str) -> Part:
    if isinstance(wire, str):
        return TextPart(wire)
    wire = as_object(wire, path)
    kind = wire.get("type")
    if kind == "text" and len(wire) == 2 and type(text := wire.get("text")) is str:
        return TextPart(text)
    decode = _DECODERS.get(kind) if isinstance(kind, str) else None
    if decode is None:
        return OpaquePart(dialect=NAME, data=wire)
    part = decode(wire, path)
    part.cache = _decode_cache(wire, path)
    rest = extras(wire, _KNOWN[kind])
    if rest:
        part.provider_metadata = {NAME: {**part.provider_metadata.get(NAME, {}), **rest}}
    return part


def _decode_text(wire: dict[str, Any], path: str) -> Part:
    return TextPart(optional_str(wire.get("text"), f"{path}.text") or "")


def _decode_refusal(wire: dict[str, Any], path: str) -> Part:
    text = optional_str(wire.get("refusal"), f"{path}.refusal") or ""
    return RefusalPart(text, provider_metadata=metadata({}, {"field": "content"}))


def _decode_image(wire: dict[str, Any], path: str) -> Part:
    # Mistral's and some clients' short form is the bare address.
    image = wire.get("image_url")
    short = isinstance(image, str)
    if short:
        image = {"url": image}
    image = as_object(image, f"{path}.image_url")
    url = required_str(image.get("url"), f"{path}.image_url.url")
    part = MediaPart("image", detail=optional_str(image.get("detail"), f"{path}.image_url.detail"))
    if short:
        part.provider_metadata = metadata({}, {"short": True})
    _place(part, url)
    return part


def _decode_audio(wire: dict[str, Any], path: str) -> Part:
    audio = wire.get("input_audio")
    if isinstance(audio, str):
        # Mistral's form: an address, or the bare data.
        sound = MediaPart("audio", provider_metadata=_as_given())
        if audio.startswith(("http://", "https://", "data:")):
            _place(sound, audio)
        else:
            sound.data = audio
        return sound
    audio = as_object(audio, f"{path}.input_audio")
    data = required_str(audio.get("data"), f"{path}.input_audio.data")
    form = optional_str(audio.get("format"), f"{path}.input_audio.format")
    return MediaPart("audio", media_type=_AUDIO_TYPES.get(form, f"audio/{form}") if form else None, data=data)


def _decode_file(wire: dict[str, Any], path: str) -> Part:
    file = as_object(wire.get("file"), f"{path}.file")
    name = optional_str(file.get("filename"), f"{path}.file.filename")
    file_id = optional_str(file.get("file_id"), f"{path}.file.file_id")
    data = optional_str(file.get("file_data"), f"{path}.file.file_data")
    part = MediaPart("document", name=name)
    rest = extras(file, frozenset({"filename", "file_id", "file_data"}))
    if data:
        if data.startswith(("http://", "https://")) or data[:5].lower() == "data:":
            _place(part, data)
            if part.url is not None:
                rest[FORM] = {"given": True}
        else:
            part.data = data
            part.media_type = _type_of_name(name)
            rest[FORM] = {"bare": True}
    elif file_id:
        part.file_id = file_id
    else:
        raise DialectError("expected `file_data` or `file_id`", path=f"{path}.file")
    if rest:
        part.provider_metadata = {NAME: rest}
    return part


def _decode_video(wire: dict[str, Any], path: str) -> Part:
    """`video_url` of vLLM and OpenRouter."""
    video = wire.get("video_url")
    url = video.get("url") if isinstance(video, dict) else video
    part = MediaPart("video", provider_metadata=_as_given())
    _place(part, required_str(url, f"{path}.video_url.url"))
    return part


def _decode_thinking_part(wire: dict[str, Any], path: str) -> Part:
    """Mistral's `{"type": "thinking", "thinking": [{"type": "text", "text": …}]}` inside `content`."""
    inner = wire.get("thinking")
    if isinstance(inner, list):
        texts = [piece.get("text") for piece in inner if isinstance(piece, dict)]
        text = "".join(text for text in texts if isinstance(text, str))
    else:
        text = optional_str(inner, f"{path}.thinking") or ""
    signature = wire.get("signature")
    if isinstance(signature, str) and signature:
        # Anthropic's form of the block.
        proof, issuer = unwrap_signature(signature, NAME)
        return ThinkingPart(text, signature=proof, signed_by=issuer)
    return ThinkingPart(text, provider_metadata=metadata({}, {"field": "content"}))


def _decode_tool_result(wire: dict[str, Any], path: str) -> Part:
    return other_forms.decode_tool_result(wire, path, decode_content)


_DECODERS = {
    "text": _decode_text,
    "refusal": _decode_refusal,
    "image_url": _decode_image,
    "input_audio": _decode_audio,
    "file": _decode_file,
    "video_url": _decode_video,
    "thinking": _decode_thinking_part,
    "tool_use": other_forms.decode_tool_use,
    "tool_result": _decode_tool_result,
    "image": other_forms.decode_image,
    "document": other_forms.decode_document,
}
_CACHE_FIELDS = {"type", "prompt_cache_breakpoint", "cache_control"}
_KNOWN: dict[Any, frozenset[str]] = {kind: frozenset({kind, *_CACHE_FIELDS}) for kind in _DECODERS}
_KNOWN |= {
    "tool_use": frozenset({"id", "name", "input", *_CACHE_FIELDS}),
    "tool_result": frozenset({"tool_use_id", "content", "is_error", *_CACHE_FIELDS}),
    "image": frozenset({"source", *_CACHE_FIELDS}),
    "document": frozenset({"source", "title", *_CACHE_FIELDS}),
    "thinking": frozenset({"thinking", "signature", *_CACHE_FIELDS}),
}

_AUDIO_TYPES = {"mp3": "audio/mpeg", "wav": "audio/wav"}
_AUDIO_FORMATS = {
    "audio/mpeg": "mp3",
    "audio/mp3": "mp3",
    "audio/wav": "wav",
    "audio/x-wav": "wav",
    "audio/wave": "wav",
}
_NAME_TYPES = {
    "pdf": "application/pdf", "txt": "text/plain", "md": "text/markdown", "csv": "text/csv", "html": "text/html",
    "json": "application/json", "png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg",
}  # fmt: skip


def _type_of_name(name: str | None) -> str:
    return _NAME_TYPES.get((name or "").rpartition(".")[2].lower(), "application/pdf")


def _as_given() -> ProviderMetadata:
    """Of media in a form that some servers of this dialect take, and which is written to no other: the client that
    wrote it knows its server."""
    return metadata({}, {"given": True})


def keep_media(content: list[Part], wires: list[Any]) -> None:
    """Notes on the images of a tool's result that they are written there again: OpenAI's tool messages hold text alone,
    but those of some servers hold images, and the client knows its server."""
    for part, wire in zip(content, wires, strict=True):
        if isinstance(part, MediaPart) and wire["type"] not in ("image", "document"):
            values = part.provider_metadata.get(NAME, {})
            part.provider_metadata = {NAME: {**values, FORM: {**form_of(part.provider_metadata), "in_result": True}}}


def is_kept(part: MediaPart) -> bool:
    return bool(form_of(part.provider_metadata).get("in_result"))


def _place(part: MediaPart, url: str) -> None:
    data = split_data_url(url)
    if data is None:
        part.url = url
    else:
        part.media_type, part.data = data


def _decode_cache(wire: dict[str, Any], path: str) -> CacheHint | None:
    """`prompt_cache_breakpoint`, or Anthropic's `cache_control` as OpenRouter and others take it in chat parts."""
    for field in ("prompt_cache_breakpoint", "cache_control"):
        if field not in wire:
            continue
        hint = optional_object(wire.get(field), f"{path}.{field}")
        if hint is not None:
            ttl = optional_str(hint.get("ttl"), f"{path}.{field}.ttl")
            rest = extras(hint, frozenset({"mode", "type", "ttl"}))
            return CacheHint(ttl, provider_metadata=metadata(rest, {"field": field}))
    return None


# Reasoning


PLAIN_FIELDS = ("reasoning_content", "reasoning")
"""Those that hold nothing but text."""
THINKING_FIELDS = (*PLAIN_FIELDS, "thinking_blocks", "reasoning_details")


def decode_thinking(message: dict[str, Any], path: str) -> list[ThinkingPart]:
    """The reasoning of an assistant message, from the richest of the fields that vendors put it in.

    `thinking_blocks` (LiteLLM's, and this gateway's own) keep blocks and signatures; `reasoning_details` are
    OpenRouter's; `reasoning_content` (DeepSeek, vLLM) and `reasoning` (OpenRouter, Groq, vLLM) are plain text.
    """
    blocks = message.get("thinking_blocks")
    if isinstance(blocks, list) and blocks:
        parts = [_decode_block(block, f"{path}.thinking_blocks[{place}]") for place, block in enumerate(blocks)]
        return [part for part in parts if part is not None]
    details = message.get("reasoning_details")
    if isinstance(details, list) and details:
        parts = [_decode_detail(detail, f"{path}.reasoning_details[{place}]") for place, detail in enumerate(details)]
        return [part for part in parts if part is not None]
    for field in PLAIN_FIELDS:
        text = message.get(field)
        if isinstance(text, str) and text:
            return [ThinkingPart(text, provider_metadata=metadata({}, {"field": field}))]
    return []


def _decode_block(wire: Any, path: str) -> ThinkingPart | None:
    wire = as_object(wire, path)
    part = ThinkingPart(provider_metadata=metadata({}, {"field": "thinking_blocks"}))
    part.item_id = optional_str(wire.get("id"), f"{path}.id")
    part.summary = wire.get("summary") is True
    if wire.get("type") == "redacted_thinking":
        data = optional_str(wire.get("data"), f"{path}.data") or ""
        part.redacted, part.signed_by = unwrap_signature(data, NAME)
        return part
    part.text = optional_str(wire.get("thinking"), f"{path}.thinking") or ""
    signature = optional_str(wire.get("signature"), f"{path}.signature")
    if signature:
        part.signature, part.signed_by = unwrap_signature(signature, NAME)
    return part if part.text or part.signature else None


def _decode_detail(wire: Any, path: str) -> ThinkingPart | None:
    wire = as_object(wire, path)
    kind = wire.get("type")
    rest = extras(wire, frozenset({"type", "text", "summary", "data", "signature", "id"}))
    part = ThinkingPart(provider_metadata=metadata(rest, {"field": "reasoning_details", "type": kind}))
    part.item_id = optional_str(wire.get("id"), f"{path}.id")
    proof = {key: wire[key] for key in wire if key not in ("text", "summary", "data", "signature", "index")}
    if kind == "reasoning.encrypted":
        data = optional_str(wire.get("data"), f"{path}.data") or ""
        part.redacted, part.signed_by = pack_detail(data, proof), NAME
        return part
    part.summary = kind == "reasoning.summary"
    part.text = optional_str(wire.get("summary" if part.summary else "text"), path) or ""
    signature = optional_str(wire.get("signature"), f"{path}.signature")
    if signature:
        part.signature, part.signed_by = pack_detail(signature, proof), NAME
    return part if part.text or part.signature else None


# The server wants a detail back as it gave it: with its format and its id. A client of another API keeps the proof
# alone, so that the rest of the detail travels in it.


def pack_detail(proof: str, rest: dict[str, Any]) -> str:
    """A signature, or encrypted reasoning, together with the other fields of its detail."""
    packed = base64.urlsafe_b64encode(json.dumps(rest)).decode().rstrip("=")
    return f"{_DETAIL}{packed}.{proof}"


def unpack_detail(proof: str | None) -> tuple[str | None, dict[str, Any]]:
    """`(proof, other fields of the detail)`; the fields are empty where the proof is not one of a detail."""
    if proof is None or not proof.startswith(_DETAIL):
        return proof, {}
    packed, dot, rest = proof[len(_DETAIL) :].partition(".")
    try:
        fields = json.loads(base64.urlsafe_b64decode(packed + "=" * (-len(packed) % 4)))
    except ValueError:
        return proof, {}
    return (rest, fields) if dot and isinstance(fields, dict) else (proof, {})


def is_packed_detail(part: ThinkingPart) -> bool:
    return bool(unpack_detail(part.redacted if part.redacted is not None else part.signature)[1])


_DETAIL = "rd1."


def thinking_block(part: ThinkingPart) -> dict[str, Any]:
    """One entry of `thinking_blocks`; what another dialect signed is wrapped, so that it can come back."""
    block: dict[str, Any]
    if part.redacted is not None:
        block = {"type": "redacted_thinking", "data": wrap_signature(part.redacted, part.signed_by, NAME)}
    else:
        block = {"type": "thinking", "thinking": part.text}
        if part.signature is not None:
            block["signature"] = wrap_signature(part.signature, part.signed_by, NAME)
    if part.item_id is not None:
        block["id"] = part.item_id
    if part.summary:
        block["summary"] = True
    return block


def thinking_detail(part: ThinkingPart) -> dict[str, Any]:
    """One entry of OpenRouter's `reasoning_details`."""
    redacted, sealed = unpack_detail(part.redacted)
    signature, signed = unpack_detail(part.signature)
    kept = {**sealed, **signed}
    kind = form_of(part.provider_metadata).get("type") or kept.get("type")
    if kind is None:
        kind = "reasoning.text" if redacted is None else "reasoning.encrypted"
    detail: dict[str, Any] = {"type": kind}
    if redacted is not None:
        detail["data"] = redacted
    elif part.text or signature is None:
        detail["summary" if kind == "reasoning.summary" else "text"] = part.text
    if signature is not None:
        detail["signature"] = signature
    if part.item_id is not None:
        detail["id"] = part.item_id
    return {**detail, **kept, **own(part.provider_metadata)}


# Signatures of texts and tool calls


def read_extra_content(wire: dict[str, Any], part: TextPart | ToolCallPart) -> None:
    """`extra_content` of a tool call, message or delta: the carrier of signatures that Chat has no field for.

    Gemini's OpenAI-compatible API puts them in `google.thought_signature`; ours are in `llm_gateway.signature`.
    """
    extra = wire.get("extra_content")
    if not isinstance(extra, dict) or not extra:
        return
    rest = {key: value for key, value in extra.items() if key != "llm_gateway"}
    carried, google = extra.get("llm_gateway"), extra.get("google")
    if isinstance(carried, dict) and isinstance(carried.get("signature"), str):
        part.signature, part.signed_by = unwrap_signature(carried["signature"], NAME)
    elif isinstance(google, dict) and isinstance(google.get("thought_signature"), str):
        part.signature, part.signed_by = google["thought_signature"], NAME
        others = {key: value for key, value in google.items() if key != "thought_signature"}
        rest = {key: others if key == "google" else value for key, value in rest.items()}
        if not others:
            del rest["google"]
    if rest:
        part.provider_metadata = {NAME: {**part.provider_metadata.get(NAME, {}), "extra_content": rest}}


def write_extra_content(part: Part, *, wrapped: bool) -> dict[str, Any] | None:
    """The counterpart; `wrapped` lets signatures of other dialects pass (towards clients), else they are left out."""
    if part.signature is None and not part.provider_metadata:
        return None
    kept = own(part.provider_metadata).get("extra_content")
    extra: dict[str, Any] = dict(kept) if isinstance(kept, dict) else {}
    if part.signature is not None:
        if part.signed_by in (None, NAME):
            google = extra.get("google")
            extra["google"] = {**(google if isinstance(google, dict) else {}), "thought_signature": part.signature}
        elif wrapped:
            extra["llm_gateway"] = {"signature": wrap_signature(part.signature, part.signed_by, NAME)}
    return extra or None


# Writing


def encode_part(part: Part, path: str, losses: Losses, quirks: Mapping[str, Any], model: str) -> dict[str, Any] | None:
    """A user's content part; None where it has no meaning here. Raises DialectError for media that can't be sent."""
    wire: dict[str, Any]
    match part:
        case TextPart():
            wire = {"type": "text", "text": part.text}
            if part.citations:
                losses.dropped(f"{path}.citations")
        case MediaPart():
            wire = _encode_media(part, path, losses, quirks)
        case RefusalPart():
            wire = {"type": "refusal", "refusal": part.text}
        case ThinkingPart() if form_of(part.provider_metadata).get("field") == "content":
            wire = {"type": "thinking", "thinking": [{"type": "text", "text": part.text}]}
        case OpaquePart(dialect=dialect) if dialect == NAME and isinstance(part.data, dict):
            return part.data
        case OpaquePart():
            drop_block(part, losses, path)
            return None
        case _:
            signed = type(part) is ThinkingPart and part.signature is not None
            losses.dropped(f"{path}.signature" if signed else path, "not in a turn of the user")
            return None
    if part.cache is not None:
        _encode_cache(wire, part.cache, f"{path}.cache", losses, quirks, model)
    if part.provider_metadata:
        wire.update({key: value for key, value in own(part.provider_metadata).items() if key != "extra_content"})
    return wire


def encode_texts(
    parts: list[Part], path: str, losses: Losses, quirks: Mapping[str, Any], model: str, *, as_parts: bool
) -> str | list[dict[str, Any]]:
    """`content`: a string where one plain text states it all, else a list of parts."""
    if len(parts) == 1 and not as_parts:
        part = parts[0]
        if isinstance(part, TextPart) and part.cache is None and not part.citations and not part.provider_metadata:
            return part.text
    if not parts:
        return ""
    wires = [encode_part(part, f"{path}[{place}]", losses, quirks, model) for place, part in enumerate(parts)]
    kept = [wire for wire in wires if wire is not None]
    if not kept:
        return ""
    if not as_parts and len(kept) == 1 and kept[0].keys() == {"type", "text"} and kept[0]["type"] == "text":
        text: str = kept[0]["text"]
        return text
    if quirks.get("string_content") and all(wire.get("type") == "text" for wire in kept):
        return "\n\n".join(wire["text"] for wire in kept)
    return kept


def _encode_media(part: MediaPart, path: str, losses: Losses, quirks: Mapping[str, Any]) -> dict[str, Any]:
    if part.text is not None:
        # Chat has no plain-text documents, and its files are for PDFs.
        losses.converted(path, "document as text")
        return {"type": "text", "text": f"{part.name}\n\n{part.text}" if part.name else part.text}
    url = build_data_url(part.media_type or _default_type(part), part.data) if part.data is not None else part.url
    if part.kind == "image" and url is not None:
        if form_of(part.provider_metadata).get("short"):
            return {"type": "image_url", "image_url": url}
        image: dict[str, Any] = {"url": url}
        if part.detail is not None:
            image["detail"] = part.detail
        return {"type": "image_url", "image_url": image}
    given = form_of(part.provider_metadata).get("given")
    if part.kind == "audio" and given:
        return {"type": "input_audio", "input_audio": part.url or (url if part.media_type else part.data)}
    if part.kind == "audio" and part.data is not None:
        media_type = part.media_type or "audio/wav"
        form = _AUDIO_FORMATS.get(media_type, media_type.rpartition("/")[2])
        return {"type": "input_audio", "input_audio": {"data": part.data, "format": form}}
    if part.kind == "video" and url is not None and (given or quirks.get("video_url")):
        return {"type": "video_url", "video_url": {"url": url}}
    if part.kind == "document" and part.file_id is not None:
        return {"type": "file", "file": {"file_id": part.file_id, **({"filename": part.name} if part.name else {})}}
    if part.kind == "document" and url is not None and not given and quirks.get("documents") == "document_url":
        document = {"type": "document_url", "document_url": url}
        return {**document, "document_name": part.name} if part.name else document
    if part.kind == "document" and part.data is not None:
        bare = form_of(part.provider_metadata).get("bare")
        return {
            "type": "file",
            "file": {"filename": part.name or "document.pdf", "file_data": part.data if bare else url},
        }
    if part.kind == "document" and part.url is not None and (given or quirks.get("file_url")):
        return {"type": "file", "file": {"filename": part.name or "document.pdf", "file_data": part.url}}
    how = "file id" if part.file_id is not None else "URL" if part.url is not None else "data"
    raise DialectError(f"the Chat Completions API takes no {part.kind} by {how}", path=path)


def _default_type(part: MediaPart) -> str | None:
    return {"image": "image/png", "document": _type_of_name(part.name)}.get(part.kind)


def _encode_cache(
    wire: dict[str, Any], hint: CacheHint, path: str, losses: Losses, quirks: Mapping[str, Any], model: str
) -> None:
    form, rest = form_of(hint.provider_metadata).get("field"), own(hint.provider_metadata)
    style = form or quirks.get("cache", "breakpoint")
    if style == "cache_control":
        wire["cache_control"] = {"type": "ephemeral", **({"ttl": hint.ttl} if hint.ttl else {}), **rest}
    elif style in ("breakpoint", "prompt_cache_breakpoint") and (form or not _WITHOUT_BREAKPOINTS.match(model)):
        breakpoint_: dict[str, Any] = {"mode": "explicit"}
        ttl = hint.ttl if form else _TTL.get(hint.ttl or "")
        if ttl:
            breakpoint_["ttl"] = ttl
        if hint.ttl and ttl != hint.ttl:
            losses.converted(f"{path}.ttl", f"{hint.ttl} as {ttl or '30m'}")
        wire["prompt_cache_breakpoint"] = {**breakpoint_, **rest}
    else:
        losses.dropped(path, "cached by the provider as it sees fit")


# Lifetimes that OpenAI has: 30m (the default) and 12h; each represents the shorter ones asked for elsewhere.
_TTL = {"30m": "30m", "1h": "12h", "12h": "12h"}

# Explicit breakpoints came with gpt-5.6; earlier models cache by themselves and refuse the field.
_WITHOUT_BREAKPOINTS = re.compile(r"(?:openai/)?(?:gpt-3|gpt-4|gpt-5(?!\.[6-9]|\.\d\d)|o[134](?:-|$)|chatgpt)")
