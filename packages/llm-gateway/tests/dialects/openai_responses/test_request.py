from __future__ import annotations

import json
import re
from typing import Any

import pytest

from llm_gateway.dialects.openai_responses import OpenAIResponses
from llm_gateway_sdk.dialect import Headers, Target, WireReply, WireRequest
from llm_gateway_sdk.errors import DialectError
from llm_gateway_sdk.losses import Losses
from llm_gateway_sdk.parts import (
    CacheHint,
    MediaPart,
    OpaquePart,
    RefusalPart,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolResultPart,
)
from llm_gateway_sdk.request import LLMRequest, Message, OpaqueTool, Reasoning, ResponseFormat, Tool, ToolChoice

DIALECT = OpenAIResponses()


def decode(body: Any) -> LLMRequest:
    return DIALECT.decode_request(WireRequest(body=json.dumps({"model": "m", **body}).encode()))[0]


def encode(request: LLMRequest, losses: Losses | None = None, **quirks: Any) -> dict[str, Any]:
    wire = DIALECT.encode_request(request, Target("m", quirks=quirks), losses if losses is not None else Losses())
    body: dict[str, Any] = json.loads(wire.body)
    return body


def again(body: dict[str, Any]) -> dict[str, Any]:
    written = encode(decode(body))
    del written["model"]
    return written


def asked(*messages: Message, **fields: Any) -> LLMRequest:
    return LLMRequest(model="m", messages=list(messages), **fields)


# Reading.


def test_a_string_is_a_message_of_the_user() -> None:
    request = decode({"input": "Hello."})

    assert [(message.role, message.text) for message in request.messages] == [("user", "Hello.")]
    assert again({"input": "Hello."}) == {"input": "Hello."}


def test_instructions_are_the_system_prompt() -> None:
    request = decode({"instructions": "Be brief.", "input": [{"role": "developer", "content": "And kind."}]})

    assert request.system == "Be brief.\n\nAnd kind."
    assert [message.role for message in request.messages] == ["system", "developer"]


def test_items_of_the_model_are_one_assistant_turn() -> None:
    request = decode(
        {
            "input": [
                {"role": "user", "content": "Hi."},
                {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "a"}]},
                {"role": "assistant", "content": "Looking."},
                {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
                {"type": "function_call", "call_id": "c2", "name": "g", "arguments": "not json"},
                {"type": "function_call_output", "call_id": "c1", "output": "1"},
                {"type": "function_call_output", "call_id": "c2", "output": [{"type": "input_text", "text": "2"}]},
            ]
        }
    )

    assert [message.role for message in request.messages] == ["user", "assistant", "tool", "tool"]
    turn = request.messages[1].content
    assert [type(part) for part in turn] == [ThinkingPart, TextPart, ToolCallPart, ToolCallPart]
    assert [part.arguments for part in turn if isinstance(part, ToolCallPart)] == ["{}", "not json"]


def test_a_server_tool_call_stays_in_its_turn() -> None:
    items = [
        {"type": "reasoning", "id": "rs_1", "summary": []},
        {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "x"}},
        {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": []},
    ]

    request = decode({"input": items})

    assert [message.role for message in request.messages] == ["assistant"]
    assert isinstance(request.messages[0].content[1], OpaquePart)
    assert [item["type"] for item in again({"input": items})["input"]] == [item["type"] for item in items]


def test_an_item_without_a_role_keeps_its_place() -> None:
    items = [
        {"role": "user", "content": "a"},
        {"type": "compaction", "id": "cmp_1", "encrypted_content": "x"},
        {"id": "msg_9", "type": "item_reference"},
        {"role": "user", "content": "b"},
    ]

    request = decode({"input": items})

    assert [message.role for message in request.messages] == ["user", "opaque", "opaque", "user"]
    assert again({"input": items}) == {"input": items}


@pytest.mark.parametrize(
    "part",
    [
        {"type": "input_image", "image_url": "https://x/y.png", "detail": "low"},
        {"type": "input_image", "image_url": "data:image/png;base64,QUJD", "detail": "auto"},
        {"type": "input_image", "file_id": "file_1", "detail": "auto"},
        {"type": "input_file", "file_data": "data:application/pdf;base64,QUJD", "filename": "a.pdf"},
        {"type": "input_file", "file_data": "QUJD", "filename": "a.pdf"},
        {"type": "input_file", "file_url": "https://x/a.pdf"},
        {"type": "input_file", "file_id": "file_1"},
        {"type": "input_audio", "input_audio": {"data": "QUJD", "format": "mp3"}},
        {"type": "input_text", "text": "x", "prompt_cache_breakpoint": {"mode": "explicit", "ttl": "12h"}},
        {"type": "input_hologram", "data": 1},
    ],
    ids=lambda part: "-".join(part),
)
def test_content_is_written_as_it_was_read(part: dict[str, Any]) -> None:
    body = {"input": [{"role": "user", "content": [part]}]}

    assert again(body) == body


