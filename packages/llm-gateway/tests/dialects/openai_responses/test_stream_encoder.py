from __future__ import annotations

import json
from typing import Any

import httpx2
import openai
import pytest

from llm_gateway.dialects.openai_responses import OpenAIResponses
from llm_gateway_sdk.dialect import StreamEncoder, WireRequest
from llm_gateway_sdk.errors import ErrorInfo
from llm_gateway_sdk.losses import Losses
from llm_gateway_sdk.parts import Citation, OpaquePart, Part, TextPart, ThinkingPart, ToolCallPart
from llm_gateway_sdk.request import Message
from llm_gateway_sdk.response import Choice, LLMResponse, Usage
from llm_gateway_sdk.testing.dialect_laws import counting_mint
from llm_gateway_sdk.testing.grammar.openai_responses import violations

DIALECT = OpenAIResponses()


def encoder(losses: Losses | None = None, **request: Any) -> StreamEncoder:
    _, echo = DIALECT.decode_request(WireRequest(body=json.dumps({"model": "asked", **request}).encode()))
    return DIALECT.stream_encoder(echo, counting_mint(), losses if losses is not None else Losses("response"))


def chunk(*parts: Part, **fields: Any) -> LLMResponse:
    finish = fields.pop("finish", None)
    return LLMResponse("msg_up", "up-model", 5, [Choice(0, Message("assistant", list(parts)), finish)], **fields)


def events(data: bytes) -> list[dict[str, Any]]:
    return [json.loads(line[6:]) for line in data.split(b"\n") if line.startswith(b"data: ")]


def written(*chunks: LLMResponse) -> list[dict[str, Any]]:
    writer = encoder()
    data = b"".join(writer.encode(each) for each in chunks) + writer.close()
    assert violations(data) == []
    return events(data)


def test_the_first_chunk_begins_the_stream() -> None:
    first = events(encoder().encode(LLMResponse("x", "up-model", 5)))

    assert [event["type"] for event in first] == ["response.created", "response.in_progress"]
    assert first[0]["response"]["model"] == "up-model"
    assert first[0]["response"]["usage"] is None


