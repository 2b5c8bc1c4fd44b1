"""Clients of each API on models of each publisher, through a whole gateway."""

import json

import pytest
from llm_gateway_vertex.provider import VertexProvider

from llm_gateway.testing import GatewayClient
from llm_gateway_sdk.errors import ConfigError
from llm_gateway_sdk.testing import ProviderHarness

MODELS = {"gemini-3-pro": "Gemini here", "claude-sonnet-4-5@20250929": "Claude here", "meta/llama-4": "Llama here"}


@pytest.fixture
def gateway(cloud, tmp_path):
    models = [
        {
            "name": name.partition("@")[0],
            "provider": {
                "type": "vertex",
                "config": {
                    "baseUrl": f"{cloud.url}/v1",
                    "location": "europe-west4",
                    "model": name,
                    "credentialsFile": str(cloud.service_account(tmp_path)),
                    "retryDelay": "1ms",
                },
            },
        }
        for name in MODELS
    ]
    client = GatewayClient(json.dumps({"models": models}))
    yield client
    client.close()


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", MODELS)
def test_any_client_reaches_any_model(cloud, gateway, model, stream):
    name = model.partition("@")[0]
    for answer in (
        gateway.chat("Hi", model=name, stream=stream),
        gateway.post("/v1/messages", {"model": name, "max_tokens": 9, "stream": stream, "messages": [
            {"role": "user", "content": "Hi"}]}),
        gateway.post("/v1/responses", {"model": name, "input": "Hi", "stream": stream, "store": False}),
    ):  # fmt: skip
        assert answer.status == 200, answer.text
        assert MODELS[model] in answer.text
    assert [headers["authorization"] for _, headers, _ in cloud.calls] == ["Bearer ya29.account-0"] * 3


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_of_messages_keeps_its_bytes(cloud, gateway, stream):
    body = {
        "model": "claude-sonnet-4-5", "max_tokens": 9, "stream": stream, "thinking": {"type": "disabled"},
        "messages": [{"role": "user", "content": "Hi"}], "context_management": {"edits": [{"type": "x"}]},
    }  # fmt: skip
    headers = {"anthropic-version": "2023-06-01", "anthropic-beta": "a-beta", "x-api-key": "of the client"}
    answer = gateway.post("/v1/messages", body, headers=headers)

    path, sent, received = cloud.calls[-1]
    method = "streamRawPredict" if stream else "rawPredict"
    place = "/v1/projects/of-the-key/locations/europe-west4/publishers/anthropic/models"
    assert path == f"{place}/claude-sonnet-4-5@20250929:{method}"
    del body["model"]
    assert received == {**body, "anthropic_version": "vertex-2023-10-16"}
    assert (sent["anthropic-beta"], "x-api-key" in sent, "anthropic-version" in sent) == ("a-beta", False, False)
    assert b"msg_vrtx_1" in answer.body


def test_tokens_are_counted(cloud, gateway):
    body = {"model": "claude-sonnet-4-5", "messages": [{"role": "user", "content": "Hi"}]}

    assert gateway.post("/v1/messages/count_tokens", body).json() == {"input_tokens": 17}
    path, _, received = cloud.calls[-1]
    assert path.endswith("/publishers/anthropic/models/count-tokens:rawPredict")
    assert received["model"] == "claude-sonnet-4-5@20250929"


def test_a_refused_credential_is_the_providers_failure(cloud, gateway):
    cloud.refuses = True
    answer = gateway.chat("Hi", model="gemini-3-pro")

    assert answer.status == 502
    assert "secret-detail" not in answer.text
    assert cloud.calls == []


def test_a_key_of_express_mode_needs_no_project(cloud):
    harness = ProviderHarness(VertexProvider, {"apiKey": "k", "model": "gemini-3-pro"})
    _, url, headers, _ = harness.provider.prepare(_wire("/models/gemini-3-pro:generateContent"))

    assert url == "https://aiplatform.googleapis.com/v1/publishers/google/models/gemini-3-pro:generateContent"
    assert headers.get("x-goog-api-key") == "k"


@pytest.mark.parametrize(
    ("location", "host"),
    [
        ("global", "aiplatform.googleapis.com"),
        ("us-east5", "us-east5-aiplatform.googleapis.com"),
        ("eu", "aiplatform.eu.rep.googleapis.com"),
    ],
)
def test_the_address_follows_from_the_location(cloud, location, host):
    harness = ProviderHarness(VertexProvider, {"project": "p", "location": location})
    _, url, _, _ = harness.provider.prepare(_wire("/models/gemini-3-pro:generateContent", "alt=sse&key=of-the-client"))

    place = f"projects/p/locations/{location}/publishers/google/models/gemini-3-pro:generateContent"
    assert url == f"https://{host}/v1/{place}?alt=sse"


def test_without_a_project_nothing_works(cloud):
    with pytest.raises(ConfigError, match="project"):
        ProviderHarness(VertexProvider, {"location": "us-east5"})


def _wire(path, query=""):
    from llm_gateway_sdk import Headers, WireRequest

    return WireRequest("POST", path, query, Headers(), b"{}")
