"""Speech by OpenAI's client."""

from __future__ import annotations

import io
import wave
from base64 import b64decode
from typing import Any

import openai
import pytest
from served_gateway import ServedGateway
from vendors import Vendors


def test_openais_speech_passes(gateway: ServedGateway) -> None:
    reply = gateway.openai().audio.speech.create(model="openai", voice="alloy", input="Hello")

    assert reply.content == b"ID3" + b"Hello" * 100
    assert reply.response.headers["content-type"] == "audio/mpeg"


def test_geminis_speech_is_a_wav_file(gateway: ServedGateway, vendors: Vendors) -> None:
    reply = gateway.openai().audio.speech.create(
        model="gemini-tts", voice="alloy", input="Hello", instructions="Whisper.", response_format="wav"
    )

    with wave.open(io.BytesIO(reply.content)) as found:
        assert (found.getframerate(), found.getnchannels(), found.readframes(3)) == (24_000, 1, b"\0\0\1\0\2\0")
    asked = vendors.last(":generateContent").body
    assert asked["contents"][0]["parts"][0]["text"] == "Whisper.\n\nHello"
    assert "prebuiltVoiceConfig" in str(asked)


def test_geminis_speech_has_no_other_coding(gateway: ServedGateway) -> None:
    with pytest.raises(openai.BadRequestError, match="wav"):
        gateway.openai().audio.speech.create(model="gemini-tts", voice="alloy", input="Hello", response_format="mp3")


@pytest.mark.parametrize("shape", ["json", "text"])
def test_a_recording_is_transcribed_by_gemini(gateway: ServedGateway, vendors: Vendors, shape: Any) -> None:
    audio = gateway.openai().audio
    found = audio.transcriptions.create(model="gemini-ears", file=("a.mp3", b"sound" * 1000), response_format=shape)

    assert (found if shape == "text" else found.text).strip() == "my number is 555-1234"
    parts = vendors.last(":generateContent").body["contents"][0]["parts"]
    assert b64decode(parts[1]["inlineData"]["data"]) == b"sound" * 1000


def test_geminis_transcript_as_events(gateway: ServedGateway) -> None:
    stream = gateway.openai().audio.transcriptions.create(model="gemini-ears", file=("a.mp3", b"x"), stream=True)

    assert [event.type for event in stream] == ["transcript.text.delta", "transcript.text.done"]
