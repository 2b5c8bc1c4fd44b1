"""The configurations of the founding description load as they are: complete files unchanged, fragments next to a base
that has their models."""

import re
from pathlib import Path

import pytest

from llm_gateway.loading import load, load_text
from llm_gateway_sdk.errors import ConfigError

ENVIRON = {"OPENAI_API_KEY": "sk-openai", "ANTHROPIC_PROD_KEY": "sk-anthropic"}

QUICK_START = """
server:
  host: "0.0.0.0"
  port: 3000
models:
  - name: gpt-std
    isDefault: true
    provider:
      type: "openai"
      config:
        apiKey: "${OPENAI_API_KEY}"
        model: "gpt-4.1"
  - name: gpt-mini
    provider:
      type: "openai"
      config:
        apiKey: "${OPENAI_API_KEY}"
        model: "gpt-4.1-mini"
projects:
  - name: test
    description: "Test project"
    plugins:
      - name: "router"
        type: "model-router"
        config:
          model: "gpt-std"
          fallbacks:
            - "gpt-mini"
"""

PROJECTS = """
# Default project configuration
defaultProject: true
models:
  - name: gpt
    isDefault: true
    provider:
      type: openai
      config:
        apiKey: "${OPENAI_API_KEY}"
plugins:
  - name: logger
    type: logger
# Project-specific configurations
projects:
  - name: "production"
    description: "Production environment"
    models:
      - name: claude-prod
        provider:
          type: anthropic
          config:
            apiKey: "${ANTHROPIC_PROD_KEY}"
    plugins:
      - name: auth
        type: basic-apikey-auth
        config:
          apikeys: ["prod-key-123"]
  - name: "development"
    description: "Development environment"
    plugins:
      - name: dev-logger
        type: logger
        config:
          level: debug
monitoring:
  enabled: true
  health_check:
    endpoint: "/health"
logging:
  level: "info"
"""

BASE = """
models:
  - name: gpt
    isDefault: true
    provider: {type: openai, config: {apiKey: "${OPENAI_API_KEY}"}}
  - name: claude
    provider: {type: anthropic, config: {apiKey: "${ANTHROPIC_PROD_KEY}"}}
  - name: gpt-fallback
    provider: {type: openai, config: {apiKey: "${OPENAI_API_KEY}", model: gpt-4.1-mini}}
"""

FRAGMENTS = {
    "basic-apikey-auth": """
plugins:
  - name: auth
    type: basic-apikey-auth
    config:
      apikeys:
        - "your-api-key-1"
        - "your-api-key-2"
""",
    "model-router": """
plugins:
  - name: router
    type: model-router
    config:
      model: "gpt"
      fallbacks:
        - "claude"
        - "gpt-fallback"
""",
    "regex-hider": r"""
plugins:
  - name: pii-protection
    type: regex-hider
    config:
      patterns:
        - pattern: "\\b\\d{3}-\\d{2}-\\d{4}\\b"
          replacement: "[REDACTED|SSN]"
        - pattern: "\\b(?:\\d{4}[- ]?){3}\\d{4}\\b"
          replacement: "[REDACTED|CREDIT_CARD]"
        - pattern: "[a-zA-Z0-9_.+-]+@[a-zA-Z0-9.-]+\\.[a-zA-Z0-9.]+"
          replacement: "[REDACTED|EMAIL]"
          applyTo: "response"
""",
    "regex-hider with all its settings": r"""
plugins:
  - name: pii-protection
    type: regex-hider
    config:
      replacement: "[GONE]"
      blockOnMatch: false
      caseSensitive: true
      logMatches: true
      bufferConfig: {maxSize: 4096, timeout: 1000, flushOn: ["\n"]}
      patterns:
        - {pattern: "secret", caseSensitive: false, blockOnMatch: true, replacement: "x", applyTo: both}
""",
    "prompt-manager": """
plugins:
  - name: house-style
    type: prompt-manager
    config:
      prompt: "Answer briefly. ${PROMPT}"
      mode: wrapper
      experiment: {prompt: "Answer in verse. ${PROMPT}", percentage: 10}
""",
    "clickhouse-tracer": """
availablePlugins:
  - module: "@nullplatform/llm-gateway-clickhouse-tracer-plugin"
plugins:
  - name: tracer
    type: clickhouse-tracer
    config:
      clickhouse:
        url: "http://localhost:8123"
        username: "default"
        password: ""
        database: "traces"
        table: "traces"
      flushInterval: 10000        # milliseconds
""",
    "clickhouse-tracer as existing files have it": """
availableExtensions:
  - module: "@nullplatform/llm-gateway-clickhouse-tracer-plugin"
plugins:
  - name: tracer
    type: clickhouse-tracer
    config:
      clickhouse: {url: "http://localhost:8123", access_token: "abc", database: traces}
      tableName: traces
      batchSize: 100
""",
    "further settings": """
server:
  cors: {enabled: true, origins: ["*"]}
maxRetries: 3
plugins:
  - name: logger
    type: logger
    enabled: true
    priority: 10
    conditions:
      paths: ["/openai", "/^\\\\/v1/"]
      methods: [POST]
      headers: {x-team: "/^a/"}
      user_ids: [u-1]
      models: ["gpt-", "/^claude/"]
    config: {level: info}
logging: {level: info, format: json, destinations: [console, file], file_path: ./gateway.log}
monitoring: {enabled: true, health_check: {enabled: true, interval: 30000, endpoint: /health}}
""",
}


