from __future__ import annotations

import logging

import pytest
from llm_gateway_model_book import shipped_book
from pydantic import ValidationError

from llm_gateway.config.schema import ModelConfig
from llm_gateway.describing import MAX_NAMES, ModelDescriptions


def described(model: str, provider: str = "anthropic", **more: object) -> ModelDescriptions:
    config = ModelConfig.model_validate({"name": "m", "provider": {"type": provider}, **more})
    return ModelDescriptions(config, shipped_book())


def test_facts_and_prices_come_from_the_book() -> None:
    found = described("x").of("claude-opus-5-5-20261001")

    assert found.facts is not None
    assert found.facts.name == "claude-opus-5-5"
    assert found.facts.thinking is not None
    assert "always" in found.facts.thinking
    assert found.prices is not None


def test_the_configuration_corrects_what_it_names_and_nothing_else() -> None:
    found = described("x", facts={"maxOutput": 77, "sampling": "all"}, prices={"input": 1.5}).of("claude-opus-5-5")

    assert found.facts is not None
    assert (found.facts.max_output, found.facts.sampling) == (77, "all")
    assert found.facts.forced_tools is False
    assert found.facts.source == "configuration"
    assert found.prices is not None
    rates = found.prices.rates()
    assert rates is not None
    assert (rates.input, rates.output) == (1_500_000_000, 20_000_000_000)


def test_the_configured_price_is_not_that_of_another_model_that_has_answered() -> None:
    found = described("x", prices={"input": 1.5})

    prices = found.prices_in_book("claude-opus-4-8")
    assert prices is not None
    rates = prices.rates()
    assert rates is not None
    assert (rates.input, rates.output) == (5_000_000_000, 25_000_000_000)
    assert found.prices_in_book("in-house") is None


def test_a_model_that_no_book_knows_has_the_facts_of_the_configuration() -> None:
    found = described("x", "openai", facts={"contextWindow": 5}, prices={"input": 1, "output": 2}).of("in-house")

    assert found.facts is not None
    assert (found.facts.name, found.facts.context_window) == ("in-house", 5)
    assert found.prices is not None
    assert found.prices.ceiling(1, 1) == 3000
    assert described("x", "openai").of("in-house").prices is None


def test_names_that_are_passed_on_are_remembered_up_to_a_bound() -> None:
    found = described("x")
    for number in range(3 * MAX_NAMES):
        found.of(f"claude-opus-{number}-x")

    assert len(found._known) == MAX_NAMES


def test_the_older_place_of_prices_still_counts(caplog: pytest.LogCaptureFixture) -> None:
    found = described("x", "openai", metadata={"prices": {"input": 2, "output": 10}}).of("in-house")
    assert found.prices is not None
    assert found.prices.ceiling(1, 0) == 2000

    with caplog.at_level(logging.WARNING, logger="llm_gateway"):
        assert described("x", "openai", metadata={"prices": {"input": "cheap"}}).of("in-house").prices is None
    assert "metadata.prices" in caplog.text


@pytest.mark.parametrize(
    "written",
    [
        {"prices": {"input": -1}},
        {"prices": {"cacheread": 1}},
        {"prices": {"tiers": {"cheap": {"input": 1}}}},
        {"facts": {"sampling": "some"}},
        {"facts": {"retires": "soon"}},
        {"facts": {"contextWindow": 0}},
    ],
)
def test_what_is_not_a_fact_or_price_is_a_problem_of_the_configuration(written: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        described("x", **written)
