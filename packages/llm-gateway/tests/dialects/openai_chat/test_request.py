from __future__ import annotations

from typing import Any

import pytest
from chat_wire import read, read_messages, write, write_messages

from llm_gateway_sdk import (
    CacheHint,
    DialectError,
    LLMRequest,
    MediaPart,
    Message,
    OpaquePart,
    OpaqueTool,
    Reasoning,
    ResponseFormat,
    TextPart,
    ThinkingPart,
    Tool,
    ToolCallPart,
    ToolChoice,
    ToolResultPart,
)

PIXEL = "iVBORw0KGgo="


def test_system_and_developer_messages_keep_their_place() -> None:
    messages = read_messages(
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": "Hello."},
        {"role": "system", "content": "Now be long."},
    )

    assert [message.role for message in messages] == ["developer", "user", "system"]


def test_a_data_url_is_taken_apart_and_put_together_again() -> None:
    part = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}", "detail": "low"}}
    request, _ = read(messages=[{"role": "user", "content": [part]}])

    image = request.messages[0].content[0]

    assert image == MediaPart("image", "image/png", PIXEL, detail="low")
    assert write(request)[0]["messages"][0]["content"] == [part]


def test_audio_and_files_are_media() -> None:
    content = [
        {"type": "input_audio", "input_audio": {"data": "QUJD", "format": "mp3"}},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,QUJD"}},
        {"type": "file", "file": {"file_id": "file-1"}},
    ]
    request, _ = read(messages=[{"role": "user", "content": content}])

    audio, file, stored = request.messages[0].content

    assert audio == MediaPart("audio", "audio/mpeg", "QUJD")
    assert file == MediaPart("document", "application/pdf", "QUJD", name="a.pdf")
    assert stored == MediaPart("document", file_id="file-1")
    assert write(request)[0]["messages"][0]["content"] == content


def test_an_unknown_part_crosses_as_it_is() -> None:
    part = {"type": "hologram", "hologram": {"depth": 3}}
    request, _ = read(messages=[{"role": "user", "content": [part]}])

    assert request.messages[0].content == [OpaquePart("openai_chat", part)]
    assert write(request)[0]["messages"][0]["content"] == [part]


def test_unknown_fields_are_at_every_level() -> None:
    message = {"role": "user", "content": [{"type": "text", "text": "Hi", "weight": 2}], "mood": "good"}
    request, _ = read(messages=[message], logit_bias={"50256": -100}, guided_json={"type": "object"})

    body, losses = write(request)

    assert body["messages"] == [message]
    assert (body["logit_bias"], body["guided_json"]) == ({"50256": -100}, {"type": "object"})
    assert losses == []


