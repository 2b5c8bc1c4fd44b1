"""The commented configuration of `llm-gateway init`: valid as it is, and with each of its comments taken in."""

from __future__ import annotations

import re

import yaml

from llm_gateway.config.template import TEMPLATE
from llm_gateway.loading import load_text

KEYS = {"OPENAI_API_KEY": "k", "ANTHROPIC_API_KEY": "k", "GATEWAY_KEY": "k"}


def uncommented() -> str:
    return re.sub(r"^#(  )", r"\1", TEMPLATE, flags=re.M)


def test_it_is_valid_as_it_is() -> None:
    loaded = load_text(TEMPLATE, environ={})

    assert set(loaded.config.projects) == {"default", "test"}
    assert loaded.notices == []


def test_it_is_valid_with_all_that_it_proposes() -> None:
    loaded = load_text(uncommented(), environ=KEYS)
    project = loaded.config.projects["test"]

    assert [model.name for model in project.models] == ["echo", "gpt", "claude", "local"]
    assert {plugin.type for plugin in project.plugins} == {"logger", "basic-apikey-auth", "regex-hider", "model-router"}


def test_the_pattern_that_it_proposes_finds_what_it_is_for() -> None:
    written = yaml.safe_load(uncommented())
    (pii,) = [plugin for plugin in written["plugins"] if plugin["name"] == "pii"]

    assert re.search(pii["config"]["patterns"][0]["pattern"], "my number is 078-05-1120.")
