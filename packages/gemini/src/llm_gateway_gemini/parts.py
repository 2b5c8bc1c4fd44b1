"""Gemini `Part` ↔ canonical parts, as both requests and replies hold them.

A thought signature is on any part, and becomes the signature of the canonical part. Where a part holds nothing else it
becomes a ThinkingPart without text.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Any

from llm_gateway_sdk import (
    DialectError,
    Losses,
    MediaPart,
    OpaquePart,
    Part,
    RefusalPart,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolResultPart,
    unwrap_signature,
    wrap_signature,
)
from llm_gateway_sdk.dialects.fields import kind_of
from llm_gateway_sdk.wire import json

from .schema import camel

__all__ = [
    "NAME",
    "PLACEHOLDER_SIGNATURE",
    "arguments_object",
    "decode_media",
    "decode_part",
    "encode_media",
    "fields",
    "is_file_uri",
    "media_kind",
    "objects",
    "only_text",
    "own",
    "read_signature",
    "redacted_signature",
    "signature_alone",
    "text_of",
    "write_signature",
]

NAME = "gemini"

_KNOWN = frozenset({"text", "thought", "thoughtSignature", "inlineData", "fileData", "functionCall"})

_WRAPPED = "Z3cxL"
"""How base64 of `gw1.` begins."""


def fields(value: Any, path: str) -> dict[str, Any]:
    """An object with its keys in camelCase; null is an empty one. Raises DialectError for anything else."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise DialectError(f"expected an object, found {kind_of(value)}", path=path)
    for key in value:
        if "_" in key:
            return {camel(name): inner for name, inner in value.items()}
    return value


def objects(value: Any, path: str) -> list[Any]:
    """A list; a lone object counts as a list of one, as the service reads it."""
    if value is None:
        return []
    if isinstance(value, dict):
        return [value]
    if not isinstance(value, list):
        raise DialectError(f"expected a list, found {kind_of(value)}", path=path)
    return value


def text_of(value: Any, path: str) -> str:
    if not isinstance(value, str):
        raise DialectError(f"expected a string, found {kind_of(value)}", path=path)
    return value


def own(part: Any) -> dict[str, Any]:
    """This dialect's metadata of a node."""
    values = part.provider_metadata.get(NAME)
    return values if isinstance(values, dict) else {}


# Signatures. `thoughtSignature` holds bytes, so that what is wrapped for a foreign provider goes as base64.


PLACEHOLDER_SIGNATURE = "Y29udGV4dF9lbmdpbmVlcmluZ19pc190aGVfd2F5X3RvX2dv"
"""Gemini 3 wants a signature on the first function call of each step. For calls that it did not make itself its
documentation ("Thought signatures") names this text, which the field's encoding turns into base64."""


def read_signature(value: Any) -> tuple[str, str] | None:
    """`(signature, signed_by)` of a `thoughtSignature`; None where it proves nothing.

    The signature is empty in the mark of a call that was never signed."""
    if not isinstance(value, str) or not value or value == PLACEHOLDER_SIGNATURE:
        return None
    if value.startswith(_WRAPPED):
        try:
            text = base64.b64decode(value.replace("-", "+").replace("_", "/"), validate=True).decode(
                errors="surrogatepass"
            )
        except (binascii.Error, UnicodeDecodeError):
            return value, NAME
        return unwrap_signature(text, NAME)
    return value, NAME


def write_signature(signature: str, signed_by: str | None) -> str:
    wrapped = wrap_signature(signature, signed_by, NAME)
    if wrapped is signature and not signature.startswith("gw1."):
        return signature
    return base64.b64encode(wrapped.encode(errors="surrogatepass")).decode()


# Decoding.


