"""Speech as OpenAI's clients ask for it."""

from __future__ import annotations

from typing import Any

import pytest

from llm_gateway.operations.audio.speech import OpenAISpeech
from llm_gateway_sdk import DialectError, Mint, WireRequest
from llm_gateway_sdk.operations.speech import SpeechReply, SpeechRequest
from llm_gateway_sdk.wire import json


def read(**body: Any) -> SpeechRequest:
    return OpenAISpeech().decode_request(WireRequest(body=json.dumps({"model": "tts", "input": "Hello", **body})))


def test_every_field_is_read() -> None:
    request = read(voice="alloy", instructions="slowly", speed=1.25, response_format="opus", stream_format="audio")

    assert request == SpeechRequest(
        "tts", "Hello", "alloy", "slowly", 1.25, "opus", provider_metadata={"openai": {}}
    )  # fmt: skip


def test_fields_of_one_vendor_are_kept_for_it() -> None:
    assert read(consent="x").provider_metadata == {"openai": {"consent": "x"}}


@pytest.mark.parametrize("field", ["voice", "instructions", "speed", "response_format"])
@pytest.mark.parametrize("value", [None, True, {"id": "custom"}], ids=["null", "true", "object"])
def test_what_has_another_type_is_left_to_the_provider(field: str, value: Any) -> None:
    assert read(**{field: value}) == read()


def test_events_of_speech_are_refused() -> None:
    with pytest.raises(DialectError, match="no events of speech") as caught:
        read(stream_format="sse")

    assert caught.value.path == "stream_format"


@pytest.mark.parametrize("field", ["model", "input"])
def test_model_and_text_have_to_be_there(field: str) -> None:
    with pytest.raises(DialectError, match=f"{field}: expected a string"):
        read(**{field: None})


def test_the_reply_is_the_audio_with_its_type() -> None:
    reply = OpenAISpeech().encode_reply(
        SpeechReply(b"\x00\x01", "audio/ogg"), read(), Mint(lambda prefix: prefix, lambda: 0)
    )

    assert (reply.status, reply.headers.get("content-type"), reply.body) == (200, "audio/ogg", b"\x00\x01")
