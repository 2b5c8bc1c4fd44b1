"""ConverseStream: blocks, usage after the stop, exceptions, and the way back."""

from __future__ import annotations

import json
from typing import Any

import pytest
from llm_gateway_bedrock import Bedrock
from llm_gateway_bedrock.eventstream import EventStreamDecoder, encode_message

from llm_gateway_sdk import (
    Choice,
    DialectError,
    Echo,
    ErrorInfo,
    LLMResponse,
    Losses,
    Message,
    OpaquePart,
    Part,
    TextPart,
    ThinkingPart,
    ToolCallPart,
)
from llm_gateway_sdk.testing.dialect_laws import counting_mint, summed

BEDROCK = Bedrock()


def event(name: str, body: Any, kind: str = "event") -> bytes:
    return encode_message({f":{kind}-type": name, ":message-type": kind}, json.dumps(body).encode())


def start(index: int, **what: Any) -> bytes:
    return event("contentBlockStart", {"contentBlockIndex": index, "start": what})


def delta(index: int, **what: Any) -> bytes:
    return event("contentBlockDelta", {"contentBlockIndex": index, "delta": what})


STOP = event("messageStop", {"stopReason": "end_turn"})
METADATA = event(
    "metadata",
    {
        "usage": {
            "inputTokens": 10,
            "outputTokens": 5,
            "totalTokens": 118,
            "cacheReadInputTokens": 100,
            "cacheWriteInputTokens": 3,
        },
        "metrics": {"latencyMs": 7},
    },
)


def decode(*pieces: bytes) -> tuple[list[LLMResponse], bool]:
    decoder = BEDROCK.stream_decoder(counting_mint())
    chunks = [chunk for piece in pieces for chunk in decoder.feed(piece)]
    return chunks + decoder.close(), decoder.finished


def names(data: bytes) -> list[str]:
    return [str(message.headers.get(":event-type")) for message in EventStreamDecoder().feed(data)]


def test_usage_comes_after_the_stop_and_the_end_after_the_usage() -> None:
    chunks, finished = decode(event("messageStart", {"role": "assistant"}), delta(0, text="Hi"), STOP, METADATA)

    reply = summed(chunks)
    assert [chunk.final for chunk in chunks] == [False, False, False, True]
    assert finished
    assert (reply.text, reply.finish_reason) == ("Hi", "stop")
    assert reply.usage is not None
    assert (reply.usage.input_tokens, reply.usage.uncached_input_tokens, reply.usage.output_tokens) == (113, 10, 5)
    assert reply.provider_metadata["bedrock"]["metrics"] == {"latencyMs": 7}


def test_a_stream_without_metadata_is_whole_and_one_without_a_stop_is_not() -> None:
    whole, finished = decode(delta(0, text="Hi"), STOP)
    broken, unfinished = decode(delta(0, text="Hi"), METADATA[:30])

    assert finished
    assert whole[-1].final
    assert not unfinished
    assert not any(chunk.final for chunk in broken)


def test_calls_reasoning_and_encrypted_reasoning_are_read() -> None:
    chunks, _ = decode(
        delta(0, reasoningContent={"text": "h"}),
        delta(0, reasoningContent={"text": "m"}),
        delta(0, reasoningContent={"signature": "sig"}),
        delta(1, reasoningContent={"redactedContent": "cmVk"}),
        start(2, toolUse={"toolUseId": "t1", "name": "f"}),
        delta(2, toolUse={"input": '{"a"'}),
        delta(2, toolUse={"input": ": 1}"}),
        STOP,
    )

    thought, redacted, call = summed(chunks).message.content
    assert isinstance(thought, ThinkingPart)
    assert (thought.text, thought.signature, thought.signed_by) == ("hm", "sig", "bedrock")
    assert isinstance(redacted, ThinkingPart)
    assert redacted.redacted == "cmVk"
    assert isinstance(call, ToolCallPart)
    assert (call.id, call.name, call.arguments) == ("t1", "f", '{"a": 1}')