@pytest.mark.parametrize(
    ("body", "reported"),
    [
        ({"messages": 3}, "messages: expected a list, found a number"),
        ({"messages": [{"role": "user", "content": 3}]}, "messages[0].content: expected a string or a list of parts"),
        ({"messages": [{"content": "x"}]}, "messages[0].role: expected a string, found null"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].tool_call_id: expected the id"),
        ({"temperature": "hot"}, "temperature: expected a number, found a string"),
        ({"max_tokens": 1.5}, "max_tokens: expected a whole number, found 1.5"),
        ({"tools": [{"type": "function"}]}, "tools[0].function: expected an object, found null"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_reported_with_its_place(body: dict[str, Any], reported: str) -> None:
    with pytest.raises(DialectError) as caught:
        read(**body)

    assert str(caught.value).startswith(reported)


def test_both_names_of_the_token_limit_are_kept() -> None:
    older, _ = read(max_tokens=10)
    newer, _ = read(max_completion_tokens=20)

    assert (older.max_tokens, newer.max_tokens) == (10, 20)
    assert write(older)[0]["max_tokens"] == 10
    assert write(newer)[0]["max_completion_tokens"] == 20
    assert write(newer, max_tokens_field="max_tokens")[0]["max_tokens"] == 20


def test_legacy_functions_are_tools_that_are_written_as_functions() -> None:
    conversation = [
        {"role": "user", "content": "Weather in Paris and Rome?"},
        {"role": "assistant", "content": None, "function_call": {"name": "weather", "arguments": '{"city":"Paris"}'}},
        {"role": "function", "name": "weather", "content": "18"},
        {"role": "assistant", "content": None, "function_call": {"name": "weather", "arguments": '{"city":"Rome"}'}},
        {"role": "function", "name": "weather", "content": "24"},
    ]
    functions = [{"name": "weather", "parameters": {"type": "object", "properties": {}}}]

    request, echo = read(messages=conversation, functions=functions, function_call={"name": "weather"})

    assert echo.legacy_functions
    assert request.tool_choice is not None
    assert (request.tool_choice.mode, request.tool_choice.name) == ("tool", "weather")
    calls = [message.tool_calls[0].id for message in request.messages if message.tool_calls]
    results = [
        part.tool_call_id
        for message in request.messages
        for part in message.content
        if isinstance(part, ToolResultPart)
    ]
    assert calls == results
    assert len(set(calls)) == 2
    body, _ = write(request)
    assert (body["messages"], body["functions"]) == (conversation, functions)
    assert body["function_call"] == {"name": "weather"}


def test_a_result_without_an_id_answers_the_oldest_open_call() -> None:
    call = {"id": "call_9", "type": "function", "function": {"name": "f", "arguments": "{}"}}

    messages = read_messages(
        {"role": "assistant", "tool_calls": [call]}, {"role": "tool", "name": "f", "content": "done"}
    )

    result = messages[1].content[0]
    assert isinstance(result, ToolResultPart)
    assert result.tool_call_id == "call_9"


def test_custom_tools_and_their_grammar_are_kept() -> None:
    grammar = {"type": "grammar", "grammar": {"syntax": "lark", "definition": "start: /a+/"}}
    tool = {"type": "custom", "custom": {"name": "patch", "format": grammar}}
    call = {"id": "c1", "type": "custom", "custom": {"name": "patch", "input": "aaa"}}
    messages = [{"role": "assistant", "tool_calls": [call]}, {"role": "tool", "tool_call_id": "c1", "content": "ok"}]

    request, echo = read(messages=messages, tools=[tool], tool_choice={"type": "custom", "custom": {"name": "patch"}})

    assert echo.custom_tools == {"patch"}
    assert request.tools == [
        Tool("patch", kind="custom", format={"type": "grammar", "syntax": "lark", "definition": "start: /a+/"})
    ]
    body, _ = write(request)
    assert body["tools"] == [tool]
    assert body["messages"][0]["tool_calls"] == [call]
    assert body["tool_choice"] == {"type": "custom", "custom": {"name": "patch"}}


def test_a_custom_tool_becomes_a_function_where_the_server_knows_none() -> None:
    call = ToolCallPart("c1", "patch", "aaa", kind="custom")
    request = LLMRequest(messages=[Message("assistant", [call])], tools=[Tool("patch", kind="custom")])
    request.tool_choice = ToolChoice("tool", name="patch", kind="custom")

    body, losses = write(request, no_custom_tools=True)

    function = body["tools"][0]["function"]
    assert function["parameters"]["required"] == ["input"]
    assert body["messages"][0]["tool_calls"][0]["function"]["arguments"] == '{"input":"aaa"}'
    assert body["tool_choice"] == {"type": "function", "function": {"name": "patch"}}
    assert losses == ["converted tools[*] (custom tool as function)"]


def test_allowed_tools_are_kept() -> None:
    allowed = {"mode": "required", "tools": [{"type": "function", "function": {"name": "f"}}]}
    tools = [{"type": "function", "function": {"name": name}} for name in "fg"]

    request, _ = read(tools=tools, tool_choice={"type": "allowed_tools", "allowed_tools": allowed})

    assert request.tool_choice == ToolChoice("allowed", names=["f"], allowed_mode="required")
    assert write(request)[0]["tool_choice"] == {"type": "allowed_tools", "allowed_tools": allowed}


def test_tool_results_of_one_turn_become_messages_of_their_own_before_the_text() -> None:
    turn = Message(
        "user",
        [
            ToolResultPart("a", [TextPart("1")]),
            TextPart("And now?"),
            ToolResultPart("b", [TextPart("no such file")], is_error=True),
        ],
    )

    messages, losses = write_messages(turn)

    assert messages == [
        {"role": "tool", "tool_call_id": "a", "content": "1"},
        {"role": "tool", "tool_call_id": "b", "content": "[tool error] no such file"},
        {"role": "user", "content": "And now?"},
    ]
    assert losses == []


def test_the_mark_of_a_failed_tool_is_read_back() -> None:
    call = {"id": "b", "type": "function", "function": {"name": "f", "arguments": "{}"}}

    messages = read_messages(
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "b", "content": "[tool error] no such file"},
    )

    assert messages[1].content == [ToolResultPart("b", [TextPart("no such file")], is_error=True)]


def test_images_of_tool_results_follow_the_last_result() -> None:
    image = MediaPart("image", "image/png", PIXEL)
    url = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}}

    messages, losses = write_messages(
        Message("tool", [ToolResultPart("a", [TextPart("a picture"), image])]),
        Message("tool", [ToolResultPart("b", [image])]),
        Message("user", [TextPart("What is it?")]),
    )

    assert [message["role"] for message in messages] == ["tool", "tool", "user"]
    assert messages[2]["content"] == [
        {"type": "text", "text": "[content of tool result a]"},
        url,
        {"type": "text", "text": "[content of tool result b]"},
        url,
        {"type": "text", "text": "What is it?"},
    ]
    assert losses == ["converted messages[*].results[*].content (media moved into a user message)"]


