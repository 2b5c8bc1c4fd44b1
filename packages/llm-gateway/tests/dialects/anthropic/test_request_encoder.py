"""A canonical request is written for Messages, and what that API has no field for is listed."""

from __future__ import annotations

from typing import Any

import pytest
from anthropic_requests import BODIES, DIALECT, PNG, again, asks, decode, encode, listed, user

from llm_gateway.dialects.anthropic.parts import RAW_ARGUMENTS
from llm_gateway_sdk import (
    CacheHint,
    DialectError,
    Losses,
    MediaPart,
    Message,
    OpaquePart,
    OpaqueTool,
    RefusalPart,
    ResponseFormat,
    Target,
    TextPart,
    Tool,
    ToolCallPart,
    ToolChoice,
    ToolResultPart,
)
from llm_gateway_sdk.wire import json


def test_defaults_that_say_nothing_are_left_out() -> None:
    body = {
        **BODIES["forced tool"],
        "stream": False,
        "system": None,
        "stop_sequences": [],
        "metadata": None,
        "tool_choice": {"type": "tool", "name": "f", "disable_parallel_tool_use": False},
    }

    assert again(body) == BODIES["forced tool"]


def test_versions_and_betas_come_back_as_headers() -> None:
    request = decode(BODIES["plain"], anthropic_version="2026-10-21", anthropic_beta="a-1, b-2")

    wire = DIALECT.encode_request(request, Target("m"), Losses())

    assert wire.path == "/v1/messages"
    assert wire.headers.get("anthropic-version") == "2026-10-21"
    assert wire.headers.get("anthropic-beta") == "a-1,b-2"


def test_the_older_version_is_the_default_and_the_target_decides() -> None:
    assert DIALECT.encode_request(asks(), Target("m"), Losses()).headers.get("anthropic-version") == "2023-06-01"
    wire = DIALECT.encode_request(asks(), Target("m", api_version="2026-10-21"), Losses())
    assert wire.headers.get("anthropic-version") == "2026-10-21"


def test_the_newer_version_gets_no_sampling_parameters() -> None:
    losses = Losses()

    body = encode(asks(temperature=1, top_p=0.9, top_k=3), losses, version="2026-10-21")

    assert not {"temperature", "top_p", "top_k"} & set(body)
    assert {"dropped temperature", "dropped top_p", "dropped top_k"} <= set(listed(losses))


def test_the_newer_version_gets_no_citations_of_the_user_and_no_documents_of_the_assistant() -> None:
    request = decode(BODIES["citations in history"])
    request.messages[0].content = [TextPart("quoted", list(request.messages[1].content[0].citations))]  # type: ignore[union-attr]
    request.messages[1].content.append(MediaPart("document", text="d"))

    old, new = encode(request), encode(request, version="2026-10-21")

    assert "citations" in old["messages"][0]["content"][0]
    assert "citations" not in new["messages"][0]["content"][0]
    assert "citations" in new["messages"][1]["content"][0]
    assert [block["type"] for block in old["messages"][1]["content"]][-1] == "document"
    assert [block["type"] for block in new["messages"][1]["content"]][-1] != "document"


@pytest.mark.parametrize(
    ("model", "most"),
    [
        ("some-model", 4096),
        ("claude-3-haiku-20240307", 4096),
        ("claude-sonnet-4-5", 64000),
        ("claude-opus-4-8", 128000),
    ],
)
def test_max_tokens_is_the_ceiling_of_the_model_where_the_client_left_it_out(model: str, most: int) -> None:
    losses = Losses()

    assert encode(asks(), losses, model=model)["max_tokens"] == most
    assert listed(losses) == ["converted max_tokens"]


def test_max_tokens_leaves_room_for_the_conversation_where_the_model_adds_the_two() -> None:
    long = asks(Message("user", [TextPart("word " * 150_000)]))

    assert 4096 <= encode(long, model="claude-sonnet-4-20250514")["max_tokens"] < 50_000
    assert encode(long, model="claude-sonnet-4-5")["max_tokens"] == 64000


def test_temperature_is_brought_into_range() -> None:
    losses = Losses()

    assert encode(asks(max_tokens=5, temperature=1.7), losses)["temperature"] == 1
    assert listed(losses) == ["clamped temperature"]


def test_what_has_no_counterpart_is_listed() -> None:
    losses = Losses()

    encode(
        asks(
            max_tokens=5,
            seed=1,
            frequency_penalty=0.5,
            presence_penalty=0.0,
            logprobs=True,
            store=True,
            cache_key="k",
            verbosity="low",
            metadata={"a": "b"},
            provider_metadata={"openai_chat": {"logit_bias": {"1": 1}, "_form": 1}},
        ),
        losses,
    )

    assert sorted(listed(losses)) == [
        "dropped cache_key",
        "dropped frequency_penalty",
        "dropped logit_bias",
        "dropped logprobs",
        "dropped metadata",
        "dropped seed",
        "dropped store",
        "dropped verbosity",
    ]


