"""GenerateContentResponse, read and written."""

from __future__ import annotations

import base64
import json
import warnings
from typing import Any

import pytest
from llm_gateway_gemini import Gemini

from llm_gateway_sdk import (
    Choice,
    Citation,
    DialectError,
    Echo,
    LLMResponse,
    Losses,
    MediaPart,
    Message,
    OpaquePart,
    Part,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    Usage,
    WireReply,
)
from llm_gateway_sdk.testing.dialect_laws import counting_mint

GEMINI = Gemini()


UNSIGNED_MARK = base64.b64encode(b"gw1.unsigned.").decode()
"""On the first call of another provider's answer."""


def read(body: Any) -> LLMResponse:
    return GEMINI.decode_response(WireReply(body=json.dumps(body).encode()), counting_mint())


def write(response: LLMResponse) -> Any:
    return json.loads(GEMINI.encode_response(response, Echo("asked"), counting_mint(), Losses("response")).body)


def candidate(*parts: Any, **fields: Any) -> dict[str, Any]:
    return {"candidates": [{"content": {"parts": list(parts), "role": "model"}, "index": 0, **fields}]}


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("STOP", "stop"),
        ("MAX_TOKENS", "length"),
        ("SAFETY", "content_filter"),
        ("PROHIBITED_CONTENT", "content_filter"),
        ("RECITATION", "content_filter"),
        ("CONTINUATION", "pause"),
        ("MALFORMED_FUNCTION_CALL", "error"),
        ("A_NEW_WORD", "error"),
    ],
)
def test_every_finish_reason_is_read_and_comes_back(word: str, reason: str) -> None:
    response = read(candidate({"text": "a"}, finishReason=word))

    assert (response.finish_reason, response.choices[0].raw_finish_reason) == (reason, word)
    assert write(response)["candidates"][0]["finishReason"] == word


def test_stop_after_a_call_means_the_call() -> None:
    response = read(candidate({"functionCall": {"name": "f", "args": {"a": 1}}}, finishReason="STOP"))

    assert response.finish_reason == "tool_calls"
    assert [(call.name, call.arguments) for call in response.tool_calls] == [("f", '{"a":1}')]
    assert response.tool_calls[0].id
    body = write(response)
    assert body["candidates"][0]["finishReason"] == "STOP"
    assert body["candidates"][0]["content"]["parts"] == [{"functionCall": {"name": "f", "args": {"a": 1}}}]


def test_a_blocked_prompt_is_a_filtered_reply() -> None:
    body = {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "usageMetadata": {"promptTokenCount": 5}}

    response = read(body)

    assert (response.finish_reason, response.choices[0].raw_finish_reason) == ("content_filter", "PROHIBITED_CONTENT")
    assert (response.usage and response.usage.input_tokens, response.usage and response.usage.output_tokens) == (5, 0)
    assert "candidates" not in write(response)
    assert write(response)["promptFeedback"] == body["promptFeedback"]


def test_thoughts_count_as_output_and_tool_prompts_as_input() -> None:
    usage = {
        "promptTokenCount": 100,
        "toolUsePromptTokenCount": 20,
        "cachedContentTokenCount": 60,
        "candidatesTokenCount": 30,
        "thoughtsTokenCount": 7,
        "totalTokenCount": 157,
        "promptTokensDetails": [{"modality": "AUDIO", "tokenCount": 11}, {"modality": "TEXT", "tokenCount": 89}],
        "cacheTokensDetails": [{"modality": "AUDIO", "tokenCount": 8}, {"modality": "TEXT", "tokenCount": 52}],
    }

    response = read({**candidate({"text": "a"}, finishReason="STOP"), "usageMetadata": usage})

    got = response.usage
    assert got is not None
    assert (got.input_tokens, got.output_tokens, got.total_tokens) == (120, 37, 157)
    assert (got.cache_read_tokens, got.reasoning_tokens, got.input_audio_tokens) == (60, 7, 11)
    assert got.cache_read_audio_tokens == 8
    assert write(response)["usageMetadata"] == usage


def test_a_count_that_is_left_out_is_zero_only_at_the_end() -> None:
    early = read({**candidate({"text": "a"}), "usageMetadata": {"promptTokenCount": 9}})
    last = read({**candidate(finishReason="STOP"), "usageMetadata": {"promptTokenCount": 9}})

    assert early.usage is not None
    assert early.usage.output_tokens is None
    assert last.usage is not None
    assert last.usage.output_tokens == 0


def test_foreign_usage_is_split_as_gemini_counts() -> None:
    usage = Usage(50, 40, cache_read_tokens=10, reasoning_tokens=25)

    body = write(LLMResponse("r", "m", choices=[Choice()], usage=usage))

    assert body["usageMetadata"] == {
        "promptTokenCount": 50,
        "candidatesTokenCount": 15,
        "thoughtsTokenCount": 25,
        "cachedContentTokenCount": 10,
        "totalTokenCount": 90,
    }


