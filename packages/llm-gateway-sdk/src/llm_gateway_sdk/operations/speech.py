"""Speech in canonical form: a text read aloud."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Any

from ..response import Usage

__all__ = ["SpeechReply", "SpeechRequest", "as_wav"]


@dataclass(slots=True)
class SpeechRequest:
    model: str
    text: str
    voice: str | None = None
    instructions: str | None = None
    """How it is to be read."""
    speed: float | None = None
    output_format: str | None = None
    """`mp3`, `wav`, `pcm`, `opus`, `aac` or `flac`; None leaves it to the provider."""
    provider_metadata: dict[str, Any] = field(default_factory=dict)
    """By form: fields that the canonical form has no name for."""


@dataclass(slots=True)
class SpeechReply:
    audio: bytes
    media_type: str
    model: str = ""
    usage: Usage | None = None


def as_wav(samples: bytes, rate: int) -> bytes:
    """A WAV file of 16-bit samples of one channel; `rate` in samples per second."""
    head = struct.pack("<4sI4s4sIHHIIHH", b"RIFF", 36 + len(samples), b"WAVE", b"fmt ", 16, 1, 1, rate, rate * 2, 2, 16)
    return head + struct.pack("<4sI", b"data", len(samples)) + samples
