"""What of a request or reply is not offered as text: the whole list, each entry with its reason.

Every other string is (see `texts.py`). An entry excludes a field only where its value has the shape that the reason
promises: an id has no white space and no `@`, a word of a vendor's vocabulary begins with a letter. A value of another
shape is text, whatever its field is called.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

__all__ = [
    "CANONICAL",
    "FORM_NOTES",
    "JSON_FIELDS",
    "NAMED_SCHEMAS",
    "OWN_KEYS",
    "PAYLOADS",
    "REASONS",
    "Shape",
    "excluded_in_json",
    "has_own_keys",
    "is_field_name",
    "is_long_number",
    "is_moment",
    "is_name_or_id",
    "number_text",
]

Shape = Callable[[str], object]
"""Whether a value has the shape that its exclusion promises."""

# An escape such as `%40` may spell any character: what has one is read as a text.
_ID_PATTERN = r"(?!.{0,510}%[0-9A-Fa-f]{2})[A-Za-z0-9_.:/+=|~,#$%!*()\[\]-]{1,512}"
_ID = re.compile(_ID_PATTERN).fullmatch
_MODEL = re.compile(
    rf"(?:@(?:cf|hf)/)?{_ID_PATTERN}(?:@(?:[A-Za-z]{{0,4}}[0-9][A-Za-z0-9_]{{0,15}}|latest|default))?"
).fullmatch  # `@cf/…` is a model's at Cloudflare, `…@20240620` its version at Google, `…@q4_k_m` its form at LM Studio
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_.:/+*;=-]{0,127}").fullmatch
_PROOF = re.compile(r"[A-Za-z0-9_.:/+=~-]+").fullmatch
_REFERENCE = re.compile(r"(?:#|https?://json-schema\.org/)[A-Za-z0-9_.:/#$-]*").fullmatch
_FIELD_NAME = re.compile(r"[A-Za-z_$][A-Za-z0-9_.$-]{0,127}").fullmatch

REASONS: dict[str, str] = {
    "id": "a provider or a client looks it up, and must find what it has stored under it",
    "model": "the name of a model, which its provider looks up; a version may follow an `@`",
    "name": "the name of a tool, which call, result and definition must share",
    "word": "a word of the API's vocabulary: another one is an error",
    "proof": "signed or encrypted by a provider, which refuses it with any change",
    "payload": "the bytes of an image, audio or document in base64; where they are text, that text is offered",
    "reference": "a place in the same JSON Schema, or the version of JSON Schema",
    "field": "the name of a field or parameter, which is structure",
    "again": "the answer once more, token by token: a change of the answer leaves them out",
}

_SHAPES: dict[str, Shape] = {
    "id": _ID,
    "model": _MODEL,
    "name": _WORD,
    "word": _WORD,
    "proof": _PROOF,
    "reference": _REFERENCE,
    "payload": lambda _value: True,
    "again": lambda _value: True,
}

_CANONICAL: dict[str, str] = {
    "*.item_id": "id",
    "*.signature": "proof",
    "*.signed_by": "word",
    "Message.role": "word",
    "ThinkingPart.redacted": "proof",
    "ToolCallPart.id": "id",
    "ToolCallPart.name": "name",
    "ToolCallPart.kind": "word",
    "ToolCallPart.namespace": "name",
    "ToolResultPart.tool_call_id": "id",
    "ToolResultPart.name": "name",
    "ToolResultPart.kind": "word",
    "MediaPart.kind": "word",
    "MediaPart.media_type": "word",
    "MediaPart.file_id": "id",
    "MediaPart.detail": "word",
    "OpaquePart.dialect": "word",
    "OpaquePart.position": "word",
    "Citation.kind": "word",
    "Citation.file_id": "id",
    "CacheHint.ttl": "id",
    "Tool.name": "name",
    "Tool.kind": "word",
    "Tool.namespace": "name",
    "OpaqueTool.dialect": "word",
    "OpaqueTool.name": "name",
    "ToolChoice.mode": "word",
    "ToolChoice.name": "name",
    "ToolChoice.names": "name",
    "ToolChoice.allowed_mode": "word",
    "ToolChoice.kind": "word",
    "ResponseFormat.kind": "word",
    "ResponseFormat.name": "name",
    "Reasoning.effort": "word",
    "Reasoning.mode": "word",
    "Reasoning.summary": "word",
    "LLMRequest.model": "model",
    "LLMRequest.verbosity": "word",
    "LLMRequest.service_tier": "word",
    "LLMResponse.id": "id",
    "LLMResponse.model": "model",
    "LLMResponse.service_tier": "word",
    "Usage.service_tier": "word",
    "Choice.finish_reason": "word",
    "Choice.raw_finish_reason": "word",
    "Choice.logprobs": "again",
    "ErrorInfo.kind": "word",
    "ErrorInfo.type": "word",
    "ErrorInfo.code": "id",
    "ErrorInfo.request_id": "id",
}
"""By class and field of the canonical types; `*` is any class."""

CANONICAL: dict[str, Shape] = {field: _SHAPES[reason] for field, reason in _CANONICAL.items()}


def is_name_or_id(field: str) -> bool:
    """Whether an entry of `CANONICAL` is a name, an id or a word, which are short."""
    return _CANONICAL[field] in ("id", "model", "name", "word")


JSON_FIELDS: dict[str, str] = {
    "id": "id",
    "model": "model",
    "modelVersion": "model",
    "fingerprint": "id",
    "system_fingerprint": "id",
    "previous_response_id": "id",
    "container": "id",
    "conversation": "id",
    "name": "name",
    "server_label": "name",
    "namespace": "name",
    "type": "word",
    "object": "word",
    "role": "word",
    "status": "word",
    "media_type": "word",
    "mime_type": "word",
    "mimeType": "word",
    "format": "word",
    "syntax": "word",
    "ttl": "id",
    "phase": "word",
    "finish_reason": "word",
    "stop_reason": "word",
    "required": "field",
    "propertyOrdering": "field",
    "$ref": "reference",
    "$schema": "reference",
    "signature": "proof",
    "thoughtSignature": "proof",
    "thought_signature": "proof",
    "encrypted_content": "proof",
    "encrypted_index": "proof",
    "encrypted_stdout": "proof",
    "encryptedContent": "proof",
    "obfuscation": "proof",
    "_form": "field",
    "_spelling": "field",
    "_thinkingConfig": "field",
    "_input": "field",
    "_mode": "field",
    "_on": "field",
    "_type": "field",
    "_user": "field",
    "_role": "word",
    "_name": "name",
    "_id": "id",
}
"""By key, in the JSON of a vendor: blocks and fields that have no place in the canonical types. Below keys that begin
with `_` a dialect notes in which form a request came; what it keeps of a request below other such keys is text."""

FORM_NOTES = frozenset({"_form", "_spelling", "_thinkingConfig"})
"""Notes whose entries are words like the note itself, whatever their keys are."""

_SHAPES["field"] = _FIELD_NAME
_IN_JSON: dict[str, Shape] = {key: _SHAPES[reason] for key, reason in JSON_FIELDS.items()}
_ID_ENDINGS = ("_id", "_ids", "Id", "Ids")
_USERS = frozenset({"user_id", "userId", "end_user_id", "customer_id"})
"""Ids that clients make of whatever they know of a person: often an e-mail address."""

PAYLOADS = frozenset(
    {"data", "bytes", "file_data", "fileData", "b64_json", "partial_image_b64", "partialImageB64", "imageBytes",
     "videoBytes", "image", "audio", "result", "blob", "redactedContent"}
)  # fmt: skip
"""Keys whose value is text, or binary data in base64."""


OWN_KEYS: dict[str, str] = {
    "metadata": "labels",
    "requestMetadata": "labels",
    "request_metadata": "labels",
    "labels": "labels",
    "attributes": "labels",
    "headers": "labels",
    "annotations": "labels",
    "env": "labels",
    "partMetadata": "labels",
    "part_metadata": "labels",
    "customConfigs": "labels",
    "custom_configs": "labels",
    "variables": "a prompt's variables",
    "promptVariables": "a prompt's variables",
    "prompt_variables": "a prompt's variables",
    "chat_template_kwargs": "a template's variables",
    "template_kwargs": "a template's variables",
    "additionalModelRequestFields": "fields of a model that the API does not know",
    "parameters": "a tool's arguments",
    "input": "a tool's arguments",
    "args": "a tool's arguments",
    "arguments": "a tool's arguments",
    "response": "a tool's result",
    "default": "a value in a schema",
    "const": "a value in a schema",
    "enum": "a value in a schema",
    "example": "a value in a schema",
    "examples": "a value in a schema",
    "input_examples": "a value in a schema",
}
"""What is under these keys has keys that the client has chosen, which are not those of `JSON_FIELDS`, whatever they are
called: a person's number may be under `id`. All strings below are offered."""

