from __future__ import annotations

from typing import Any

import pytest

from llm_gateway.dialects.anthropic import Anthropic
from llm_gateway.dialects.anthropic.parts import RAW_ARGUMENTS
from llm_gateway_sdk import (
    CacheHint,
    DialectError,
    Headers,
    LLMRequest,
    Losses,
    MediaPart,
    Message,
    OpaquePart,
    OpaqueTool,
    Reasoning,
    RefusalPart,
    ResponseFormat,
    Target,
    TextPart,
    ThinkingPart,
    Tool,
    ToolCallPart,
    ToolChoice,
    ToolResultPart,
    WireRequest,
)
from llm_gateway_sdk.wire import json

DIALECT = Anthropic()
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII="


def decode(body: dict[str, Any], **headers: str) -> LLMRequest:
    wire = WireRequest(
        headers=Headers([(name.replace("_", "-"), value) for name, value in headers.items()]), body=json.dumps(body)
    )
    return DIALECT.decode_request(wire)[0]


def encode(
    request: LLMRequest,
    losses: Losses | None = None,
    *,
    model: str = "claude-sonnet-4-5",
    version: str | None = None,
    **quirks: Any,
) -> dict[str, Any]:
    target = Target(model, api_version=version, quirks=quirks)
    body: dict[str, Any] = json.loads(
        DIALECT.encode_request(request, target, losses if losses is not None else Losses()).body
    )
    return body


def again(body: dict[str, Any]) -> dict[str, Any]:
    return encode(decode(body), model=body.get("model", "m"))


def listed(losses: Losses) -> list[str]:
    return [f"{loss.kind} {loss.path}" for loss in losses]


def asks(*messages: Message, **fields: Any) -> LLMRequest:
    return LLMRequest(model="m", messages=list(messages) or [Message("user", [TextPart("hi")])], **fields)


def user(*parts: Any) -> Message:
    return Message("user", list(parts))


