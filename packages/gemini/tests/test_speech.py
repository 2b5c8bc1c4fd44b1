"""Speech of Gemini's models."""

from __future__ import annotations

import io
import wave
from base64 import b64encode
from typing import Any

import pytest
from llm_gateway_gemini.speech import GeminiSpeech

from llm_gateway_sdk import DialectError, Target, WireReply
from llm_gateway_sdk.losses import Losses
from llm_gateway_sdk.operations.speech import SpeechReply, SpeechRequest
from llm_gateway_sdk.wire import json

FORM = GeminiSpeech()


def sent(**fields: Any) -> tuple[dict[str, Any], list[str]]:
    losses = Losses()
    wire = FORM.encode_request(SpeechRequest("mine", "Hello", **fields), Target(model="m"), losses)
    assert wire.path == "/models/m:generateContent"
    return json.loads(wire.body), sorted(str(loss) for loss in losses)


def read(*parts: dict[str, Any], output_format: str | None = "wav") -> SpeechReply:
    body = json.dumps({"candidates": [{"content": {"parts": list(parts)}}]})
    return FORM.decode_reply(WireReply(200, body=body), SpeechRequest("m", "Hello", output_format=output_format))


def audio(samples: bytes, kind: str = "audio/L16;codec=pcm;rate=16000") -> dict[str, Any]:
    return {"inlineData": {"mimeType": kind, "data": b64encode(samples).decode()}}


def test_openais_voices_have_a_voice_of_googles() -> None:
    body, lost = sent(voice="alloy", output_format="pcm")

    assert body["generationConfig"]["speechConfig"]["voiceConfig"]["prebuiltVoiceConfig"]["voiceName"] == "Kore"
    assert lost == ["converted voice (Kore)"]


def test_other_voices_and_instructions_are_passed_on() -> None:
    body, lost = sent(voice="Zubenelgenubi", instructions="Slowly.", speed=2.0, provider_metadata={"openai": {"x": 1}})

    assert "Zubenelgenubi" in str(body["generationConfig"])
    assert body["contents"][0]["parts"] == [{"text": "Slowly.\n\nHello"}]
    assert lost == ["converted response_format (wav)", "dropped speed", "dropped x"]


@pytest.mark.parametrize("asked", ["mp3", "opus", "flac"])
def test_formats_that_would_need_a_coder_are_refused(asked: str) -> None:
    with pytest.raises(DialectError, match="'wav' or 'pcm'"):
        sent(output_format=asked)


@pytest.mark.parametrize(
    ("kind", "rate"),
    [
        ("audio/L16;codec=pcm;rate=16000", 16_000),
        ("audio/L16;rate=48000", 48_000),
        ("audio/L16", 24_000),
        ("audio/L16;rate=99999999999999", 24_000),
        ("audio/L16;rate=²²²²", 24_000),
    ],
)
def test_pieces_become_one_file_at_the_rate_that_was_reported(kind: str, rate: int) -> None:
    reply = read(audio(b"\x01\x00", kind), {"text": "ignored"}, audio(b"\x02\x00", "audio/L16"))

    assert reply.media_type == "audio/wav"
    with wave.open(io.BytesIO(reply.audio)) as file:
        assert (file.getframerate(), file.readframes(9)) == (rate, b"\x01\x00\x02\x00")


def test_samples_may_be_wanted_alone() -> None:
    reply = read(audio(b"\x01\x00"), output_format="pcm")

    assert (reply.audio, reply.media_type) == (b"\x01\x00", "audio/pcm")


@pytest.mark.parametrize(
    "parts", [[], [{"text": "No."}], [{"inlineData": {"data": ""}}], [{"inlineData": {"data": "?"}}]], ids=str
)
def test_a_reply_without_audio_is_a_failure(parts: list[dict[str, Any]]) -> None:
    with pytest.raises(DialectError, match="audio"):
        read(*parts)
