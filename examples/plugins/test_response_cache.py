import pytest
from response_cache import ResponseCache

from llm_gateway_sdk.testing import PluginHarness, ScriptedModel, assert_survives_every_part


@pytest.mark.parametrize(("first", "then"), [(False, False), (False, True), (True, False), (True, True)])
def test_the_second_time_the_model_is_not_asked(first, then):
    harness = PluginHarness(ResponseCache, model=ScriptedModel("one", "two"))

    assert harness.ask("Why?", stream=first).headers == {"x-cache": "miss"}
    again = harness.ask("Why?", stream=then)

    assert (again.text, again.headers, harness.model.calls) == ("one", {"x-cache": "hit"}, 1)
    assert harness.ask("Why not?").text == "two"


def test_callers_do_not_see_each_others_answers():
    harness = PluginHarness(ResponseCache, model=ScriptedModel("one", "two"))

    assert [harness.ask("Why?", caller=who).text for who in ("ann", "bob", "ann")] == ["one", "two", "one"]


def test_failures_are_not_kept():
    harness = PluginHarness(ResponseCache, model=ScriptedModel(503, ["half", 503], "whole"))

    assert [harness.ask("Why?").status, harness.stream(None, "Why?").text, harness.ask("Why?").text] == [
        503,
        "half",
        "whole",
    ]


def test_old_answers_are_forgotten():
    harness = PluginHarness(ResponseCache, {"ttl": 0}, model=ScriptedModel("one", "two"))

    assert [harness.ask("Why?").text for _ in range(2)] == ["one", "two"]


def test_it_survives_everything():
    assert_survives_every_part(ResponseCache)
