"""The examples of the founding description, served as they are written.

Only the address of the provider is added, and fragments are merged into a file that has their models.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest
import yaml
from official_clients import CLIENTS, Question, ask
from scripted_upstream import ScriptedUpstream
from served_gateway import ServedGateway, new_request_id

each_client = pytest.mark.parametrize("client", CLIENTS)
streamed_or_not = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
KEYS = {"OPENAI_API_KEY": "sk-openai", "ANTHROPIC_PROD_KEY": "sk-anthropic"}

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

BASE = """
models:
  - name: gpt
    isDefault: true
    provider: {type: openai, config: {apiKey: "${OPENAI_API_KEY}", model: "gpt-4.1", retryAttempts: 1}}
  - name: claude
    provider: {type: anthropic, config: {apiKey: "${ANTHROPIC_PROD_KEY}", model: "claude-x", retryAttempts: 1}}
  - name: gpt-fallback
    provider: {type: openai, config: {apiKey: "${OPENAI_API_KEY}", model: "gpt-4.1-mini", retryAttempts: 1}}
"""

AUTH = """
plugins:
  - name: auth
    type: basic-apikey-auth
    config:
      apikeys:
        - "your-api-key-1"
        - "your-api-key-2"
"""

ROUTER = """
plugins:
  - name: router
    type: model-router
    config:
      model: "gpt"
      fallbacks:
        - "claude"
        - "gpt-fallback"
"""

HIDER = r"""
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

PLUGIN = '''
"""The founding description's plugin, in Python."""

from llm_gateway_sdk import Plugin, PluginResult, RequestContext, plugin_metadata


@plugin_metadata(
    name="my-custom-plugin",
    version="1.0.0",
    description="My custom plugin description",
    configuration_schema={"type": "object", "properties": {"enabled": {"type": "boolean"}}},
)
class MyCustomPlugin(Plugin):
    async def configure(self, config: dict) -> None:
        self.config = config

    async def validate_config(self, config: dict) -> bool | str:
        return True

    async def before_model(self, ctx: RequestContext) -> PluginResult:
        ctx.request.map_text(lambda text: text.replace("knock", "KNOCK"))
        return PluginResult(success=True)

    async def after_model(self, ctx: RequestContext) -> PluginResult:
        ctx.response.map_text(lambda text: text.replace("heard", "understood"))
        return PluginResult(success=True)

    async def after_chunk(self, ctx: RequestContext) -> PluginResult:
        ctx.buffered_chunk.map_text(lambda text: text.replace("heard", "understood"))
        return PluginResult(success=True)

    async def on_model_error(self, ctx: RequestContext) -> PluginResult:
        return PluginResult(success=True)

    async def detached_after_response(self, ctx: RequestContext) -> None:
        print(f"detached: {ctx.request_id} {ctx.error}", flush=True)
'''


def served_by(upstream: ScriptedUpstream, *texts: str) -> dict[str, Any]:
    """The configuration of these texts together, with the address of the provider added.

    Its failures are of the tests' own making, and should not make the gateway avoid it.
    """
    config: dict[str, Any] = {"breaker": {"enabled": False}}
    for text in texts:
        config.update(yaml.safe_load(text))
    levels = [config, *config.get("projects", [])]
    for entry in (entry for level in levels for entry in level.get("models", [])):
        provider = entry["provider"]
        provider["config"]["baseUrl"] = upstream.url + ("/v1" if provider["type"] == "openai" else "")
    return config


@pytest.fixture(scope="module")
def quick_start(upstream: ScriptedUpstream, serve: Any) -> ServedGateway:
    return serve(served_by(upstream, QUICK_START), KEYS)  # type: ignore[no-any-return]


def test_the_curl_of_the_quick_start_is_answered_as_a_message(quick_start: ServedGateway) -> None:
    body = {
        "model": "claude-sonnet-4-20250514",
        "messages": [{"role": "user", "content": "Hello, world!"}],
        "max_tokens": 100,
    }
    with quick_start.http() as http:
        reply = http.post(
            "/test/anthropic/v1/messages",
            content=json.dumps(body),
            headers={"Content-Type": "application/json", "Authorization": "Bearer nothing"},
        )

    answer = reply.json()
    assert reply.status_code == 200
    assert (answer["type"], answer["role"], answer["stop_reason"]) == ("message", "assistant", "end_turn")
    assert answer["content"] == [{"type": "text", "text": "upstream heard: Hello, world!"}]
    assert answer["model"] == "gpt-4.1"
    assert answer["usage"]["input_tokens"] == 11
    assert reply.headers["x-llm-gateway-model"] == "gpt-std"


