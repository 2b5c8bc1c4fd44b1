"""Converse replies, read and written."""

from __future__ import annotations

import json
from typing import Any

import pytest
from llm_gateway_bedrock import Bedrock

from llm_gateway_sdk import (
    Choice,
    Citation,
    DialectError,
    Echo,
    Headers,
    LLMResponse,
    Losses,
    Message,
    TextPart,
    ToolCallPart,
    Usage,
    WireReply,
)
from llm_gateway_sdk.testing.dialect_laws import counting_mint

BEDROCK = Bedrock()


def read(body: Any) -> LLMResponse:
    reply = WireReply(200, Headers([("x-amzn-requestid", "id-1")]), json.dumps(body).encode())
    return BEDROCK.decode_response(reply, counting_mint())


def write(response: LLMResponse) -> Any:
    return json.loads(BEDROCK.encode_response(response, Echo(), counting_mint(), Losses("response")).body)


def converse(*content: Any, **fields: Any) -> dict[str, Any]:
    return {
        "output": {"message": {"role": "assistant", "content": list(content)}},
        "stopReason": "end_turn",
        "usage": {"inputTokens": 1, "outputTokens": 2, "totalTokens": 3},
        "metrics": {"latencyMs": 4},
        **fields,
    }


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("tool_use", "tool_calls"),
        ("guardrail_intervened", "content_filter"),
        ("content_filtered", "content_filter"),
        ("malformed_tool_use", "error"),
        ("a_new_word", "stop"),
    ],
)
def test_every_stop_reason_is_read_and_comes_back(word: str, reason: str) -> None:
    call = {"toolUse": {"toolUseId": "t", "name": "f", "input": {}}}
    response = read(converse(call if word == "tool_use" else {"text": "a"}, stopReason=word))

    assert (response.finish_reason, response.choices[0].raw_finish_reason) == (reason, word)
    assert write(response)["stopReason"] == word


@pytest.mark.parametrize(("calls", "reason", "word"), [(True, "stop", "tool_use"), (False, "tool_calls", "end_turn")])
def test_the_stop_reason_follows_what_is_there(calls: bool, reason: str, word: str) -> None:
    """Other providers' answers may contradict themselves; clients go on by this word."""
    content: list[Any] = [ToolCallPart("t", "f", "{}")] if calls else [TextPart("a")]

    body = write(LLMResponse(choices=[Choice(0, Message("assistant", content), reason)]))  # type: ignore[arg-type]

    assert body["stopReason"] == word


def test_input_counts_what_the_cache_took() -> None:
    usage = {
        "inputTokens": 2,
        "outputTokens": 5,
        "totalTokens": 1329,
        "cacheReadInputTokens": 1000,
        "cacheWriteInputTokens": 322,
        "cacheDetails": [{"ttl": "5m", "inputTokens": 322}],
    }

    response = read(converse({"text": "a"}, usage=usage))

    got = response.usage
    assert got is not None
    assert (got.input_tokens, got.uncached_input_tokens, got.total_tokens) == (1324, 2, 1329)
    assert (got.cache_read_tokens, got.cache_write_tokens) == (1000, 322)
    assert write(response)["usage"] == usage


def test_which_stop_sequence_it_was_is_read() -> None:
    response = read(converse({"text": "a"}, additionalModelResponseFields={"stop_sequence": "END"}))

    assert response.choices[0].stop_sequence == "END"


def test_what_has_no_field_is_kept() -> None:
    body = converse(
        {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "sig"}}},
        {"text": "a"},
        {"toolUse": {"toolUseId": "t", "name": "f", "input": {"x": [1]}, "type": "tool_use"}},
        stopReason="tool_use",
        trace={"guardrail": {"actionReason": "x"}},
        performanceConfig={"latency": "optimized"},
        serviceTier={"type": "flex"},
        metrics={"latencyMs": 123},
    )

    response = read(body)

    assert (response.id, response.service_tier) == ("id-1", "flex")
    assert write(response) == body


def test_cited_content_is_a_text_with_citations() -> None:
    block = {
        "citationsContent": {
            "content": [{"text": "It is so."}],
            "citations": [{"title": "A", "location": {"documentPage": {"documentIndex": 0, "start": 1, "end": 2}}}],
        }
    }

    response = read(converse(block))

    (part,) = response.message.content
    assert isinstance(part, TextPart)
    assert (part.text, part.citations[0].kind, part.citations[0].title) == ("It is so.", "document", "A")
    assert write(response)["output"]["message"]["content"] == [block]


def test_a_foreign_reply_is_written_with_the_counts_that_are_required() -> None:
    part = TextPart("a", [Citation("url", "https://a.example")])

    body = write(LLMResponse(choices=[Choice(0, Message("assistant", [part]), "refusal")], usage=Usage(7, 3, 5)))

    assert body["stopReason"] == "content_filtered"
    assert body["usage"] == {"inputTokens": 2, "outputTokens": 3, "totalTokens": 10, "cacheReadInputTokens": 5}
    cited = {"content": [{"text": "a"}], "citations": [{"location": {"web": {"url": "https://a.example"}}}]}
    assert body["output"]["message"] == {"role": "assistant", "content": [{"citationsContent": cited}]}


def test_an_error_under_a_status_that_means_success() -> None:
    for body in ({"error": {"message": "Loading", "code": 503}}, {"detail": "Loading"}):
        error = read(body).error
        assert error is not None
        assert error.message == "Loading"


@pytest.mark.parametrize("answered", [True, False])
def test_an_unknown_end_after_nothing_is_an_error(answered: bool) -> None:
    content = [{"text": "x"}] if answered else []
    reply = read({"output": {"message": {"role": "assistant", "content": content}}, "stopReason": "new_word"})

    assert (reply.error is None) is answered


@pytest.mark.parametrize("body", ["x", 5, None, {"output": 5}, {"output": {"message": {"content": [5]}}}])
def test_what_is_not_a_reply_is_refused(body: Any) -> None:
    with pytest.raises(DialectError):
        read(body)
