"""What tools with an "Ollama URL" ask before they talk."""

import pytest

from llm_gateway.testing import GatewayClient

CONFIG = """
models:
  - {name: big, aliases: ["alias", "gpt-*"], isDefault: true, metadata: {contextWindow: 5000}, provider: {type: echo}}
  - {name: org/small, provider: {type: echo}}
"""


@pytest.fixture(scope="module")
def gateway():
    with GatewayClient(CONFIG) as client:
        yield client


@pytest.mark.parametrize("place", ["", "/ollama"])
def test_models_are_listed(gateway, place):
    tags = gateway.get(f"{place}/api/tags").json()["models"]

    assert [tag["name"] for tag in tags] == ["big", "alias", "org/small"]
    assert {"model", "modified_at", "size", "digest", "details"} <= tags[0].keys()
    running = gateway.get(f"{place}/api/ps").json()["models"]
    assert running[0]["context_length"] == 5000
    assert gateway.get(f"{place}/api/version").json()["version"].count(".") == 2


def test_one_model_is_shown(gateway):
    shown = gateway.post("/api/show", {"model": "big:latest"}).json()

    assert shown["model_info"]["gateway.context_length"] == 5000
    assert "tools" in shown["capabilities"]
    assert gateway.post("/api/show", {"name": "org/small"}).status == 200
    missing = gateway.post("/api/show", {"model": "none"})
    assert (missing.status, missing.json()) == (404, {"error": "model 'none' not found"})
    for body in (b"{", b"[]", b"{}"):
        assert gateway.post("/api/show", body=body).status == 400


def test_lm_studios_list(gateway):
    listed = gateway.get("/api/v0/models").json()["data"]

    assert (listed[0]["id"], listed[0]["state"]) == ("big", "loaded")
    assert gateway.get("/api/v0/models/org/small").json()["id"] == "org/small"
    assert gateway.get("/api/v0/models/none").status == 404


def test_chat_completions_are_below_the_same_address(gateway):
    body = {"model": "big", "messages": [{"role": "user", "content": "Hi"}]}

    assert gateway.post("/ollama/v1/chat/completions", body).json()["choices"][0]["message"]["content"] == "Hi"
    assert gateway.get("/ollama/v1/models").json()["data"][0]["id"] == "big"


def test_a_caller_sees_what_it_may_use():
    config = CONFIG + 'plugins: [{name: auth, type: basic-apikey-auth, config: {apikeys: ["key-0123456789"]}}]\n'
    with GatewayClient(config) as gateway:
        assert gateway.get("/api/tags").status == 401
        headers = {"authorization": "Bearer key-0123456789"}
        assert gateway.get("/api/tags", headers=headers).status == 200
        assert gateway.post("/api/show", {"model": "big"}).status == 401
