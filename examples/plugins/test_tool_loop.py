import pytest
from tool_loop import ToolLoop

from llm_gateway_sdk import LLMRequest, Message, TextPart, Tool
from llm_gateway_sdk.testing import PluginHarness, ScriptedModel, tool_call


@pytest.mark.parametrize("stream", [False, True])
def test_the_client_sees_the_final_answer_alone(stream):
    model = ScriptedModel(tool_call("add", {"a": 2, "b": 3}), tool_call("add", {"a": 5, "b": 1}), "It is 6.")
    reply = PluginHarness(ToolLoop, model=model).ask("2 + 3 + 1?", stream=stream)

    assert (reply.text, reply.tool_calls) == ("It is 6.", [])
    results = [message.content[0].content[0].text for message in reply.requests[2].messages if message.role == "tool"]
    assert results == ["5", "6"]


def test_the_model_gets_the_error_of_a_failing_tool():
    model = ScriptedModel(tool_call("add", '{"a": '), "Sorry.")
    reply = PluginHarness(ToolLoop, model=model).ask()

    assert reply.requests[1].messages[-1].content[0].is_error


def test_tools_of_the_client_go_to_the_client():
    request = LLMRequest(messages=[Message("user", [TextPart("?")])], tools=[Tool("add", "Mine.")])
    reply = PluginHarness(ToolLoop, model=ScriptedModel(tool_call("add"))).ask(request)

    assert reply.tool_calls[0].name == "add"
    assert [tool.name for tool in reply.requests[0].tools] == ["add", "today"]


def test_rounds_without_end_are_bounded():
    reply = PluginHarness(ToolLoop, model=ScriptedModel(tool_call("today")), max_turns=3).ask()

    assert "more than 3 follow-ups" in str(reply.error)
