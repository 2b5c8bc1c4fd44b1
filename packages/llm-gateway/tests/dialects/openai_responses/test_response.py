from __future__ import annotations

import json
from typing import Any

import pytest
from openai.types.responses import Response

from llm_gateway.dialects.openai_responses import OpenAIResponses
from llm_gateway_sdk.dialect import Headers, WireReply, WireRequest
from llm_gateway_sdk.errors import DialectError
from llm_gateway_sdk.losses import Losses
from llm_gateway_sdk.parts import (
    Citation,
    MediaPart,
    OpaquePart,
    Part,
    RefusalPart,
    TextPart,
    ThinkingPart,
    ToolCallPart,
)
from llm_gateway_sdk.request import Message
from llm_gateway_sdk.response import Choice, LLMResponse, Usage
from llm_gateway_sdk.testing.dialect_laws import counting_mint

DIALECT = OpenAIResponses()


def encode(*parts: Part, request: dict[str, Any] | None = None, finish: str = "stop", **fields: Any) -> dict[str, Any]:
    """The body for a client that sent `request`; the official model must take it."""
    _, echo = DIALECT.decode_request(WireRequest(body=json.dumps({"model": "m", **(request or {})}).encode()))
    choice = Choice(0, Message("assistant", list(parts)), finish, logprobs=fields.pop("logprobs", None))
    reply = LLMResponse("resp_1", "some-model", 5, [choice], **fields)
    body: dict[str, Any] = json.loads(DIALECT.encode_response(reply, echo, counting_mint(), Losses("response")).body)
    Response.model_validate(body)
    return body


def decode(body: dict[str, Any]) -> LLMResponse:
    return DIALECT.decode_response(WireReply(200, Headers(), json.dumps(body).encode()), counting_mint())


def history(output: list[dict[str, Any]]) -> list[Part]:
    """The request of a client that sends the output back as input."""
    request, _ = DIALECT.decode_request(WireRequest(body=json.dumps({"model": "m", "input": output}).encode()))
    (message,) = request.messages
    return message.content


def test_a_reply_repeats_its_request() -> None:
    request = {
        "instructions": "Be brief.",
        "tools": [{"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": False}],
        "tool_choice": "required",
        "parallel_tool_calls": False,
        "temperature": 0.5,
        "max_output_tokens": 99,
        "metadata": {"a": "b"},
        "reasoning": {"effort": "low"},
        "text": {"format": {"type": "json_object"}},
        "prompt_cache_key": "k",
    }

    body = encode(TextPart("x"), request=request)

    assert {key: body[key] for key in request if key != "reasoning"} == {
        key: value for key, value in request.items() if key != "reasoning"
    }
    assert body["reasoning"]["effort"] == "low"
    assert body["store"] is False
    assert body["object"] == "response"


def test_text_reasoning_and_calls_are_items_in_their_order() -> None:
    body = encode(
        ThinkingPart("Hm.", signature="s", signed_by="anthropic"),
        TextPart("a"),
        TextPart("b"),
        ToolCallPart("call_1", "f", '{"x":1}'),
        TextPart("c"),
    )

    assert [item["type"] for item in body["output"]] == ["reasoning", "message", "function_call", "message"]
    assert [part["text"] for part in body["output"][1]["content"]] == ["a", "b"]
    assert body["output"][0]["encrypted_content"] == "gw1.anthropic.s"
    assert body["output"][0]["summary"] == [{"type": "summary_text", "text": "Hm."}]
    assert len({item["id"] for item in body["output"]}) == 4


def test_a_turn_of_anthropic_comes_back_block_by_block() -> None:
    """Thinking, empty thinking with a signature, redacted thinking and a call: byte by byte and in order."""
    parts: list[Part] = [
        ThinkingPart("Hm.", signature="sig1", signed_by="anthropic"),
        ThinkingPart("", signature="sig2", signed_by="anthropic"),
        ThinkingPart(redacted="data", signed_by="anthropic"),
        TextPart("a"),
        ToolCallPart("call_1", "f", "{}"),
    ]

    again = history(encode(*parts)["output"])

    assert [
        (type(part), getattr(part, "text", None), part.signature, part.signed_by, getattr(part, "redacted", None))
        for part in again
    ] == [
        (ThinkingPart, "Hm.", "sig1", "anthropic", None),
        (ThinkingPart, "", "sig2", "anthropic", None),
        (ThinkingPart, "", None, "anthropic", "data"),
        (TextPart, "a", None, None, None),
        (ToolCallPart, None, None, None, None),
    ]


def test_signatures_on_calls_and_texts_travel_next_to_them() -> None:
    parts: list[Part] = [
        TextPart("a", signature="s1", signed_by="gemini"),
        ToolCallPart("call_1", "f", "{}", signature="s2", signed_by="gemini"),
        ToolCallPart("call_2", "f", "{}"),
        ToolCallPart("call_3", "f", "{}", signature="s3", signed_by="gemini"),
    ]

    again = history(encode(*parts)["output"])

    assert [(type(part), part.signature) for part in again] == [(type(part), part.signature) for part in parts]


