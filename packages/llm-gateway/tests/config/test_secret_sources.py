"""`${vault:…}` in a configuration, with a source that represents an installed one."""

import threading

import pytest

from llm_gateway.config import secret_sources
from llm_gateway.config.explain import explain
from llm_gateway.loading import load_text
from llm_gateway_sdk.errors import ConfigError
from llm_gateway_sdk.secret_source import SecretSource, SecretUnavailable

CONFIGURATION = """
models:
  - name: m
    isDefault: true
    provider:
      type: openai
      config:
        apiKey: "${vault:secret/llm#openai}"
        headers: {x-team: "${vault:secret/llm#team}", user-agent: "${vault:secret/llm#team}"}
"""


class Fake(SecretSource):
    name = "vault"

    def __init__(self):
        self.asked = []
        self.values = {"secret/llm#openai": "sk-value-of-openai", "secret/llm#team": "value-of-team"}

    def read(self, reference):
        self.asked.append(reference)
        if reference == "broken":
            raise RuntimeError("sk-value-of-openai")
        if reference not in self.values:
            raise SecretUnavailable("there is none")
        return self.values[reference]


@pytest.fixture
def source(monkeypatch):
    fake = Fake()
    monkeypatch.setitem(secret_sources._sources, "vault", fake)
    return fake


def test_a_secret_is_read_once_for_each_reading_of_the_configuration(source):
    loaded = load_text(CONFIGURATION, environ={})

    config = loaded.config.default_project.models[0].provider.config
    assert (config["apiKey"], config["headers"]["x-team"]) == ("sk-value-of-openai", "value-of-team")
    assert sorted(source.asked) == ["secret/llm#openai", "secret/llm#team"]
    assert {value.get_secret_value() for value in loaded.config.read_secrets} == set(source.values.values())
    before = loaded.version
    source.values["secret/llm#openai"] = "sk-rotated"
    assert load_text(CONFIGURATION, environ={}).version != before


def test_no_value_is_explained(source):
    loaded = load_text(CONFIGURATION, environ={})
    project = loaded.config.default_project
    shown = explain(loaded.config, project, loaded.draft, lambda kind, name: loaded.extensions.get(kind, name).schema)

    assert "secret vault:secret/llm#openai" in shown
    assert "value-of-" not in shown


def test_all_that_can_not_be_read_is_reported_with_its_place(source):
    text = CONFIGURATION.replace("#openai", "#none").replace("secret/llm#team", "broken", 1)
    with pytest.raises(ConfigError) as refused:
        load_text(text, environ={})

    found = {problem.path: problem.message for problem in refused.value.problems}
    place = "models[0].provider.config"
    assert found[f"{place}.apiKey"] == "the secret vault:secret/llm#none can't be read: there is none"
    assert found[f"{place}.headers.x-team"] == "the secret vault:broken can't be read: it can't be read: RuntimeError"
    assert "sk-value" not in str(refused.value)
    assert all(problem.line for problem in refused.value.problems)


def test_a_default_replaces_what_can_not_be_read(source):
    text = CONFIGURATION.replace("#openai}", "#none:-${KEY}}")

    loaded = load_text(text, environ={"KEY": "of-the-environment"})
    assert loaded.config.default_project.models[0].provider.config["apiKey"] == "of-the-environment"


def test_a_source_that_is_not_installed_is_named(monkeypatch):
    monkeypatch.setattr(secret_sources, "_installed", dict)
    with pytest.raises(ConfigError, match="install llm-gateway-gcp-secrets"):
        load_text(CONFIGURATION.replace("vault:", "gcp-sm:"), environ={})
    with pytest.raises(ConfigError, match="is not understood"):
        load_text(CONFIGURATION.replace("vault:", "unknown:"), environ={})


def test_a_source_that_never_answers_is_waited_for_once(source, monkeypatch):
    monkeypatch.setattr(secret_sources, "DEADLINE", 0.1)
    monkeypatch.setattr(secret_sources, "SLOW_FAILURE", 0.1)
    ends = threading.Event()
    source.read = lambda reference: source.asked.append(reference) or ends.wait() or "late"
    with pytest.raises(ConfigError) as refused:
        load_text(CONFIGURATION, environ={})
    ends.set()

    assert len(source.asked) == 1, "the second secret of a silent source is not waited for"
    assert [each.path for each in refused.value.problems] == [
        "models[0].provider.config.apiKey",
        "models[0].provider.config.headers.x-team",
        "models[0].provider.config.headers.user-agent",
    ]
    assert all("did not answer within 0.1 s" in each.message for each in refused.value.problems)
