from __future__ import annotations

from typing import Any

import pytest
from chat_wire import CHAT, answer, hear, hear_message, read_messages, say
from openai.types.chat import ChatCompletion

from llm_gateway.dialects.openai_chat import ChatEcho
from llm_gateway_sdk import (
    Citation,
    DialectError,
    MediaPart,
    Message,
    Part,
    RefusalPart,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    Usage,
)


def test_a_whole_reply_is_what_the_official_sdk_accepts() -> None:
    body = say(
        answer(
            ThinkingPart("Hm.", signature="s", signed_by="anthropic"),
            TextPart("Yes.", citations=[Citation("url", "https://example.com", "Example", start=0, end=3)]),
            ToolCallPart("c1", "f", ""),
            finish="tool_calls",
            usage=Usage(10, 5, cache_read_tokens=3, reasoning_tokens=2),
        )
    )

    reply = ChatCompletion.model_validate(body, strict=True)

    message = reply.choices[0].message
    assert message.content == "Yes."
    assert message.tool_calls is not None
    assert message.tool_calls[0].function.arguments == "{}"  # type: ignore[union-attr]
    assert message.annotations is not None
    assert message.annotations[0].url_citation.end_index == 3
    assert reply.usage is not None
    assert reply.usage.total_tokens == 15
    assert reply.usage.prompt_tokens_details is not None
    assert reply.usage.prompt_tokens_details.cached_tokens == 3


def test_thinking_reaches_clients_and_comes_back_byte_for_byte() -> None:
    parts = [
        ThinkingPart("First.", signature="s1", signed_by="anthropic"),
        ThinkingPart(redacted="xyz", signed_by="anthropic"),
        ThinkingPart("", signature="s2", signed_by="anthropic"),
        TextPart("Yes."),
    ]

    message = say(answer(*parts))["choices"][0]["message"]
    returned = read_messages({"role": "user", "content": "Hi"}, message)[1].content

    assert message["reasoning_content"] == "First."
    assert [(part.signature, part.signed_by) for part in returned] == [
        ("s1", "anthropic"), (None, "anthropic"), ("s2", "anthropic"), (None, None),
    ]  # fmt: skip
    assert isinstance(returned[1], ThinkingPart)
    assert returned[1].redacted == "xyz"


def test_reasoning_keeps_the_name_that_it_came_by() -> None:
    for field in ("reasoning", "reasoning_content"):
        parts = hear_message(role="assistant", content="Yes.", **{field: "Hm."})

        assert isinstance(parts[0], ThinkingPart)
        assert say(answer(*parts))["choices"][0]["message"][field] == "Hm."


def test_openrouter_s_reasoning_details_are_thinking_with_proofs() -> None:
    details = [
        {"type": "reasoning.text", "text": "Hm.", "signature": "s1", "format": "anthropic-claude-v1", "index": 0},
        {"type": "reasoning.encrypted", "data": "xyz", "id": "rs_1", "index": 1},
    ]

    parts = hear_message(role="assistant", content="Yes.", reasoning="Hm.", reasoning_details=details)

    assert isinstance(parts[0], ThinkingPart)
    assert (parts[0].text, parts[0].signed_by) == ("Hm.", "openai_chat")
    assert (parts[0].signature or "").endswith(".s1")
    assert isinstance(parts[1], ThinkingPart)
    assert (parts[1].redacted or "").endswith(".xyz")
    message = say(answer(*parts))["choices"][0]["message"]
    assert message["reasoning_details"] == details
    assert message["reasoning"] == "Hm."
    assert "thinking_blocks" not in message


def test_mistral_s_content_parts_are_thinking_and_text() -> None:
    content = [
        {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]},
        {"type": "text", "text": "Yes."},
    ]

    parts = hear_message(role="assistant", content=content)

    assert [type(part) for part in parts] == [ThinkingPart, TextPart]
    assert say(answer(*parts))["choices"][0]["message"]["content"] == "Yes."


def test_a_refusal_is_in_its_own_field() -> None:
    message = say(answer(RefusalPart("I can't."), finish="refusal"))["choices"][0]

    assert message["message"] == {"role": "assistant", "content": None, "refusal": "I can't."}
    assert message["finish_reason"] == "stop"


@pytest.mark.parametrize(
    ("canonical", "words"),
    [
        ("stop", "stop"), ("length", "length"), ("tool_calls", "tool_calls"), ("content_filter", "content_filter"),
        ("refusal", "content_filter"), ("pause", "stop"), (None, "stop"),
    ],
)  # fmt: skip
def test_finish_reasons(canonical: str | None, words: str) -> None:
    part = ToolCallPart("c", "f", "{}") if canonical == "tool_calls" else TextPart("x")
    assert say(answer(part, finish=canonical))["choices"][0]["finish_reason"] == words


@pytest.mark.parametrize(
    ("part", "canonical", "words"),
    [
        (TextPart("x"), "tool_calls", "stop"),
        (ToolCallPart("c", "f", "{}"), "stop", "tool_calls"),
        (ToolCallPart("c", "f", "{}"), "length", "length"),
        (ToolCallPart("c", "f", "{}"), "content_filter", "content_filter"),
    ],
)
def test_the_finish_reason_follows_what_is_there(part: Part, canonical: str, words: str) -> None:
    assert say(answer(part, finish=canonical))["choices"][0]["finish_reason"] == words


@pytest.mark.parametrize("body", [{}, {"choices": []}, {"choices": None}, {"choices": None, "base_resp": {}}])
def test_a_success_without_an_answer_is_not_a_reply(body: dict[str, Any]) -> None:
    with pytest.raises(DialectError, match="no answer"):
        hear(body)