def test_an_assistant_turn_of_calls_alone_has_no_empty_text() -> None:
    messages, _ = write_messages(Message("assistant", [ToolCallPart("a", "f", "{}")]))

    assert messages[0]["content"] is None


def test_arguments_are_kept_as_they_were_written() -> None:
    messages, _ = write_messages(
        Message("assistant", [ToolCallPart("a", "f", '{"x": 1e5, broken'), ToolCallPart("b", "g")])
    )

    assert [call["function"]["arguments"] for call in messages[0]["tool_calls"]] == ['{"x": 1e5, broken', "{}"]


def test_media_that_cannot_be_sent_is_refused_by_name() -> None:
    with pytest.raises(
        DialectError, match=r"messages\[0\]\.content\[0\]: the Chat Completions API takes no document by URL"
    ):
        write_messages(Message("user", [MediaPart("document", url="https://example.com/a.pdf")]))


def test_a_plain_text_document_becomes_text() -> None:
    messages, losses = write_messages(Message("user", [MediaPart("document", text="Some words.", name="note.txt")]))

    assert messages[0]["content"] == "note.txt\n\nSome words."
    assert losses == ["converted messages[*].content[*] (document as text)"]


# Cache hints


def test_a_cache_breakpoint_is_kept() -> None:
    part = {"type": "text", "text": "Long.", "prompt_cache_breakpoint": {"mode": "explicit", "ttl": "12h"}}
    request, _ = read(messages=[{"role": "user", "content": [part]}])

    hint = request.messages[0].content[0].cache

    assert hint is not None
    assert hint.ttl == "12h"
    assert write(request)[0]["messages"][0]["content"] == [part]


def test_anthropic_cache_control_is_tolerated_and_kept() -> None:
    part = {"type": "text", "text": "Long.", "cache_control": {"type": "ephemeral", "ttl": "1h"}}
    request, _ = read(messages=[{"role": "user", "content": [part]}])

    assert write(request)[0]["messages"][0]["content"] == [part]


@pytest.mark.parametrize(
    ("quirks", "model", "wanted"),
    [
        ({}, "gpt-5.6", {"prompt_cache_breakpoint": {"mode": "explicit", "ttl": "12h"}}),
        ({"cache": "cache_control"}, "anthropic/claude", {"cache_control": {"type": "ephemeral", "ttl": "1h"}}),
    ],
)
def test_a_cache_hint_is_written_in_the_servers_way(quirks: dict[str, Any], model: str, wanted: dict[str, Any]) -> None:
    request = LLMRequest(messages=[Message("system", [TextPart("Long.", cache=CacheHint("1h"))])])

    body, _ = write(request, model=model, **quirks)

    assert body["messages"][0]["content"] == [{"type": "text", "text": "Long.", **wanted}]


@pytest.mark.parametrize(("quirks", "model"), [({"cache": "none"}, "llama"), ({}, "gpt-4.1"), ({}, "o3-mini")])
def test_a_cache_hint_that_would_be_refused_is_reported(quirks: dict[str, Any], model: str) -> None:
    request = LLMRequest(messages=[Message("system", [TextPart("Long.", cache=CacheHint("1h"))])])

    body, losses = write(request, model=model, **quirks)

    assert body["messages"][0]["content"] == "Long."
    assert losses == ["dropped system.content[*].cache (cached by the provider as it sees fit)"]


# Reasoning


def test_reasoning_effort_and_budget() -> None:
    assert read(reasoning_effort="high")[0].reasoning == Reasoning("high")
    assert write(LLMRequest(reasoning=Reasoning("xhigh")))[0]["reasoning_effort"] == "xhigh"
    assert write(LLMRequest(reasoning=Reasoning(budget_tokens=9000, enabled=True)))[0]["reasoning_effort"] == "high"
    assert "reasoning_effort" not in write(LLMRequest(reasoning=Reasoning(enabled=False)))[0]


