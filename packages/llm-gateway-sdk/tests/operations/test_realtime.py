"""Events of a session: usage, words and models, in the GA shape and that of the beta."""

from __future__ import annotations

import json

import pytest

from llm_gateway_sdk import TextPart, ToolCallPart, Usage
from llm_gateway_sdk.operations.realtime import (
    error_event,
    message_of_item,
    read_event,
    reply_of,
    session_models,
    usage_of,
)


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"type": 3}', b"\xff", b'{"type": "a"', b"[" * 5000])
def test_what_is_not_an_event(data: bytes) -> None:
    assert read_event(data) is None


def test_usage_counts_audio_and_what_was_cached() -> None:
    found = usage_of(
        {
            "input_tokens": 20, "output_tokens": 10,
            "input_token_details": {
                "audio_tokens": 12, "image_tokens": 5, "cached_tokens": 4,
                "cached_tokens_details": {"text_tokens": 0, "audio_tokens": 3, "image_tokens": 1},
            },
            "output_token_details": {"audio_tokens": 7},
        }
    )  # fmt: skip

    assert found == Usage(20, 10, cache_read_tokens=4, input_audio_tokens=12, output_audio_tokens=7)
    assert found is not None
    assert (found.cache_read_audio_tokens, found.cache_read_image_tokens, found.input_image_tokens) == (3, 1, 5)


@pytest.mark.parametrize(
    "found",
    [
        None,
        [],
        {},
        {"type": "duration"},
        {"type": "duration", "seconds": -3},
        {"input_tokens": "many"},
        {"input_tokens": -1},
    ],
)
def test_usage_that_counts_nothing_is_none(found: object) -> None:
    assert usage_of(found) is None


def test_usage_of_a_transcription_is_its_seconds() -> None:
    assert usage_of({"type": "duration", "seconds": 3}) == Usage(pieces={"second": 3})


@pytest.mark.parametrize(
    "content",
    [
        {"type": "output_text", "text": "words"},
        {"type": "text", "text": "words"},
        {"type": "output_audio", "transcript": "words"},
        {"type": "audio", "transcript": "words"},
    ],
)
def test_a_reply_has_the_words_whatever_they_are_called(content: dict[str, str]) -> None:
    item = {"type": "message", "content": [content]}
    call = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}

    reply = reply_of({"id": "resp_1", "status": "completed", "output": [item, call, "odd"]}, "voice")

    assert (reply.id, reply.model, reply.finish_reason) == ("resp_1", "voice", "tool_calls")
    assert reply.message.content == [TextPart("words"), ToolCallPart("c", "f", "{}")]


def test_a_reply_that_was_cut_is_marked() -> None:
    assert reply_of({"status": "incomplete", "output": None}, "m").finish_reason == "length"


def test_items_of_the_conversation_as_messages() -> None:
    words = message_of_item({"type": "message", "role": "user", "content": [{"type": "input_text", "text": "a"}]})
    result = message_of_item({"type": "function_call_output", "call_id": "c", "output": "42"})

    assert words is not None
    assert (words.role, words.text) == ("user", "a")
    assert result is not None
    assert result.role == "tool"
    assert message_of_item({"role": "user", "content": [{"type": "input_audio", "audio": "AA=="}]}) is None
    assert message_of_item("odd") is None


def test_models_of_a_session_in_both_shapes() -> None:
    ga = {"model": "m", "audio": {"input": {"transcription": {"model": "t"}}}}

    assert session_models(ga) == ("m", "t")
    assert session_models({"input_audio_transcription": {"model": "t"}}) == (None, "t")
    assert session_models(None) == (None, None)
    assert session_models({"audio": 3, "model": {}}) == (None, None)


def test_an_error_event_names_the_event_to_blame() -> None:
    event = json.loads(error_event({"type": "invalid_request_error", "message": "m"}, "event_1", "mine"))

    assert event == {
        "type": "error",
        "event_id": "event_1",
        "error": {"type": "invalid_request_error", "message": "m", "event_id": "mine"},
    }
