"""generateContent requests, read and written."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from llm_gateway_gemini import Gemini
from llm_gateway_gemini.request import GeminiEcho

from llm_gateway_sdk import (
    CacheHint,
    DialectError,
    LLMRequest,
    Losses,
    MediaPart,
    Message,
    OpaqueTool,
    Part,
    ResponseFormat,
    Target,
    TextPart,
    ThinkingPart,
    Tool,
    ToolCallPart,
    ToolChoice,
    ToolResultPart,
    WireReply,
    WireRequest,
)

GEMINI = Gemini()


def read(body: Any, path: str = "/v1beta/models/gemini-3-pro:generateContent", query: str = "") -> LLMRequest:
    return GEMINI.decode_request(WireRequest("POST", path, query, body=json.dumps(body).encode()))[0]


def write(request: LLMRequest, model: str = "gemini-3-pro", losses: Losses | None = None, **quirks: Any) -> Any:
    target = Target(model, quirks=quirks)
    return json.loads(GEMINI.encode_request(request, target, losses if losses is not None else Losses()).body)


def ask(*messages: Message, **fields: Any) -> LLMRequest:
    return LLMRequest("m", list(messages) or [Message("user", [TextPart("Hello")])], **fields)


def reported(losses: Losses) -> list[str]:
    return [f"{loss.kind} {loss.path}" for loss in losses]


def test_model_and_stream_are_in_the_path() -> None:
    wire = WireRequest("POST", "/v1beta/models/gemini-3-pro:streamGenerateContent", "alt=sse", body=b'{"contents": []}')

    request, echo = GEMINI.decode_request(wire)

    assert (request.model, request.stream) == ("gemini-3-pro", True)
    assert isinstance(echo, GeminiEcho)
    assert echo.sse
    assert GEMINI.peek(wire) == ("gemini-3-pro", True)


def test_a_streaming_request_goes_to_the_streaming_method() -> None:
    wire = GEMINI.encode_request(ask(stream=True), Target("gemini-3-pro"), Losses())

    assert (wire.path, wire.query) == ("/models/gemini-3-pro:streamGenerateContent", "alt=sse")


def test_retargeting_changes_the_path_and_the_models_name_within_counting_bodies() -> None:
    body = b'{"generateContentRequest": {"model": "models/a", "contents": []}}'
    wire = WireRequest("POST", "/v1beta/models/a:countTokens", "", body=body)

    sent = GEMINI.retarget(wire, Target("tunedModels/b"))

    assert sent.path == "/tunedModels/b:countTokens"
    assert json.loads(sent.body)["generateContentRequest"]["model"] == "tunedModels/b"
    plain = WireRequest(
        "POST", "/v1beta/models/a:generateContent", "", body=b'{"contents":[{"parts":[{"text":"1e5"}]}]}'
    )
    assert GEMINI.retarget(plain, Target("b")).body is plain.body


def test_snake_case_is_read_and_written_back_as_it_was_spelled() -> None:
    body = {
        "system_instruction": {"parts": [{"text": "Be brief."}]},
        "contents": [{"role": "user", "parts": [{"inline_data": {"mime_type": "image/png", "data": "AAAA"}}]}],
        "tools": [{"function_declarations": [{"name": "f", "parameters_json_schema": {"my_key": {"x_y": 1}}}]}],
        "generationConfig": {"thinkingConfig": {"thinking_budget": 100}, "stop_sequences": ["x_y"]},
    }

    request = read(body)

    assert request.system == "Be brief."
    assert request.reasoning is not None
    assert request.reasoning.budget_tokens == 100
    assert write(request) == body


def test_system_messages_become_the_instruction_part_by_part() -> None:
    request = ask(
        Message("system", [TextPart("One."), TextPart("Two.")]),
        Message("developer", [TextPart("Three.")]),
        Message("user", [TextPart("Hello")]),
    )

    body = write(request)

    assert body["systemInstruction"] == {"parts": [{"text": "One."}, {"text": "Two."}, {"text": "Three."}]}
    assert len(body["contents"]) == 1


def test_instructions_alone_go_with_an_empty_turn() -> None:
    assert write(ask(Message("system", [TextPart("Speak.")])))["contents"] == [
        {"role": "user", "parts": [{"text": ""}]}
    ]


def test_a_turn_without_text_is_an_empty_turn() -> None:
    assert write(ask(Message("user", [])))["contents"] == [{"role": "user", "parts": [{"text": ""}]}]


def test_a_system_turn_within_the_conversation_becomes_the_users() -> None:
    losses = Losses()
    body = write(ask(Message("user", [TextPart("a")]), Message("system", [TextPart("b")])), losses=losses)

    assert body["contents"][1] == {"role": "user", "parts": [{"text": "b"}]}
    assert reported(losses) == ["converted messages[*].role"]


def test_all_results_of_a_turn_are_in_one_content_and_their_names_are_found() -> None:
    body = write(
        ask(
            Message("assistant", [ToolCallPart("1", "a", "{}"), ToolCallPart("2", "b", '{"x": 1}')]),
            Message("tool", [ToolResultPart("1", [TextPart("one")])]),
            Message("tool", [ToolResultPart("2", [TextPart("two")], is_error=True)]),
            Message("user", [TextPart("Go on.")]),
        ),
        model="gemini-2.5-pro",
    )

    assert body["contents"][1:] == [
        {
            "role": "user",
            "parts": [
                {"functionResponse": {"name": "a", "id": "1", "response": {"output": "one"}}},
                {"functionResponse": {"name": "b", "id": "2", "response": {"error": "two"}}},
            ],
        },
        {"role": "user", "parts": [{"text": "Go on."}]},
    ]


def test_results_before_other_content_of_one_user_turn_are_distinguished() -> None:
    content: list[Part] = [TextPart("Look:"), ToolResultPart("1", [TextPart("one")], name="a")]

    body = write(ask(Message("user", content)))

    assert [list(part) for entry in body["contents"] for part in entry["parts"]] == [["functionResponse"], ["text"]]


def test_an_image_in_a_result_moves_after_the_last_result_where_the_model_takes_none() -> None:
    request = ask(
        Message("assistant", [ToolCallPart("1", "a", "{}"), ToolCallPart("2", "b", "{}")]),
        Message("tool", [ToolResultPart("1", [TextPart("see"), MediaPart("image", "image/png", "AAAA")])]),
        Message("tool", [ToolResultPart("2", [TextPart("two")])]),
    )
    losses = Losses()

    old = write(request, "gemini-2.5-pro", losses)["contents"]
    new = write(request, "gemini-3-pro")["contents"]

    assert [len(content["parts"]) for content in old] == [2, 2, 2]
    assert old[2]["parts"][0]["text"] == "[content of tool result 1]"
    assert old[2]["parts"][1]["inlineData"] == {"mimeType": "image/png", "data": "AAAA"}
    assert "converted messages[*].results[*].content[*]" in reported(losses)
    assert new[1]["parts"][0]["functionResponse"]["parts"] == [
        {"inlineData": {"mimeType": "image/png", "data": "AAAA"}}
    ]


def test_calls_without_ids_get_stable_ones_and_results_are_matched_by_name() -> None:
    body = {
        "contents": [
            {"role": "model", "parts": [{"functionCall": {"name": "a", "args": {}}}, {"functionCall": {"name": "b"}}]},
            {
                "role": "user",
                "parts": [
                    {"functionResponse": {"name": "b", "response": {"result": "two"}}},
                    {"functionResponse": {"name": "a", "response": {"x": 1, "y": 2}}},
                ],
            },
        ]
    }

    first, second = read(body), read(body)

    calls = {part.name: part.id for part in first.messages[0].tool_calls}
    results = [part for part in first.messages[1].content if isinstance(part, ToolResultPart)]
    assert [part.tool_call_id for part in results] == [calls["b"], calls["a"]]
    assert len(set(calls.values())) == 2
    assert first == second
    assert write(first) == body


def test_a_result_that_is_plain_text_loses_its_wrapping_and_an_error_is_one() -> None:
    parts = [
        {"functionResponse": {"name": "a", "response": {"error": "no"}}},
        {"functionResponse": {"name": "a", "response": {"output": "yes"}}},
        {"functionResponse": {"name": "a", "response": {"rows": [1, 2]}}},
    ]

    message = read({"contents": [{"role": "user", "parts": parts}]}).messages[0]

    results = [part for part in message.content if isinstance(part, ToolResultPart)]
    assert [(part.content[0].text, part.is_error) for part in results if isinstance(part.content[0], TextPart)] == [
        ("no", True),
        ("yes", False),
        ('{"rows":[1,2]}', False),
    ]


def test_schemas_of_gemini_are_read_as_json_schema() -> None:
    declaration = {
        "name": "f",
        "parameters": {
            "type": "OBJECT",
            "properties": {"type": {"type": "STRING", "nullable": True}, "n": {"any_of": [{"type": "INTEGER"}]}},
            "required": ["type"],
        },
    }

    request = read({"contents": [], "tools": [{"functionDeclarations": [declaration]}]})

    tool = request.tools[0]
    assert isinstance(tool, Tool)
    assert tool.parameters == {
        "type": "object",
        "properties": {"type": {"type": ["string", "null"]}, "n": {"anyOf": [{"type": "integer"}]}},
        "required": ["type"],
    }
    assert write(request)["tools"] == [{"functionDeclarations": [declaration]}]


def test_an_edited_schema_is_written_as_json_schema() -> None:
    declaration = {"name": "f", "parameters": {"type": "OBJECT", "properties": {}}}
    request = read({"contents": [], "tools": [{"functionDeclarations": [declaration]}]})
    tool = request.tools[0]
    assert isinstance(tool, Tool)
    tool.parameters = {"type": "object", "properties": {"x": {"type": "string"}}}

    assert write(request)["tools"][0]["functionDeclarations"][0] == {
        "name": "f",
        "parametersJsonSchema": tool.parameters,
    }


def test_foreign_tools_go_as_json_schema_or_as_the_subset_on_request() -> None:
    schema = {"$schema": "x", "type": "object", "properties": {"a": {"type": ["string", "null"]}}}
    request = ask(tools=[Tool("f", "Does it.", schema), Tool("g")])

    usual = write(request)["tools"][0]["functionDeclarations"]
    subset = write(request, schema="openapi")["tools"][0]["functionDeclarations"]

    assert usual[0]["parametersJsonSchema"] == {"type": "object", "properties": {"a": {"type": ["string", "null"]}}}
    assert usual[1] == {"name": "g"}
    assert subset[0]["parameters"] == {"type": "OBJECT", "properties": {"a": {"type": "STRING", "nullable": True}}}


def test_own_server_tools_stay_and_foreign_ones_are_reported_as_lost() -> None:
    request = read({"contents": [], "tools": [{"googleSearch": {}, "functionDeclarations": [{"name": "f"}]}]})
    request.tools.append(OpaqueTool("anthropic", {"type": "web_search_20250305"}, "web_search"))
    losses = Losses()

    body = write(request, losses=losses)

    assert body["tools"] == [{"googleSearch": {}}, {"functionDeclarations": [{"name": "f"}]}]
    assert reported(losses) == ["dropped tools[*]"]


@pytest.mark.parametrize(
    ("config", "choice"),
    [
        ({"mode": "AUTO"}, ToolChoice("auto")),
        ({"mode": "NONE"}, ToolChoice("none")),
        ({"mode": "ANY"}, ToolChoice("required", allowed_mode="required")),
        ({"mode": "ANY", "allowedFunctionNames": ["f"]}, ToolChoice("tool", "f", allowed_mode="required")),
        (
            {"mode": "ANY", "allowedFunctionNames": ["f", "g"]},
            ToolChoice("allowed", names=["f", "g"], allowed_mode="required"),
        ),
        ({"mode": "VALIDATED", "allowedFunctionNames": ["f"]}, ToolChoice("allowed", names=["f"])),
    ],
)
def test_tool_choices_are_read_and_written(config: Any, choice: ToolChoice) -> None:
    request = read({"contents": [], "toolConfig": {"functionCallingConfig": config}})

    got = request.tool_choice
    assert got is not None
    assert (got.mode, got.name, got.names, got.allowed_mode) == (
        choice.mode,
        choice.name,
        choice.names,
        choice.allowed_mode,
    )
    assert write(request)["toolConfig"] == {"functionCallingConfig": config}
    assert write(ask(tools=[Tool("f")], tool_choice=choice))["toolConfig"] == {"functionCallingConfig": config}


def test_naming_every_function_is_naming_none() -> None:
    body = {
        "contents": [],
        "tools": [{"functionDeclarations": [{"name": "f"}, {"name": "g"}]}],
        "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["g", "f"]}},
    }

    request = read(body)

    assert request.tool_choice is not None
    assert (request.tool_choice.mode, request.tool_choice.names) == ("required", [])
    assert write(request) == body


def test_an_output_schema_arrives_in_its_own_field() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}

    config = write(ask(response_format=ResponseFormat("json_schema", schema)))["generationConfig"]

    assert config == {"responseMimeType": "application/json", "responseJsonSchema": schema}


def test_settings_without_a_field_stay_in_the_metadata_and_come_back() -> None:
    body = {
        "contents": [{"role": "user", "parts": [{"text": "a", "videoMetadata": {"fps": 1}}]}],
        "safetySettings": [{"category": "HARM_CATEGORY_HATE_SPEECH", "threshold": "BLOCK_NONE"}],
        "cachedContent": "cachedContents/x",
        "generationConfig": {"mediaResolution": "MEDIA_RESOLUTION_LOW", "responseModalities": ["TEXT"]},
        "toolConfig": {"includeServerSideToolInvocations": True},
    }

    assert write(read(body)) == body


def test_what_gemini_cannot_say_is_reported() -> None:
    losses = Losses()
    text = TextPart("Hello", cache=CacheHint())
    request = ask(
        Message("user", [text, MediaPart("image", file_id="file-123")]),
        tools=[Tool("f", cache=CacheHint(), strict=True)],
        user="u",
        metadata={"a": "b"},
        parallel_tool_calls=False,
        provider_metadata={"openai_chat": {"logit_bias": {"1": 1}, "_private": 1}},
    )

    write(request, losses=losses)

    assert sorted(reported(losses)) == [
        "dropped logit_bias",
        "dropped messages[*].content[*].cache",
        "dropped messages[*].content[*].file_id",
        "dropped metadata",
        "dropped parallel_tool_calls",
        "dropped tools[*].cache",
        "dropped tools[*].strict",
        "dropped user",
    ]


def test_arguments_that_are_no_object_stay_reachable() -> None:
    losses = Losses()
    calls = [
        ToolCallPart("1", "f", '{"broken'),
        ToolCallPart("2", "g", "free text", kind="custom"),
        ToolCallPart("3", "h"),
    ]

    parts = write(ask(Message("assistant", list(calls))), losses=losses)["contents"][0]["parts"]

    assert [part["functionCall"]["args"] for part in parts] == [{"arguments": '{"broken'}, {"input": "free text"}, {}]
    assert reported(losses) == ["converted messages[*].content[*].arguments"]


def test_media_come_by_data_by_address_and_by_file() -> None:
    pdf = "https://generativelanguage.googleapis.com/v1beta/files/abc"
    body = {
        "contents": [
            {
                "role": "user",
                "parts": [
                    {"inlineData": {"mimeType": "image/png", "data": "-_8="}},
                    {"fileData": {"mimeType": "video/mp4", "fileUri": "https://youtu.be/x"}},
                    {"fileData": {"mimeType": "application/pdf", "fileUri": pdf}},
                ],
            }
        ]
    }

    image, video, document = read(body).messages[0].content

    assert isinstance(image, MediaPart)
    assert (image.kind, image.data) == ("image", "+/8=")
    assert isinstance(video, MediaPart)
    assert (video.kind, video.url) == ("video", "https://youtu.be/x")
    assert isinstance(document, MediaPart)
    assert (document.kind, document.file_id, document.url) == ("document", pdf, None)


def test_reasoning_of_other_providers_stays_a_thought_and_never_becomes_text() -> None:
    content = [
        ThinkingPart("hm", signature="s", signed_by="anthropic"),
        ThinkingPart(redacted="x", signed_by="anthropic"),
    ]

    body = write(ask(Message("user", [TextPart("a")]), Message("assistant", [*content, TextPart("b")])))

    assert body["contents"][1]["parts"] == [{"text": "hm", "thought": True}, {"text": "b"}]


def test_counting_takes_the_whole_request() -> None:
    request = ask(Message("system", [TextPart("s")]), Message("user", [TextPart("a")]), tools=[Tool("f")], max_tokens=9)

    wire = GEMINI.encode_count(request, Target("gemini-3-pro"), Losses())

    inner = json.loads(wire.body)["generateContentRequest"]
    assert wire.path == "/models/gemini-3-pro:countTokens"
    assert inner["model"] == "models/gemini-3-pro"
    assert {"systemInstruction", "contents", "tools"} <= inner.keys()
    assert "generationConfig" not in inner
    assert GEMINI.decode_count(WireReply(body=b'{"totalTokens": 31}')) == 31


def test_a_counting_request_is_read_like_any_other() -> None:
    body = {"generateContentRequest": {"model": "models/x", "contents": [{"parts": [{"text": "a"}]}]}}

    request = read(body, "/v1beta/models/x:countTokens")

    assert (request.model, request.stream, request.messages[0].text) == ("x", False, "a")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"contents": "x"}, "contents: expected a list, found a string"),
        ({"contents": [{"parts": [{"text": 5}]}]}, "contents[0].parts[0].text: expected a string, found a number"),
        (
            {"contents": [{"parts": [{"functionCall": {"name": "f", "args": "x"}}]}]},
            "contents[0].parts[0].functionCall.args: expected an object, found a string",
        ),
        ({"generationConfig": {"temperature": "hot"}}, "generationConfig.temperature: expected a number"),
        ({"tools": [{"functionDeclarations": [{}]}]}, "tools[0].functionDeclarations[0].name: expected a string"),
    ],
)
def test_a_wrong_type_is_refused_with_its_place(body: Any, message: str) -> None:
    with pytest.raises(DialectError) as caught:
        read(body)

    assert str(caught.value).startswith(message)


def test_a_call_of_another_provider_that_comes_back_gets_the_placeholder() -> None:
    """A Gemini client keeps the mark that the gateway put on the call, and gives it to Gemini."""
    mark = base64.b64encode(b"gw1.unsigned.").decode()
    call = {"functionCall": {"id": "toolu_1", "name": "f", "args": {}}}
    answer = {"functionResponse": {"id": "toolu_1", "name": "f", "response": {"output": "x"}}}
    contents = [
        {"role": "user", "parts": [{"text": "go"}]},
        {"role": "model", "parts": [{**call, "thoughtSignature": mark}, call]},
        {"role": "user", "parts": [answer, answer]},
    ]

    body = write(read({"contents": contents}))

    first, second = body["contents"][1]["parts"]
    assert base64.b64decode(first["thoughtSignature"]) == b"context_engineering_is_the_way_to_go"
    assert "thoughtSignature" not in second
