from __future__ import annotations

import json
from typing import Any

from llm_gateway.dialects.openai_responses import OpenAIResponses
from llm_gateway_sdk.parts import OpaquePart, RefusalPart, TextPart, ThinkingPart, ToolCallPart
from llm_gateway_sdk.response import LLMResponse
from llm_gateway_sdk.testing.dialect_laws import counting_mint, summed

DIALECT = OpenAIResponses()


def sse(*events: dict[str, Any]) -> bytes:
    return b"".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in events)


def read(*events: dict[str, Any]) -> list[LLMResponse]:
    decoder = DIALECT.stream_decoder(counting_mint())
    return [*decoder.feed(sse(*events)), *decoder.close()]


CREATED = {"type": "response.created", "response": {"id": "resp_1", "model": "m", "created_at": 7, "output": []}}


def done(output: list[dict[str, Any]] | None = None, **fields: Any) -> dict[str, Any]:
    return {"type": "response.completed", "response": {"id": "resp_1", "output": output or [], **fields}}


def added(item: dict[str, Any], index: int = 0) -> dict[str, Any]:
    return {"type": "response.output_item.added", "output_index": index, "item": item}


def finished(item: dict[str, Any], index: int = 0) -> dict[str, Any]:
    return {"type": "response.output_item.done", "output_index": index, "item": item}


def test_an_error_after_the_beginning_is_an_error() -> None:
    chunks = read(CREATED, {"type": "error", "code": "insufficient_quota", "message": "No money.", "param": None})

    assert [chunk.error.kind for chunk in chunks if chunk.error] == ["quota"]
    assert not any(chunk.final for chunk in chunks)


def test_a_failed_response_is_an_error_reported_once() -> None:
    failed = {
        "id": "resp_1",
        "status": "failed",
        "error": {"code": "rate_limit_exceeded", "message": "Try again in 2s"},
    }
    chunks = read(
        CREATED,
        {"type": "error", "code": "rate_limit_exceeded", "message": "Try again in 2s"},
        {"type": "response.failed", "response": failed},
    )

    (error,) = [chunk.error for chunk in chunks if chunk.error]
    assert (error.kind, error.status, error.retry_after) == ("rate_limit", 429, 2.0)


def test_a_nested_error_is_read_too() -> None:
    decoder = DIALECT.stream_decoder(counting_mint())

    (chunk,) = decoder.feed(b'data: {"error": {"message": "Oops.", "type": "server_error"}}\n\n')

    assert chunk.error is not None
    assert (chunk.error.message, chunk.error.kind) == ("Oops.", "upstream")
    assert not decoder.finished


def test_a_stream_without_its_end_is_not_finished() -> None:
    decoder = DIALECT.stream_decoder(counting_mint())

    decoder.feed(sse(CREATED, added({"type": "message", "id": "msg_1", "content": []})))
    decoder.close()

    assert not decoder.finished


def test_a_server_that_streams_only_the_end_loses_nothing() -> None:
    output = [
        {"type": "message", "id": "msg_1", "role": "assistant", "content": [{"type": "output_text", "text": "hi"}]},
        {"type": "function_call", "id": "fc_1", "call_id": "c", "name": "f", "arguments": "{}"},
    ]

    reply = summed(read(CREATED, done(output, usage={"input_tokens": 1, "output_tokens": 2})))

    assert reply.text == "hi"
    assert reply.finish_reason == "tool_calls"
    assert reply.usage is not None
    assert reply.usage.output_tokens == 2


def test_a_server_that_streams_only_whole_items_loses_nothing() -> None:
    message = {
        "type": "message",
        "id": "msg_1",
        "role": "assistant",
        "phase": "final_answer",
        "content": [{"type": "output_text", "text": "hi", "annotations": []}],
    }
    thought = {
        "type": "reasoning",
        "id": "rs_1",
        "summary": [{"type": "summary_text", "text": "a"}, {"type": "summary_text", "text": "b"}],
        "encrypted_content": "gAAA",
    }
    call = {"type": "function_call", "id": "fc_1", "call_id": "c", "name": "f", "arguments": '{"a":1}'}

    reply = summed(read(CREATED, *(finished(item, at) for at, item in enumerate((thought, message, call))), done()))

    first, second, words, called = reply.message.content
    assert isinstance(first, ThinkingPart)
    assert isinstance(second, ThinkingPart)
    assert (first.text, first.signature, second.text, second.signature) == ("a", None, "b", "gAAA")
    assert isinstance(words, TextPart)
    assert words.provider_metadata == {"openai_responses": {"_item": {"phase": "final_answer"}}}
    assert isinstance(called, ToolCallPart)
    assert called.arguments == '{"a":1}'


