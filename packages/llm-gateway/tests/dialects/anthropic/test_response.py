from __future__ import annotations

from typing import Any

import pytest

from llm_gateway.dialects.anthropic import Anthropic
from llm_gateway.dialects.anthropic.parts import RAW_ARGUMENTS
from llm_gateway_sdk import (
    Choice,
    Citation,
    DialectError,
    Echo,
    Headers,
    LLMResponse,
    Losses,
    Message,
    Mint,
    OpaquePart,
    RefusalPart,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    Usage,
    WireReply,
)
from llm_gateway_sdk.wire import json

DIALECT = Anthropic()
MINT = Mint(lambda prefix: f"{prefix}1", lambda: 7)
ECHO = Echo("asked-for")

REPLY: dict[str, Any] = {
    "id": "msg_x",
    "type": "message",
    "role": "assistant",
    "model": "claude",
    "content": [
        {"type": "thinking", "thinking": "hm", "signature": "s1"},
        {"type": "thinking", "thinking": "", "signature": "s2"},
        {"type": "redacted_thinking", "data": "d"},
        {
            "type": "text",
            "text": "so",
            "citations": [
                {
                    "type": "web_search_result_location",
                    "url": "https://x",
                    "title": "T",
                    "cited_text": "c",
                    "encrypted_index": "E",
                }
            ],
        },
        {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "q"}},
        {"type": "web_search_tool_result", "tool_use_id": "s", "content": []},
        {"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}, "caller": {"type": "direct"}},
        {"type": "tool_use", "id": "u", "name": "g", "input": {}},
    ],
    "stop_reason": "tool_use",
    "stop_sequence": None,
    "usage": {
        "input_tokens": 5,
        "cache_creation_input_tokens": 100,
        "cache_read_input_tokens": 1000,
        "output_tokens": 7,
        "cache_creation": {"ephemeral_5m_input_tokens": 60, "ephemeral_1h_input_tokens": 40},
        "output_tokens_details": {"thinking_tokens": 3},
        "server_tool_use": {"web_search_requests": 1},
        "service_tier": "standard",
    },
    "container": {"id": "c", "expires_at": "2026-01-01T00:00:00Z"},
    "context_management": {"applied_edits": []},
}


def decode(body: dict[str, Any]) -> LLMResponse:
    return DIALECT.decode_response(WireReply(body=json.dumps(body)), MINT)


def encode(response: LLMResponse, losses: Losses | None = None) -> dict[str, Any]:
    reply = DIALECT.encode_response(response, ECHO, MINT, losses if losses is not None else Losses("response"))
    assert reply.status == 200
    body: dict[str, Any] = json.loads(reply.body)
    return body


def reply_with(*parts: Any, **choice: Any) -> LLMResponse:
    return LLMResponse(choices=[Choice(0, Message("assistant", list(parts)), **choice)])


def test_a_reply_comes_out_as_it_went_in() -> None:
    assert encode(decode(REPLY)) == REPLY


def test_usage_counts_cached_tokens_into_the_input() -> None:
    usage = decode(REPLY).usage

    assert usage is not None
    assert (usage.input_tokens, usage.output_tokens, usage.total_tokens) == (1105, 7, 1112)
    assert (usage.cache_read_tokens, usage.cache_write_tokens, usage.reasoning_tokens) == (1000, 100, 3)
    assert usage.uncached_input_tokens == 5


@pytest.mark.parametrize(
    ("word", "meaning"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("tool_use", "tool_calls"),
        ("refusal", "refusal"),
        ("pause_turn", "pause"),
        ("a_word_of_tomorrow", "stop"),
    ],
)
def test_stop_reasons_have_a_meaning_and_come_back(word: str, meaning: str) -> None:
    sequence = "END" if word == "stop_sequence" else None
    call = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}}
    content = [call] if word == "tool_use" else [{"type": "text", "text": "x"}]
    body = {**REPLY, "content": content, "stop_reason": word, "stop_sequence": sequence}

    response = decode(body)

    assert (response.finish_reason, response.choices[0].raw_finish_reason) == (meaning, word)
    assert encode(response) == body


