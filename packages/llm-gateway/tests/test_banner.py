import json
from pathlib import Path

import pytest

from llm_gateway.banner import banner, exposure_notice, is_loopback, reachable_without_key
from llm_gateway.loading import load_text

TEXT = """
availablePlugins: [{path: ./extensions.py}]
adapters: [{name: spoken}, {name: anthropic}]
models: [{name: gpt, isDefault: true, provider: {type: made}}]
projects:
  - {name: test, description: Test project, plugins: [{name: words, type: guard, config: {words: []}}]}
"""


def test_the_banner_shows_address_projects_models_plugins_and_a_request(folder):
    result = load_text(TEXT, directory=folder, environ={})

    text = banner(
        result.config, result.extensions, host="0.0.0.0", port=3000, source="gateway.yaml", notices=["Mind this."]
    )

    assert "http://localhost:3000" in text
    assert "/test  Test project" in text
    assert "gpt (default) [made]" in text
    assert "words [guard]" in text
    assert "Mind this." in text
    assert "curl http://localhost:3000/test/anthropic/v1/messages" in text


@pytest.mark.parametrize(
    ("plugin", "key"),
    [
        ("{name: a, type: virtual-keys}", "YOUR-KEY"),
        ("{name: a, type: basic-apikey-auth, config: {apikeys: [k]}}", "YOUR-KEY"),
        ("{name: a, type: logger}", "nothing"),
    ],
)
def test_the_printed_request_asks_for_a_key_where_any_plugin_authenticates(plugin, key, tmp_path):
    text = f"models: [{{name: gpt, isDefault: true, provider: {{type: echo}}}}]\nplugins: [{plugin}]\n"
    result = load_text(text, directory=tmp_path, environ={})

    assert f"x-api-key: {key}'" in banner(
        result.config, result.extensions, host="127.0.0.1", port=3000, source="gateway.yaml"
    )


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("localhost", True),
        ("::1", True),
        ("127.8.8.8", True),
        ("0.0.0.0", False),
        ("::", False),
        ("example.com", False),
    ],
)
def test_loopback_addresses_are_distinguished_from_others(host, expected):
    assert is_loopback(host) is expected


def test_projects_that_spend_keys_and_ask_for_none_are_named(folder):
    guarded = "plugins: [{name: auth, type: basic-apikey-auth, config: {apikeys: [a-key-of-mine]}}]\n"
    own = "models: [{name: gpt, provider: {type: made, config: {apiKey: sk}}}]\n"
    head = "availablePlugins: [{path: ./extensions.py}]\nadapters: [{name: spoken}]\n"

    def names(text):
        result = load_text(head + text, directory=folder, environ={})
        return reachable_without_key(result.config, result.extensions)

    assert names(own) == ["default"]
    assert names(own + guarded) == []
    assert names("models: [{name: echo, provider: {type: echo}}]\n") == []


def test_a_project_without_authentication_on_a_public_address_is_noticed_by_check(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from llm_gateway.cli import main

    settings = {
        "server": {"host": "0.0.0.0"},
        "models": [{"name": "m", "isDefault": True, "provider": {"type": "openai", "config": {"apiKey": "k"}}}],
    }
    file = tmp_path / "gateway.yaml"
    file.write_text(json.dumps(settings))
    result = load_text(json.dumps(settings))

    assert main(["check", "--config", str(file)]) == 0
    output = capsys.readouterr()
    assert "0.0.0.0 can be reached from other machines" in output.out + output.err
    assert main(["check", "--strict", "--config", str(file)]) == 2
    assert exposure_notice(result.config, result.extensions, "127.0.0.1") is None