def test_several_answers_are_refused() -> None:
    with pytest.raises(DialectError, match=r"^n: "):
        encode(asks(n=2))
    assert encode(asks(n=1))


def test_leading_system_messages_become_the_system_prompt_and_later_ones_are_folded_into_it() -> None:
    losses = Losses()
    request = asks(
        Message("system", [TextPart("a")]),
        Message("developer", [TextPart("b")]),
        user(TextPart("hi")),
        Message("system", [TextPart("late")]),
        user(TextPart("there")),
    )

    body = encode(request, losses)

    assert [block["text"] for block in body["system"]] == ["a", "b", "late"]
    assert [block["text"] for block in body["messages"][0]["content"]] == ["hi", "there"]
    assert "converted messages[*]" in listed(losses)


def test_a_server_may_keep_or_fold_all_system_turns() -> None:
    foreign = asks(user(TextPart("hi")), Message("system", [TextPart("late")]))
    own = decode(BODIES["a system turn in the conversation"])

    assert [turn["role"] for turn in encode(foreign, system_turns="keep")["messages"]] == ["user", "system"]
    assert [turn["role"] for turn in encode(own, system_turns="fold")["messages"]] == ["user"]


def test_tool_messages_and_the_user_message_after_them_become_one_with_results_first() -> None:
    request = asks(
        user(TextPart("hi")),
        Message("assistant", [ToolCallPart("a", "f", "{}"), ToolCallPart("b", "g", "{}")]),
        Message("tool", [ToolResultPart("a", [TextPart("1")])]),
        user(TextPart("by the way")),
        Message("tool", [ToolResultPart("b", [TextPart("2")])]),
    )

    turns = encode(request)["messages"]

    assert [turn["role"] for turn in turns] == ["user", "assistant", "user"]
    assert [block["type"] for block in turns[2]["content"]] == ["tool_result", "tool_result", "text"]


def test_no_blank_text_is_sent_and_its_cache_mark_moves_to_the_block_before() -> None:
    request = asks(
        user(TextPart("hi"), TextPart(" \n", cache=CacheHint())),
        Message("assistant", [TextPart(""), ToolCallPart("a", "f", "")]),
        Message("tool", [ToolResultPart("a", [TextPart("")])]),
    )

    turns = encode(request)["messages"]

    assert turns[0]["content"] == [{"type": "text", "text": "hi", "cache_control": {"type": "ephemeral"}}]
    assert turns[1]["content"] == [{"type": "tool_use", "id": "a", "name": "f", "input": {}}]
    assert turns[2]["content"] == [{"type": "tool_result", "tool_use_id": "a"}]


def test_arguments_that_are_no_object_stay_reachable_and_come_back_as_written() -> None:
    losses = Losses()
    request = asks(user(TextPart("hi")), Message("assistant", [ToolCallPart("a", "f", '{"x": ')]), max_tokens=5)

    body = encode(request, losses)

    assert body["messages"][1]["content"][0]["input"] == {RAW_ARGUMENTS: '{"x": '}
    assert listed(losses) == ["converted messages[*].content[*].arguments"]
    assert decode(body).messages[1].tool_calls[0].arguments == '{"x": '


def test_ids_are_kept_but_for_letters_that_the_api_refuses() -> None:
    request = asks(
        user(TextPart("hi")),
        Message("assistant", [ToolCallPart("call_1", "f", "{}"), ToolCallPart("b:2", "f", "{}")]),
        Message("tool", [ToolResultPart("b:2", [TextPart("2")])]),
        Message("tool", [ToolResultPart("call_1", [TextPart("1")])]),
    )

    turns = encode(request)["messages"]

    assert [block["id"] for block in turns[1]["content"]] == ["call_1", "b_2"]
    assert [block["tool_use_id"] for block in turns[2]["content"]] == ["b_2", "call_1"]


def test_calls_without_ids_are_paired_in_order() -> None:
    request = asks(
        user(TextPart("hi")),
        Message("assistant", [ToolCallPart("", "f", "{}"), ToolCallPart("", "g", "{}")]),
        Message("tool", [ToolResultPart("", [TextPart("1")]), ToolResultPart("", [TextPart("2")])]),
    )

    turns = encode(request)["messages"]

    ids = [block["id"] for block in turns[1]["content"]]
    assert len(set(ids)) == 2
    assert [block["tool_use_id"] for block in turns[2]["content"]] == ids


