"""One step makes any request fit any receiver."""

from __future__ import annotations

import copy

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llm_gateway_sdk import (
    LLMRequest,
    Losses,
    MediaPart,
    Message,
    Part,
    Reasoning,
    ResponseFormat,
    TextPart,
    Tool,
    ToolCallPart,
    ToolChoice,
    ToolResultPart,
)
from llm_gateway_sdk.dialects.fit import fit
from llm_gateway_sdk.dialects.model_limits import limits_of
from llm_gateway_sdk.dialects.receiver import CHAT, CONVERSE, GENERATE_CONTENT, MESSAGES, RESPONSES, Receiver
from llm_gateway_sdk.dialects.schemas import is_whole
from llm_gateway_sdk.dialects.users import user_fitting

RECEIVERS = [
    CHAT,
    RESPONSES,
    MESSAGES,
    GENERATE_CONTENT,
    CONVERSE,
    CHAT.of_model(limits_of("gpt-5.6")),
    MESSAGES.of_model(limits_of("claude-opus-5-5")),
    CONVERSE.of_model(limits_of("claude-3-haiku-20240307")),
]

names = st.one_of(st.sampled_from(("look", "fs.read:file", "3d", "x" * 65, "x" * 129, "größe")), st.text(max_size=12))
ids = st.one_of(st.sampled_from(("call_0", "a.b:c", "y" * 95)), st.text(max_size=8))
texts = st.sampled_from(("", " ", "\n", "hi", "hello "))
schemas = st.sampled_from((None, {}, {"type": "object"}, {"anyOf": [{"type": "object"}]}, {"$ref": "#"}))


@st.composite
def parts(draw: st.DrawFn, role: str) -> Part:
    kind = draw(st.sampled_from(("text", "text", "call" if role == "assistant" else "result", "image")))
    if kind == "call":
        return ToolCallPart(draw(ids), draw(names), "{}")
    if kind == "result":
        return ToolResultPart(draw(ids), [TextPart(draw(texts))])
    if kind == "image":
        return MediaPart("image", draw(st.sampled_from((None, "image/png", "text/plain"))), "/9j/4AAQSkZJRgABAQAA")
    return TextPart(draw(texts))


@st.composite
def requests(draw: st.DrawFn) -> LLMRequest:
    messages = []
    for role in draw(st.lists(st.sampled_from(("system", "developer", "user", "assistant", "tool")), max_size=7)):
        messages.append(Message(role, draw(st.lists(parts(role), max_size=3))))
    tools = [
        Tool(draw(names), parameters=draw(schemas), strict=draw(st.booleans())) for _ in range(draw(st.integers(0, 3)))
    ]
    return LLMRequest(
        messages=messages,
        tools=list(tools),
        tool_choice=draw(st.sampled_from((None, ToolChoice("required"), ToolChoice("tool", "fs.read:file")))),
        user=draw(st.sampled_from((None, "short", "z" * 300, "jane@example.com"))),
        temperature=draw(st.sampled_from((None, 0.5))),
        top_p=draw(st.sampled_from((None, 0.5))),
        response_format=draw(st.sampled_from((None, ResponseFormat("json_schema", {"type": "object"}, strict=True)))),
    )


@settings(max_examples=120, suppress_health_check=[HealthCheck.too_slow])
@given(requests(), st.sampled_from(RECEIVERS))
def test_any_request_fits_any_receiver(request: LLMRequest, receiver: Receiver) -> None:
    before = copy.deepcopy(request)

    fitted = fit(request, receiver, Losses(), "openai_chat")

    assert request == before
    sent = fitted.request
    calls = [part for message in sent.messages for part in message.content if isinstance(part, ToolCallPart)]
    results = [part for message in sent.messages for part in message.content if isinstance(part, ToolResultPart)]
    rule = receiver.tool_names
    assert rule is not None
    assert all(rule.takes(name) for name in (*(tool.name for tool in sent.tools), *(call.name for call in calls)))  # type: ignore[arg-type]
    assert all(is_whole(tool.parameters) for tool in sent.tools if isinstance(tool, Tool))
    if receiver.call_ids is not None:
        assert all(receiver.call_ids.takes(call.id) for call in calls)
        assert {result.tool_call_id for result in results} <= {call.id for call in calls}
        if receiver.call_ids.unique:
            assert len({call.id for call in calls}) == len(calls)
    if receiver.begins_with_user:
        first = next((message for message in sent.messages if message.role not in ("system", "developer")), None)
        assert first is not None
        assert first.role != "assistant"
    if not receiver.blank_texts:
        assert all(
            part.text.strip() for message in sent.messages for part in message.content if isinstance(part, TextPart)
        )
    if receiver.users is not None and sent.user is not None:
        assert sent.user == user_fitting(sent.user, receiver.users)
    if receiver.model.sampling == "none":
        assert sent.temperature is None
        assert sent.top_p is None


@given(requests(), st.sampled_from(RECEIVERS))
def test_what_was_made_to_fit_fits(request: LLMRequest, receiver: Receiver) -> None:
    once = fit(request, receiver, Losses(), "openai_chat").request

    again = fit(once, receiver, Losses(), "openai_chat")

    assert again.request == once
    assert again.names == {}


def test_a_request_that_fits_is_the_very_same() -> None:
    request = LLMRequest(
        messages=[Message("system", [TextPart("s")]), Message("user", [TextPart("hi")])],
        tools=[Tool("look", parameters={"type": "object", "properties": {}})],
        user="user_1",
    )
    for receiver in (CHAT, RESPONSES, MESSAGES, GENERATE_CONTENT, CONVERSE):
        losses = Losses()
        assert fit(request, receiver, losses).request is request
        assert not losses