@pytest.mark.parametrize(
    ("finish", "status", "reason"),
    [
        ("stop", "completed", None),
        ("tool_calls", "completed", None),
        ("length", "incomplete", "max_output_tokens"),
        ("content_filter", "incomplete", "content_filter"),
        ("refusal", "incomplete", "content_filter"),
        ("pause", "completed", None),
    ],
)
def test_how_a_reply_ended(finish: str, status: str, reason: str | None) -> None:
    body = encode(TextPart("x"), finish=finish)

    assert body["status"] == status
    assert (body["incomplete_details"] or {}).get("reason") == reason


def test_a_refusal_in_words_is_a_whole_reply() -> None:
    body = encode(RefusalPart("No."), finish="refusal")

    assert body["status"] == "completed"
    assert body["output"][0]["content"] == [{"type": "refusal", "refusal": "No."}]
    assert decode(body).message.refusal == "No."


def test_usage_keeps_its_identities() -> None:
    usage = Usage(100, 50, cache_read_tokens=30, cache_write_tokens=20, reasoning_tokens=10)

    body = encode(TextPart("x"), usage=usage)

    assert body["usage"] == {
        "input_tokens": 100,
        "input_tokens_details": {"cached_tokens": 30, "cache_write_tokens": 20},
        "output_tokens": 50,
        "output_tokens_details": {"reasoning_tokens": 10},
        "total_tokens": 150,
    }
    assert decode(body).usage == usage


def test_unknown_usage_is_not_zero() -> None:
    assert encode(TextPart("x"))["usage"] is None
    assert decode({"output": []}).usage is None


def test_sources_are_annotations() -> None:
    citations = [
        Citation("url", url="https://x", title="X", start=1, end=2),
        Citation("url", url="https://y"),
        Citation("document", title="no address"),
    ]

    (item,) = encode(TextPart("text", citations))["output"]

    assert item["content"][0]["annotations"] == [
        {"type": "url_citation", "start_index": 1, "end_index": 2, "url": "https://x", "title": "X"},
        {"type": "url_citation", "start_index": 0, "end_index": 4, "url": "https://y", "title": "https://y"},
    ]


def test_log_probabilities_are_with_the_text_they_spell() -> None:
    entries = [
        {
            "token": token,
            "logprob": -0.5,
            "bytes": None,
            "top_logprobs": [{"token": "z", "logprob": -1.0, "bytes": [1]}],
        }
        for token in ("ab", "c", "d")
    ]

    body = encode(TextPart("abc"), TextPart("d"), logprobs={"content": entries})

    first, second = body["output"][0]["content"]
    assert [entry["token"] for entry in first["logprobs"]] == ["ab", "c"]
    assert [entry["token"] for entry in second["logprobs"]] == ["d"]
    assert [entry["token"] for entry in (decode(body).choices[0].logprobs or {})["content"]] == ["ab", "c", "d"]


def test_a_generated_image_is_an_image() -> None:
    body = encode(MediaPart("image", "image/webp", "QUJD"))

    assert body["output"][0]["type"] == "image_generation_call"
    (part,) = decode(body).message.content
    assert isinstance(part, MediaPart)
    assert (part.media_type, part.data) == ("image/webp", "QUJD")


def test_blocks_of_other_vendors_are_dropped_and_reported() -> None:
    _, echo = DIALECT.decode_request(WireRequest(body=b'{"model":"m"}'))
    losses = Losses("response")
    part = OpaquePart("anthropic", {"type": "server_tool_use"})
    reply = LLMResponse(choices=[Choice(0, Message("assistant", [part])), Choice(1)])

    body = json.loads(DIALECT.encode_response(reply, echo, counting_mint(), losses).body)

    assert body["output"] == []
    assert {loss.path for loss in losses} == {"choices[*].message.blocks[*]"}


def test_a_reply_with_a_call_ends_with_tool_calls() -> None:
    item = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "f", "arguments": "{}"}

    reply = decode({"id": "resp_1", "status": "completed", "output": [item]})

    assert (reply.finish_reason, reply.choices[0].raw_finish_reason) == ("tool_calls", "completed")


def test_a_failed_reply_carries_its_error() -> None:
    reply = decode({"id": "r", "status": "failed", "output": [], "error": {"code": "server_error", "message": "Oops."}})

    assert reply.error is not None
    assert (reply.error.kind, reply.error.message) == ("upstream", "Oops.")
    assert reply.finish_reason == "error"


def test_a_background_reply_is_not_finished() -> None:
    body = {"id": "resp_1", "status": "queued", "output": [], "model": "m", "created_at": 1, "background": True}

    reply = decode(body)
    _, echo = DIALECT.decode_request(WireRequest(body=b'{"model":"m"}'))
    again = json.loads(DIALECT.encode_response(reply, echo, counting_mint(), Losses("response")).body)

    assert reply.finish_reason is None
    assert (again["status"], again["background"]) == ("queued", True)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b'{"output": 3}', b'{"output": [1]}'])
def test_what_is_not_a_reply_is_refused(body: bytes) -> None:
    with pytest.raises(DialectError):
        DIALECT.decode_response(WireReply(200, Headers(), body), counting_mint())
