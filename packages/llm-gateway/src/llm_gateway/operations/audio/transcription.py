"""OpenAI's transcriptions and translations of audio, which come as forms with a file
(platform.openai.com/docs/api-reference/audio). Servers that have them took over the shape: forms pass from client to
provider, with the model and what plugins edit put in. To a provider of another form they are translated, as far as a
text is wanted: times, speakers and probabilities are in no other provider's reply."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

from llm_gateway_sdk import DialectError, Headers, Mint, Usage, WireReply, WireRequest
from llm_gateway_sdk.context import Operation
from llm_gateway_sdk.operations.form import OperationForm, ReplyKind, UploadedFile
from llm_gateway_sdk.operations.reading import count, json_reply, object_of, text, value_in
from llm_gateway_sdk.operations.transcription import TranscriptionReply, TranscriptionRequest, audio_type
from llm_gateway_sdk.wire import json

__all__ = ["OpenAITranscription"]

_KNOWN = frozenset({"file", "model", "language", "prompt", "temperature", "response_format", "stream"})
_FORMATS = ("json", "text")
_BYTES_PER_SECOND = 8000
"""Of compressed speech, at least: what is estimated from the size of a recording is rather too long."""
_LONGEST = 1e6
"""Seconds of a recording that are believed."""
_TEXTS = ("text", "srt", "vtt")
"""Formats that are not JSON, whatever content type a server gives them."""


class OpenAITranscription(OperationForm[TranscriptionRequest, TranscriptionReply]):
    """`transcriptions` and `translations`: the path of the request is the provider's."""

    name: ClassVar[str] = "openai"
    operation: ClassVar[Operation] = "transcribe"
    multipart = True
    reply_texts: ClassVar[frozenset[str]] = frozenset({"text", "word"})

    def reply_kind(self, body: bytes) -> ReplyKind:
        return "anything" if value_in(body, "response_format") in _TEXTS else "object"

    def decode_upload(self, wire: WireRequest, files: Sequence[UploadedFile]) -> TranscriptionRequest:
        body = object_of(wire.body)
        file = next((each for each in files if each.name == "file"), None)
        if file is None:
            raise DialectError("expected a file", path="file")
        shape = _field(body, "response_format") or "json"
        if shape not in _FORMATS:
            raise DialectError("the model's provider gives 'json' or 'text'", path="response_format")
        try:
            kind = audio_type(file.media_type, file.filename)
        except ValueError as error:
            raise DialectError(str(error), path="file") from None
        return TranscriptionRequest(
            text(body, "model"),
            file.content,
            kind,
            language=_field(body, "language"),
            prompt=_field(body, "prompt"),
            temperature=_number(body, "temperature"),
            into_english=wire.path.endswith("/translations"),
            streamed=_field(body, "stream") == "true",
            plain=shape == "text",
            provider_metadata={self.name: {key: value for key, value in body.items() if key not in _KNOWN}},
        )

    def pieces_of(self, body: bytes, size: int) -> dict[str, int] | None:
        return {"second": -(-size // _BYTES_PER_SECOND)} if size else None

    def usage_of(self, body: dict[str, Any]) -> Usage | None:
        usage = body.get("usage")
        if not isinstance(usage, dict):
            heard = _seconds(body.get("duration"))
            return None if heard is None else Usage(pieces={"second": heard})
        # OpenAI counts tokens or seconds; Mistral counts both.
        heard = _seconds(usage.get("seconds")) or _seconds(usage.get("prompt_audio_seconds"))
        asked, made = count(usage.get("input_tokens")), count(usage.get("output_tokens"))
        found = Usage(
            input_tokens=count(usage.get("prompt_tokens")) if asked is None else asked,
            output_tokens=count(usage.get("completion_tokens")) if made is None else made,
            pieces=None if heard is None else {"second": heard},
        )
        details = usage.get("input_token_details")
        if isinstance(details, dict):
            found.input_audio_tokens = count(details.get("audio_tokens"))
        return found

    def encode_reply(self, reply: TranscriptionReply, request: TranscriptionRequest, mint: Mint) -> WireReply:
        usage = _usage(reply.usage)
        if request.streamed:
            delta = {"type": "transcript.text.delta", "delta": reply.text}
            done = {"type": "transcript.text.done", "text": reply.text, **usage}
            events = b"".join(b"data: " + json.dumps(event) + b"\n\n" for event in (delta, done))
            return WireReply(200, Headers.of([("content-type", "text/event-stream; charset=utf-8")]), events)
        if request.plain:
            kind = Headers.of([("content-type", "text/plain; charset=utf-8")])
            return WireReply(200, kind, reply.text.encode(errors="replace") + b"\n")
        return json_reply({"text": reply.text, **usage})


def _seconds(value: Any) -> int | None:
    """As vendors charge: whole seconds, begun ones too."""
    if isinstance(value, str):  # how the longest replies of Whisper's servers write it
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < _LONGEST:
        return None
    return math.ceil(value)


def _field(body: dict[str, Any], name: str) -> str | None:
    """A field of the form; None where it is left out or empty. Raises DialectError."""
    value = body.get(name)
    if value is not None and not isinstance(value, str):
        raise DialectError(f"{name}: expected one value", path=name)
    return value or None


def _number(body: dict[str, Any], name: str) -> float | None:
    value = _field(body, name)
    try:
        number = None if value is None else float(value)
    except ValueError:
        number = math.nan
    if number is not None and not math.isfinite(number):
        raise DialectError(f"{name}: expected a number", path=name)
    return number


def _usage(usage: Usage | None) -> dict[str, Any]:
    if usage is None or usage.input_tokens is None:
        return {}
    made = usage.output_tokens or 0
    found: dict[str, Any] = {
        "type": "tokens",
        "input_tokens": usage.input_tokens,
        "output_tokens": made,
        "total_tokens": usage.input_tokens + made,
    }
    if usage.input_audio_tokens is not None:
        spoken = usage.input_audio_tokens
        found["input_token_details"] = {"audio_tokens": spoken, "text_tokens": max(0, usage.input_tokens - spoken)}
    return {"usage": found}