def test_media_are_what_they_are() -> None:
    image, document, audio = (
        decode({"input": [{"role": "user", "content": [part]}]}).messages[0].content[0]
        for part in (
            {"type": "input_image", "image_url": "data:image/png;base64,QUJD"},
            {"type": "input_file", "file_data": "data:application/pdf;base64,QUJD", "filename": "a.pdf"},
            {"type": "input_audio", "input_audio": {"data": "QUJD", "format": "mp3"}},
        )
    )

    assert isinstance(image, MediaPart)
    assert (image.kind, image.media_type, image.data) == ("image", "image/png", "QUJD")
    assert isinstance(document, MediaPart)
    assert (document.kind, document.name) == ("document", "a.pdf")
    assert isinstance(audio, MediaPart)
    assert (audio.kind, audio.media_type) == ("audio", "audio/mpeg")


@pytest.mark.parametrize(
    "choice",
    [
        "auto",
        "none",
        "required",
        {"type": "function", "name": "f"},
        {"type": "custom", "name": "patch"},
        {"type": "function", "name": "g", "namespace": "ns"},
        {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "f"}, {"type": "mcp"}]},
        {"type": "mcp", "server_label": "x"},
        {"type": "file_search"},
    ],
    ids=str,
)
def test_every_tool_choice_is_written_as_it_was_read(choice: Any) -> None:
    tools = [
        {"type": "function", "name": "f", "parameters": {}},
        {"type": "custom", "name": "patch"},
        {"type": "namespace", "name": "ns", "description": "", "tools": [{"type": "function", "name": "g"}]},
    ]
    body = {"input": "x", "tools": tools, "tool_choice": choice}

    assert again(body) == body


def test_a_tool_choice_names_a_tool_of_a_namespace_by_its_flat_name() -> None:
    tools = [{"type": "namespace", "name": "ns", "description": "", "tools": [{"type": "function", "name": "g"}]}]

    request = decode({"tools": tools, "tool_choice": {"type": "function", "name": "g", "namespace": "ns"}})

    assert request.tool_choice is not None
    assert (request.tool_choice.mode, request.tool_choice.name) == ("tool", "ns__g")


@pytest.mark.parametrize(
    ("namespace", "name"), [(None, "ann@mail.example"), ("of ann", "look"), ("files", "555-12-3456")]
)
def test_a_flat_name_shows_nothing_of_what_is_not_a_name(namespace: str | None, name: str) -> None:
    function = {"type": "function", "name": name}
    of_namespace = {"type": "namespace", "name": namespace, "description": "", "tools": [function]}

    request = decode({"tools": [of_namespace if namespace else function]})

    (tool,) = request.tools
    assert re.fullmatch("tool_[0-9a-f]{10}", tool.name or "")


def test_flat_names_are_valid_and_unique() -> None:
    namespaces = [
        {"type": "namespace", "name": name, "description": "", "tools": [{"type": "function", "name": "g"}]}
        for name in ("ns", "n s", "n.s", "n" * 80, "n" * 81)
    ]
    request = decode({"tools": [{"type": "function", "name": "ns__g"}, *namespaces]})

    names = [tool.name or "" for tool in request.tools]
    assert len(set(names)) == 6
    assert names[0] == "ns__g"
    assert all(0 < len(name) <= 64 and name.replace("_", "").replace("-", "").isalnum() for name in names)
    assert again({"tools": namespaces})["tools"] == namespaces


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"input": 3}, "input: expected a string or a list of items, found a number"),
        ({"input": ["x"]}, "input[0]: expected an object, found a string"),
        ({"input": [{}]}, "input[0]: expected an item with a type or a role"),
        ({"input": [{"role": "user", "content": 1}]}, "input[0].content: expected a string or a list of parts"),
        ({"input": [{"role": "robot", "content": ""}]}, "input[0].role"),
        ({"tools": [{"type": "function"}]}, "tools[0].name: missing"),
        ({"temperature": "hot"}, "temperature: expected a number, found a string"),
        ({"stream": 1}, "stream: expected a boolean, found a number"),
    ],
)
def test_what_is_not_a_request_is_refused_with_its_place(body: dict[str, Any], message: str) -> None:
    with pytest.raises(DialectError) as raised:
        decode(body)

    assert str(raised.value).startswith(message)