def test_a_model_that_does_not_reason_is_not_asked_to() -> None:
    body, losses = write(LLMRequest(reasoning=Reasoning("high")), model="gpt-4.1")

    assert "reasoning_effort" not in body
    assert losses == ["dropped reasoning (not a reasoning model)"]


def test_openrouter_s_reasoning_object_is_kept() -> None:
    request, _ = read(reasoning={"max_tokens": 2000, "exclude": True})

    assert request.reasoning is not None
    assert request.reasoning.budget_tokens == 2000
    assert write(request)[0]["reasoning"] == {"max_tokens": 2000, "exclude": True}


def test_thinking_of_others_goes_to_no_provider() -> None:
    thought = ThinkingPart("Hm.", signature="sig", signed_by="anthropic")

    messages, losses = write_messages(Message("assistant", [thought, TextPart("Yes.")]))

    assert messages == [{"role": "assistant", "content": "Yes."}]
    assert losses == [
        "dropped messages[*].content[*].signature",
        "dropped messages[*].content[*].thinking (reasoning of another provider)",
    ]


def test_thinking_goes_back_where_the_server_wants_it() -> None:
    thought = ThinkingPart("Hm.", signature="sig", signed_by="anthropic")
    call = ToolCallPart("a", "f", "{}")

    messages, _ = write_messages(
        Message("assistant", [thought, call]),
        Message("assistant", [ToolCallPart("b", "f", "{}")]),
        reasoning_field="reasoning_content",
        reasoning_with_calls=True,
    )

    assert [message["reasoning_content"] for message in messages] == ["Hm.", ""]


def test_thinking_blocks_of_a_client_are_read_in_order() -> None:
    blocks = [
        {"type": "thinking", "thinking": "First.", "signature": "gw1.anthropic.s1"},
        {"type": "redacted_thinking", "data": "gw1.anthropic.xyz"},
        {"type": "thinking", "thinking": "", "signature": "gw1.anthropic.s2"},
    ]

    messages = read_messages(
        {"role": "assistant", "content": "Yes.", "reasoning_content": "First.", "thinking_blocks": blocks}
    )

    first, hidden, last, text = messages[0].content
    assert isinstance(first, ThinkingPart)
    assert isinstance(hidden, ThinkingPart)
    assert isinstance(last, ThinkingPart)
    assert (first.text, first.signature, first.signed_by) == ("First.", "s1", "anthropic")
    assert (hidden.redacted, hidden.signed_by) == ("xyz", "anthropic")
    assert (last.text, last.signature) == ("", "s2")
    assert text == TextPart("Yes.")


def test_signatures_of_tool_calls_have_a_carrier() -> None:
    function = {"name": "f", "arguments": "{}"}
    google = {
        "id": "a",
        "type": "function",
        "function": function,
        "extra_content": {"google": {"thought_signature": "g"}},
    }
    carried = {
        "id": "b",
        "type": "function",
        "function": function,
        "extra_content": {"llm_gateway": {"signature": "gw1.gemini.x"}},
    }

    request, _ = read(messages=[{"role": "assistant", "tool_calls": [google, carried]}])

    own, foreign = request.messages[0].tool_calls
    assert (own.signature, own.signed_by) == ("g", "openai_chat")
    assert (foreign.signature, foreign.signed_by) == ("x", "gemini")
    body, losses = write(request)
    assert body["messages"][0]["tool_calls"][0] == google
    assert "extra_content" not in body["messages"][0]["tool_calls"][1]
    assert losses == ["dropped messages[*].content[*].signature"]


# Structured output, streams, other fields


def test_a_schema_without_a_name_gets_one() -> None:
    request = LLMRequest(response_format=ResponseFormat("json_schema", schema={"type": "object"}))

    wanted = {"type": "json_schema", "json_schema": {"name": "output", "schema": {"type": "object"}}}
    assert write(request)[0]["response_format"] == wanted


def test_usage_is_asked_for_on_streams_where_it_may_be() -> None:
    request, echo = read(stream=True, stream_options={"include_obfuscation": False})

    assert (echo.stream, echo.include_usage) == (True, False)
    assert write(request)[0]["stream_options"] == {"include_obfuscation": False}
    assert write(request, usage=True)[0]["stream_options"] == {"include_obfuscation": False, "include_usage": True}
    assert "stream_options" not in write(request, usage=True, no_stream_options=True)[0]


