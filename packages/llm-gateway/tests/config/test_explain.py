import pytest

from llm_gateway.config.explain import explain
from llm_gateway.loading import load_text

CONFIGURATION = """
models:
  - name: m
    isDefault: true
    provider:
      type: openai
      config:
        apiKey: "secret-api-key-0123456789"
        baseUrl: https://llm.example/v1
        proxy: "http://user:secret-proxy@proxy:3128"
        headers: {cookie: "secret-cookie", x-custom: "secret-custom", x-sessiontoken: "secret-x", user-agent: ua/1}
"""


@pytest.fixture(scope="module")
def explained():
    loaded = load_text(CONFIGURATION, environ={})
    project = loaded.config.default_project
    return explain(loaded.config, project, loaded.draft, lambda kind, name: loaded.extensions.get(kind, name).schema)


def test_no_secret_is_shown(explained):
    assert "secret-" not in explained


def test_what_is_not_secret_is_shown(explained):
    assert "http://…@proxy:3128" in explained
    assert "https://llm.example/v1" in explained
    assert "user-agent: ua/1" in explained