@each_client
@streamed_or_not
def test_gpt_mini_answers_when_gpt_std_fails(
    quick_start: ServedGateway, upstream: ScriptedUpstream, client: str, stream: bool
) -> None:
    request_id = new_request_id()
    question = Question("fail 503 on gpt-4.1", model="whatever-is-asked-for")

    answer = ask(quick_start, client, question, project="/test", stream=stream, headers={"x-request-id": request_id})

    assert answer.text == "upstream heard: fail 503 on gpt-4.1"
    assert [each.body["model"] for each in upstream.received(request_id)] == ["gpt-4.1", "gpt-4.1-mini"]


@each_client
@streamed_or_not
def test_when_both_fail_the_last_error_is_raised(quick_start: ServedGateway, client: str, stream: bool) -> None:
    with pytest.raises((openai.PermissionDeniedError, anthropic.PermissionDeniedError), match="upstream said 403"):
        ask(quick_start, client, Question("fail 403"), project="/test", stream=stream)


@pytest.fixture(scope="module")
def guarded(upstream: ScriptedUpstream, serve: Any) -> ServedGateway:
    return serve(served_by(upstream, BASE, AUTH), KEYS)  # type: ignore[no-any-return]


@each_client
@pytest.mark.parametrize("key", ["your-api-key-1", "your-api-key-2"])
def test_each_listed_key_is_accepted(guarded: ServedGateway, client: str, key: str) -> None:
    assert ask(guarded, client, Question("Hello"), key=key).text == "upstream heard: Hello"


@each_client
def test_another_key_is_not_accepted(guarded: ServedGateway, client: str) -> None:
    with pytest.raises((openai.AuthenticationError, anthropic.AuthenticationError)):
        ask(guarded, client, Question("Hello"), key="your-api-key-3")


@pytest.mark.parametrize(
    "header", [{"Authorization": "Bearer your-api-key-1"}, {"x-api-key": "your-api-key-1"}], ids=["bearer", "x-api-key"]
)
@pytest.mark.parametrize("path", ["/openai/v1/chat/completions", "/anthropic/v1/messages"])
def test_the_key_is_taken_from_either_header_on_either_path(
    guarded: ServedGateway, header: dict[str, str], path: str
) -> None:
    body = {"model": "gpt", "max_tokens": 9, "messages": [{"role": "user", "content": "Hello"}]}
    with guarded.http() as http:
        assert http.post(path, json=body, headers=header).status_code == 200


@pytest.fixture(scope="module")
def routed(upstream: ScriptedUpstream, serve: Any) -> ServedGateway:
    return serve(served_by(upstream, BASE, ROUTER), KEYS)  # type: ignore[no-any-return]


@each_client
@streamed_or_not
def test_the_router_falls_back_to_another_vendor(
    routed: ServedGateway, upstream: ScriptedUpstream, client: str, stream: bool
) -> None:
    request_id = new_request_id()

    answer = ask(routed, client, Question("fail 500 on gpt-4.1"), stream=stream, headers={"x-request-id": request_id})

    assert answer.text == "upstream heard: fail 500 on gpt-4.1"
    assert [each.path for each in upstream.received(request_id)] == ["/v1/chat/completions", "/v1/messages"]


@pytest.fixture(scope="module")
def hiding(upstream: ScriptedUpstream, serve: Any) -> ServedGateway:
    return serve(served_by(upstream, BASE, HIDER), KEYS)  # type: ignore[no-any-return]


@each_client
@pytest.mark.parametrize("provider", ["gpt", "claude"])
@streamed_or_not
def test_sensitive_text_is_hidden_from_provider_and_client(
    hiding: ServedGateway, upstream: ScriptedUpstream, client: str, provider: str, stream: bool
) -> None:
    request_id = new_request_id()
    text = "My number is 078-05-1120, my card 4111 1111 1111 1111, my address me@example.com."

    answer = ask(hiding, client, Question(text, model=provider), stream=stream, headers={"x-request-id": request_id})

    sent = json.dumps(upstream.received(request_id)[0].body)
    assert "078-05-1120" not in sent
    assert "4111 1111" not in sent
    assert "me@example.com" in sent, "this pattern applies to the response alone"
    redacted = "My number is [REDACTED|SSN], my card [REDACTED|CREDIT_CARD], my address [REDACTED|EMAIL]"
    assert answer.text.startswith(f"upstream heard: {redacted}")
    assert "me@" not in answer.text


