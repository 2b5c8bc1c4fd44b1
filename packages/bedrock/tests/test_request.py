"""Converse requests, read and written."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from llm_gateway_bedrock import Bedrock

from llm_gateway_sdk import (
    CacheHint,
    DialectError,
    LLMRequest,
    Losses,
    MediaPart,
    Message,
    OpaqueTool,
    Part,
    Reasoning,
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

BEDROCK = Bedrock()
CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
NEW_CLAUDE = "anthropic.claude-opus-4-7-v1"
OLD_CLAUDE = "anthropic.claude-3-sonnet-20240229-v1:0"
NOVA = "us.amazon.nova-micro-v1:0"
LLAMA = "meta.llama3-70b-instruct-v1:0"

USER = Message("user", [TextPart("Hello")])


def write(request: LLMRequest, model: str = CLAUDE, losses: Losses | None = None, **quirks: Any) -> Any:
    losses = Losses() if losses is None else losses
    body = json.loads(BEDROCK.encode_request(request, Target(model, quirks=quirks), losses).body)
    assert_valid(body, model)
    return body


def ask(*messages: Message, **fields: Any) -> LLMRequest:
    return LLMRequest("m", list(messages) or [USER], **fields)


def reported(losses: Losses) -> list[str]:
    return [f"{loss.kind} {loss.path}" for loss in losses]


def assert_valid(body: Any, model: str) -> None:
    """The service model itself judges: types, required members, least lengths, unions."""
    botocore_session = pytest.importorskip("botocore.session")
    validate = pytest.importorskip("botocore.validate")
    client_model = botocore_session.Session().get_service_model("bedrock-runtime")
    shape = client_model.operation_model("Converse").input_shape
    report = validate.ParamValidator().validate({"modelId": model, **_with_bytes(body)}, shape)
    assert not report.has_errors(), report.generate_report()


def _with_bytes(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: base64.b64decode(inner) if key in ("bytes", "redactedContent") else _with_bytes(inner)
            for key, inner in value.items()
        }
    return [_with_bytes(inner) for inner in value] if isinstance(value, list) else value


def test_the_model_is_quoted_in_the_path() -> None:
    arn = "arn:aws:bedrock:eu-west-1:123456789012:application-inference-profile/abc"

    whole = BEDROCK.encode_request(ask(), Target(CLAUDE), Losses())
    stream = BEDROCK.encode_request(ask(stream=True), Target(arn), Losses())

    assert whole.path == "/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse"
    assert stream.path == f"/model/{arn.replace(':', '%3A').replace('/', '%2F')}/converse-stream"
    assert BEDROCK.peek(stream) == (arn, True)
    assert BEDROCK.retarget(stream, Target(NOVA)).path == "/model/us.amazon.nova-micro-v1%3A0/converse-stream"


def test_neighbours_of_one_role_are_one_message_with_the_results_first() -> None:
    body = write(
        ask(
            USER,
            Message("assistant", [TextPart("Wait."), ToolCallPart("1", "f", '{"a": 1}'), ToolCallPart("2", "g", "")]),
            Message("tool", [ToolResultPart("1", [TextPart("one")])]),
            Message("tool", [ToolResultPart("2", [TextPart("two")], is_error=True)]),
            Message("user", [TextPart("Go on.")]),
            tools=[Tool("f"), Tool("g")],
        )
    )

    assert [message["role"] for message in body["messages"]] == ["user", "assistant", "user"]
    assert body["messages"][2]["content"] == [
        {"toolResult": {"toolUseId": "1", "content": [{"text": "one"}]}},
        {"toolResult": {"toolUseId": "2", "content": [{"text": "two"}], "status": "error"}},
        {"text": "Go on."},
    ]
    assert body["messages"][1]["content"][2]["toolUse"] == {"toolUseId": "2", "name": "g", "input": {}}


def test_cache_hints_become_cache_points_after_what_they_end() -> None:
    hint = CacheHint(ttl="1h")
    document = MediaPart("document", "application/pdf", "AAAA", cache=CacheHint(ttl="5m"))
    body = write(
        ask(
            Message("system", [TextPart("a"), TextPart("b", cache=hint)]),
            Message("user", [TextPart("Read:"), document, TextPart("now", cache=CacheHint())]),
            tools=[Tool("f", cache=CacheHint())],
        )
    )

    assert body["system"] == [{"text": "a"}, {"text": "b"}, {"cachePoint": {"type": "default", "ttl": "1h"}}]
    assert [next(iter(block)) for block in body["messages"][0]["content"]] == [
        "text", "document", "text", "cachePoint", "text", "cachePoint",
    ]  # fmt: skip
    assert list(body["toolConfig"]["tools"][1]) == ["cachePoint"]


def test_a_model_that_does_not_cache_is_not_asked_to() -> None:
    losses = Losses()
    body = write(
        ask(Message("user", [TextPart("a", cache=CacheHint())]), tools=[Tool("f", cache=CacheHint())]), LLAMA, losses
    )

    assert "cachePoint" not in json.dumps(body)
    assert reported(losses) == ["dropped messages[*].content[*].cache", "dropped tools[*].cache"]


def test_a_hint_for_the_whole_request_ends_the_conversation() -> None:
    body = write(ask(cache=CacheHint()))

    assert body["messages"][0]["content"] == [{"text": "Hello"}, {"cachePoint": {"type": "default"}}]


def test_cache_points_are_read_back_as_hints() -> None:
    body = {
        "messages": [{"role": "user", "content": [{"text": "a"}, {"cachePoint": {"type": "default", "ttl": "5m"}}]}],
        "toolConfig": {
            "tools": [{"toolSpec": {"name": "f", "inputSchema": {"json": {}}}}, {"cachePoint": {"type": "default"}}]
        },
    }

    wire = WireRequest("POST", f"/model/{CLAUDE}/converse", body=json.dumps(body).encode())
    request, _ = BEDROCK.decode_request(wire)

    assert request.messages[0].content[0].cache is not None
    assert request.messages[0].content[0].cache.ttl == "5m"
    assert request.tools[0].cache is not None
    assert write(request) == body


def test_documents_get_names_that_are_allowed_and_their_own() -> None:
    names = ("Q1/Q2 report.pdf", "Q1/Q2 report.pdf", None)
    content = [MediaPart("document", "application/pdf", "AAAA", name=name) for name in names]

    blocks = write(ask(Message("user", [TextPart("Read."), *content])))["messages"][0]["content"]

    assert [block["document"]["name"] for block in blocks[1:]] == ["Q1 Q2 report", "Q1 Q2 report (2)", "Document 3"]


def test_a_document_never_comes_without_a_text() -> None:
    losses = Losses()

    content = write(ask(Message("user", [MediaPart("document", text="plain")])), losses=losses)["messages"][0][
        "content"
    ]

    assert [next(iter(block)) for block in content] == ["text", "document"]
    assert content[1]["document"] == {
        "format": "txt",
        "name": "Document 1",
        "source": {"bytes": base64.b64encode(b"plain").decode()},
    }
    assert reported(losses) == ["converted messages[*].content"]


@pytest.mark.parametrize(
    ("part", "message"),
    [
        (MediaPart("image", url="https://a.example/x.png"), "not an address"),
        (MediaPart("image", "image/tiff", "AAAA"), "no image of type 'image/tiff'"),
        (MediaPart("document", "application/pdf", file_id="file-1"), "not a file of another vendor"),
    ],
)
def test_media_that_converse_cannot_take_are_refused_and_not_dropped(part: MediaPart, message: str) -> None:
    with pytest.raises(DialectError, match=message):
        write(ask(Message("user", [part])))


def test_images_go_as_bytes_or_from_s3() -> None:
    content = [
        MediaPart("image", "image/jpg", "AAAA"),
        MediaPart("image", url="s3://bucket/x.webp"),
    ]

    blocks = write(ask(Message("user", list(content))))["messages"][0]["content"]

    assert blocks == [
        {"image": {"format": "jpeg", "source": {"bytes": "AAAA"}}},
        {"image": {"format": "webp", "source": {"s3Location": {"uri": "s3://bucket/x.webp"}}}},
    ]


def test_a_choice_of_no_tool_leaves_them_out_or_asks_in_words() -> None:
    losses = Losses()
    none = ToolChoice("none")
    called = Message("assistant", [ToolCallPart("1", "f", "{}")])
    answered = Message("tool", [ToolResultPart("1", [TextPart("x")])])

    fresh = write(ask(tools=[Tool("f")], tool_choice=none), losses=losses)
    later = write(ask(USER, called, answered, tools=[Tool("f")], tool_choice=none))

    assert "toolConfig" not in fresh
    assert reported(losses) == ["converted tool_choice"]
    assert "toolChoice" not in later["toolConfig"]
    assert later["system"] == [{"text": "Answer without calling any tool."}]


def test_calls_in_the_history_want_their_tools_declared() -> None:
    losses = Losses()
    called = Message("assistant", [ToolCallPart("1", "f", "{}")])

    body = write(ask(USER, called, Message("tool", [ToolResultPart("1", [TextPart("x")])])), losses=losses)

    assert [tool["toolSpec"]["name"] for tool in body["toolConfig"]["tools"]] == ["f"]
    assert reported(losses) == ["converted tools"]


@pytest.mark.parametrize(
    ("choice", "expected", "names"),
    [
        (ToolChoice("auto"), {"auto": {}}, ["f", "g"]),
        (ToolChoice("required"), {"any": {}}, ["f", "g"]),
        (ToolChoice("tool", "g"), {"tool": {"name": "g"}}, ["f", "g"]),
        (ToolChoice("allowed", names=["g"], allowed_mode="required"), {"any": {}}, ["g"]),
        (ToolChoice("allowed", names=["g"]), {"auto": {}}, ["g"]),
    ],
)
def test_tool_choices(choice: ToolChoice, expected: Any, names: list[str]) -> None:
    config = write(ask(tools=[Tool("f"), Tool("g", "")], tool_choice=choice))["toolConfig"]

    assert config["toolChoice"] == expected
    assert [tool["toolSpec"]["name"] for tool in config["tools"]] == names


def test_foreign_tools_are_reported_as_lost_and_custom_ones_become_functions() -> None:
    losses = Losses()
    tools = [OpaqueTool("anthropic", {"type": "web_search_20250305"}), Tool("shell", kind="custom")]

    config = write(ask(tools=list(tools)), losses=losses)["toolConfig"]

    assert list(config["tools"][0]["toolSpec"]["inputSchema"]["json"]["properties"]) == ["input"]
    assert reported(losses) == ["dropped tools[*]", "converted tools[*]"]


def test_ids_that_bedrock_refuses_are_changed_alike_on_both_sides() -> None:
    identity = "call_1|fc_" + "x" * 80
    body = write(
        ask(
            USER,
            Message("assistant", [ToolCallPart(identity, "f", "{}")]),
            Message("tool", [ToolResultPart(identity, [TextPart("x")])]),
            tools=[Tool("f")],
        )
    )

    call = body["messages"][1]["content"][0]["toolUse"]["toolUseId"]
    assert call == body["messages"][2]["content"][0]["toolResult"]["toolUseId"]
    assert len(call) <= 64
    assert "|" not in call


@pytest.mark.parametrize(
    ("model", "reasoning", "thinking", "effort"),
    [
        (CLAUDE, Reasoning(effort="high"), {"type": "enabled", "budget_tokens": 16384}, None),
        (CLAUDE, Reasoning(enabled=True, budget_tokens=2000), {"type": "enabled", "budget_tokens": 2000}, None),
        (CLAUDE, Reasoning(enabled=True, mode="adaptive"), {"type": "enabled", "budget_tokens": 8192}, None),
        (CLAUDE, Reasoning(enabled=False), None, None),
        (NEW_CLAUDE, Reasoning(effort="low"), {"type": "adaptive"}, "low"),
        (NEW_CLAUDE, Reasoning(budget_tokens=30000, enabled=True), {"type": "adaptive"}, "high"),
        (NEW_CLAUDE, Reasoning(effort="none"), {"type": "disabled"}, None),
        (OLD_CLAUDE, Reasoning(effort="low"), None, None),
    ],
)
def test_claude_is_asked_to_think_as_its_version_takes_it(
    model: str, reasoning: Reasoning, thinking: Any, effort: str | None
) -> None:
    body = write(ask(reasoning=reasoning), model)

    assert body.get("additionalModelRequestFields", {}).get("thinking") == thinking
    assert body.get("outputConfig", {}).get("effort") == effort


@pytest.mark.parametrize(
    ("model", "fields"),
    [
        ("openai.gpt-oss-120b-1:0", {"reasoning_effort": "low"}),
        ("qwen.qwen3-32b-v1:0", {"reasoning_config": "low"}),
        ("amazon.nova-2-lite-v1:0", {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "low"}}),
    ],
)
def test_other_families_have_their_own_words(model: str, fields: Any) -> None:
    assert write(ask(reasoning=Reasoning(effort="low")), model)["additionalModelRequestFields"] == fields


def test_thinking_gives_way_where_a_tool_must_be_called_and_takes_sampling_with_it() -> None:
    losses = Losses()
    request = ask(tools=[Tool("f")], tool_choice=ToolChoice("required"), reasoning=Reasoning(effort="low"))
    sampled = ask(reasoning=Reasoning(effort="low"), temperature=0.5, top_k=5, max_tokens=4000)

    forced = write(request, losses=losses)
    thought = write(sampled, losses=losses)

    assert "additionalModelRequestFields" not in forced
    assert thought["inferenceConfig"] == {"maxTokens": 4000}
    assert reported(losses) == [
        "dropped reasoning", "converted reasoning.effort", "dropped temperature", "dropped top_k",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("model", "fields", "config", "losses"),
    [
        (CLAUDE, {"temperature": 1.5}, {"temperature": 1}, ["clamped temperature"]),
        (CLAUDE, {"temperature": 0.5, "top_p": 0.9}, {"temperature": 0.5}, ["dropped top_p"]),
        (NOVA, {"temperature": 0.5, "top_p": 0.9}, {"temperature": 0.5, "topP": 0.9}, []),
        (NEW_CLAUDE, {"temperature": 0.5, "max_tokens": 9}, {"maxTokens": 9}, ["dropped temperature"]),
        (LLAMA, {"seed": 1, "stop": ["x"]}, {"stopSequences": ["x"]}, ["dropped seed"]),
    ],
)
def test_sampling_goes_as_far_as_the_model_takes_it(model: str, fields: Any, config: Any, losses: list[str]) -> None:
    found = Losses()

    assert write(ask(**fields), model, found)["inferenceConfig"] == config
    assert reported(found) == losses


def test_top_k_has_a_place_of_each_family() -> None:
    assert write(ask(top_k=5))["additionalModelRequestFields"] == {"top_k": 5}
    assert write(ask(top_k=5), NOVA)["additionalModelRequestFields"] == {"inferenceConfig": {"topK": 5}}


def test_an_output_schema_goes_natively_or_in_words() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    format = ResponseFormat("json_schema", schema, "answer")

    new = write(ask(response_format=format))
    old = write(ask(response_format=format), NOVA)
    mode = write(ask(response_format=ResponseFormat("json_object")))

    definition = new["outputConfig"]["textFormat"]["structure"]["jsonSchema"]
    assert (json.loads(definition["schema"]), definition["name"]) == (schema, "answer")
    assert json.loads(old["system"][0]["text"].partition("\n")[2]) == schema
    assert mode["system"][0]["text"].startswith("Answer with one JSON object")


def test_proofs_of_claude_hold_wherever_it_runs_and_others_are_left_out() -> None:
    losses = Losses()
    content: list[Part] = [
        ThinkingPart("a", signature="s1", signed_by="bedrock"),
        ThinkingPart("b", signature="s2", signed_by="anthropic"),
        ThinkingPart(redacted="cmVk", signed_by="anthropic"),
        ThinkingPart("c", signature="s3", signed_by="gemini"),
        ThinkingPart("d"),
        TextPart("Hi"),
    ]

    blocks = write(ask(USER, Message("assistant", content)), losses=losses)["messages"][1]["content"]

    assert blocks == [
        {"reasoningContent": {"reasoningText": {"text": "a", "signature": "s1"}}},
        {"reasoningContent": {"reasoningText": {"text": "b", "signature": "s2"}}},
        {"reasoningContent": {"redactedContent": "cmVk"}},
        {"text": "Hi"},
    ]
    assert reported(losses) == ["dropped messages[*].content[*].signature", "dropped messages[*].content[*].thinking"]


def test_several_answers_are_refused_clearly() -> None:
    with pytest.raises(DialectError, match="n: Bedrock gives one answer"):
        write(ask(n=2))


def test_a_quirk_names_the_model_of_a_profile() -> None:
    arn = "arn:aws:bedrock:eu-west-1:123456789012:application-inference-profile/abc"

    body = write(ask(reasoning=Reasoning(effort="high")), arn, model_id=CLAUDE)

    assert body["additionalModelRequestFields"]["thinking"]["type"] == "enabled"


def test_which_stop_sequence_it_was_is_asked_of_claude() -> None:
    assert write(ask(stop=["x"]))["additionalModelResponseFieldPaths"] == ["/stop_sequence"]
    assert "additionalModelResponseFieldPaths" not in write(ask(stop=["x"]), NOVA)


def test_counting_wraps_the_request() -> None:
    request = ask(Message("system", [TextPart("s")]), USER, tools=[Tool("f")], max_tokens=5)

    wire = BEDROCK.encode_count(request, Target(CLAUDE), Losses())

    inner = json.loads(wire.body)["input"]["converse"]
    assert wire.path.endswith("/count-tokens")
    assert inner.keys() == {"messages", "system", "toolConfig"}
    assert BEDROCK.decode_count(WireReply(body=b'{"inputTokens": 12}')) == 12
    assert BEDROCK.decode_request(wire)[0].system == "s"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"messages": 5}, "messages: expected a list, found a number"),
        ({"messages": [{"role": "user", "content": [{"text": 5}]}]}, "messages[0].content[0].text: expected a string"),
        (
            {"toolConfig": {"tools": [{"toolSpec": {}}]}},
            "toolConfig.tools[0].toolSpec.name: expected a string, found null",
        ),
        ({"inferenceConfig": {"maxTokens": 1.5}}, "inferenceConfig.maxTokens: expected a whole number"),
    ],
)
def test_a_wrong_type_is_refused_with_its_place(body: Any, message: str) -> None:
    with pytest.raises(DialectError) as caught:
        BEDROCK.decode_request(WireRequest("POST", "/model/x/converse", body=json.dumps(body).encode()))

    assert str(caught.value).startswith(message)


def test_features_of_anthropics_api_go_with_their_fields_or_not_at_all() -> None:
    asked = {
        "_betas": ["interleaved-thinking-2025-05-14", "context-management-2025-06-27", "claude-code-20250219"],
        "context_management": {"edits": []},
        "mcp_servers": [{"type": "url"}],
    }
    losses = Losses()

    claude = write(ask(provider_metadata={"anthropic": asked}), losses=losses)
    nova = write(ask(provider_metadata={"anthropic": asked}), NOVA)

    assert claude["additionalModelRequestFields"] == {
        "anthropic_beta": ["interleaved-thinking-2025-05-14", "context-management-2025-06-27"],
        "context_management": {"edits": []},
    }
    assert reported(losses) == ["dropped anthropic_beta", "dropped mcp_servers"]
    assert "additionalModelRequestFields" not in nova


def test_a_tool_of_the_models_own_is_not_declared_twice() -> None:
    tool = {"type": "computer_20250124", "name": "computer", "display_width_px": 800, "display_height_px": 600}
    call = Message("assistant", [ToolCallPart("t1", "computer", "{}")])
    result = Message("tool", [ToolResultPart("t1", [TextPart("ok")])])

    body = write(ask(USER, call, result, tools=[OpaqueTool("anthropic", tool, "computer")]))

    assert body["additionalModelRequestFields"]["tools"] == [tool]
    assert [entry["toolSpec"]["name"] for entry in body["toolConfig"]["tools"]] == ["unused"]


def test_tools_that_anthropic_defines_and_the_client_runs_reach_claude() -> None:
    tool = {"type": "computer_20250124", "name": "computer", "display_width_px": 800, "display_height_px": 600}
    tools = [OpaqueTool("anthropic", tool, "computer"), Tool("f")]
    losses = Losses()

    body = write(ask(tools=list(tools)), losses=losses)

    assert body["additionalModelRequestFields"] == {"anthropic_beta": ["computer-use-2025-01-24"], "tools": [tool]}
    assert [entry["toolSpec"]["name"] for entry in body["toolConfig"]["tools"]] == ["f"]
    assert not losses
    write(ask(tools=list(tools)), NOVA, losses)
    assert reported(losses) == ["dropped tools[*]"]


def test_claude_does_not_think_where_the_calls_came_without_thinking() -> None:
    """It would refuse them; the calls may be another provider's."""
    messages = [
        Message("user", [TextPart("go")]),
        Message("assistant", [ToolCallPart("call_1", "f", "{}")]),
        Message("tool", [ToolResultPart("call_1", [TextPart("done")])]),
    ]
    request = LLMRequest("m", messages, [Tool("f", parameters={"type": "object"})], max_tokens=4000)
    request.reasoning = Reasoning(effort="medium")
    losses = Losses()

    target = Target("anthropic.claude-sonnet-4-5-20250929-v1:0")
    body = json.loads(Bedrock().encode_request(request, target, losses).body)

    assert "thinking" not in body.get("additionalModelRequestFields", {})
    assert "reasoning.effort" in [loss.path for loss in losses]


def test_media_in_a_system_prompt_is_left_out_and_reported() -> None:
    image = MediaPart("image", "image/png", data="aGVsbG8=")
    losses = Losses()

    body = write(ask(Message("system", [TextPart("Be brief."), image]), USER), losses=losses)

    assert body["system"] == [{"text": "Be brief."}]
    assert reported(losses) == ["dropped system.content[*].media"]
