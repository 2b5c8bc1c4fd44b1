"""Forms of transcription: fields of the form are read as JSON, and the request keeps its path."""

from __future__ import annotations

import pytest

from llm_gateway.operations.audio.transcription import OpenAITranscription
from llm_gateway_sdk import Target, WireRequest


@pytest.mark.parametrize("path", ["/audio/transcriptions", "/audio/translations"])
def test_a_request_goes_where_the_client_sent_it_with_the_providers_model(path: str) -> None:
    form = OpenAITranscription()
    wire = WireRequest("POST", path, body=b'{"model":"mine","language":"en"}')

    assert form.peek(wire) == "mine"
    sent = form.retarget(wire, Target(model="whisper-1"))
    assert (sent.path, sent.body) == (path, b'{"model":"whisper-1","language":"en"}')


def test_transcribed_words_are_text_that_plugins_see() -> None:
    assert {"text", "word"} <= OpenAITranscription.reply_texts
    assert OpenAITranscription.multipart is True
