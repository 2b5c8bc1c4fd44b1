from cost_header import CostHeader

from llm_gateway_sdk import Usage
from llm_gateway_sdk.testing import PluginHarness, ScriptedModel

PRICES = {"prices": {"gpt": {"input": 2.5, "output": 10}}}


def harness(model="gpt"):
    scripted = ScriptedModel("Hello.", usage=Usage(input_tokens=1000, output_tokens=500))
    return PluginHarness(CostHeader, PRICES, models={model: scripted})


def test_the_cost_is_in_a_header():
    assert harness().ask().headers == {"x-cost": "0.007500"}


def test_the_cost_of_a_stream_is_there_for_other_plugins():
    assert harness().stream().context.metadata["cost"] == 0.0075


def test_a_model_without_a_price_has_no_cost():
    assert harness("other").ask().headers == {}
