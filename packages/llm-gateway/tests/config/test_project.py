"""Look-ups in a complete configuration."""

from __future__ import annotations

import pytest

from llm_gateway.config.project import GatewayConfig, ProjectConfig
from llm_gateway.config.schema import ModelConfig


def model(name: str, *aliases: str) -> ModelConfig:
    return ModelConfig.model_validate({"name": name, "aliases": list(aliases), "provider": {"type": "echo"}})


PROJECT = ProjectConfig(
    name="p", models=[model("wide", "gpt-*"), model("named", "gpt-4o", "fast"), model("gpt-4-turbo"), model("any", "*")]
)


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("named", "named"),
        ("gpt-4-turbo", "gpt-4-turbo"),
        ("gpt-4o", "named"),
        ("gpt-5", "wide"),
        ("fast", "named"),
        ("claude", "any"),
    ],
)
def test_names_come_before_aliases_and_plain_aliases_before_patterns(asked: str, found: str) -> None:
    answering = PROJECT.model(asked)

    assert answering is not None
    assert answering.name == found


def test_an_unknown_name_has_no_model() -> None:
    assert ProjectConfig(name="p", models=[model("a")]).model("b") is None
    assert ProjectConfig(name="p").model("") is None


def test_the_default_project_is_the_marked_one() -> None:
    marked = ProjectConfig(name="main", is_default_project=True)

    assert GatewayConfig(projects={"other": ProjectConfig(name="other"), "main": marked}).default_project is marked
    assert GatewayConfig(projects={"other": ProjectConfig(name="other")}).default_project is None
