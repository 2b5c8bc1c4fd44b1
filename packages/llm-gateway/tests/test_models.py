import time

from llm_gateway.breaker import Breaker, BreakerSettings
from llm_gateway.models import ModelRegistry, ModelTarget
from llm_gateway_sdk import Provider


def target(name, *aliases, is_default=False):
    provider = Provider()
    provider.name = "test"
    return ModelTarget(name, provider, Breaker(BreakerSettings(), time.monotonic), aliases, is_default)


REGISTRY = ModelRegistry([target("main", is_default=True), target("long", "claude-*[1m]", "what?", "a.*")])


def test_only_the_star_of_an_alias_is_special():
    found = {name: REGISTRY.find(name) for name in ("claude-x[1m]", "claude-x1", "what?", "whatX", "a.b", "axb")}
    assert {name for name, each in found.items() if each is not None} == {"claude-x[1m]", "what?", "a.b"}


def test_an_alias_without_a_star_is_listed():
    assert REGISTRY.entries()[1].aliases == ("what?",)


def test_which_model_answers_to_a_name():
    names = (None, "long", "claude-x[1m]", "unknown")
    assert [REGISTRY.answering(name) for name in names] == ["main", "long", "long", "main"]
    strict = ModelRegistry(REGISTRY.targets, strict=True)
    assert [strict.answering(name) for name in names] == ["main", "long", "long", None]
