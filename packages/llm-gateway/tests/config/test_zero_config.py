"""The configuration that is served when no file is given."""

from __future__ import annotations

from llm_gateway.config.zero_config import unconfigured_text
from llm_gateway.loading import load_text


def test_without_keys_echo_answers() -> None:
    project = load_text(unconfigured_text({}), environ={}).config.default_project

    assert project is not None
    assert [(model.name, model.provider.type, model.is_default) for model in project.models] == [("echo", "echo", True)]


def test_each_key_in_the_environment_becomes_a_model_the_known_vendors_first() -> None:
    keys = {
        "mistral": "MISTRAL_API_KEY",
        "anthropic": "ANTHROPIC_API_KEY",
        "groq": "GROQ_API_KEY",
        "openai": "OPENAI_API_KEY",
    }
    loaded = load_text(unconfigured_text(keys), environ=dict.fromkeys(keys.values(), "k"))
    project = loaded.config.default_project

    assert project is not None
    assert [model.name for model in project.models] == ["openai", "anthropic", "groq", "mistral"]
    assert project.default_model == "openai"


def test_vendors_answer_to_the_names_of_their_models() -> None:
    keys = {"openai": "OPENAI_API_KEY", "anthropic": "ANTHROPIC_API_KEY"}
    project = load_text(unconfigured_text(keys), environ=dict.fromkeys(keys.values(), "k")).config.default_project

    assert project is not None
    found = {name: project.model(name) for name in ("gpt-5", "claude-opus-4-1", "o3-mini", "llama")}
    assert {name: model and model.name for name, model in found.items()} == {
        "gpt-5": "openai", "claude-opus-4-1": "anthropic", "o3-mini": "openai", "llama": None,
    }  # fmt: skip


def test_the_key_itself_is_not_in_the_text() -> None:
    assert "${OPENAI_API_KEY}" in unconfigured_text({"openai": "OPENAI_API_KEY"})
