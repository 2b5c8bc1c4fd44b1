"""Recordings in, words out, by `generateContent`."""

import json
from base64 import b64decode

import pytest
from llm_gateway_gemini.transcription import GeminiTranscription

from llm_gateway_sdk import DialectError, Target, WireReply
from llm_gateway_sdk.dialect import Headers
from llm_gateway_sdk.losses import Losses
from llm_gateway_sdk.operations.transcription import TranscriptionRequest

FORM = GeminiTranscription()
ASKED = TranscriptionRequest("m", b"sound", "audio/mp3")


def sent(request, losses=None):
    target = Target("gemini-3-flash", "gemini", None, False)
    wire = FORM.encode_request(request, target, losses if losses is not None else Losses("request"))
    assert wire.path == "/models/gemini-3-flash:generateContent"
    return json.loads(wire.body)


def came(body):
    return FORM.decode_reply(WireReply(200, Headers(), json.dumps(body).encode()), ASKED)


def test_a_recording_goes_with_the_words_that_ask_for_its_text():
    losses = Losses("request")
    request = TranscriptionRequest(
        "m", b"sound", "audio/mp3", language="de", prompt="Käse", temperature=0.5,
        provider_metadata={"openai": {"include[]": "logprobs"}},
    )  # fmt: skip

    body = sent(request, losses)

    words, audio = body["contents"][0]["parts"]
    assert words["text"].startswith("Transcribe")
    assert "is de" in words["text"]
    assert "Käse" in words["text"]
    assert audio["inlineData"]["mimeType"] == "audio/mp3"
    assert b64decode(audio["inlineData"]["data"]) == b"sound"
    assert body["generationConfig"] == {"temperature": 0.5}
    assert [loss.path for loss in losses] == ["include[]"]


def test_a_translation_is_asked_for_in_english():
    body = sent(TranscriptionRequest("m", b"", "audio/wav", into_english=True))

    assert "into English" in body["contents"][0]["parts"][0]["text"]
    assert "generationConfig" not in body


def test_the_words_of_the_reply_without_thoughts():
    parts = [{"text": "hmm", "thought": True}, {"text": " Good "}, {"text": "day. \n"}]
    details = [{"modality": "AUDIO", "tokenCount": 90}, {"modality": "TEXT", "tokenCount": 10}]
    usage = {"promptTokenCount": 100, "candidatesTokenCount": 4, "promptTokensDetails": details}

    reply = came({"candidates": [{"content": {"parts": parts}, "finishReason": "STOP"}], "usageMetadata": usage})

    assert reply.text == "Good day."
    assert (reply.usage.input_tokens, reply.usage.output_tokens, reply.usage.input_audio_tokens) == (100, 4, 90)


def test_silence_is_an_empty_transcript_and_what_is_blocked_an_error():
    assert came({"candidates": [{"content": {}, "finishReason": "STOP"}]}).text == ""
    for body in (
        {},
        {"promptFeedback": {"blockReason": "SAFETY"}},
        {"candidates": [{"finishReason": "PROHIBITED_CONTENT"}]},
    ):
        with pytest.raises(DialectError):
            came(body)