def decode_part(value: Any, path: str, *, keep_empty: bool = False) -> list[Part]:
    """The canonical parts of one part that is not a function response: two for a text that carries encrypted reasoning,
    none for an empty text unless `keep_empty`."""
    part = fields(value, path)
    signed = read_signature(part.get("thoughtSignature"))
    extra = {key: inner for key, inner in part.items() if key not in _KNOWN}
    placeholder = part.get("thoughtSignature") == PLACEHOLDER_SIGNATURE
    if signed is not None and not signed[0] and "functionCall" not in part:
        signed = None
    call = part.get("functionCall")
    if call is not None:
        call_part = _decode_call(fields(call, f"{path}.functionCall"), f"{path}.functionCall", signed, extra)
        if placeholder:
            call_part.provider_metadata = {NAME: {**own(call_part), "_placeholder": True}}
        return [call_part]
    if placeholder:
        extra["thoughtSignature"] = PLACEHOLDER_SIGNATURE
    media = part.get("inlineData") or part.get("fileData")
    if media is not None:
        key = "inlineData" if part.get("inlineData") else "fileData"
        media_part = decode_media(key, fields(media, f"{path}.{key}"), f"{path}.{key}")
        if signed is not None:
            media_part.signature, media_part.signed_by = signed
        if part.get("thought"):
            extra["thought"] = True
        if extra:
            media_part.provider_metadata = {NAME: {**own(media_part), "part": extra}}
        return [media_part]
    if "text" not in part:
        if signed is not None and not extra:
            of_thought = {"_of_thought": True} if part.get("thought") else {}
            return [_signature_part(signed, {"_bare": True, **of_thought})]
        return [OpaquePart(NAME, value)] if part else []
    text = text_of(part["text"], f"{path}.text") if part["text"] is not None else ""
    metadata = {NAME: extra} if extra else {}
    if part.get("thought"):
        return [_decode_thought(text, signed, metadata)]
    if signed is None:
        return [TextPart(text, provider_metadata=metadata)] if text or extra or keep_empty else []
    mark = _signature_part(signed, {"_on": "part"})
    if not text:
        return [mark]
    if mark.redacted is not None:
        return [TextPart(text, provider_metadata=metadata), mark]
    return [TextPart(text, signature=signed[0], signed_by=signed[1], provider_metadata=metadata)]


def _decode_thought(text: str, signed: tuple[str, str] | None, metadata: dict[str, Any]) -> ThinkingPart:
    part = ThinkingPart(text, provider_metadata=metadata)
    if signed is not None:
        part.signature, part.signed_by = signed
        _restore_redacted(part)
    if not text and part.redacted is None:
        part.provider_metadata = {NAME: {**metadata.get(NAME, {}), "_thought": True}}
    return part


def _signature_part(signed: tuple[str, str], metadata: dict[str, Any]) -> ThinkingPart:
    part = ThinkingPart("", signature=signed[0], signed_by=signed[1])
    if metadata:
        part.provider_metadata = {NAME: metadata}
    _restore_redacted(part)
    return part


def signature_alone(signature: str | None, metadata: dict[str, Any]) -> dict[str, Any]:
    """The part of a signature without words, as it came."""
    if not metadata.get("_bare"):
        return {"text": "", "thoughtSignature": signature}
    return {**({"thought": True} if metadata.get("_of_thought") else {}), "thoughtSignature": signature}


_REDACTED = "redacted:"


def _restore_redacted(part: ThinkingPart) -> None:
    if part.signed_by != NAME and part.signature is not None and part.signature.startswith(_REDACTED):
        part.redacted = part.signature.removeprefix(_REDACTED)
        part.signature = None


def redacted_signature(part: ThinkingPart) -> str | None:
    """How encrypted reasoning of another provider travels through a Gemini client."""
    if part.redacted is None or part.signed_by in (None, NAME):
        return None
    return write_signature(_REDACTED + part.redacted, part.signed_by)


def _decode_call(
    call: dict[str, Any], path: str, signed: tuple[str, str] | None, extra: dict[str, Any]
) -> ToolCallPart:
    name = text_of(call.get("name", ""), f"{path}.name")
    identity = call.get("id")
    if identity is not None and not isinstance(identity, str):
        raise DialectError(f"expected a string, found {kind_of(identity)}", path=f"{path}.id")
    arguments = call.get("args")
    if arguments is not None and not isinstance(arguments, dict):
        raise DialectError(f"expected an object, found {kind_of(arguments)}", path=f"{path}.args")
    metadata: dict[str, Any] = {}
    if extra:
        metadata["part"] = extra
    if arguments is None:
        metadata["_no_args"] = True
    if rest := {key: value for key, value in call.items() if key not in ("id", "name", "args")}:
        metadata["call"] = rest
    part = ToolCallPart(identity or "", name, json.dumps_text(arguments or {}))
    if metadata:
        part.provider_metadata = {NAME: metadata}
    if signed is not None:
        part.signature, part.signed_by = signed[0] or None, signed[1]
    else:
        part.signed_by = NAME
    return part