BODIES: dict[str, dict[str, Any]] = {
    "plain": {"model": "m", "max_tokens": 10, "messages": [{"role": "user", "content": "hi"}]},
    "one text in a list": {
        "model": "m",
        "max_tokens": 10,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}],
    },
    "system with cache marks": {
        "model": "m",
        "max_tokens": 10,
        "system": [
            {"type": "text", "text": "a"},
            {"type": "text", "text": "b", "cache_control": {"type": "ephemeral", "ttl": "1h", "scope": "global"}},
        ],
        "cache_control": {"type": "ephemeral"},
        "messages": [{"role": "user", "content": "hi"}],
    },
    "a system turn in the conversation": {
        "model": "m",
        "max_tokens": 10,
        "system": "s",
        "messages": [
            {"role": "system", "content": "first"},
            {"role": "user", "content": "hi"},
            {"role": "system", "content": [{"type": "text", "text": "be brief"}]},
        ],
    },
    "thinking, calls and results": {
        "model": "m",
        "max_tokens": 9000,
        "thinking": {"type": "enabled", "budget_tokens": 2000, "display": "summarized"},
        "messages": [
            {"role": "user", "content": "hi"},
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "hm", "signature": "s1"},
                    {"type": "thinking", "thinking": "", "signature": "s2"},
                    {"type": "redacted_thinking", "data": "xyz"},
                    {"type": "text", "text": "let me see"},
                    {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": [1, 2.5, None]}, "caller": {"x": 1}},
                    {"type": "tool_use", "id": "t2", "name": "g", "input": {}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {
                        "type": "tool_result",
                        "tool_use_id": "t1",
                        "content": [
                            {"type": "text", "text": "see"},
                            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}},
                            {"type": "tool_reference", "tool_name": "x"},
                        ],
                        "cache_control": {"type": "ephemeral"},
                    },
                    {"type": "tool_result", "tool_use_id": "t2", "content": "bad", "is_error": True},
                    {"type": "tool_result", "tool_use_id": "t3"},
                    {"type": "text", "text": "and now?"},
                ],
            },
        ],
        "tools": [
            {
                "name": "f",
                "description": "F",
                "input_schema": {"type": "object", "properties": {"a": {}}},
                "strict": True,
                "input_examples": [{"a": 1}],
                "defer_loading": True,
                "cache_control": {"type": "ephemeral"},
            },
            {"type": "custom", "name": "g", "input_schema": {"type": "object"}},
            {"type": "web_search_20250305", "name": "web_search", "max_uses": 3},
        ],
        "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
    },
    "documents": {
        "model": "m",
        "max_tokens": 10,
        "messages": [
            {
                "role": "user",
                "content": [
                    {
                        "type": "document",
                        "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="},
                        "title": "T",
                        "context": "C",
                        "citations": {"enabled": True},
                    },
                    {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "plain"}},
                    {"type": "document", "source": {"type": "url", "url": "https://x/a.pdf"}},
                    {"type": "document", "source": {"type": "file", "file_id": "file_1"}},
                    {"type": "document", "source": {"type": "content", "content": "c"}},
                    {"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": "c"}]}},
                    {
                        "type": "document",
                        "source": {
                            "type": "content",
                            "content": [{"type": "text", "text": "c"}, {"type": "text", "text": "d"}],
                        },
                    },
                    {
                        "type": "search_result",
                        "source": "https://x",
                        "title": "R",
                        "content": [{"type": "text", "text": "found"}],
                        "citations": {"enabled": True},
                    },
                    {
                        "type": "search_result",
                        "source": "https://x",
                        "title": "R",
                        "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}],
                    },
                    {"type": "image", "source": {"type": "url", "url": "https://x/a.png"}},
                    {"type": "image", "source": {"type": "file", "file_id": "file_2"}, "transformations": {}},
                    {"type": "container_upload", "file_id": "file_3"},
                ],
            }
        ],
    },
    "citations in history": {
        "model": "m",
        "max_tokens": 10,
        "messages": [
            {"role": "user", "content": "hi"},
            {
                "role": "assistant",
                "content": [
                    {
                        "type": "text",
                        "text": "so",
                        "citations": [
                            {
                                "type": "char_location",
                                "cited_text": "x",
                                "document_index": 0,
                                "document_title": "T",
                                "start_char_index": 0,
                                "end_char_index": 1,
                            },
                            {
                                "type": "web_search_result_location",
                                "cited_text": "y",
                                "url": "https://x",
                                "title": "W",
                                "encrypted_index": "E",
                            },
                        ],
                    },
                    {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": "q"}},
                    {"type": "web_search_tool_result", "tool_use_id": "s1", "content": []},
                ],
            },
            {"role": "user", "content": "go on"},
            {"role": "assistant", "content": "The answer is ("},
        ],
    },
    "everything else": {
        "model": "m",
        "max_tokens": 0,
        "messages": [{"role": "user", "content": "hi"}],
        "temperature": 0.5,
        "top_p": 0.9,
        "top_k": 5,
        "stop_sequences": ["\n\nHuman:", "END"],
        "stream": True,
        "metadata": {"user_id": '{"device":"x"}', "more": 1},
        "service_tier": "standard_only",
        "container": {"id": "c", "skills": []},
        "mcp_servers": [{"type": "url", "url": "https://m", "name": "m"}],
        "context_management": {"edits": [{"type": "clear_thinking_20251015"}]},
        "output_config": {"effort": "xhigh", "format": {"type": "json_schema", "schema": {"type": "object"}}, "new": 1},
        "inference_geo": "us",
        "speed": "fast",
        "a_field_of_tomorrow": {"deep": [1, {"x": None}]},
    },
    "the beta's structured outputs": {
        "model": "m",
        "max_tokens": 10,
        "messages": [{"role": "user", "content": "hi"}],
        "output_format": {"type": "json_schema", "schema": {"type": "object"}},
    },
    "forced tool": {
        "model": "m",
        "max_tokens": 10,
        "messages": [{"role": "user", "content": "hi"}],
        "tools": [{"name": "f", "input_schema": {"type": "object"}}],
        "tool_choice": {"type": "tool", "name": "f"},
    },
    "adaptive thinking": {
        "model": "m",
        "max_tokens": 10,
        "messages": [{"role": "user", "content": "hi"}],
        "thinking": {"type": "adaptive", "display": "omitted"},
        "output_config": {"effort": "max"},
        "temperature": 0.3,
    },
    "thinking between tools, or a form of tomorrow": {
        "model": "m",
        "max_tokens": 10,
        "messages": [{"role": "user", "content": "hi"}],
        "thinking": {"type": "tomorrow", "depth": 3},
    },
}


