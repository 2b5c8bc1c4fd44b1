"""What kind of audio a file is."""

from __future__ import annotations

import pytest

from llm_gateway_sdk.operations.transcription import audio_type


def test_the_kind_of_audio_by_declaration_or_name() -> None:
    assert audio_type("audio/mpeg", "x") == "audio/mp3"
    assert audio_type("audio/ogg; codecs=opus", "x.mp3") == "audio/ogg"
    assert audio_type("application/octet-stream", "a.b.M4A") == "audio/m4a"
    with pytest.raises(ValueError, match="audio"):
        audio_type("", "noise.txt")
