"""A server of Ollama's API, asked by clients of any."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from llm_gateway_ollama import Ollama, OllamaNativeProvider

from llm_gateway.testing import GatewayClient
from llm_gateway_sdk.testing import FakeUpstream, ScriptedModel

CONFIG = """
models:
  - name: local
    isDefault: true
    provider: {type: ollama-native, config: {baseUrl: "URL", model: "gpt-oss:20b", retryAttempts: 1}}
"""


@pytest.fixture(scope="module")
def upstream() -> Iterator[FakeUpstream]:
    embedded = {"model": "m", "embeddings": [[0.5]], "prompt_eval_count": 2}
    with FakeUpstream(Ollama(), ScriptedModel("Hello there."), others={"/api/embed": embedded}) as server:
        yield server


@pytest.fixture(scope="module")
def gateway(upstream: FakeUpstream) -> Iterator[GatewayClient]:
    with GatewayClient(CONFIG.replace("URL", upstream.url)) as client:
        yield client


def test_the_server_of_this_machine_is_the_default() -> None:
    assert OllamaNativeProvider.default_base_url == "http://127.0.0.1:11434"


@pytest.mark.parametrize("stream", [False, True])
def test_clients_of_other_apis_use_it(gateway: GatewayClient, upstream: FakeUpstream, stream: bool) -> None:
    body = {"model": "local", "messages": [{"role": "user", "content": "Hi"}], "stream": stream, "max_tokens": 9}
    reply = gateway.post("/v1/chat/completions", body)

    sent = json.loads(upstream.received[-1].body)
    assert (upstream.received[-1].path, sent["options"]) == ("/api/chat", {"num_predict": 9})
    assert "there." in reply.text


def test_its_own_clients_pass_untouched(gateway: GatewayClient, upstream: FakeUpstream) -> None:
    body = b'{"model": "local", "prompt": "Why?", "keep_alive": 5, "stream": false}'
    reply = gateway.post("/api/generate", body=body)

    assert json.loads(upstream.received[-1].body) == {**json.loads(body), "model": "gpt-oss:20b"}
    assert upstream.received[-1].path == "/api/generate"
    assert reply.json()["response"] == "Hello there."


def test_it_embeds(gateway: GatewayClient, upstream: FakeUpstream) -> None:
    reply = gateway.post("/v1/embeddings", {"model": "local", "input": "a", "encoding_format": "float"})

    assert reply.json()["data"][0]["embedding"] == [0.5]
    assert json.loads(upstream.received[-1].body)["input"] == ["a"]