@pytest.mark.parametrize("name", BODIES)
def test_a_request_keeps_its_meaning(name: str) -> None:
    assert again(BODIES[name]) == BODIES[name]


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


def test_thinking_goes_back_only_to_whom_it_came_from() -> None:
    losses = Losses()
    request = asks(
        user(TextPart("hi")),
        Message(
            "assistant",
            [
                ThinkingPart("mine", signature="s", signed_by="anthropic"),
                ThinkingPart("theirs", signature="s", signed_by="gemini"),
                ThinkingPart("unsigned"),
                ThinkingPart(redacted="x", signed_by="bedrock"),
                ThinkingPart("of Claude on Bedrock", signature="s", signed_by="bedrock"),
                ToolCallPart("a", "f", "{}", signature="s", signed_by="gemini"),
            ],
        ),
        max_tokens=5,
    )

    blocks = encode(request, losses)["messages"][1]["content"]

    assert [block["type"] for block in blocks] == ["thinking", "thinking", "tool_use"]
    assert [block["thinking"] for block in blocks[:2]] == ["mine", "of Claude on Bedrock"]
    assert "dropped messages[*].content[*].signature" in listed(losses)


def test_other_providers_signatures_are_unwrapped_from_where_they_travelled() -> None:
    body = {
        "messages": [
            {"role": "user", "content": "hi"},
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "hm", "signature": "gw1.gemini.abc"},
                    {"type": "text", "text": "so"},
                    {"type": "thinking", "thinking": "", "signature": "gw1.gemini.after:ttt"},
                    {"type": "thinking", "thinking": "", "signature": "gw1.gemini.tool:sss"},
                    {"type": "tool_use", "id": "a", "name": "f", "input": {}},
                    {"type": "redacted_thinking", "data": "gw1.bedrock.rrr"},
                ],
            },
        ]
    }

    parts = decode(body).messages[1].content

    assert [(type(part), part.signature, part.signed_by) for part in parts] == [
        (ThinkingPart, "abc", "gemini"),
        (TextPart, "ttt", "gemini"),
        (ToolCallPart, "sss", "gemini"),
        (ThinkingPart, None, "bedrock"),
    ]
    assert isinstance(parts[3], ThinkingPart)
    assert parts[3].redacted == "rrr"


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


@pytest.mark.parametrize(
    ("model", "thinking", "effort"),
    [
        ("claude-3-5-haiku-20241022", None, None),
        ("claude-3-7-sonnet-20250219", {"type": "enabled", "budget_tokens": 16384}, None),
        ("claude-sonnet-4-20250514", {"type": "enabled", "budget_tokens": 16384}, None),
        ("claude-opus-4-5", {"type": "enabled", "budget_tokens": 16384}, None),
        ("claude-sonnet-4-6", {"type": "adaptive"}, "high"),
        ("claude-opus-4-8", {"type": "adaptive"}, "high"),
        ("claude-next", {"type": "adaptive"}, "high"),
        ("kimi-k2", {"type": "enabled", "budget_tokens": 16384}, None),
    ],
)
def test_effort_takes_the_form_that_the_model_knows(model: str, thinking: Any, effort: Any) -> None:
    body = encode(asks(reasoning=Reasoning(effort="high"), max_tokens=64000, temperature=0.2), model=model)

    assert body.get("thinking") == thinking
    assert body.get("output_config", {}).get("effort") == effort
    assert ("temperature" in body) is (thinking is None)