NAMED_SCHEMAS = frozenset({"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"})
"""Below these a key is a name in a JSON Schema, and the value a schema."""
_RESULTS = frozenset({"functionResponse", "function_response", "toolResponse", "tool_response"})
_LISTS = frozenset({"enum", "examples", "input_examples"})


def has_own_keys(key: str, value: Any, outer: str | None = None) -> bool:
    """Whether a value under that key has keys of its client. `outer`: the key above."""
    if key not in OWN_KEYS or (key == "response" and outer not in _RESULTS):
        return False
    if key == "parameters" and isinstance(value, dict):
        return "type" not in value and "properties" not in value and "$ref" not in value  # else a JSON Schema
    return isinstance(value, dict) or key in _LISTS


def excluded_in_json(key: str) -> Shape | None:
    """The shape of values that are not offered under that key; None where all are."""
    shape = _IN_JSON.get(key)
    if shape is None and key.endswith(_ID_ENDINGS) and key not in _USERS:
        return _ID
    return shape


_LEAST_NUMBER = 10_000
"""Smaller numbers are settings and counts; from five digits on they may be a person's or an account's."""
_MOMENTS = ("created", "timestamp", "time", "expires", "deadline")
_MOMENT_ENDINGS = ("_at", "_time", "_timestamp", "_ms", "At", "Time", "Timestamp")


def is_long_number(value: object) -> bool:
    """Whether a value of JSON is a number that is offered as a text is."""
    return type(value) in (int, float) and not -_LEAST_NUMBER < value < _LEAST_NUMBER  # type: ignore[operator]


def number_text(value: float) -> str:
    """Its digits, without the point and zero that another writer adds."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def is_moment(key: str) -> bool:
    """Whether a number under that key is a time: as a string no client or provider would read it."""
    return key in _MOMENTS or key.endswith(_MOMENT_ENDINGS)


def is_field_name(key: str) -> bool:
    """Whether a key of a JSON object is the name of a field and not text."""
    return (key.isascii() and key.isidentifier()) or _FIELD_NAME(key) is not None
