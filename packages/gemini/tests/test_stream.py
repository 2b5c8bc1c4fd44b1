"""Streams of both forms: what arrives when, how they end, and how they break."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from llm_gateway_gemini import Gemini
from llm_gateway_gemini.request import GeminiEcho

from llm_gateway_sdk import (
    Choice,
    DialectError,
    ErrorInfo,
    LLMResponse,
    Losses,
    Message,
    Part,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    Usage,
)
from llm_gateway_sdk.testing.dialect_laws import counting_mint, summed

GEMINI = Gemini()


UNSIGNED_MARK = base64.b64encode(b"gw1.unsigned.").decode()
"""On the first call of another provider's answer."""


def event(*parts: Any, **fields: Any) -> bytes:
    body = {"candidates": [{"content": {"parts": list(parts), "role": "model"}, **fields}], "modelVersion": "m"}
    return b"data: " + json.dumps(body).encode() + b"\r\n\r\n"


def decode(*pieces: bytes) -> tuple[list[LLMResponse], bool]:
    decoder = GEMINI.stream_decoder(counting_mint())
    chunks = [chunk for piece in pieces for chunk in decoder.feed(piece)]
    return chunks + decoder.close(), decoder.finished


def chunk(*parts: Part, finish: str | None = None, usage: Usage | None = None) -> LLMResponse:
    return LLMResponse("r", "m", choices=[Choice(0, Message("assistant", list(parts)), finish)], usage=usage)


def encode(*chunks: LLMResponse, sse: bool = True) -> list[bytes]:
    encoder = GEMINI.stream_encoder(GeminiEcho("asked", True, sse), counting_mint(), Losses("response"))
    return [*(encoder.encode(item) for item in chunks), encoder.close()]


def parts_of(data: bytes) -> list[Any]:
    return [
        part
        for line in data.split(b"\r\n")
        if line.startswith(b"data: ")
        for candidate in json.loads(line[6:]).get("candidates", [])
        for part in candidate["content"].get("parts", [])
    ]


def test_text_comes_as_it_arrives_and_keeps_its_index() -> None:
    chunks, finished = decode(event({"text": "a"}), event({"text": "b"}), event({"text": ""}, finishReason="STOP"))

    assert [item.text for item in chunks] == ["a", "b", "", ""]
    assert [item.final for item in chunks] == [False, False, False, True]
    assert finished
    assert summed(chunks).text == "ab"


def test_text_resumed_after_a_call_is_a_new_part() -> None:
    call = {"functionCall": {"name": "f", "args": {}}}
    chunks, _ = decode(event({"text": "a"}), event(call), event({"text": "b"}, finishReason="STOP"))

    reply = summed(chunks)

    assert [type(part) for part in reply.message.content] == [TextPart, ToolCallPart, TextPart]
    assert [part.index for part in reply.message.content] == [0, 1, 2]
    assert reply.finish_reason == "tool_calls"


def test_a_stream_without_a_finish_reason_is_not_whole() -> None:
    chunks, finished = decode(event({"text": "a"}))

    assert not finished
    assert not any(item.final for item in chunks)


def test_an_early_zero_never_wins() -> None:
    usages: list[dict[str, Any]] = [
        {"promptTokenCount": 0, "candidatesTokenCount": 0, "totalTokenCount": 0},
        {"promptTokenCount": 12, "candidatesTokenCount": 3, "totalTokenCount": 15},
        {"promptTokenCount": 0, "totalTokenCount": 0},
    ]
    events = [b"data: " + json.dumps({"usageMetadata": usage}).encode() + b"\n\n" for usage in usages]

    chunks, _ = decode(*events, event(finishReason="STOP"))

    usage = summed(chunks).usage
    assert usage is not None
    assert (usage.input_tokens, usage.output_tokens) == (12, 3)
    reported = GEMINI.usage_of(events[0], b"".join(events))
    assert reported is not None
    assert (reported.input_tokens, reported.output_tokens) == (12, 3)


