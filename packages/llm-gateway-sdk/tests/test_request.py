"""A request in canonical form: its texts, and what is changed through them."""

from __future__ import annotations

from llm_gateway_sdk import LLMRequest, Message, TextPart, ThinkingPart, Tool, ToolCallPart, ToolResultPart
from llm_gateway_sdk.parts import RefusalPart


def conversation() -> LLMRequest:
    return LLMRequest(
        model="m",
        messages=[
            Message("system", [TextPart("Be brief.")]),
            Message("developer", [TextPart("Use metric units.")]),
            Message("user", [TextPart("How "), TextPart("far?")]),
            Message(
                "assistant",
                [
                    ThinkingPart("hm"), TextPart("I look."), ToolCallPart("c1", "far", '{"to": "Rome"}'),
                    RefusalPart("No."),
                ],
            ),
            Message("tool", [ToolResultPart("c1", [TextPart("300 km")])]),
            Message("system", [TextPart("later")]),
        ],
        tools=[Tool("far", "Says how far.")],
        user="ann",
    )  # fmt: skip


def test_the_system_text_is_what_comes_before_the_conversation() -> None:
    assert conversation().system == "Be brief.\n\nUse metric units."
    assert LLMRequest().system == ""


def test_a_message_shows_its_text_calls_and_refusal() -> None:
    message = conversation().messages[3]

    assert (message.text, message.refusal) == ("I look.", "No.")
    assert [call.name for call in message.tool_calls] == ["far"]
    assert conversation().messages[2].text == "How far?"


def test_every_text_is_reached() -> None:
    texts = {place.text for place in conversation().texts()}

    assert {
        "Be brief.",
        "How ",
        "far?",
        "hm",
        "I look.",
        '{"to": "Rome"}',
        "No.",
        "300 km",
        "ann",
        "Says how far.",
    } <= texts


def test_a_change_reaches_the_chosen_kinds_alone() -> None:
    request = conversation()
    request.map_text(str.upper)

    assert request.messages[2].text == "HOW FAR?"
    assert request.messages[3].tool_calls[0].arguments == '{"to": "Rome"}'
    assert request.user == "ann"

    request.map_text(lambda text: text.replace("Rome", "Oslo"), kinds=None)
    assert request.messages[3].tool_calls[0].arguments == '{"to": "Oslo"}'


def test_two_requests_share_nothing() -> None:
    one, other = LLMRequest(), LLMRequest()
    one.messages.append(Message())
    one.metadata["a"] = "b"
    one.stop.append("x")

    assert other == LLMRequest()
