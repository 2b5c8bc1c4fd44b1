"""What a reply has that the client's dialect has no form for: the counterpart of `coverage` for replies.

Fields of a reply that only the provider's API knows are kept in `provider_metadata`, and no other dialect writes them.
`report_unwritten_reply` lists each of them, of a whole reply or of a chunk, by its place in the canonical reply; losses
of replies go through the provider's names (`Dialect.reply_field_names`), since the provider is who wrote the field.

Keys of `provider_metadata` that begin with an underscore are notes on how something was written; `finish_reason` there
is the provider's word for what the canonical reply has already.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from ..losses import Losses
from ..parts import (
    MediaPart,
    OpaquePart,
    Part,
    ProviderMetadata,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolResultPart,
)
from ..response import LLMResponse

__all__ = ["ReplyLack", "drop_part", "report_unwritten_reply"]

ReplyLack: TypeAlias = Literal[
    "logprobs",
    "logprobs.refusal",
    "stop_sequence",
    "tool_calls.namespace",
    "usage.cache_write_tokens",
    "usage.input_audio_tokens",
    "usage.output_audio_tokens",
    "usage.reasoning_tokens",
]
"""A canonical field of replies that some dialect has no form for."""

_CHOICE = "choices[*]"
_MESSAGE = "choices[*].message"
_CONTENT = f"{_MESSAGE}.content[*]"
_PLACES: dict[type, str] = {
    OpaquePart: f"{_MESSAGE}.blocks[*]",
    ThinkingPart: f"{_MESSAGE}.thoughts[*]",
    ToolCallPart: f"{_MESSAGE}.calls[*]",
    ToolResultPart: f"{_MESSAGE}.results[*]",
}
"""Where parts are, for the names of their fields; media are at the name of their kind, all else at `_CONTENT`."""
_NOTES = frozenset({"finish_reason", "stop_reason", "stopReason"})
_GROUPS = frozenset({"part", "call", "audio", "annotation", "_item"})
"""Keys under which a dialect keeps further fields of a value: their keys are the fields."""
_REPEATED = frozenset(
    {
        "background", "conversation", "instructions", "max_output_tokens", "max_tool_calls", "metadata",
        "parallel_tool_calls", "previous_response_id", "prompt", "prompt_cache_key", "prompt_cache_options",
        "prompt_cache_retention", "reasoning", "safety_identifier", "store", "temperature", "text", "tool_choice",
        "tools", "top_logprobs", "top_p", "truncation", "user",
    }
)  # fmt: skip
"""Fields of a Response that repeat what the request asked for."""


def report_unwritten_reply(response: LLMResponse, dialect: str, lacks: frozenset[ReplyLack], losses: Losses) -> None:
    """Lists what of `response` a reply in `dialect`, which has no form for `lacks`, does not hold."""
    if response.provider_metadata:
        _report(response.provider_metadata, "", dialect, losses)
    usage = response.usage
    if usage is not None:
        if usage.provider_metadata:
            _report(usage.provider_metadata, "usage", dialect, losses)
        if usage.cache_write_tokens and "usage.cache_write_tokens" in lacks:
            losses.dropped("usage.cache_write_tokens")
        if usage.reasoning_tokens and "usage.reasoning_tokens" in lacks:
            losses.dropped("usage.reasoning_tokens")
        if usage.input_audio_tokens and "usage.input_audio_tokens" in lacks:
            losses.dropped("usage.input_audio_tokens")
        if usage.output_audio_tokens and "usage.output_audio_tokens" in lacks:
            losses.dropped("usage.output_audio_tokens")
    for choice in response.choices:
        if choice.provider_metadata:
            _report(choice.provider_metadata, _CHOICE, dialect, losses)
        if choice.message.provider_metadata:
            _report(choice.message.provider_metadata, _MESSAGE, dialect, losses)
        if choice.logprobs is not None and "logprobs" in lacks:
            losses.dropped(f"{_CHOICE}.logprobs")
        elif choice.logprobs is not None and choice.logprobs.get("refusal") and "logprobs.refusal" in lacks:
            losses.dropped(f"{_CHOICE}.logprobs.refusal")
        if choice.stop_sequence is not None and "stop_sequence" in lacks:
            losses.dropped(f"{_CHOICE}.stop_sequence")
        for part in choice.message.content:
            if part.provider_metadata:
                _report(part.provider_metadata, _place_of(part), dialect, losses)
            if type(part) is TextPart and part.citations:
                for citation in part.citations:
                    _report(citation.provider_metadata, f"{_CONTENT}.citations[*]", dialect, losses)
            elif type(part) is ToolCallPart:
                if part.namespace is not None and "tool_calls.namespace" in lacks:
                    losses.dropped(f"{_place_of(part)}.namespace")
            elif type(part) is OpaquePart and part.dialect != dialect:
                drop_part(part, losses)


def drop_part(part: Part, losses: Losses) -> None:
    """Reports a part of a reply that the client's dialect has no block for."""
    place = _place_of(part)
    if type(part) is MediaPart:
        losses.dropped(f"{place}.{'data' if part.data is not None else 'file_id'}")
    elif type(part) is OpaquePart:
        losses.dropped(place, f"{_type_of(part.data)} of {part.dialect}")
    else:
        losses.dropped(place)


def _place_of(part: Part) -> str:
    if type(part) is MediaPart:
        return f"{_MESSAGE}.{part.kind}[*]"
    return _PLACES.get(type(part), _CONTENT)


def _type_of(data: object) -> str:
    """A vendor's block's type, or the keys that identify it (Gemini, Converse)."""
    if not isinstance(data, dict) or not data:
        return "a block"
    kind = data.get("type")
    return kind if isinstance(kind, str) else ", ".join(map(str, data))


def _report(metadata: ProviderMetadata, path: str, dialect: str, losses: Losses) -> None:
    for name in metadata:
        if name != dialect:
            repeated = _REPEATED if not path and name == "openai_responses" else _NONE
            _report_fields(metadata[name], path, losses, repeated)


_OF_THE_ITEM = frozenset({"id", "role", "status", "type"})
"""Fields of an output item that are about the item, not the answer."""
_NONE: frozenset[str] = frozenset()


def _report_fields(values: dict[str, Any], path: str, losses: Losses, repeated: frozenset[str] = _NONE) -> None:
    for key in values:
        value = values[key]
        if value is None or value == {} or value == [] or key in _NOTES or key in repeated:
            continue
        if key == "citations" and not path and isinstance(value, list):
            continue  # addresses that its text names by number, which are citations of the text
        if key in _GROUPS and isinstance(value, dict):
            _report_fields(value, path, losses, _OF_THE_ITEM if key == "_item" else _NONE)
        elif key[:1] == "_" or (value == 0 and path[:5] == "usage"):
            continue  # a note of a dialect; a count of nothing
        elif isinstance(value, dict) and path == "usage":
            _report_fields(value, f"{path}.{key}", losses)
        else:
            losses.dropped(f"{path}.{key}" if path else key)
