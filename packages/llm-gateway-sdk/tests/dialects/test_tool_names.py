"""Names of tools that fit, and the way back."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from llm_gateway_sdk import (
    Choice,
    LLMRequest,
    LLMResponse,
    Message,
    OpaqueTool,
    TextPart,
    Tool,
    ToolCallPart,
    ToolChoice,
    ToolResultPart,
)
from llm_gateway_sdk.dialects.receiver import CHAT, CONVERSE, GENERATE_CONTENT, MESSAGES, ToolNames
from llm_gateway_sdk.dialects.tool_names import (
    fit_names,
    name_fitting,
    rename_calls,
    rename_choice,
    rename_tools,
    restore_names,
    restore_text,
)

RULES = [
    rule for rule in (CHAT.tool_names, CONVERSE.tool_names, GENERATE_CONTENT.tool_names, MESSAGES.tool_names) if rule
]


@given(st.text(max_size=200), st.sampled_from(RULES))
def test_every_name_becomes_one_that_is_taken_and_a_fitting_one_stays(name: str, rule: ToolNames) -> None:
    fitting = name_fitting(name, rule)

    assert rule.takes(fitting)
    assert fitting == name_fitting(name, rule)
    assert (fitting == name) is rule.takes(name)


@given(st.lists(st.text(max_size=120), max_size=12, unique=True), st.sampled_from(RULES))
def test_different_names_stay_different_and_come_back(names: list[str], rule: ToolNames) -> None:
    request = LLMRequest(tools=[Tool(name) for name in names])

    fitting = fit_names(request, rule)
    sent = [tool.name for tool in rename_tools(request.tools, fitting)]

    assert len(set(sent)) == len(names)
    assert all(rule.takes(name) for name in sent)
    back = {name: own for own, name in fitting.items()}
    reply = LLMResponse(choices=[Choice(message=Message("assistant", [ToolCallPart(name=name) for name in sent]))])
    assert [call.name for call in restore_names(reply, back).tool_calls] == names


def test_a_made_name_gives_way_to_a_tool_that_has_it_already() -> None:
    rule = ToolNames(20)
    made = name_fitting("x" * 30, rule)

    fitting = fit_names(LLMRequest(tools=[Tool(made), Tool("x" * 30)]), rule)

    assert fitting["x" * 30] not in (made, "x" * 30)


def test_choice_and_history_are_renamed_with_the_tools_and_the_senders_own_stay() -> None:
    long = "mcp__server__" + "tool_" * 20
    call = ToolCallPart("call_1", long)
    result = ToolResultPart("call_1", [TextPart("done")], name=long)
    spoken = Message("user", [TextPart(long)])
    request = LLMRequest(
        messages=[spoken, Message("assistant", [call]), Message("tool", [result])],
        tools=[Tool(long), Tool("short"), OpaqueTool("anthropic", {}, "a.b")],
        tool_choice=ToolChoice("allowed", names=[long, "short"]),
    )
    assert CHAT.tool_names is not None

    fitting = fit_names(request, CHAT.tool_names)
    messages = rename_calls(request.messages, fitting)
    choice = rename_choice(request.tool_choice, fitting)

    assert set(fitting) == {long}
    assert messages[0] is spoken
    assert messages[1].tool_calls[0].name == messages[2].content[0].name == fitting[long]  # type: ignore[union-attr]
    assert choice == ToolChoice("allowed", names=[fitting[long], "short"])
    assert (call.name, result.name) == (long, long)


def test_nothing_is_renamed_where_all_fit() -> None:
    request = LLMRequest(tools=[Tool("a")], tool_choice=ToolChoice("tool", "a"))
    assert CHAT.tool_names is not None

    assert fit_names(request, CHAT.tool_names) == {}


def test_an_error_is_about_the_clients_own_names() -> None:
    assert restore_text("Invalid schema for 'a_b_12': …", {"a_b_12": "a.b"}) == "Invalid schema for 'a.b': …"