@each_client
@streamed_or_not
def test_arguments_of_tools_are_hidden_and_stay_json(hiding: ServedGateway, client: str, stream: bool) -> None:
    question = Question('call weather {"city": "at \\"me@example.com\\""}', tools=True, model="gpt")

    answer = ask(hiding, client, question, stream=stream)

    assert [given for _, _, given in answer.calls] == [{"city": 'at "[REDACTED|EMAIL]"'}]


@pytest.fixture(scope="module")
def projects(upstream: ScriptedUpstream, serve: Any) -> ServedGateway:
    return serve(served_by(upstream, PROJECTS), KEYS)  # type: ignore[no-any-return]


def test_the_default_project_answers_without_a_name(projects: ServedGateway) -> None:
    assert ask(projects, "openai chat", Question("Hello", model="gpt")).text == "upstream heard: Hello"


def test_a_project_inherits_the_default_projects_model(projects: ServedGateway) -> None:
    answer = ask(projects, "anthropic", Question("Hello", model="gpt"), project="/production", key="prod-key-123")

    assert answer.text == "upstream heard: Hello"


def test_a_projects_own_model_is_its_own(projects: ServedGateway, upstream: ScriptedUpstream) -> None:
    request_id = new_request_id()
    question, headers = Question("Hello", model="claude-prod"), {"x-request-id": request_id}

    ask(projects, "anthropic", question, project="/production", key="prod-key-123", headers=headers)
    names = [each.id for each in projects.openai("/development").models.list()]

    assert upstream.received(request_id)[0].path == "/v1/messages"
    assert names == ["gpt"]


def test_a_projects_own_plugin_guards_it_alone(projects: ServedGateway) -> None:
    with pytest.raises(openai.AuthenticationError):
        ask(projects, "openai chat", Question("Hello", model="gpt"), project="/production")
    assert ask(projects, "openai chat", Question("Hello", model="gpt"), project="/development").calls == []


def test_an_inherited_logger_logs_the_projects_requests(projects: ServedGateway) -> None:
    """Production has the default's logger, development that and another one."""
    plain, doubled = new_request_id(), new_request_id()

    for request_id, project, key in ((plain, "/production", "prod-key-123"), (doubled, "/development", "any-key-9")):
        headers = {"x-request-id": request_id}
        ask(projects, "openai chat", Question("Hello", model="gpt"), project=project, key=key, headers=headers)
    projects.stop()

    lines = [line for line in projects.log.splitlines() if "llm_gateway.requests" in line]
    assert sum(f"request_id={plain}" in line for line in lines) == 1
    assert sum(f"request_id={doubled}" in line for line in lines) == 2
    assert "prod-key-123" not in projects.log
    assert "sk-openai" not in projects.log


def custom(upstream: ScriptedUpstream, **available: str) -> dict[str, Any]:
    plugins = [{"name": "mine", "type": "my-custom-plugin", "config": {"enabled": True}}]
    return {**served_by(upstream, BASE), "availablePlugins": [available], "plugins": plugins}


def assert_the_plugin_works(served: ServedGateway) -> None:
    whole = ask(served, "openai chat", Question("knock knock", model="gpt"))
    streamed = ask(served, "anthropic", Question("knock knock", model="gpt"), stream=True)

    assert whole.text == streamed.text == "upstream understood: KNOCK KNOCK"
    with pytest.raises(openai.BadRequestError):
        ask(served, "openai chat", Question("fail 400", model="gpt"))
    served.stop()
    assert served.log.count("detached: req_") == 3


def test_a_plugin_is_found_by_path(upstream: ScriptedUpstream, serve: Any, tmp_path: Path) -> None:
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "my_plugin.py").write_text(PLUGIN)

    assert_the_plugin_works(serve(custom(upstream, path="./plugins/my_plugin.py"), KEYS, tmp_path))


def test_a_plugin_is_found_by_module(upstream: ScriptedUpstream, serve: Any, tmp_path: Path) -> None:
    (tmp_path / "site" / "my_org_plugins").mkdir(parents=True)
    (tmp_path / "site" / "my_org_plugins" / "__init__.py").write_text(PLUGIN)
    environ = {**KEYS, "PYTHONPATH": str(tmp_path / "site")}

    assert_the_plugin_works(serve(custom(upstream, module="my_org_plugins"), environ, tmp_path / "served"))
