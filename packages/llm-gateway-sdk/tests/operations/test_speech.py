"""Speech in canonical form: samples as a WAV file."""

from __future__ import annotations

import io
import wave

import pytest

from llm_gateway_sdk.operations.speech import as_wav


@pytest.mark.parametrize("samples", [b"", b"\x01\x02\x03\x04", b"\x00\x7f" * 5000], ids=["none", "two", "many"])
@pytest.mark.parametrize("rate", [16_000, 24_000])
def test_players_read_the_samples_back(samples: bytes, rate: int) -> None:
    with wave.open(io.BytesIO(as_wav(samples, rate))) as read:
        assert (read.getnchannels(), read.getsampwidth(), read.getframerate()) == (1, 2, rate)
        assert read.readframes(read.getnframes()) == samples
