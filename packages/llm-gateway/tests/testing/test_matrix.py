"""Every hook × operation × dialect × stream mode × route × provider: fires exactly once, with the right context."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from llm_gateway.adapters.anthropic import AnthropicAdapter
from llm_gateway.adapters.openai import OpenAIAdapter
from llm_gateway.dialects.anthropic import Anthropic
from llm_gateway.dialects.openai_chat import OpenAIChat
from llm_gateway.dialects.openai_responses import OpenAIResponses
from llm_gateway.extensions import installed
from llm_gateway.testing import GatewayClient, assert_hooks_fire, hook_cases
from llm_gateway.testing.matrix import QUESTION, HookProbe
from llm_gateway_sdk.testing import FakeUpstream, ScriptedModel

DIALECTS = {dialect.name: dialect for dialect in (OpenAIChat(), OpenAIResponses(), Anthropic())}
CASES = list(hook_cases([OpenAIAdapter(), AnthropicAdapter()], DIALECTS, prefixes=("", "/shop")))
OTHERS = {
    "/embeddings": {"object": "list", "data": [{"object": "embedding", "index": 0, "embedding": [0.5]}]},
    "/count_tokens": {"input_tokens": 7},
    "/input_tokens": {"object": "response.input_tokens", "input_tokens": 7},
    "/files": {"data": []},
}

HTTP: dict[str, Any] = {"apiKey": "k", "retryAttempts": 1}
PROVIDERS: dict[str, dict[str, Any]] = {
    "echo": {"type": "echo"},
    "openai_chat": {"type": "openai", "config": {**HTTP, "api": "chat"}},
    "openai_responses": {"type": "openai", "config": {**HTTP, "api": "responses"}},
    "anthropic": {"type": "anthropic", "config": HTTP},
}


class Gateways:
    """One gateway per kind of provider, answering or failing."""

    def __init__(self) -> None:
        self._open: list[FakeUpstream | GatewayClient] = []
        self._clients: dict[tuple[str, bool], GatewayClient] = {}

    def __call__(self, provider: str, *, fails: bool) -> GatewayClient:
        if (provider, fails) not in self._clients:
            settings = dict(PROVIDERS[provider].get("config", {"failWith": 503} if fails else {}))
            if provider in DIALECTS:
                model = ScriptedModel(503) if fails else ScriptedModel(QUESTION)
                upstream = FakeUpstream(DIALECTS[provider], model, others=OTHERS)
                upstream.__enter__()
                self._open.append(upstream)
                settings["baseUrl"] = upstream.url + ("" if provider == "anthropic" else "/v1")
            configuration = {
                "nativePaths": ["/v1/files"],
                "models": [
                    {
                        "name": "model",
                        "isDefault": True,
                        "provider": {"type": PROVIDERS[provider]["type"], "config": settings},
                    }
                ],
                "plugins": [{"name": "probe", "type": "hook-probe"}],
                "projects": [{"name": "shop"}],
            }
            client = GatewayClient(json.dumps(configuration), extensions=[HookProbe])
            self._open.append(client)
            self._clients[provider, fails] = client
        return self._clients[provider, fails]

    def close(self) -> None:
        for each in reversed(self._open):
            each.__exit__(None, None, None)


@pytest.fixture(scope="module")
def gateways() -> Iterator[Gateways]:
    made = Gateways()
    yield made
    made.close()


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_hook_fires_once_with_the_right_context(gateways, case, provider):
    assert_hooks_fire(gateways(provider, fails=False), case, text=QUESTION)


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("case", [case for case in CASES if case.operation == "generate"], ids=str)
def test_on_model_error_fires_once_where_the_model_fails(gateways, case, provider):
    answer = assert_hooks_fire(gateways(provider, fails=True), case, fails=True)

    assert answer.status >= 500


def test_every_hook_fires_on_the_routes_of_every_other_adapter_that_is_installed(gateways):
    extensions = installed()
    others = [extensions.get("adapter", name).cls() for name in extensions.names("adapter")]
    others = [adapter for adapter in others if not isinstance(adapter, OpenAIAdapter | AnthropicAdapter)]
    names = {route.dialect for adapter in others for route in adapter.routes}
    dialects = {name: extensions.get("dialect", name).cls() for name in names}
    if not others:
        pytest.skip("there is no other adapter")
    for provider in PROVIDERS:
        for case in hook_cases(others, dialects, prefixes=("", "/shop")):
            assert_hooks_fire(gateways(provider, fails=False), case, text=QUESTION)
            if case.operation == "generate":
                assert_hooks_fire(gateways(provider, fails=True), case, fails=True)


def test_the_cases_are_what_they_claim_to_be():
    operations = {"generate", "count_tokens", "embed", "models", "native", "stored", "realtime"}
    assert {case.operation for case in CASES} == operations
    assert {(case.dialect, case.stream) for case in CASES if case.operation == "generate"} == {
        (dialect, stream) for dialect in DIALECTS for stream in (False, True)
    }
    assert len(CASES) == len({str(case) for case in CASES})


def test_a_hook_that_is_left_out_is_found():
    configuration = """
        models: [{name: model, isDefault: true, provider: {type: echo}}]
        plugins: [{name: probe, type: hook-probe, conditions: {paths: [/v1/chat]}}]
    """
    with GatewayClient(configuration, extensions=[HookProbe]) as client:
        for case in CASES:
            if case.path == "/v1/chat/completions":
                assert_hooks_fire(client, case, text=QUESTION)
            if case.path == "/v1/messages":
                with pytest.raises(AssertionError, match="hooks were called"):
                    assert_hooks_fire(client, case)