def test_a_budget_stays_below_max_tokens() -> None:
    body = encode(asks(reasoning=Reasoning(effort="high"), max_tokens=2000))
    assert 1024 <= body["thinking"]["budget_tokens"] < 2000

    body = encode(asks(reasoning=Reasoning(effort="high")))
    assert body["max_tokens"] > body["thinking"]["budget_tokens"]

    losses = Losses()
    assert "thinking" not in encode(asks(reasoning=Reasoning(effort="high"), max_tokens=500), losses)
    assert listed(losses) == ["dropped reasoning.effort"]


def test_thinking_is_not_asked_for_where_the_api_would_refuse_it() -> None:
    forced = asks(reasoning=Reasoning(effort="low"), tools=[Tool("f")], tool_choice=ToolChoice("required"))
    unthought = asks(
        user(TextPart("hi")),
        Message("assistant", [ToolCallPart("a", "f", "{}")]),
        Message("tool", [ToolResultPart("a", [TextPart("1")])]),
        reasoning=Reasoning(effort="low"),
    )

    assert "thinking" not in encode(forced)
    assert "thinking" not in encode(unthought)
    assert encode(asks(reasoning=Reasoning(effort="none")))["thinking"] == {"type": "disabled"}


def test_a_wanted_summary_asks_for_visible_thinking() -> None:
    body = encode(asks(reasoning=Reasoning(effort="low", summary="auto")), model="claude-opus-4-8")

    assert body["thinking"] == {"type": "adaptive", "display": "summarized"}


def test_counting_takes_what_fills_the_context_only() -> None:
    request = decode({**BODIES["everything else"], "max_tokens": None})

    wire = DIALECT.encode_count(request, Target("other"), Losses())

    assert wire.path == "/v1/messages/count_tokens"
    assert set(json.loads(wire.body)) == {"model", "messages", "output_config", "mcp_servers", "context_management"}


@pytest.mark.parametrize(
    ("body", "place"),
    [
        (b"no json", "the body"),
        (b"[]", "the body"),
        ({"messages": {}}, "messages: expected a list, found an object"),
        ({"messages": [1]}, r"messages\[0\]: expected an object, found a number"),
        (
            {"messages": [{"role": "user", "content": 5}]},
            r"messages\[0\].content: expected a string or a list of blocks",
        ),
        ({"messages": [{"role": "user", "content": [{"text": "x"}]}]}, r"messages\[0\].content\[0\].type"),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": 1}]}]}, r"content\[0\].text"),
        ({"max_tokens": "5"}, "max_tokens: expected an integer, found a string"),
        ({"max_tokens": True}, "max_tokens: expected an integer, found a boolean"),
        ({"stream": "yes"}, "stream: expected a boolean"),
        ({"tools": [{"name": 1}]}, r"tools\[0\].name"),
        ({"tool_choice": {"type": 3}}, "tool_choice.type"),
        ({"thinking": {"type": "enabled", "budget_tokens": "x"}}, "thinking.budget_tokens"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(body: Any, place: str) -> None:
    wire = WireRequest(body=body if isinstance(body, bytes) else json.dumps(body))

    with pytest.raises(DialectError, match=place):
        DIALECT.decode_request(wire)


def test_a_client_cannot_forge_the_marks_that_decoding_leaves() -> None:
    body = {**BODIES["plain"], "_version": 5, "_betas": ["x"], "_turn": True}

    wire = DIALECT.encode_request(decode(body), Target("m"), Losses())

    assert wire.headers.get("anthropic-version") == "2023-06-01"
    assert "anthropic-beta" not in wire.headers
