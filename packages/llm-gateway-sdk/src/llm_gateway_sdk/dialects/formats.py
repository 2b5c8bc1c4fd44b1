"""The schema of an answer within the limits of its receiver.

A schema that the receiver would refuse is written in a form that it takes, as long as that still describes the same
answers; where there is no such form, it is asked for in the system prompt.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from ..losses import Losses
from ..parts import TextPart
from ..request import LLMRequest, Message, ResponseFormat
from ..values import replace
from ..wire import json
from .drafts import current_draft
from .grammar import size_of, too_large
from .model_fit import JSON_SCHEMA, instructed
from .receiver import Receiver
from .schemas import is_openai_strict, is_recursive, plain_root, resolve, structured_schema, whole_root

__all__ = ["fit_format"]

_PATH = "response_format.schema"


def fit_format(request: LLMRequest, receiver: Receiver, losses: Losses) -> LLMRequest:
    """The request with a schema of its answer that the receiver takes; the same object where it does so already."""
    wanted = request.response_format
    if wanted is None:
        return request
    if wanted.kind == "json_object":
        return _fit_json(request, receiver, losses)
    if wanted.kind != "json_schema" or wanted.schema is None:
        return request
    if (schema := current_draft(wanted.schema)) is not wanted.schema:
        losses.converted(_PATH, "as JSON Schema 2020-12")
    if receiver.object_formats:
        whole = _object_root(schema)
        if whole is None:
            return _asked_for(request, wanted, "the provider takes only objects", losses)
        if whole != schema:
            losses.converted(_PATH, "one object at the root")
            schema = whole
    if receiver.strict == "anthropic":
        if is_recursive(schema):
            return _asked_for(request, wanted, "the provider takes no recursive schema", losses)
        closed = structured_schema(_without_null_properties(schema))
        if closed != schema:
            losses.converted(_PATH, "in the form of structured outputs")
            schema = closed
    strict = wanted.strict
    if receiver.strict == "openai" and strict and not is_openai_strict(schema):
        losses.dropped("response_format.strict", "the schema is not in the form of strict mode")
        strict = False
    if receiver.grammar is not None and (strict or receiver.grammar.together):
        reason = too_large(size_of(schema), receiver.grammar)
        if reason and receiver.grammar.together:
            return _asked_for(request, wanted, reason, losses)
        if reason:
            losses.dropped("response_format.strict", reason)
            strict = False
    name = wanted.name
    if receiver.strict == "openai" and name and _NAME.fullmatch(name) is None:
        name = _LETTERS.sub("_", name)[:64]
        losses.converted("response_format.name", name)
    if schema is wanted.schema and strict is wanted.strict and name is wanted.name:
        return request
    return replace(request, response_format=replace(wanted, schema=schema, strict=strict, name=name))


def _fit_json(request: LLMRequest, receiver: Receiver, losses: Losses) -> LLMRequest:
    """The wish for JSON of any form, in words where the model does not take it; with the word, where that is asked."""
    if not receiver.model.json_mode:
        losses.converted("response_format", "asked for in the system prompt: the model takes no such setting")
        return replace(request, messages=instructed(request.messages, [_JSON]), response_format=None)
    if not receiver.json_word or any("json" in part.text.lower() for part in _texts(request.messages)):
        return request
    losses.converted("response_format", "the word JSON is added to the conversation, as the provider wants")
    # Not a system message: a leading one becomes a field of the request that is not looked at.
    return replace(request, messages=instructed(request.messages, [_JSON], role="developer"))


_JSON = "Answer with one JSON object and nothing else."


def _texts(messages: list[Message]) -> Iterator[TextPart]:
    return (part for message in messages for part in message.content if isinstance(part, TextPart))


# OpenAI API reference, `response_format.json_schema.name`.
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_LETTERS = re.compile(r"[^a-zA-Z0-9_-]")


def _object_root(schema: dict[str, Any]) -> dict[str, Any] | None:
    """The schema with an object at its root; None where it describes anything but objects."""
    if schema.get("type") == "object" and _PLAIN_KEYS.isdisjoint(schema):
        return _without_null_properties(schema)
    if _is_object(schema, schema, 0):
        return whole_root(plain_root(schema))
    plain = whole_root(schema) if _PLAIN_KEYS.isdisjoint(schema) else schema
    return plain if plain.get("type") == "object" else None


_PLAIN_KEYS = frozenset({"anyOf", "oneOf", "allOf", "$ref", "enum", "const", "not"})
"""A root with one of these need not describe objects."""


def _is_object(schema: Any, root: dict[str, Any], depth: int) -> bool:
    if not isinstance(schema, dict) or depth > 8 or "enum" in schema or "const" in schema:
        return False
    if schema.get("type") == "object" or isinstance(schema.get("properties"), dict):
        return True
    if "$ref" in schema:
        return _is_object(resolve(schema["$ref"], root), root, depth + 1)
    variants = [variant for key in ("anyOf", "oneOf", "allOf") for variant in schema.get(key) or ()]
    return bool(variants) and all(_is_object(variant, root, depth + 1) for variant in variants)


def _without_null_properties(schema: dict[str, Any]) -> dict[str, Any]:
    """Some senders write null for what they leave out."""
    kept = {key: value for key, value in schema.items() if value is not None or key not in ("properties", "required")}
    return kept if len(kept) < len(schema) else schema


def _asked_for(request: LLMRequest, wanted: ResponseFormat, reason: str, losses: Losses) -> LLMRequest:
    losses.converted("response_format", f"asked for in the system prompt: {reason}")
    messages = instructed(request.messages, [JSON_SCHEMA + json.dumps_text(wanted.schema)])
    return replace(request, messages=messages, response_format=None)