def test_what_other_dialects_alone_know_is_reported() -> None:
    request = LLMRequest(
        messages=[Message("user", [OpaquePart("anthropic", {"type": "container_upload"}), TextPart("Hi")])],
        tools=[OpaqueTool("anthropic", {"type": "web_search_20250305"})],
        top_k=5,
        stop=list("abcdef"),
        service_tier="standard_only",
        provider_metadata={"anthropic": {"context_management": {"edits": [1]}}},
    )

    body, losses = write(request)

    assert losses == [
        "dropped context_management",
        "dropped messages[*].content[*] (container_upload of anthropic)",
        "dropped tools[*] (web_search_20250305 of anthropic)",
        "dropped top_k",
        "clamped stop (the first 4)",
    ]
    assert (body["stop"], body["service_tier"]) == (["a", "b", "c", "d"], "default")
    assert body["messages"] == [{"role": "user", "content": "Hi"}]


def test_ids_of_calls_take_the_form_that_a_server_wants() -> None:
    messages, _ = write_messages(
        Message("assistant", [ToolCallPart("toolu_0123456789", "f", "{}"), ToolCallPart("Abc123xyz", "f", "{}")]),
        Message("tool", [ToolResultPart("toolu_0123456789", [TextPart("ok")])]),
        call_id_length=9,
    )

    first, second = (call["id"] for call in messages[0]["tool_calls"])
    assert len(first) == 9
    assert first == messages[1]["tool_call_id"]
    assert second == "Abc123xyz"


def test_media_in_a_system_prompt_is_left_out_and_reported() -> None:
    image = MediaPart("image", "image/png", data="aGVsbG8=")

    body, losses = write(LLMRequest(messages=[Message("system", [TextPart("Be brief."), image])]))

    assert body["messages"] == [{"role": "system", "content": "Be brief."}]
    assert losses == ["dropped system.content[*].media (a system prompt holds no image)"]


GIVEN_FORMS: dict[str, dict[str, Any]] = {
    "document by URL": {"type": "file", "file": {"filename": "a.pdf", "file_data": "https://example.com/a.pdf"}},
    "video by URL": {"type": "video_url", "video_url": {"url": "https://example.com/a.mp4"}},
    "video by data": {"type": "video_url", "video_url": {"url": "data:video/mp4;base64,AAAA"}},
    "sound by URL": {"type": "input_audio", "input_audio": "https://example.com/a.mp3"},
    "sound by bare data": {"type": "input_audio", "input_audio": "SUQz"},
    "sound by data URL": {"type": "input_audio", "input_audio": "data:audio/mpeg;base64,SUQz"},
    "image by bare URL": {"type": "image_url", "image_url": "https://example.com/a.png"},
    "image with detail": {"type": "image_url", "image_url": {"url": "https://example.com/a.png", "detail": "low"}},
    "document_url": {"type": "document_url", "document_url": "https://example.com/a.pdf"},
    "thinking": {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
}


@pytest.mark.parametrize("form", GIVEN_FORMS)
@pytest.mark.parametrize("place", ["user", "tool"])
def test_forms_of_some_servers_alone_are_written_as_their_client_wrote_them(form: str, place: str) -> None:
    """As a plugin sees and edits them, between a client and a provider that both speak Chat."""
    content = [{"type": "text", "text": "Look."}, GIVEN_FORMS[form]]
    call = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    messages: list[Any] = [{"role": "user", "content": content if place == "user" else "Go."}]
    if place == "tool":
        messages += [{"role": "assistant", "content": None, "tool_calls": [call]}]
        messages += [{"role": "tool", "tool_call_id": "call_1", "content": content}]

    written, losses = write_messages(*read_messages(*messages))

    assert written == messages
    assert losses == []


@pytest.mark.parametrize(
    ("summary", "quirks", "exclude", "lost"),
    [
        ("auto", {}, None, True),
        ("detailed", {}, None, True),
        ("omitted", {}, None, False),
        ("none", {}, None, False),
        ("auto", {"reasoning_field": "reasoning_content"}, None, False),
        ("omitted", {"reasoning_field": "reasoning_content"}, None, True),
        ("auto", {"reasoning_object": True, "reasoning_field": "reasoning"}, None, False),
        ("omitted", {"reasoning_object": True, "reasoning_field": "reasoning"}, True, False),
    ],
)
def test_whether_the_reply_shows_its_reasoning(summary: str, quirks: dict[str, Any], exclude: Any, lost: bool) -> None:
    body, losses = write(LLMRequest(reasoning=Reasoning(effort="low", summary=summary)), **quirks)

    assert body.get("reasoning", {}).get("exclude") is exclude
    assert [loss for loss in losses if "reasoning.summary" in loss] == losses
    assert bool(losses) is lost
