"""What is read of a realtime session's events, in the shapes of the GA interface and of the beta before it.

OpenAI's reference, "Realtime": client events and server events. The two interfaces differ in the names of deltas
(`response.output_text.delta`, `response.text.delta`) and in where a session keeps its settings
(`audio.input.transcription`, `input_audio_transcription`).
"""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil
from typing import Any

from ..parts import Part, TextPart, ToolCallPart, ToolResultPart
from ..request import Message
from ..response import Choice, LLMResponse, Usage
from ..wire import json
from .reading import count

__all__ = [
    "TEXT_DELTAS",
    "error_event",
    "message_of_item",
    "read_event",
    "reply_of",
    "session_models",
    "usage_of",
]

TEXT_DELTAS = frozenset(
    {
        "response.output_text.delta", "response.text.delta", "response.output_audio_transcript.delta",
        "response.audio_transcript.delta", "response.function_call_arguments.delta",
    }
)  # fmt: skip

_LONGEST = 1e6
"""Seconds of sound that are believed."""

Event = dict[str, Any]


def read_event(data: bytes) -> Event | None:
    """The event of a message; None where it is not a JSON object with a type."""
    try:
        event = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return event if isinstance(event, dict) and isinstance(event.get("type"), str) else None


def error_event(error: Mapping[str, Any], event_id: str, about: str | None = None) -> bytes:
    """An `error` event of the gateway's own. `about` is the id of the client's event that is to blame."""
    return json.dumps({"type": "error", "event_id": event_id, "error": {**error, "event_id": about}})


def usage_of(found: Any) -> Usage | None:
    """Of `response.usage`, or of the usage of a transcript; None where it counts neither tokens nor seconds."""
    if not isinstance(found, dict):
        return None
    if found.get("type") == "duration":
        heard = found.get("seconds")
        if isinstance(heard, bool) or not isinstance(heard, int | float) or not 0 < heard < _LONGEST:
            return None
        return Usage(pieces={"second": ceil(heard)})
    inputs = _object(found.get("input_token_details"))
    cached = _object(inputs.get("cached_tokens_details"))
    outputs = _object(found.get("output_token_details"))
    usage = Usage(
        input_tokens=count(found.get("input_tokens")),
        output_tokens=count(found.get("output_tokens")),
        cache_read_tokens=count(inputs.get("cached_tokens")),
        input_audio_tokens=count(inputs.get("audio_tokens")),
        output_audio_tokens=count(outputs.get("audio_tokens")),
        input_image_tokens=count(inputs.get("image_tokens")),
        cache_read_audio_tokens=count(cached.get("audio_tokens")),
        cache_read_image_tokens=count(cached.get("image_tokens")),
    )
    return None if usage.input_tokens is None and usage.output_tokens is None else usage


def reply_of(response: Mapping[str, Any], model: str) -> LLMResponse:
    """The words and calls of a response that is done."""
    parts: list[Part] = []
    for item in _list(response.get("output")):
        if item.get("type") == "function_call":
            call_id, name, arguments = (_text(item.get(key)) for key in ("call_id", "name", "arguments"))
            parts.append(ToolCallPart(call_id, name, arguments))
            continue
        parts += _texts(item)
    called = any(isinstance(part, ToolCallPart) for part in parts)
    status = response.get("status")
    finish = "tool_calls" if called else _FINISHES.get(_text(status), "stop")
    message = Message("assistant", parts)
    return LLMResponse(
        id=_text(response.get("id")),
        model=model,
        choices=[Choice(0, message, finish, raw_finish_reason=_text(status) or None)],
        usage=usage_of(response.get("usage")),
    )


_FINISHES = {"incomplete": "length", "cancelled": "stop", "failed": "error"}


def message_of_item(item: Any) -> Message | None:
    """An item of the conversation, as far as it is words; None where it has none yet."""
    if not isinstance(item, dict):
        return None
    if item.get("type") == "function_call_output":
        result = ToolResultPart(_text(item.get("call_id")), [TextPart(_text(item.get("output")))])
        return Message("tool", [result])
    parts = _texts(item)
    return Message(_text(item.get("role")) or "user", parts) if parts else None


def session_models(session: Any) -> tuple[str | None, str | None]:
    """(the session's model, the model of its transcripts), as far as an update names them."""
    session = _object(session)
    audio_input = _object(_object(session.get("audio")).get("input"))
    transcription = _object(audio_input.get("transcription") or session.get("input_audio_transcription"))
    return _text(session.get("model")) or None, _text(transcription.get("model")) or None


def _texts(item: Mapping[str, Any]) -> list[Part]:
    found = []
    for content in _list(item.get("content")):
        words = _text(content.get("text")) or _text(content.get("transcript"))
        if words:
            found.append(TextPart(words))
    return list(found)


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
