from ab_experiment import ABExperiment

from llm_gateway_sdk.testing import PluginHarness, ScriptedModel


def harness(percentage):
    settings = {"control": "old", "variant": "new", "percentage": percentage}
    return PluginHarness(ABExperiment, settings, models={"old": ScriptedModel("old"), "new": ScriptedModel("new")})


def test_callers_are_divided_and_stay_where_they_are():
    trial = harness(30)
    first = [trial.ask(caller=f"caller-{number}").text for number in range(200)]

    assert 40 <= first.count("new") <= 80
    assert [trial.ask(caller=f"caller-{number}").text for number in range(200)] == first


def test_the_arm_is_reported():
    reply = harness(100).ask()

    assert (reply.text, reply.headers) == ("new", {"x-experiment": "B"})
    assert harness(0).ask().context.metadata["experiment"] == "A"