# Writing for this provider what a client of another dialect sends.


def test_a_plain_request_of_another_dialect() -> None:
    body = encode(
        asked(
            Message("system", [TextPart("Be brief.")]),
            Message("user", [TextPart("Hi.")]),
            tools=[Tool("f", parameters={"type": "object"})],
            tool_choice=ToolChoice("tool", "f"),
            parallel_tool_calls=False,
            max_tokens=100,
            response_format=ResponseFormat("json_schema", {"type": "object"}),
            stream=True,
        )
    )

    assert body == {
        "model": "m",
        "instructions": "Be brief.",
        "input": [{"role": "user", "content": "Hi."}],
        "tools": [{"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": False}],
        "tool_choice": {"type": "function", "name": "f"},
        "parallel_tool_calls": False,
        "max_output_tokens": 100,
        "text": {"format": {"type": "json_schema", "name": "output", "schema": {"type": "object"}}},
        "store": False,
        "stream": True,
    }


def test_several_system_texts_stay_apart() -> None:
    body = encode(asked(Message("system", [TextPart("a"), TextPart("b")]), Message("user", [TextPart("x")])))

    assert "instructions" not in body
    assert [part["text"] for part in body["input"][0]["content"]] == ["a", "b"]


def test_results_in_a_user_message_are_items_in_their_places() -> None:
    body = encode(
        asked(
            Message("assistant", [ToolCallPart("c1", "f", ""), ToolCallPart("c2", "patch", "x", kind="custom")]),
            Message(
                "user",
                [
                    ToolResultPart("c1", [TextPart("no")], is_error=True),
                    ToolResultPart("c2", [TextPart("see"), MediaPart("image", "image/png", "QUJD")]),
                    TextPart("Go on."),
                ],
            ),
        )
    )

    assert body["input"] == [
        {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
        {"type": "custom_tool_call", "call_id": "c2", "name": "patch", "input": "x"},
        {"type": "function_call_output", "call_id": "c1", "output": "[tool error] no"},
        {
            "type": "custom_tool_call_output",
            "call_id": "c2",
            "output": [
                {"type": "input_text", "text": "see"},
                {"type": "input_image", "detail": "auto", "image_url": "data:image/png;base64,QUJD"},
            ],
        },
        {"role": "user", "content": "Go on."},
    ]


def test_a_failed_result_is_known_again() -> None:
    request = decode({"input": [{"type": "function_call_output", "call_id": "c1", "output": "[tool error] no"}]})

    (result,) = request.messages[0].content
    assert isinstance(result, ToolResultPart)
    assert result.is_error
    assert result.content == [TextPart("no")]


def test_reasoning_of_this_provider_comes_back_through_a_client_of_another_dialect() -> None:
    parts = [ThinkingPart("a"), ThinkingPart("b", signature="gAAA", signed_by="openai_responses"), TextPart("x")]

    body = encode(asked(Message("assistant", list(parts))))

    assert body["input"][0] == {
        "type": "reasoning",
        "summary": [{"type": "summary_text", "text": "a"}, {"type": "summary_text", "text": "b"}],
        "encrypted_content": "gAAA",
    }


@pytest.mark.parametrize(
    "part",
    [
        ThinkingPart("a", signature="s", signed_by="anthropic"),
        ThinkingPart(redacted="d", signed_by="anthropic"),
        ThinkingPart("a"),
    ],
)
def test_reasoning_of_another_provider_is_left_out_and_reported(part: ThinkingPart) -> None:
    losses = Losses()

    body = encode(asked(Message("assistant", [part, TextPart("x")])), losses)

    assert body["input"] == [{"role": "assistant", "content": "x"}]
    assert [loss.kind for loss in losses][:1] == ["dropped"]


def test_what_the_api_has_no_word_for_is_reported() -> None:
    losses = Losses()
    request = asked(
        Message("user", [TextPart("x", cache=CacheHint("5m"))]),
        Message("assistant", [RefusalPart("no")]),
        tools=[OpaqueTool("anthropic", {"type": "web_search_20250305", "name": "web_search"})],
        stop=["END"],
        top_k=3,
        seed=1,
        max_tokens=1,
        service_tier="standard_only",
        provider_metadata={"anthropic": {"container": "c"}},
    )

    body = encode(request, losses)

    assert {(loss.kind, loss.path) for loss in losses} == {
        ("converted", "messages[*].content[*].cache"),
        ("dropped", "tools[*]"),
        ("dropped", "stop"),
        ("dropped", "top_k"),
        ("dropped", "seed"),
        ("clamped", "max_tokens"),
        ("dropped", "container"),
    }
    assert body["input"][0]["content"][0]["prompt_cache_breakpoint"] == {"mode": "explicit"}
    assert body["input"][1]["content"] == [{"type": "refusal", "refusal": "no"}]
    assert body["service_tier"] == "default"
    assert "tools" not in body


def test_several_answers_are_refused() -> None:
    with pytest.raises(DialectError, match="n"):
        encode(asked(Message("user", [TextPart("x")]), n=2))


@pytest.mark.parametrize(
    ("reasoning", "written"),
    [
        (Reasoning(effort="high"), {"effort": "high"}),
        (Reasoning(budget_tokens=2000, enabled=True), {"effort": "low"}),
        (Reasoning(enabled=True, mode="adaptive"), {"effort": "medium"}),
        (Reasoning(effort="low", summary="summarized"), {"effort": "low", "summary": "auto"}),
        (Reasoning(enabled=False), None),
    ],
)
def test_reasoning_is_asked_for_in_words(reasoning: Reasoning, written: dict[str, Any] | None) -> None:
    body = encode(asked(Message("user", [TextPart("x")]), reasoning=reasoning))

    assert body.get("reasoning") == written
    assert ("include" in body) == (written is not None)


def test_a_provider_that_does_not_encrypt_is_not_asked_to() -> None:
    request = asked(Message("user", [TextPart("x")]), reasoning=Reasoning(effort="high"))

    assert "include" not in encode(request, no_encrypted_reasoning=True)


# What can't leave for another dialect.


@pytest.mark.parametrize(
    "body",
    [
        {"previous_response_id": "resp_1", "input": "x"},
        {"conversation": "conv_1", "input": "x"},
        {"prompt": {"id": "pmpt_1"}},
        {"input": [{"type": "item_reference", "id": "msg_1"}]},
        {"input": [{"id": "msg_1"}]},
    ],
    ids=lambda body: next(iter(body)),
)
def test_a_conversation_that_lies_with_the_vendor_is_refused_elsewhere(body: dict[str, Any]) -> None:
    request = decode(body)

    assert again(body) == body
    with pytest.raises(DialectError, match="does not keep"):
        DIALECT.check_portable(request, Losses())


def test_storing_is_a_loss_only_where_it_was_asked_for() -> None:
    silent, asked_for = Losses(), Losses()

    DIALECT.check_portable(decode({"input": "x"}), silent)
    DIALECT.check_portable(decode({"input": "x", "store": True, "truncation": "auto"}), asked_for)

    assert not silent
    assert [loss.path for loss in asked_for] == ["store", "truncation"]


def test_what_only_this_api_knows_is_reported_elsewhere() -> None:
    losses = Losses()
    namespace = {"type": "namespace", "name": "ns", "description": "d", "tools": [{"type": "function", "name": "g"}]}
    body = {
        "input": "x",
        "text": {"format": {"type": "grammar", "definition": "x"}},
        "reasoning": {"effort": "low", "context": "all_turns"},
        "tools": [namespace],
        "include": ["reasoning.encrypted_content", "web_search_call.results"],
        "stream_options": {"include_obfuscation": False},
        "max_tool_calls": 3,
    }

    DIALECT.check_portable(decode(body), losses)

    assert again(body) == body
    assert {(loss.kind, loss.path) for loss in losses} == {
        ("dropped", "max_tool_calls"),
        ("dropped", "text.format"),
        ("dropped", "reasoning.context"),
        ("converted", "tools[*]"),
        ("dropped", "tools[*].description"),
        ("dropped", "include"),
    }


# Counting.


def test_a_count_asks_with_what_counts() -> None:
    request = decode(
        {"input": "x", "instructions": "y", "max_output_tokens": 99, "stream": True, "store": False, "user": "u"}
    )

    wire = DIALECT.encode_count(request, Target("m"), Losses())

    assert wire.path == "/responses/input_tokens"
    assert json.loads(wire.body) == {"model": "m", "instructions": "y", "input": "x"}


def test_a_count_is_read() -> None:
    assert DIALECT.decode_count(WireReply(body=b'{"object":"response.input_tokens","input_tokens":11}')) == 11
    for body in (b"{}", b"[]", b"x"):
        with pytest.raises(DialectError):
            DIALECT.decode_count(WireReply(200, Headers(), body))
