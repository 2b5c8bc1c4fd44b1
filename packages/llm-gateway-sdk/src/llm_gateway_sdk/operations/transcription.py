"""Transcription in canonical form: the words of a recording, in its language or in English."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..response import Usage

__all__ = ["TranscriptionReply", "TranscriptionRequest", "audio_type"]


@dataclass(slots=True)
class TranscriptionRequest:
    model: str
    audio: bytes
    media_type: str
    """Of the audio, such as `audio/mp3`."""
    language: str | None = None
    """As the client wrote it, mostly a code such as `de`; None leaves it to the model to find out."""
    prompt: str | None = None
    """Words before the recording, or names and spellings that are in it."""
    temperature: float | None = None
    into_english: bool = False
    """A translation is asked for."""
    streamed: bool = False
    """The client wants events."""
    plain: bool = False
    """The client wants the text alone, without JSON around it."""
    provider_metadata: dict[str, Any] = field(default_factory=dict)
    """By form: fields that the canonical form has no name for."""


@dataclass(slots=True)
class TranscriptionReply:
    text: str
    model: str = ""
    usage: Usage | None = None


def audio_type(media_type: str, filename: str) -> str:
    """The media type of a file: as it is declared, where that is specific, else by the end of its name. Raises
    ValueError where neither identifies it."""
    declared = media_type.partition(";")[0].strip().lower()
    if declared.startswith(("audio/", "video/")):
        return _SAME.get(declared, declared)
    found = _BY_ENDING.get(filename.rpartition(".")[2].lower())
    if found is None:
        raise ValueError("neither the type nor the name of the file identifies a format of audio")
    return found


_SAME = {"audio/mpeg": "audio/mp3", "audio/x-wav": "audio/wav", "audio/wave": "audio/wav", "audio/x-m4a": "audio/m4a"}
_BY_ENDING = {
    "mp3": "audio/mp3", "mpga": "audio/mp3", "mpeg": "audio/mp3", "wav": "audio/wav", "m4a": "audio/m4a",
    "mp4": "video/mp4", "ogg": "audio/ogg", "oga": "audio/ogg", "opus": "audio/ogg", "flac": "audio/flac",
    "aac": "audio/aac", "aiff": "audio/aiff", "aif": "audio/aiff", "webm": "video/webm",
}  # fmt: skip
