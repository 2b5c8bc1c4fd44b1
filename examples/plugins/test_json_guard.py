import pytest
from json_guard import JsonGuard

from llm_gateway_sdk.testing import PluginHarness, ScriptedModel

CITY = {"schema": {"type": "object", "required": ["city"]}, "attempts": 1}


@pytest.mark.parametrize("stream", [False, True])
def test_the_model_gets_the_error_and_is_asked_again(stream):
    model = ScriptedModel("Sure! The city is Rome.", '{"city": "Rome"}')
    reply = PluginHarness(JsonGuard, CITY, model=model).ask("Which city?", stream=stream)

    assert reply.text == '{"city": "Rome"}'
    assert "no JSON" in reply.requests[1].messages[-1].text


def test_it_gives_up():
    reply = PluginHarness(JsonGuard, CITY, model=ScriptedModel("{}")).ask()

    assert (reply.status, str(reply.error)) == (502, "The model gave no valid JSON: 'city' is a required property")
    assert len(reply.requests) == 2