def test_one_text_has_the_vendors_events() -> None:
    reported = written(
        chunk(TextPart("Hel", index=0)), chunk(TextPart("lo", index=0)), chunk(finish="stop", final=True)
    )

    assert [event["type"].removeprefix("response.") for event in reported] == [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    assert reported[-1]["response"]["output"][0]["content"][0]["text"] == "Hello"


def test_usage_is_at_the_end_wherever_it_came() -> None:
    reported = written(
        chunk(TextPart("x", index=0)), chunk(finish="stop"), LLMResponse(usage=Usage(3, 4, cache_read_tokens=1))
    )

    assert reported[-1]["response"]["usage"]["input_tokens"] == 3
    assert reported[-1]["response"]["usage"]["total_tokens"] == 7


def test_interleaved_calls_have_an_output_index_each() -> None:
    reported = written(
        chunk(ToolCallPart("c0", "f", "", index=0)),
        chunk(ToolCallPart("c1", "g", "", index=1)),
        chunk(ToolCallPart(arguments='{"b":', index=1), ToolCallPart(arguments='{"a":', index=0)),
        chunk(ToolCallPart(arguments="2}", index=1), ToolCallPart(arguments="1}", index=0), finish="tool_calls"),
    )

    assert [(item["call_id"], item["arguments"]) for item in reported[-1]["response"]["output"]] == [
        ("c0", '{"a":1}'),
        ("c1", '{"b":2}'),
    ]


def test_text_after_a_call_is_a_new_item() -> None:
    reported = written(
        chunk(TextPart("a", index=0), ToolCallPart("c0", "f", "{}", index=1), TextPart("b", index=2), finish="stop")
    )

    assert [item["type"] for item in reported[-1]["response"]["output"]] == ["message", "function_call", "message"]


def test_text_that_was_held_back_until_the_end_is_late_but_not_lost() -> None:
    reported = written(
        chunk(TextPart("a", index=0)),
        chunk(ToolCallPart("c0", "f", "{}", index=1)),
        chunk(TextPart("b", index=0), finish="tool_calls"),
    )

    output = reported[-1]["response"]["output"]
    texts = [part["text"] for item in output if item["type"] == "message" for part in item["content"]]
    assert texts == ["a", "b"]


def test_arguments_that_never_came_are_an_empty_object() -> None:
    reported = written(chunk(ToolCallPart("c0", "f", "", index=0)), chunk(finish="tool_calls"))

    assert reported[-1]["response"]["output"][0]["arguments"] == "{}"


def test_arguments_that_are_no_json_are_kept() -> None:
    reported = written(chunk(ToolCallPart("c0", "f", '{"a": "', index=0)), chunk(finish="length"))

    assert reported[-1]["type"] == "response.incomplete"
    item = reported[-1]["response"]["output"][0]
    assert (item["arguments"], item["status"]) == ('{"a": "', "incomplete")


def test_a_call_whose_name_comes_later_waits_for_it() -> None:
    reported = written(
        chunk(ToolCallPart("c0", "", '{"a"', index=0)),
        chunk(ToolCallPart("", "f", ":1}", index=0), finish="tool_calls"),
    )

    (item,) = reported[-1]["response"]["output"]
    assert (item["name"], item["arguments"]) == ("f", '{"a":1}')


def test_parts_without_a_number_are_distinguished() -> None:
    blocks = [OpaquePart("openai_responses", {"type": "web_search_call", "id": f"ws_{at}"}) for at in range(2)]
    calls = [ToolCallPart(f"c{at}", "f", "{}") for at in range(2)]

    reported = written(chunk(TextPart("a"), *calls, TextPart("b"), *blocks, finish="stop"))

    assert [item["type"] for item in reported[-1]["response"]["output"]] == [
        "message",
        "function_call",
        "function_call",
        "message",
        "web_search_call",
        "web_search_call",
    ]


def test_a_signature_that_comes_after_the_text_is_in_the_done_item() -> None:
    reported = written(
        chunk(ThinkingPart("Hm", index=0)),
        chunk(ThinkingPart(index=0, signature="sig", signed_by="anthropic")),
        chunk(ThinkingPart(index=1, signature="sig2", signed_by="anthropic")),
        chunk(TextPart("x", index=2), finish="stop"),
    )

    first, second, _ = reported[-1]["response"]["output"]
    assert first["encrypted_content"] == "gw1.anthropic.sig"
    assert first["summary"] == [{"type": "summary_text", "text": "Hm"}]
    assert (second["encrypted_content"], second["summary"]) == ("gw1.anthropic.sig2", [])


def test_sources_are_reported_as_they_come() -> None:
    reported = written(chunk(TextPart("see", index=0)), chunk(TextPart("", [Citation(url="https://x")], index=0)))

    (note,) = [event for event in reported if event["type"] == "response.output_text.annotation.added"]
    assert note["annotation"]["url"] == "https://x"
    assert reported[-1]["response"]["output"][0]["content"][0]["annotations"] == [note["annotation"]]


def test_a_server_tool_is_reported_with_new_numbers() -> None:
    item = {"type": "web_search_call", "id": "ws_1", "status": "in_progress"}
    searching = {
        "type": "response.web_search_call.searching",
        "output_index": 9,
        "item_id": "ws_1",
        "sequence_number": 9,
    }
    done = {"type": "response.output_item.done", "output_index": 9, "item": {**item, "status": "completed"}}

    reported = written(
        chunk(TextPart("a", index=0)),
        chunk(OpaquePart("openai_responses", item, index=1)),
        chunk(OpaquePart("openai_responses", None, [searching, done], index=1)),
        chunk(finish="stop"),
    )

    assert [event["output_index"] for event in reported if event["type"] == searching["type"]] == [1]
    assert reported[-1]["response"]["output"][1]["status"] == "completed"


def test_a_further_choice_continues_the_answer() -> None:
    losses = Losses("response")
    writer = encoder(losses)

    first = Choice(0, Message("assistant", [TextPart("I look.", index=0)]), "tool_calls")
    second = Choice(1, Message("assistant", [ToolCallPart("call_1", "f", "{}", index=0)]), "tool_calls")
    out = writer.encode(LLMResponse(choices=[first])) + writer.encode(LLMResponse(choices=[second])) + writer.close()

    assert b"I look." in out
    assert b'"call_id":"call_1"' in out
    assert not list(losses)


@pytest.mark.parametrize("opened", [True, False])
def test_a_failure_is_a_failed_response_and_nothing_follows(opened: bool) -> None:
    writer = encoder()
    data = writer.encode(chunk(TextPart("half", index=0))) if opened else b""

    data += writer.fail(ErrorInfo("Too much.", 429, "rate_limit", retry_after=2.0))

    assert violations(data, complete=False) == []
    last = events(data)[-1]
    assert last["type"] == "response.failed"
    assert last["response"]["error"] == {
        "code": "rate_limit_exceeded",
        "message": "Too much. Please try again in 2s.",
    }
    assert writer.close() == b""
    assert writer.encode(chunk(TextPart("more", index=0))) == b""


def sdk(data: bytes) -> openai.OpenAI:
    def answer(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=data)

    client = httpx2.Client(transport=httpx2.MockTransport(answer))
    return openai.OpenAI(api_key="k", base_url="http://sdk.invalid/v1", http_client=client, max_retries=0)


def test_the_official_reader_gives_the_same_reply() -> None:
    writer = encoder()
    data = b"".join(
        writer.encode(each)
        for each in (
            chunk(ThinkingPart("Hm", index=0, signature="s", signed_by="anthropic")),
            chunk(TextPart("Hi", index=1)),
            chunk(ToolCallPart("c0", "f", '{"a":', index=2)),
            chunk(ToolCallPart("", "", "1}", index=2), finish="tool_calls", usage=Usage(1, 2)),
        )
    )
    data += writer.keep_alive() + writer.close()

    with sdk(data).responses.stream(model="m", input="x") as stream:
        reply = stream.get_final_response()

    assert reply.output_text == "Hi"
    assert [(item.name, item.arguments) for item in reply.output if item.type == "function_call"] == [("f", '{"a":1}')]
    assert reply.usage is not None
    assert reply.usage.total_tokens == 3


def test_the_official_reader_sees_a_failure() -> None:
    writer = encoder()
    data = writer.encode(chunk(TextPart("half", index=0)))
    data += writer.fail(ErrorInfo("The context is full.", 400, "context_length"))

    reported = list(sdk(data).responses.create(model="m", input="x", stream=True))

    assert reported[-1].type == "response.failed"
    assert reported[-1].response.error is not None
    assert reported[-1].response.error.code == "context_length_exceeded"
    with sdk(data).responses.stream(model="m", input="x") as stream, pytest.raises(RuntimeError):
        stream.get_final_response()