def test_arguments_that_come_only_at_the_end_are_not_lost() -> None:
    item = {"type": "function_call", "id": "fc_1", "call_id": "c", "name": "f", "arguments": ""}

    reply = summed(read(CREATED, added(item), finished({**item, "arguments": '{"a":1}'}), done()))

    (call,) = reply.tool_calls
    assert (call.id, call.name, call.arguments) == ("c", "f", '{"a":1}')


def test_fragments_of_parallel_calls_go_to_their_own() -> None:
    calls = [{"type": "function_call", "id": f"fc_{at}", "call_id": f"c{at}", "name": "f"} for at in range(2)]
    deltas = [
        {"type": "response.function_call_arguments.delta", "output_index": at, "item_id": f"fc_{at}", "delta": delta}
        for at, delta in ((0, "{"), (1, "["), (0, "}"), (1, "]"))
    ]

    reply = summed(read(CREATED, added(calls[0], 0), added(calls[1], 1), *deltas, done()))

    assert [(call.id, call.arguments) for call in reply.tool_calls] == [("c0", "{}"), ("c1", "[]")]


def test_a_custom_call_is_free_text_in_a_namespace() -> None:
    item = {"type": "custom_tool_call", "id": "ctc_1", "call_id": "c", "name": "patch", "namespace": "ns", "input": ""}
    delta = {"type": "response.custom_tool_call_input.delta", "output_index": 0, "item_id": "ctc_1", "delta": "*** x"}

    reply = summed(read(CREATED, added(item), delta, finished({**item, "input": "*** x"}), done()))

    (call,) = reply.tool_calls
    assert (call.kind, call.namespace, call.arguments) == ("custom", "ns", "*** x")


def test_a_refusal_is_read() -> None:
    delta = {"type": "response.refusal.delta", "output_index": 0, "content_index": 0, "delta": "No."}

    reply = summed(read(CREATED, added({"type": "message", "id": "msg_1"}), delta, done()))

    assert [type(part) for part in reply.message.content] == [RefusalPart]
    assert reply.message.refusal == "No."


def test_events_of_a_server_tool_stay_with_it() -> None:
    item = {"type": "web_search_call", "id": "ws_1", "status": "in_progress"}
    searching = {"type": "response.web_search_call.searching", "output_index": 0, "item_id": "ws_1"}

    reply = summed(read(CREATED, added(item), searching, finished({**item, "status": "completed"}), done()))

    (part,) = reply.message.content
    assert isinstance(part, OpaquePart)
    assert [delta["type"] for delta in part.deltas] == [searching["type"], "response.output_item.done"]


def test_an_unknown_event_is_kept() -> None:
    reply = summed(read(CREATED, {"type": "response.new_thing", "value": 1}, done()))

    assert reply.provider_deltas == [("openai_responses", {"type": "response.new_thing", "value": 1})]


def test_an_incomplete_reply_states_why() -> None:
    response = {"id": "resp_1", "status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}

    reply = summed(read(CREATED, {"type": "response.incomplete", "response": response}))

    assert (reply.finish_reason, reply.choices[0].raw_finish_reason) == ("length", "max_output_tokens")
    assert reply.final


def test_signatures_that_a_gateway_re_homed_go_back_to_their_parts() -> None:
    def carrier(at: int, proof: str) -> list[dict[str, Any]]:
        item = {"type": "reasoning", "id": f"rs_{at}", "summary": [], "encrypted_content": f"gw1.gemini.{proof}"}
        return [added(item, at), finished(item, at)]

    delta = {"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": "a"}
    call = {"type": "function_call", "id": "fc_1", "call_id": "c", "name": "f", "arguments": "{}"}

    reply = summed(
        read(
            CREATED,
            added({"type": "message", "id": "msg_1"}),
            delta,
            *carrier(1, "text:s1"),
            *carrier(2, "tool:s2"),
            added(call, 3),
            finished(call, 3),
            done(),
        )
    )

    assert [(type(part), part.signature, part.signed_by) for part in reply.message.content] == [
        (TextPart, "s1", "gemini"),
        (ToolCallPart, "s2", "gemini"),
    ]