@pytest.mark.parametrize("receiver", [CHAT, MESSAGES, CONVERSE], ids=["chat", "messages", "converse"])
def test_no_strictness_is_promised_of_arguments_that_are_no_object(receiver: Receiver) -> None:
    tool = Tool("f", parameters={"type": "array", "items": {"type": "string"}}, strict=True)
    losses = Losses()

    fitted = fit(LLMRequest(messages=[Message("user", [TextPart("hi")])], tools=[tool]), receiver, losses).request

    assert not fitted.tools[0].strict  # type: ignore[union-attr]
    assert [loss.path for loss in losses] == ["tools[*].strict"]


@pytest.mark.parametrize(
    ("sender", "receiver", "sent"),
    [("openai_chat", MESSAGES, None), ("openai_chat", RESPONSES, "default"), ("anthropic", RESPONSES, None)],
    ids=["to another vendor", "to the same vendor", "from another vendor"],
)
def test_a_word_of_one_vendors_for_the_effort_goes_to_that_vendor(
    sender: str, receiver: Receiver, sent: str | None
) -> None:
    request = LLMRequest(messages=[Message("user", [TextPart("hi")])], reasoning=Reasoning("default"))

    assert fit(request, receiver, Losses(), sender).request.reasoning == Reasoning(sent)


def test_the_effort_may_be_written_in_capitals() -> None:
    request = LLMRequest(messages=[Message("user", [TextPart("hi")])], reasoning=Reasoning("HIGH"))
    losses = Losses()

    assert fit(request, MESSAGES, losses, "gemini").request.reasoning == Reasoning("high")
    assert not losses


def test_strictness_is_promised_only_with_its_form() -> None:
    open_ = {"type": "object", "properties": {"a": {"type": "integer", "minimum": 1}}}
    request = LLMRequest(
        messages=[Message("user", [TextPart("hi")])],
        tools=[Tool("f", parameters=open_, strict=True)],
        response_format=ResponseFormat("json_schema", open_, strict=True),
    )

    losses = Losses()
    chat = fit(request, CHAT, losses).request
    claude = fit(request, MESSAGES, Losses()).request

    assert chat.tools == [Tool("f", parameters=open_, strict=False)]
    assert chat.response_format == ResponseFormat("json_schema", open_, strict=False)
    assert {loss.path for loss in losses} == {"tools[*].strict", "response_format.strict"}
    closed = {
        "type": "object",
        "properties": {"a": {"type": "integer", "description": "{minimum: 1}"}},
        "additionalProperties": False,
    }
    assert claude.tools == [Tool("f", parameters=closed, strict=True)]
    assert claude.response_format == ResponseFormat("json_schema", closed, strict=True)


def test_a_claude_without_strict_tools_gets_the_schema_as_it_was() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer", "minimum": 1}}}
    request = LLMRequest(
        messages=[Message("user", [TextPart("hi")])], tools=[Tool("f", parameters=schema, strict=True)]
    )

    fitted = fit(request, MESSAGES.of_model(limits_of("claude-sonnet-4-20250514")), Losses()).request

    assert fitted.tools[0] == Tool("f", parameters=schema)


def test_two_results_of_one_call_are_one() -> None:
    words = [
        Message("user", [TextPart("a")]),
        Message("assistant", [ToolCallPart("c", "f", "{}")]),
        Message("tool", [ToolResultPart("c", [TextPart("1")]), ToolResultPart("c", [TextPart("2")])]),
    ]
    for receiver in RECEIVERS:
        messages = fit(LLMRequest("m", words), receiver, Losses()).request.messages
        results = [part for message in messages for part in message.content if type(part) is ToolResultPart]
        assert [part.content for part in results] == [[TextPart("1"), TextPart("2")]]


def test_a_last_turn_that_is_not_continued_is_reported() -> None:
    words = [Message("user", [TextPart("a")]), Message("assistant", [TextPart("The answer")])]
    for sender, expected in (("anthropic", ["messages"]), ("openai_chat", [])):
        losses = Losses()
        fit(LLMRequest("m", words), CHAT, losses, sender)
        assert [loss.path for loss in losses] == expected


@pytest.mark.parametrize(
    "receiver", [CHAT, MESSAGES, CONVERSE, GENERATE_CONTENT], ids=["chat", "messages", "converse", "gemini"]
)
def test_a_late_result_leaves_the_last_turn_to_the_user(receiver: Receiver) -> None:
    asked = LLMRequest(
        messages=[
            Message("user", [TextPart("u")]),
            Message("assistant", [ToolCallPart("a", "f", "{}")]),
            Message("user", [TextPart("wait")]),
            Message("assistant", [TextPart("ok")]),
            Message("tool", [ToolResultPart("a", [TextPart("late")])]),
        ]
    )

    messages = fit(asked, receiver, Losses()).request.messages

    assert [message.role for message in messages[:2]] == ["user", "assistant"]
    assert messages[-1].role == "user"
    assert messages[-1].text == "Continue."


def test_an_answer_that_the_client_began_is_continued() -> None:
    asked = LLMRequest(messages=[Message("user", [TextPart("u")]), Message("assistant", [TextPart("The")])])

    assert fit(asked, MESSAGES, Losses()).request.messages[-1].text == "The"
