"""What a model answers in a test, written down beforehand."""

from __future__ import annotations

import json

import pytest

from llm_gateway_sdk import (
    LLMRequest,
    Message,
    ModelHTTPError,
    ModelStreamError,
    TextPart,
    ThinkingPart,
    plugin_metadata,
)
from llm_gateway_sdk.plugin import Plugin
from llm_gateway_sdk.testing import PluginHarness, ScriptedModel, pause, tool_call
from llm_gateway_sdk.testing.script import every_request


@plugin_metadata(name="plain")
class Plain(Plugin): ...


def harness() -> PluginHarness:
    return PluginHarness(Plain)


def test_turns_are_answered_in_order_and_the_last_repeats() -> None:
    model = ScriptedModel("one", "two")
    made = harness()

    assert [made.ask(reply=model).text for _ in range(3)] == ["one", "two", "two"]


def test_steps_are_chunks_of_a_stream_and_one_reply_without() -> None:
    steps = ["Hel", "lo", pause(0.0), "."]

    assert harness().ask(reply=ScriptedModel(steps), stream=True).text == "Hello."
    assert harness().ask(reply=ScriptedModel(steps)).text == "Hello."


def test_a_tool_call_has_json_arguments() -> None:
    call = tool_call("weather", {"city": "Rome"}, id="c1")

    assert (call.id, call.name, json.loads(call.arguments)) == ("c1", "weather", {"city": "Rome"})
    assert tool_call("weather").arguments == "{}"
    assert tool_call("weather", "not JSON").arguments == "not JSON"
    reply = harness().ask(reply=ScriptedModel(call))
    assert reply.response.finish_reason == "tool_calls"


def test_parts_keep_their_kind() -> None:
    reply = harness().ask(reply=ScriptedModel([ThinkingPart("hm"), "Yes."]))

    assert [type(part) for part in reply.response.message.content] == [ThinkingPart, TextPart]


@pytest.mark.parametrize("status", [429, 503])
def test_a_status_is_the_providers_error(status: int) -> None:
    error = harness().ask(reply=ScriptedModel(status)).error

    assert isinstance(error, ModelHTTPError)
    assert error.status == status


def test_an_error_in_the_middle_of_a_stream_comes_after_what_was_before_it() -> None:
    reply = harness().ask(reply=ScriptedModel(["Hel", ModelStreamError("broken off")]), stream=True)

    assert reply.text == "Hel"
    assert isinstance(reply.error, ModelStreamError)


def test_a_request_with_everything_in_it_is_made_anew_each_time() -> None:
    one, other = every_request(), every_request()
    assert isinstance(one, LLMRequest)
    assert one == other
    one.messages.append(Message())
    assert one != other
