"""Transcription by Gemini's models, which are asked for it in words (ai.google.dev/gemini-api/docs/audio)."""

from __future__ import annotations

from base64 import b64encode
from typing import Any, ClassVar

from llm_gateway_sdk import DialectError, Target, WireReply, WireRequest
from llm_gateway_sdk.context import Operation
from llm_gateway_sdk.losses import Losses
from llm_gateway_sdk.operations.form import OperationForm
from llm_gateway_sdk.operations.reading import json_request, object_of
from llm_gateway_sdk.operations.transcription import TranscriptionReply, TranscriptionRequest

from .images import parts_of, usage_of
from .paths import build_path

__all__ = ["GeminiTranscription"]

_TRANSCRIBE = (
    "Transcribe the speech in this recording word for word, in the language that is spoken. Answer with the transcript "
    "alone, without times, names of speakers, remarks or formatting. Where there is no speech, answer with nothing."
)
_TRANSLATE = (
    "Translate the speech in this recording into English. Answer with the translation alone, without times, names of "
    "speakers, remarks or formatting. Where there is no speech, answer with nothing."
)


class GeminiTranscription(OperationForm[TranscriptionRequest, TranscriptionReply]):
    name: ClassVar[str] = "gemini"
    operation: ClassVar[Operation] = "transcribe"

    def encode_request(self, request: TranscriptionRequest, target: Target, losses: Losses) -> WireRequest:
        for fields in request.provider_metadata.values():
            for field in fields:
                losses.dropped(field)
        wanted = [_TRANSLATE if request.into_english else _TRANSCRIBE]
        if request.language is not None:
            wanted.append(f"The language that is spoken is {request.language}.")
        if request.prompt is not None:
            wanted.append(f"The transcript so far, or how words are spelt:\n{request.prompt}")
        audio = {"mimeType": request.media_type, "data": b64encode(request.audio).decode()}
        parts = [{"text": "\n\n".join(wanted)}, {"inlineData": audio}]
        body: dict[str, Any] = {"contents": [{"role": "user", "parts": parts}]}
        if request.temperature is not None:
            body["generationConfig"] = {"temperature": request.temperature}
        return json_request(build_path(target.model, "generateContent"), body)

    def decode_reply(self, wire: WireReply, request: TranscriptionRequest) -> TranscriptionReply:
        body = object_of(wire.body)
        parts = [part for part in parts_of(body) if isinstance(part.get("text"), str) and not part.get("thought")]
        words = [part["text"] for part in parts]
        if not words:
            _refuse_blocked(body)
        return TranscriptionReply("".join(words).strip(), str(body.get("modelVersion") or ""), usage_of(body))


def _refuse_blocked(body: dict[str, Any]) -> None:
    """Silence has no words, and neither has what was blocked. Raises DialectError for the latter."""
    feedback, candidates = body.get("promptFeedback"), body.get("candidates")
    first = candidates[0] if isinstance(candidates, list) and candidates else None
    reason = feedback.get("blockReason") if isinstance(feedback, dict) else None
    if reason is None and isinstance(first, dict) and first.get("finishReason") not in (None, "STOP"):
        reason = first["finishReason"]
    if reason is not None or not isinstance(first, dict):
        raise DialectError(f"the reply has no transcript ({reason or 'no candidate'})")
