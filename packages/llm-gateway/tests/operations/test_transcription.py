"""Transcription forms of clients, read and answered where the provider has another form."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llm_gateway.operations.audio.transcription import OpenAITranscription
from llm_gateway_sdk import DialectError, Mint, Target, Usage, WireRequest
from llm_gateway_sdk.operations.form import UploadedFile
from llm_gateway_sdk.operations.transcription import TranscriptionReply, TranscriptionRequest

FORM = OpenAITranscription()
MINT = Mint(lambda prefix: prefix, lambda: 0)
FILE = UploadedFile("file", "a.mp3", "application/octet-stream", b"sound")


def read(fields: dict[str, Any], *files: UploadedFile, path: str = "/audio/transcriptions") -> TranscriptionRequest:
    body = json.dumps({"model": "m", "file": "a.mp3", **fields}).encode()
    return FORM.decode_upload(WireRequest("POST", path, body=body), files or (FILE,))


def test_fields_and_file_of_a_form() -> None:
    found = read({"language": "de", "prompt": "Käse", "temperature": "0.5", "timestamp_granularities[]": "word"})

    assert found == TranscriptionRequest(
        "m", b"sound", "audio/mp3", language="de", prompt="Käse", temperature=0.5,
        provider_metadata={"openai": {"timestamp_granularities[]": "word"}},
    )  # fmt: skip


def test_a_translation_is_known_by_its_path() -> None:
    assert read({}, path="/audio/translations").into_english
    assert not read({}).into_english


@pytest.mark.parametrize(
    ("fields", "files", "word"),
    [
        ({"response_format": "verbose_json"}, (), "json"),
        ({"response_format": "srt"}, (), "json"),
        ({"temperature": "warm"}, (), "number"),
        ({"language": ["de", "en"]}, (), "one value"),
        ({}, (UploadedFile("other", "a.mp3", "audio/mp3", b""),), "file"),
        ({}, (UploadedFile("file", "a", "application/octet-stream", b""),), "audio"),
    ],
    ids=["verbose", "srt", "temperature", "two languages", "no file", "unknown kind"],
)
def test_what_can_not_be_read_is_the_clients_error(fields: dict[str, Any], files: Any, word: str) -> None:
    with pytest.raises(DialectError, match=word):
        read(fields, *files)


def test_the_reply_in_the_shape_that_was_asked_for() -> None:
    reply = TranscriptionReply("Grüezi", "m", Usage(10, 3, input_audio_tokens=8))

    whole = FORM.encode_reply(reply, read({}), MINT)
    assert json.loads(whole.body) == {
        "text": "Grüezi",
        "usage": {
            "type": "tokens", "input_tokens": 10, "output_tokens": 3, "total_tokens": 13,
            "input_token_details": {"audio_tokens": 8, "text_tokens": 2},
        },
    }  # fmt: skip
    plain = FORM.encode_reply(reply, read({"response_format": "text"}), MINT)
    assert (plain.body.decode(), plain.headers.get("content-type")) == ("Grüezi\n", "text/plain; charset=utf-8")
    events = FORM.encode_reply(reply, read({"stream": "true"}), MINT).body.decode().split("\n\n")
    assert [json.loads(event.removeprefix("data: "))["type"] for event in events if event] == [
        "transcript.text.delta",
        "transcript.text.done",
    ]
    assert json.loads(FORM.encode_reply(TranscriptionReply(""), read({}), MINT).body) == {"text": ""}


def test_all_fields_of_a_form_are_text() -> None:
    """The official clients write `stream` as `true`."""
    wire = WireRequest("POST", "/audio/transcriptions", body=b'{"model": "m", "stream": "true"}')

    assert FORM.peek(wire) == "m"
    renamed = FORM.retarget(wire, Target("whisper", "openai", None, False))
    assert json.loads(renamed.body) == {"model": "whisper", "stream": "true"}
    with pytest.raises(ValueError, match="model"):
        FORM.peek(WireRequest("POST", "/audio/transcriptions", body=b'{"model": ["a", "b"]}'))