def decode_media(key: str, media: dict[str, Any], path: str) -> MediaPart:
    """`inlineData` and `fileData`, as they are in parts and in function responses."""
    media_type = media.get("mimeType")
    if media_type is not None and not isinstance(media_type, str):
        raise DialectError(f"expected a string, found {kind_of(media_type)}", path=f"{path}.mimeType")
    part = MediaPart(media_kind(media_type), media_type)
    name = media.get("displayName")
    if isinstance(name, str):
        part.name = name
        part.provider_metadata = {NAME: {"_displayName": True}}
    if key == "inlineData":
        # Both alphabets of base64 are accepted; the rest of the world takes the standard one.
        part.data = text_of(media.get("data", ""), f"{path}.data").replace("-", "+").replace("_", "/")
        return part
    uri = text_of(media.get("fileUri", ""), f"{path}.fileUri")
    if is_file_uri(uri):
        part.file_id = uri
    else:
        part.url = uri
    return part


def is_file_uri(uri: str) -> bool:
    """An address which only Google can fetch: the Files API or a storage bucket."""
    return uri.startswith("gs://") or (".googleapis.com/" in uri and "/files/" in uri)


def media_kind(media_type: str | None) -> Any:
    family = (media_type or "").partition("/")[0]
    return family if family in ("image", "audio", "video") else "document"


# Encoding.


def encode_media(part: MediaPart, path: str, losses: Losses) -> dict[str, Any] | None:
    """`{"inlineData": …}` or `{"fileData": …}`; None where Gemini has no way to say it."""
    if part.detail not in (None, "auto"):
        losses.dropped(f"{path}.detail")
    if part.text is not None:
        data = base64.b64encode(part.text.encode("utf-8", "surrogatepass")).decode()
        return {"inlineData": _blob(part, {"mimeType": part.media_type or "text/plain", "data": data})}
    if part.data is not None:
        media_type = part.media_type or _DEFAULT_TYPES[part.kind]
        return {"inlineData": _blob(part, {"mimeType": media_type, "data": part.data})}
    uri = part.url or (part.file_id if is_file_uri(part.file_id or "") else None)
    if uri is None:
        losses.dropped(f"{path}.file_id", "a file of another vendor")
        return None
    reference = {"fileUri": uri}
    if kind := part.media_type or _type_of_address(uri):
        reference["mimeType"] = kind
    return {"fileData": _blob(part, reference)}


def _blob(part: MediaPart, blob: dict[str, Any]) -> dict[str, Any]:
    # `displayName` is Vertex's; the Gemini API refuses it, so that it goes only where it came from.
    if part.name is not None and own(part).get("_displayName"):
        blob["displayName"] = part.name
    return blob


_DEFAULT_TYPES = {"image": "image/png", "document": "application/pdf", "audio": "audio/wav", "video": "video/mp4"}
_SUFFIXES = {
    "png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg", "gif": "image/gif", "webp": "image/webp",
    "heic": "image/heic", "pdf": "application/pdf", "txt": "text/plain", "md": "text/markdown", "html": "text/html",
    "csv": "text/csv", "mp3": "audio/mp3", "wav": "audio/wav", "mp4": "video/mp4", "webm": "video/webm",
}  # fmt: skip


_LONGEST_ADDRESS = 64 * 1024


def _type_of_address(uri: str) -> str | None:
    path = uri[:_LONGEST_ADDRESS].partition("?")[0].partition("#")[0]
    return _SUFFIXES.get(path.rpartition(".")[2].lower())


def arguments_object(part: ToolCallPart, path: str, losses: Losses, *, custom: bool = False) -> dict[str, Any]:
    """`args` must be an object: free text of custom tools goes under `input`, anything else under `arguments`."""
    text = part.arguments
    if custom:
        return {"input": text}
    if not text or text.isspace():
        return {}
    try:
        value = json.loads(text)
    except ValueError:
        value = text
    if isinstance(value, dict):
        return value
    losses.converted(f"{path}.arguments", "not a JSON object")
    return {"arguments": value}


def only_text(parts: Sequence[Part]) -> str:
    """The texts among the parts of a tool result, joined."""
    texts = []
    for part in parts:
        if isinstance(part, TextPart | RefusalPart):
            texts.append(part.text)
        elif isinstance(part, ToolResultPart):
            texts.append(only_text(part.content))
    return "\n".join(texts) if len(texts) > 1 else "".join(texts)