@pytest.mark.parametrize("text", ["", "Half an ans"])
def test_an_end_with_an_error_is_an_error(text: str) -> None:
    message = {"content": text}
    reply = hear({"choices": [{"message": message, "finish_reason": "insufficient_system_resource"}]})

    assert reply.error is not None
    assert reply.error.kind == "upstream"
    assert "insufficient_system_resource" in reply.error.message


def test_the_words_of_an_error_next_to_the_end_are_read() -> None:
    """OpenRouter: the error of the provider that it asked."""
    error = {"code": 429, "message": "Slow down."}
    reply = hear({"choices": [{"message": {"content": ""}, "finish_reason": "error", "error": error}]})

    assert reply.error is not None
    assert (reply.error.kind, reply.error.status, reply.error.message) == ("rate_limit", 429, "Slow down.")


@pytest.mark.parametrize(("content", "broken"), [(None, True), ("", True), ("Done.", False)])
def test_an_unknown_end_after_nothing_is_an_error(content: str | None, broken: bool) -> None:
    word = "function_call_filter: MALFORMED_FUNCTION_CALL"
    reply = hear({"choices": [{"message": {"content": content}, "finish_reason": word}]})

    assert (reply.error is not None) is broken
    assert reply.choices[0].raw_finish_reason == word


def test_a_word_of_some_server_is_read_and_kept() -> None:
    reply = hear({"choices": [{"message": {"content": "x"}, "finish_reason": "model_length"}]})

    choice = reply.choices[0]
    assert (choice.finish_reason, choice.raw_finish_reason) == ("length", "model_length")


def test_a_client_of_functions_gets_a_function_call() -> None:
    body = say(answer(ToolCallPart("c1", "f", '{"a":1}'), finish="tool_calls"), ChatEcho("m", legacy_functions=True))

    choice = body["choices"][0]
    assert choice["message"]["function_call"] == {"name": "f", "arguments": '{"a":1}'}
    assert "tool_calls" not in choice["message"]
    assert choice["finish_reason"] == "function_call"


def test_a_custom_tool_s_client_gets_its_free_text_back() -> None:
    echo = ChatEcho("m", custom_tools=frozenset({"patch"}))

    body = say(answer(ToolCallPart("c1", "patch", '{"input": "a\\nb"}'), finish="tool_calls"), echo)

    call = body["choices"][0]["message"]["tool_calls"][0]
    assert call == {"id": "c1", "type": "custom", "custom": {"name": "patch", "input": "a\nb"}}


def test_signatures_of_calls_reach_the_client_in_their_carrier() -> None:
    call = ToolCallPart("c1", "f", "{}", signature="sig", signed_by="gemini")

    wire = say(answer(call, finish="tool_calls"))["choices"][0]["message"]["tool_calls"][0]
    returned = read_messages({"role": "assistant", "tool_calls": [wire]})[0].tool_calls[0]

    assert wire["extra_content"] == {"llm_gateway": {"signature": "gw1.gemini.sig"}}
    assert (returned.signature, returned.signed_by) == ("sig", "gemini")


def test_several_choices_and_their_log_probabilities_are_kept() -> None:
    logprobs = {"content": [{"token": "a", "logprob": -0.1, "bytes": [97], "top_logprobs": []}], "refusal": None}
    choices = [
        {
            "index": place,
            "message": {"role": "assistant", "content": text},
            "finish_reason": "stop",
            "logprobs": logprobs,
        }
        for place, text in enumerate("ab")
    ]

    reply = hear({"id": "c", "model": "m", "choices": choices})

    assert [choice.message.text for choice in reply.choices] == ["a", "b"]
    assert [choice["logprobs"] for choice in say(reply)["choices"]] == [logprobs, logprobs]


def test_spoken_audio_is_kept() -> None:
    audio = {"id": "audio_1", "data": "QUJD", "expires_at": 9, "transcript": "abc"}

    parts = hear_message(role="assistant", content=None, audio=audio)

    assert isinstance(parts[0], MediaPart)
    assert parts[0].data == "QUJD"
    assert say(answer(*parts))["choices"][0]["message"]["audio"] == audio


def test_drawn_images_are_kept() -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}, "index": 0}

    parts = hear_message(role="assistant", content="Look.", images=[image])

    assert say(answer(*parts))["choices"][0]["message"]["images"] == [image]


def test_usage_that_is_not_known_is_left_out() -> None:
    assert "usage" not in say(answer(TextPart("x"), usage=Usage(None, 5)))
    assert "usage" not in say(answer(TextPart("x")))


def test_reasoning_counted_apart_from_the_completion_is_counted_in() -> None:
    usage = {
        "prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 35,
        "completion_tokens_details": {"reasoning_tokens": 20},
    }  # fmt: skip

    reply = hear({"choices": [{"message": {"content": "x"}}], "usage": usage})

    assert reply.usage is not None
    assert (reply.usage.output_tokens, reply.usage.total_tokens) == (25, 35)


def test_usage_is_found_in_the_last_event_that_has_it() -> None:
    reported = b'data: {"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}}\r\n\r\n'
    tail = reported + b'data: {"usage":null}\n\ndata: [DONE]\n\n'

    assert CHAT.usage_of(b"", tail) == Usage(1, 2)


def test_empty_optional_fields_say_nothing() -> None:
    parts = hear_message(
        role="assistant", content="Yes.", tool_calls=[], function_call=None, refusal="", annotations=[], audio=None,
        reasoning="",
    )  # fmt: skip

    assert Message("assistant", parts).text == "Yes."
    assert len(parts) == 1


def test_an_error_in_a_200_is_an_error() -> None:
    reply = hear({"error": {"message": "Provider returned error", "code": 502}})

    assert reply.error is not None
    assert reply.error.status == 502
