"""`limits:` at the top level and in a project is a plugin, and its mistakes are reported where they are written."""

from __future__ import annotations

import pytest

from llm_gateway.loading import load_text
from llm_gateway_sdk.errors import ConfigError

MODELS = "models: [{name: m, isDefault: true, provider: {type: echo}, prices: {input: 1, output: 2}}]\n"
ROUTER = "plugins: [{name: router, type: model-router, config: {model: m}}]\n"
LIMITS = """
limits:
  - {name: rate, requests: 2, window: 1h, onStoreDown: allow}
projects:
  - name: shop
    limits:
      - {name: own, per: [key], cost: 5 USD, window: {calendar: month}}
  - name: other
"""


def test_it_is_a_plugin_after_the_others_which_projects_inherit_or_replace() -> None:
    projects = load_text(MODELS + ROUTER + LIMITS).config.projects

    def limits(project: str) -> list[str]:
        last = projects[project].plugins[-1]
        assert (last.name, last.type) == ("limits", "limits")
        return [each["name"] for each in last.config["limits"]]

    assert [plugin.name for plugin in projects["default"].plugins] == ["router", "limits"]
    assert (limits("default"), limits("other"), limits("shop")) == (["rate"], ["rate"], ["own"])


@pytest.mark.parametrize(
    ("was", "now", "place", "word"),
    [
        ("window: 1h", "windw: 1h", "limits[0].windw", "window"),
        ("requests: 2", "requests: many", "limits[0].requests", "many"),
        ("cost: 5 USD", "cost: 5 EUR", "projects[0].limits[0].cost", "USD"),
        ("onStoreDown: allow", "onStoreDown: pass", "limits[0].onStoreDown", "allow"),
    ],
)
def test_a_mistake_is_reported_where_it_is_written(was: str, now: str, place: str, word: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_text(MODELS + LIMITS.replace(was, now))

    [problem] = caught.value.problems
    assert problem.path == place
    assert word in problem.message
    assert problem.line


def test_limits_are_written_in_one_place() -> None:
    plugin = "{name: limits, type: limits, config: {limits: [{name: a, requests: 1, window: 1h}]}}"
    with pytest.raises(ConfigError) as caught:
        load_text(f"{MODELS}plugins: [{plugin}]\nlimits: [{{name: b, requests: 1, window: 1h}}]\n")

    [problem] = caught.value.problems
    assert problem.path == "limits"


@pytest.mark.parametrize("written", ["limits: []", "limits:"])
def test_none_makes_no_plugin(written: str) -> None:
    assert load_text(f"{MODELS}{written}\n").config.projects["default"].plugins == []


def test_what_is_not_a_list_is_reported() -> None:
    with pytest.raises(ConfigError) as caught:
        load_text(f"{MODELS}limits: 5\n")

    assert [problem.path for problem in caught.value.problems] == ["limits"]
