"""Words from elsewhere lead to the name here, and only to a name that the place has."""

from __future__ import annotations

import pytest

from llm_gateway.config.other_names import _ALIKE, other_name
from llm_gateway.config.problems import closest

WORDS = [(line.split()[0], other) for line in _ALIKE for other in line.split()[1:]]


@pytest.mark.parametrize(("name", "word"), WORDS)
def test_another_word_leads_to_the_name(name: str, word: str) -> None:
    assert other_name(word, ["enabled", name]) == name
    assert other_name(word, ["enabled"]) is None


def test_spelling_does_not_matter() -> None:
    assert closest("API_BASE", ["apiKey", "baseUrl"]) == "baseUrl"
    assert closest("open-ai_compatible", ["gemini", "openai"]) == "openai"


def test_the_name_of_a_distribution_leads_to_its_plugin() -> None:
    assert closest("llm-gateway-limits", ["limits", "logger"]) == "limits"
    assert closest("llm-gateway-clickhouse-tracer-plugin", ["clickhouse-tracer", "logger"]) == "clickhouse-tracer"


def test_what_a_place_has_itself_goes_first() -> None:
    assert closest("endPoint", ["baseUrl", "endpoint"]) == "endpoint"
