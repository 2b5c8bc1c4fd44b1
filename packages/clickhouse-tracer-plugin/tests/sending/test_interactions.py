"""Which requests belong together, and who is asking."""

from __future__ import annotations

import pytest
from llm_gateway_clickhouse_tracer.capture.canonical import dump_request, dump_response
from llm_gateway_clickhouse_tracer.sending.interactions import interaction_id, last_user_text, session_id, user_id

from llm_gateway_sdk import Choice, LLMRequest, LLMResponse, Message, Part, TextPart, ToolCallPart, ToolResultPart


def user(text: str) -> Message:
    return Message("user", [TextPart(text)])


def calls(*ids: str) -> Message:
    return Message("assistant", [ToolCallPart(call_id, "search", "{}") for call_id in ids])


def results(*ids: str, role: str = "tool") -> Message:
    content: list[Part] = [ToolResultPart(call_id, [TextPart("found")]) for call_id in ids]
    return Message(role, content)


def reply(message: Message) -> LLMResponse:
    return LLMResponse(choices=[Choice(0, message)])


def id_of(
    messages: list[Message], answer: Message | None, *, request_id: str = "r", scope: str = "default\0alice"
) -> str:
    response = dump_response(reply(answer)) if answer is not None else None
    return interaction_id(dump_request(LLMRequest(messages=messages)), response, scope=scope, request_id=request_id)


LONG = "call_0123456789"


@pytest.mark.parametrize("role", ["tool", "user"], ids=["OpenAI's tool messages", "Anthropic's user messages"])
@pytest.mark.parametrize("call_id", [LONG, "call_0"], ids=["unique ids", "ids that repeat"])
def test_all_rounds_of_a_tool_conversation_are_one_interaction(role: str, call_id: str) -> None:
    question = [user("earlier"), Message("assistant", [TextPart("answer")]), user("What is new?")]
    second = [*question, calls(call_id), results(call_id, role=role)]
    third = [*second, calls("call_second_0001"), results("call_second_0001", role=role)]

    found = {
        id_of(question, calls(call_id), request_id="r1"),
        id_of(second, calls("call_second_0001"), request_id="r2"),
        id_of(third, Message("assistant", [TextPart("This.")]), request_id="r3"),
    }

    assert len(found) == 1


def test_several_calls_in_one_round_are_one_interaction_too() -> None:
    first = id_of([user("x")], calls(LONG, "call_other_00001"), request_id="r1")
    later = id_of(
        [user("x"), calls(LONG, "call_other_00001"), results(LONG), results("call_other_00001")], None, request_id="r2"
    )

    assert first == later


def test_results_without_their_question_belong_to_the_round_that_asked() -> None:
    # The Responses API continues by previous_response_id: only the results travel.
    assert id_of([user("x")], calls(LONG)) == id_of([results(LONG)], Message("assistant", [TextPart("done")]))


def test_the_next_question_begins_another_interaction() -> None:
    history = [user("x"), calls(LONG), results(LONG), Message("assistant", [TextPart("y")])]

    assert id_of(history[:3], None) != id_of([*history, user("and now?")], calls("call_next_000001"))


def test_a_request_without_tools_is_an_interaction_by_itself() -> None:
    assert id_of([user("hello")], Message("assistant", [TextPart("hi")]), request_id="r9") == "r9"


def test_call_ids_of_different_callers_are_kept_apart() -> None:
    assert id_of([user("x")], calls("call_0"), scope="a") != id_of([user("x")], calls("call_0"), scope="b")


def test_the_user_s_last_words_are_not_what_a_tool_returned() -> None:
    request = LLMRequest(messages=[user("What is new?"), calls(LONG), results(LONG, role="user")])

    assert last_user_text(dump_request(request)) == "What is new?"


def test_a_session_comes_from_a_header_the_metadata_or_claude_code_s_user_id() -> None:
    coded = dump_request(LLMRequest(user="user_ab12_account_9_session_5f3c"))

    assert session_id({"x-session-id": "s1"}, None) == "s1"
    assert session_id({}, dump_request(LLMRequest(metadata={"session_id": "s2"}))) == "s2"
    assert session_id({}, coded) == "5f3c"
    assert user_id({}, coded) == "user_ab12_account_9"
    assert session_id({}, dump_request(LLMRequest(user="bob"))) == ""
    assert user_id({}, dump_request(LLMRequest(user="bob"))) == "bob"