@pytest.mark.parametrize("form", ["event", "bare", "array", "lone"])
def test_an_error_within_the_stream_is_read_in_every_form(form: str) -> None:
    error = {"error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}}
    text = json.dumps(error, indent=2).encode()
    first = event({"text": "a"})
    pieces = {
        "event": (first, b"data: " + json.dumps(error).encode() + b"\n\n"),
        "bare": (first, text + b"\n"),
        "array": (b"[" + first.removeprefix(b"data: ").strip(), b",\n" + text + b"]"),
        "lone": (text,),
    }[form]

    chunks, finished = decode(*pieces)

    (info,) = [item.error for item in chunks if item.error is not None]
    assert (info.status, info.kind, info.message) == (503, "overloaded", "The model is overloaded.")
    assert not finished


def test_an_event_that_is_not_valid_json_is_refused() -> None:
    with pytest.raises(DialectError):
        decode(b"data: {oops\n\n")


def test_calls_go_out_whole_and_what_follows_waits_for_them() -> None:
    sent = encode(
        chunk(TextPart("a", index=0)),
        chunk(ToolCallPart("1", "f", '{"x"', index=1)),
        chunk(TextPart("b", index=2)),
        chunk(ToolCallPart(arguments=": 1}", index=1)),
        chunk(ToolCallPart("2", "g", "", index=3), finish="tool_calls"),
    )

    assert [len(parts_of(data)) for data in sent] == [1, 0, 0, 2, 0, 1]
    assert parts_of(b"".join(sent)) == [
        {"text": "a"},
        {"functionCall": {"name": "f", "id": "1", "args": {"x": 1}}, "thoughtSignature": UNSIGNED_MARK},
        {"text": "b"},
        {"functionCall": {"name": "g", "id": "2", "args": {}}},
    ]


def test_the_finish_and_the_last_usage_come_together_at_the_end() -> None:
    *before, last = encode(
        chunk(TextPart("a", index=0)),
        chunk(finish="length"),
        LLMResponse(usage=Usage(3, 4)),
        LLMResponse(final=True),
    )

    assert b"finishReason" not in b"".join(before)
    body = json.loads(last.removeprefix(b"data: "))
    assert body["candidates"][0]["finishReason"] == "MAX_TOKENS"
    assert body["usageMetadata"] == {"promptTokenCount": 3, "candidatesTokenCount": 4, "totalTokenCount": 7}


def test_one_id_and_one_model_for_the_whole_stream() -> None:
    sent = b"".join(
        encode(LLMResponse(choices=[Choice()]), chunk(TextPart("a", index=0)), chunk(TextPart("b", index=0)))
    )

    bodies = [json.loads(line[6:]) for line in sent.split(b"\r\n") if line]

    assert {(body["responseId"], body["modelVersion"]) for body in bodies} == {("r", "m")}


def test_a_failure_is_what_googles_client_takes_for_one() -> None:
    encoder = GEMINI.stream_encoder(GeminiEcho("m", True), counting_mint(), Losses("response"))

    sent = encoder.encode(chunk(TextPart("a", index=0))) + encoder.fail(ErrorInfo("Broken.", 502, "upstream"))

    # google-genai knows an error within a stream by these very first characters.
    assert b'data: {"error":{"code":502,"message":"Broken.","status":"INTERNAL"}}' in sent
    assert b"finishReason" not in sent


def test_an_array_stream_is_one_json_value_even_when_it_breaks() -> None:
    whole = b"".join(encode(chunk(TextPart("a", index=0)), chunk(finish="stop"), sse=False))
    encoder = GEMINI.stream_encoder(GeminiEcho("m", True, sse=False), counting_mint(), Losses("response"))
    broken = encoder.encode(chunk(TextPart("a", index=0))) + encoder.keep_alive() + encoder.fail(ErrorInfo("Broken."))

    assert [item["candidates"][0].get("finishReason") for item in json.loads(whole)] == [None, "STOP"]
    assert json.loads(broken)[1]["error"]["message"] == "Broken."


def test_thoughts_and_their_signature_are_streamed_to_a_client() -> None:
    sent = encode(
        chunk(ThinkingPart("hm", index=0)),
        chunk(ThinkingPart("", index=0, signature="c2ln", signed_by="gemini")),
        chunk(TextPart("a", index=1)),
    )

    assert parts_of(b"".join(sent)) == [
        {"text": "hm", "thought": True},
        {"text": "", "thoughtSignature": "c2ln"},
        {"text": "a"},
    ]


@pytest.mark.parametrize(
    "part",
    [
        {"thought": True, "thoughtSignature": "c2ln"},
        {"thoughtSignature": "c2ln"},
        {"text": "", "thoughtSignature": "c2ln"},
        {"text": "", "thought": True, "thoughtSignature": "c2ln"},
    ],
)
def test_a_signature_without_words_stays_as_it_came(part: dict[str, Any]) -> None:
    """In a stream that is rebuilt, as for a plugin."""
    chunks, _ = decode(event({"text": "hm", "thought": True}), event(part), event({"text": "a"}, finishReason="STOP"))

    assert part in parts_of(b"".join(encode(*chunks)))


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b'data: {"error": {"code": 500}}', "error"),
        (b'data: {"candidates": [{"content": {"parts": [{"text": "\\"error\\""}]}}]}', "content"),
        (b'data: {"candidates": [{"content": {"parts": [{"text": ""}]}, "finishReason": "STOP"}]}', "terminal"),
        (b'data: {"promptFeedback": {"blockReason": "SAFETY"}}', "terminal"),
        (b'data: {"usageMetadata": {}}', "usage"),
        (b": ping", "other"),
    ],
)
def test_an_event_is_known_by_its_bytes(data: bytes, kind: str) -> None:
    assert GEMINI.event_kind(data) == kind