def test_optional_fields_may_be_missing_or_empty() -> None:
    response = decode({"content": [{"type": "text", "text": "x", "citations": None}], "usage": {"input_tokens": None}})

    assert response.text == "x"
    assert response.id == "msg_1"
    assert response.usage == Usage()
    assert encode(LLMResponse())["usage"] == {"input_tokens": 0, "output_tokens": 0}


def test_calls_end_in_tool_use_whatever_the_provider_called_it() -> None:
    assert encode(reply_with(ToolCallPart("a", "f", "{}"), finish_reason="stop"))["stop_reason"] == "tool_use"
    assert encode(reply_with(ToolCallPart("a", "f", "{}"), finish_reason="length"))["stop_reason"] == "max_tokens"
    assert encode(reply_with(TextPart("x"), finish_reason="content_filter"))["stop_reason"] == "refusal"


def test_a_refusal_is_text_with_its_own_stop_reason() -> None:
    body = encode(reply_with(RefusalPart("I won't."), finish_reason="stop"))

    assert body["content"] == [{"type": "text", "text": "I won't."}]
    assert body["stop_reason"] == "refusal"
    assert body["stop_details"]["explanation"] == "I won't."


def test_arguments_that_are_no_object_stay_reachable() -> None:
    losses = Losses("response")

    body = encode(reply_with(ToolCallPart("a", "f", "[1, 2]")), losses)

    assert body["content"][0]["input"] == {RAW_ARGUMENTS: "[1, 2]"}
    assert [loss.kind for loss in losses] == ["converted"]


def test_other_providers_signatures_travel_in_the_fields_that_a_client_gives_back() -> None:
    response = reply_with(
        ThinkingPart("hm", signature="abc", signed_by="gemini"),
        TextPart("so", signature="ttt", signed_by="gemini"),
        ToolCallPart("a", "f", "{}", signature="sss", signed_by="gemini"),
        ThinkingPart(redacted="rrr", signed_by="bedrock"),
    )

    content = encode(response)["content"]

    assert [block.get("signature", block.get("data")) for block in content] == [
        "gw1.gemini.abc",
        None,
        "gw1.gemini.after:ttt",
        "gw1.gemini.tool:sss",
        None,
        "gw1.bedrock.rrr",
    ]


def test_no_empty_text_and_nothing_foreign_is_written() -> None:
    losses = Losses("response")

    body = encode(reply_with(TextPart(""), OpaquePart("openai_responses", {"type": "x"}), TextPart("y")), losses)

    assert body["content"] == [{"type": "text", "text": "y"}]
    assert [str(loss) for loss in losses] == ["dropped choices[*].message.blocks[*] (x of openai_responses)"]


def test_links_become_web_citations_and_stay_with_the_client() -> None:
    body = encode(reply_with(TextPart("so", [Citation(url="https://x", title="T")])))

    citation = body["content"][0]["citations"][0]
    assert citation["type"] == "web_search_result_location"
    assert (citation["url"], citation["encrypted_index"]) == ("https://x", "")


def test_edited_citations_are_written_as_edited() -> None:
    response = decode(REPLY)
    response.map_text(lambda text: text.replace("c", "*"))

    assert encode(response)["content"][3]["citations"][0]["cited_text"] == "*"


def test_the_model_is_the_one_asked_for_unless_the_reply_names_another() -> None:
    assert encode(reply_with(TextPart("x")))["model"] == "asked-for"


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"{}", b'{"content": 5}', b'{"content": [{"type": 5}]}'])
def test_what_is_not_a_reply_is_refused(body: bytes) -> None:
    with pytest.raises(DialectError):
        DIALECT.decode_response(WireReply(body=body), MINT)


def test_counts() -> None:
    assert DIALECT.decode_count(WireReply(200, Headers(), b'{"input_tokens": 12}')) == 12
    for body in (b"{}", b"no", b'{"input_tokens": "12"}', b"[]"):
        with pytest.raises(DialectError):
            DIALECT.decode_count(WireReply(200, Headers(), body))


def test_usage_is_found_without_decoding_a_reply() -> None:
    usage = DIALECT.usage_of(b"", json.dumps(REPLY))

    assert usage is not None
    assert usage.input_tokens == 1105
    assert DIALECT.usage_of(b"", b"{broken") is None