def test_grounding_becomes_citations_by_characters() -> None:
    text = "Grüße. Mild today."
    start, end = len("Grüße. ".encode()), len(text.encode())
    grounding = {
        "groundingChunks": [{"web": {"uri": "https://a.example", "title": "A"}}],
        "groundingSupports": [
            {"segment": {"startIndex": start, "endIndex": end, "text": "Mild today."}, "groundingChunkIndices": [0]}
        ],
        "webSearchQueries": ["weather"],
    }

    response = read(candidate({"text": text}, finishReason="STOP", groundingMetadata=grounding))

    part = response.message.content[0]
    assert isinstance(part, TextPart)
    (citation,) = part.citations
    assert (citation.url, citation.title) == ("https://a.example", "A")
    assert text[citation.start : citation.end] == "Mild today."
    assert write(response)["candidates"][0]["groundingMetadata"] == grounding


def test_foreign_citations_become_grounding_by_bytes() -> None:
    part = TextPart("Grüße. Mild.", [Citation("url", "https://a.example", "A", start=7, end=12)])

    body = write(LLMResponse("r", "m", choices=[Choice(0, Message("assistant", [part]), "stop")]))

    assert body["candidates"][0]["groundingMetadata"] == {
        "groundingChunks": [{"web": {"uri": "https://a.example", "title": "A"}}],
        "groundingSupports": [
            {"segment": {"startIndex": 9, "endIndex": 14, "text": "Mild."}, "groundingChunkIndices": [0]}
        ],
    }


def test_log_probabilities_are_read_and_written() -> None:
    result = {
        "chosenCandidates": [{"token": "ü", "logProbability": -0.5}],
        "topCandidates": [
            {"candidates": [{"token": "ü", "logProbability": -0.5}, {"token": "u", "logProbability": -2}]}
        ],
    }

    response = read(candidate({"text": "ü"}, finishReason="STOP", logprobsResult=result))

    logprobs = response.choices[0].logprobs
    assert logprobs is not None
    assert logprobs["content"][0]["bytes"] == [195, 188]
    assert [top["token"] for top in logprobs["content"][0]["top_logprobs"]] == ["ü", "u"]
    assert write(response)["candidates"][0]["logprobsResult"] == result


def test_geminis_own_blocks_and_images_are_kept() -> None:
    parts = [
        {"executableCode": {"language": "PYTHON", "code": "1+1"}, "thoughtSignature": "c2ln"},
        {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "2"}},
        {"inlineData": {"mimeType": "image/png", "data": "AAAA"}},
    ]

    response = read(candidate(*parts, finishReason="STOP"))

    assert [type(part) for part in response.message.content] == [OpaquePart, OpaquePart, MediaPart]
    assert write(response)["candidates"][0]["content"]["parts"] == parts


def test_candidates_keep_apart() -> None:
    body = {
        "candidates": [
            {"content": {"parts": [{"text": "a"}]}, "finishReason": "STOP", "index": 0},
            {"content": {"parts": [{"text": "b"}]}, "finishReason": "MAX_TOKENS", "index": 1, "avgLogprobs": -1},
        ]
    }

    response = read(body)

    assert [(choice.index, choice.message.text, choice.finish_reason) for choice in response.choices] == [
        (0, "a", "stop"),
        (1, "b", "length"),
    ]
    assert write(response)["candidates"][1]["avgLogprobs"] == -1


def test_foreign_calls_carry_their_ids_and_the_asked_model_fills_in() -> None:
    call = ToolCallPart("toolu_1", "f", '{"a": [1]}')

    body = write(LLMResponse(choices=[Choice(0, Message("assistant", [call]), "tool_calls")]))

    assert body["candidates"][0]["content"]["parts"] == [
        {"functionCall": {"name": "f", "id": "toolu_1", "args": {"a": [1]}}, "thoughtSignature": UNSIGNED_MARK}
    ]
    assert body["modelVersion"] == "asked"
    assert body["responseId"]


def test_a_stream_that_came_as_one_array_is_summed() -> None:
    response = read([candidate({"text": "a"}), candidate({"text": "b"}, finishReason="STOP")])

    assert (response.text, response.finish_reason) == ("ab", "stop")


@pytest.mark.parametrize(
    "body", ["x", 5, None, {"candidates": {}}, {"candidates": [5]}, {"candidates": [{"content": 1}]}]
)
def test_what_is_not_a_reply_is_refused(body: Any) -> None:
    with pytest.raises(DialectError):
        read(body)


def test_googles_own_types_accept_the_reply_of_another_provider() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        types = pytest.importorskip("google.genai.types")
    content: list[Part] = [
        ThinkingPart("hm", signature="a.b/c", signed_by="anthropic"),
        TextPart("Hi", [Citation("url", "https://a.example", "A")]),
        ToolCallPart("toolu_1", "f", '{"a": [1, null]}'),
    ]
    response = LLMResponse(
        "msg_1", "claude", choices=[Choice(0, Message("assistant", content), "tool_calls")], usage=Usage(3, 4)
    )

    read_back = types.GenerateContentResponse.model_validate(write(response))

    first, second, third = read_back.candidates[0].content.parts
    assert first.thought_signature == b"gw1.anthropic.a.b/c"
    assert second.text == "Hi"
    assert (third.function_call.id, third.function_call.args) == ("toolu_1", {"a": [1, None]})
    assert read_back.usage_metadata.total_token_count == 7