def test_the_quick_start_loads_unchanged():
    config = load_text(QUICK_START, environ=ENVIRON).config

    assert (config.server.host, config.server.port) == ("0.0.0.0", 3000)
    project = config.projects["test"]
    assert project.description == "Test project"
    assert [(model.name, model.provider.config["model"]) for model in project.models] == [
        ("gpt-std", "gpt-4.1"),
        ("gpt-mini", "gpt-4.1-mini"),
    ]
    assert project.default_model == "gpt-std"
    assert project.plugins[0].config == {"model": "gpt-std", "fallbacks": ["gpt-mini"]}


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
def test_the_comments_of_the_quick_start_example_make_it_a_vendors(provider):
    file = Path(__file__).parents[3] / "examples" / "quickstart" / "gateway.yaml"
    text = re.sub(r"^ {4}provider: .*\n", "", file.read_text(), flags=re.MULTILINE)
    text = text.replace(f'    # provider: {{type: "{provider}"', f'    provider: {{type: "{provider}"')

    config = load_text(text, environ={"OPENAI_API_KEY": "sk-1", "ANTHROPIC_API_KEY": "sk-2"}).config

    assert {model.provider.type for model in config.projects["test"].models} == {provider}
    assert all(model.provider.config["apiKey"] for model in config.projects["test"].models)


def test_the_projects_example_loads_unchanged_and_inherits():
    config = load_text(PROJECTS, environ=ENVIRON).config

    assert list(config.projects) == ["default", "production", "development"]
    production, development = config.projects["production"], config.projects["development"]
    assert [model.name for model in production.models] == ["gpt", "claude-prod"]
    assert [plugin.name for plugin in production.plugins] == ["logger", "auth"]
    assert [model.name for model in development.models] == ["gpt"]
    assert [plugin.name for plugin in development.plugins] == ["logger", "dev-logger"]
    assert {project.default_model for project in config.projects.values()} == {"gpt"}


@pytest.mark.parametrize("name", FRAGMENTS)
def test_each_fragment_loads_next_to_a_base_that_has_its_models(name, tmp_path):
    result = load_text(BASE + FRAGMENTS[name], directory=tmp_path, environ=ENVIRON)

    assert len(result.config.projects["default"].plugins) == 1


def test_a_prompt_template_is_not_an_environment_variable():
    result = load_text(BASE + FRAGMENTS["prompt-manager"], environ=ENVIRON)

    assert result.config.projects["default"].plugins[0].config["prompt"] == "Answer briefly. ${PROMPT}"


def test_extensions_of_the_javascript_gateway_are_refused_with_the_python_way_to_say_it(tmp_path):
    text = BASE + 'availablePlugins:\n  - module: "@my-org/my-plugin"\n  - path: "./plugins/my-plugin/dist/index.js"\n'

    with pytest.raises(ConfigError) as caught:
        load_text(text, directory=tmp_path, environ=ENVIRON)

    module, path = caught.value.problems
    assert "`module: my_plugin`" in module.message
    assert "`path: ./plugins/my_plugin.py`" in path.message


def test_an_unset_key_is_a_problem_of_each_place_that_needs_it():
    with pytest.raises(ConfigError) as caught:
        load_text(QUICK_START, environ={})

    assert [problem.path for problem in caught.value.problems] == [
        "models[0].provider.config.apiKey",
        "models[1].provider.config.apiKey",
    ]


def test_without_a_file_the_providers_whose_keys_are_set_answer():
    project = load(None, environ={"ANTHROPIC_API_KEY": "sk-1", "OPENAI_API_KEY": "sk-2"}).config.projects["default"]

    assert [(model.name, model.provider.config) for model in project.models] == [
        ("openai", {"apiKey": "sk-2"}),
        ("anthropic", {"apiKey": "sk-1"}),
    ]
    assert project.default_model == "openai"
    claude = project.model("claude-opus-4")
    assert claude is not None
    assert claude.name == "anthropic"


def test_without_a_file_and_without_keys_echo_answers():
    config = load(None, environ={}).config

    assert [model.provider.type for model in config.projects["default"].models] == ["echo"]
    assert config.server.host == "127.0.0.1"