@pytest.mark.parametrize(
    ("choice", "parallel", "written"),
    [
        (None, None, None),
        (None, False, {"type": "auto", "disable_parallel_tool_use": True}),
        (ToolChoice("auto"), True, {"type": "auto"}),
        (ToolChoice("required"), False, {"type": "any", "disable_parallel_tool_use": True}),
        (ToolChoice("none"), False, {"type": "none"}),
        (ToolChoice("tool", "f"), None, {"type": "tool", "name": "f"}),
    ],
)
def test_tool_choice(choice: ToolChoice | None, parallel: bool | None, written: dict[str, Any] | None) -> None:
    body = encode(asks(tools=[Tool("f")], tool_choice=choice, parallel_tool_calls=parallel))

    assert body.get("tool_choice") == written
    assert body["tools"] == [{"name": "f", "input_schema": {"type": "object", "properties": {}}}]


def test_allowed_tools_are_the_only_ones_offered() -> None:
    choice = ToolChoice("allowed", names=["g"], allowed_mode="required")

    body = encode(asks(tools=[Tool("f"), Tool("g")], tool_choice=choice))

    assert [tool["name"] for tool in body["tools"]] == ["g"]
    assert body["tool_choice"] == {"type": "any"}


def test_foreign_tools_and_blocks_are_dropped_and_listed() -> None:
    losses = Losses()
    request = asks(
        user(TextPart("hi"), OpaquePart("openai_responses", {"type": "x"})),
        tools=[OpaqueTool("openai_responses", {"type": "web_search"}), Tool("f")],
        max_tokens=5,
    )

    body = encode(request, losses)

    assert len(body["tools"]) == 1
    assert sorted(listed(losses)) == ["dropped messages[*].content[*]", "dropped tools[*]"]


def test_custom_tools_become_functions_with_one_parameter() -> None:
    grammar = {"type": "grammar", "syntax": "lark", "definition": "start: x"}
    request = asks(
        user(TextPart("hi")),
        Message("assistant", [ToolCallPart("a", "patch", "*** Begin", kind="custom")]),
        tools=[Tool("patch", kind="custom", format=grammar)],
    )

    body = encode(request)

    assert body["tools"][0]["input_schema"]["required"] == ["input"]
    assert "start: x" in body["tools"][0]["input_schema"]["properties"]["input"]["description"]
    assert body["messages"][1]["content"][0]["input"] == {"input": "*** Begin"}


def test_a_refusal_in_the_history_is_text() -> None:
    body = encode(asks(user(TextPart("hi")), Message("assistant", [RefusalPart("no")])))

    assert body["messages"][1]["content"] == [{"type": "text", "text": "no"}]


def test_media() -> None:
    parts = [
        MediaPart("image", "image/jpg", data="AAAA"),
        MediaPart("image", data=PNG),
        MediaPart("document", data="JVBERi0=", name="a.pdf"),
        MediaPart("document", "text/csv", data="YSxi"),
        MediaPart("document", "text/plain", text="plain"),
        MediaPart("image", file_id="file_1"),
    ]
    losses = Losses()

    wire = DIALECT.encode_request(asks(user(*parts)), Target("m"), losses)

    sources = [block["source"] for block in json.loads(wire.body)["messages"][0]["content"]]
    assert sources == [
        {"type": "base64", "media_type": "image/jpeg", "data": "AAAA"},
        {"type": "base64", "media_type": "image/png", "data": PNG},
        {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="},
        {"type": "text", "media_type": "text/plain", "data": "a,b"},
        {"type": "text", "media_type": "text/plain", "data": "plain"},
        {"type": "file", "file_id": "file_1"},
    ]
    assert wire.headers.get("anthropic-beta") == "files-api-2025-04-14"


def test_audio_is_refused_with_its_place() -> None:
    with pytest.raises(DialectError, match=r"messages\[0\].content\[1\]: audio"):
        encode(asks(user(TextPart("hi"), MediaPart("audio", "audio/wav", data="AAAA"))))


def test_openai_cache_lifetimes_become_the_next_longer_ones() -> None:
    body = encode(asks(user(TextPart("hi", cache=CacheHint("30m")))))

    assert body["messages"][0]["content"][0]["cache_control"] == {"type": "ephemeral", "ttl": "1h"}


def test_a_json_schema_is_closed_for_structured_outputs() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "array", "items": {"type": "object", "properties": {}}}}}

    format = encode(asks(response_format=ResponseFormat("json_schema", schema, "n", strict=True)))["output_config"]

    assert format["format"]["type"] == "json_schema"
    assert format["format"]["schema"]["additionalProperties"] is False
    assert format["format"]["schema"]["properties"]["a"]["items"]["additionalProperties"] is False
    assert "additionalProperties" not in schema


def test_json_mode_is_asked_for_in_words() -> None:
    body = encode(asks(response_format=ResponseFormat("json_object")))

    assert "JSON" in body["system"][0]["text"]