def test_what_the_provider_ran_itself_stays_a_separate_block() -> None:
    stream = (
        start(0, toolUse={"toolUseId": "s1", "name": "search", "type": "server_tool_use"}),
        delta(0, toolUse={"input": '{"q": "x"}'}),
        start(1, toolResult={"toolUseId": "s1", "type": "search_result"}),
        delta(1, toolResult=[{"text": "found"}]),
        delta(2, text="So it is."),
        STOP,
    )

    chunks, _ = decode(*stream)
    reply = summed(chunks)
    whole = BEDROCK.encode_response(reply, Echo(), counting_mint(), Losses("response"))

    assert [type(part) for part in reply.message.content] == [OpaquePart, OpaquePart, TextPart]
    assert reply.tool_calls == []
    assert json.loads(whole.body)["output"]["message"]["content"] == [
        {"toolUse": {"toolUseId": "s1", "name": "search", "type": "server_tool_use", "input": {"q": "x"}}},
        {"toolResult": {"toolUseId": "s1", "type": "search_result", "content": [{"text": "found"}]}},
        {"text": "So it is."},
    ]


def test_citations_belong_to_their_text() -> None:
    citation = {"title": "A", "location": {"web": {"url": "https://a.example"}}, "sourceContent": [{"text": "so"}]}

    chunks, _ = decode(delta(0, text="It is so."), delta(0, citation=citation), STOP)

    (part,) = summed(chunks).message.content
    assert isinstance(part, TextPart)
    assert [(found.url, found.title, found.cited_text) for found in part.citations] == [
        ("https://a.example", "A", "so")
    ]


@pytest.mark.parametrize(
    ("name", "kind", "status"),
    [
        ("throttlingException", "rate_limit", 429),
        ("modelStreamErrorException", "upstream", 424),
        ("serviceUnavailableException", "overloaded", 503),
        ("validationException", "bad_request", 400),
    ],
)
def test_an_exception_within_the_stream_is_an_error(name: str, kind: str, status: int) -> None:
    chunks, finished = decode(delta(0, text="Hi"), event(name, {"message": "It broke."}, "exception"))

    error = chunks[-1].error
    assert error is not None
    assert (error.message, error.kind, error.status) == ("It broke.", kind, status)
    assert not finished


def test_an_error_message_has_its_text_in_the_headers() -> None:
    headers = {":message-type": "error", ":error-code": "InternalError", ":error-message": "It broke."}

    chunks, finished = decode(encode_message(headers, b""))

    assert [chunk.error.message for chunk in chunks if chunk.error] == ["It broke."]
    assert not finished


def test_bytes_that_are_no_event_stream_are_refused() -> None:
    with pytest.raises(DialectError):
        decode(b"data: {}\n\n" * 3)


def test_interleaved_calls_go_out_one_by_one() -> None:
    def chunk(*parts: Part) -> LLMResponse:
        return LLMResponse(choices=[Choice(0, Message("assistant", list(parts)))])

    encoder = BEDROCK.stream_encoder(Echo(), counting_mint(), Losses("response"))
    sent = encoder.encode(chunk(ToolCallPart("1", "f", '{"a"', index=0)))
    sent += encoder.encode(chunk(ToolCallPart("2", "g", '{"b"', index=1)))
    sent += encoder.encode(chunk(ToolCallPart(arguments=": 1}", index=0)))
    sent += encoder.encode(chunk(ToolCallPart(arguments=": 2}", index=1)))
    sent += encoder.encode(LLMResponse(choices=[Choice(0, Message("assistant"), "tool_calls")])) + encoder.close()

    chunks, _ = decode(sent)
    assert [(call.id, call.arguments) for call in summed(chunks).tool_calls] == [("1", '{"a": 1}'), ("2", '{"b": 2}')]
    assert names(sent)[-2:] == ["messageStop", "metadata"]


def test_a_failure_is_an_exception_of_the_stream() -> None:
    encoder = BEDROCK.stream_encoder(Echo(), counting_mint(), Losses("response"))

    (message,) = EventStreamDecoder().feed(encoder.fail(ErrorInfo("Slow down", 429, "rate_limit")))

    assert message.headers[":exception-type"] == "throttlingException"
    assert json.loads(message.payload) == {"message": "Slow down"}
    assert encoder.keep_alive() == b""
