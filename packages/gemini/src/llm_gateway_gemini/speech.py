"""Speech of Gemini's models, by `generateContent` (ai.google.dev/gemini-api/docs/speech-generation)."""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from typing import Any, ClassVar

from llm_gateway_sdk import DialectError, Target, WireReply, WireRequest
from llm_gateway_sdk.context import Operation
from llm_gateway_sdk.losses import Losses
from llm_gateway_sdk.operations.form import OperationForm
from llm_gateway_sdk.operations.reading import json_request, object_of
from llm_gateway_sdk.operations.speech import SpeechReply, SpeechRequest, as_wav

from .images import parts_of, usage_of
from .paths import build_path

__all__ = ["GeminiSpeech"]

_RATE = re.compile(r"rate=([0-9]{4,6})\b")
_USUAL_RATE = 24_000
_OPENAIS = {
    "alloy": "Kore", "ash": "Orus", "ballad": "Charon", "coral": "Leda", "echo": "Puck", "fable": "Fenrir",
    "nova": "Aoede", "onyx": "Iapetus", "sage": "Zephyr", "shimmer": "Callirrhoe", "verse": "Umbriel",
}  # fmt: skip
"""OpenAI's voices, and the one of Google's that is asked for in its place; other names are passed on."""


class GeminiSpeech(OperationForm[SpeechRequest, SpeechReply]):
    name: ClassVar[str] = "gemini"
    operation: ClassVar[Operation] = "speech"

    def encode_request(self, request: SpeechRequest, target: Target, losses: Losses) -> WireRequest:
        if request.output_format not in (None, "wav", "pcm"):
            raise DialectError("the model's provider gives 'wav' or 'pcm'", path="response_format")
        if request.output_format is None:
            losses.converted("response_format", "wav")
        if request.speed is not None:
            losses.dropped("speed")
        for fields in request.provider_metadata.values():
            for field in fields:
                losses.dropped(field)
        text = request.text if request.instructions is None else f"{request.instructions}\n\n{request.text}"
        generation: dict[str, Any] = {"responseModalities": ["AUDIO"]}
        if request.voice is not None:
            voice = _OPENAIS.get(request.voice, request.voice)
            if voice != request.voice:
                losses.converted("voice", voice)
            generation["speechConfig"] = {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": voice}}}
        body = {"contents": [{"role": "user", "parts": [{"text": text}]}], "generationConfig": generation}
        return json_request(build_path(target.model, "generateContent"), body)

    def decode_reply(self, wire: WireReply, request: SpeechRequest) -> SpeechReply:
        body = object_of(wire.body)
        samples, kind = b"", ""
        for part in parts_of(body):
            data = part.get("inlineData")
            if isinstance(data, dict) and isinstance(data.get("data"), str):
                kind = kind or str(data.get("mimeType") or "")
                try:
                    samples += b64decode(data["data"], validate=True)
                except (binascii.Error, ValueError):
                    raise DialectError("the audio is not valid base64") from None
        if not samples:
            raise DialectError("the reply has no audio")
        rate = _RATE.search(kind)
        model = str(body.get("modelVersion") or "")
        if request.output_format == "pcm":
            return SpeechReply(samples, "audio/pcm", model, usage_of(body))
        wave = as_wav(samples, int(rate[1]) if rate is not None else _USUAL_RATE)
        return SpeechReply(wave, "audio/wav", model, usage_of(body))
