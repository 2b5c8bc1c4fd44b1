import pytest
from mock_model import MockModel

from llm_gateway_sdk import ConfigError
from llm_gateway_sdk.testing import PluginHarness

ANSWERS = {"answers": [{"match": "weather", "reply": "Fair."}]}


@pytest.mark.parametrize("stream", [False, True])
def test_it_answers_in_the_models_place(stream):
    reply = PluginHarness(MockModel, ANSWERS).ask("How is the Weather?", stream=stream)

    assert (reply.text, reply.status, reply.requests) == ("Fair.", 200, [])


def test_what_it_does_not_know_goes_to_the_model():
    assert PluginHarness(MockModel, ANSWERS).ask("Who?", reply="Ann.").text == "Ann."


def test_a_pattern_that_is_none_is_reported_at_start():
    with pytest.raises(ConfigError, match=r"answers\[0\]\.match: missing \)"):
        PluginHarness(MockModel, {"answers": [{"match": "(", "reply": ""}]})
