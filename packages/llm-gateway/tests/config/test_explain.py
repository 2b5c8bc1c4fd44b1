import json

import pytest

from llm_gateway.config.explain import explain, explain_json
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


def _parts():
    loaded = load_text(CONFIGURATION, environ={})
    project = loaded.config.default_project
    return loaded.config, project, loaded.draft, lambda kind, name: loaded.extensions.get(kind, name).schema


def test_json_has_each_value_with_its_origin():
    tree = explain_json(*_parts())
    config = tree["project"]["models"][0]["provider"]["config"]

    assert config["baseUrl"]["value"] == "https://llm.example/v1"
    assert config["baseUrl"]["origin"].endswith(":9")
    assert tree["server"]["limits"]["drainTimeout"] == {"value": "30s", "origin": "default"}
    assert "secret-" not in json.dumps(tree)


def test_changed_leaves_out_what_has_its_default():
    text = explain(*_parts(), changed=True)
    tree = explain_json(*_parts(), changed=True)

    assert "drainTimeout" not in text
    assert "https://llm.example/v1" in text
    assert "server" not in tree
    assert "# default" not in text
