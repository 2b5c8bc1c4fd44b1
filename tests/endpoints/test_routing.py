"""Each kind of request has a router with its own fallbacks: where the first provider fails, the next one answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from endpoint_models import models_of
from realtime_vendor import RealtimeVendor
from served_gateway import ServedGateway
from vendors import Vendors
from websockets.sync.client import connect

ROUTES = {
    "image": ("openai", "imagen"),
    "rerank": ("cohere", "voyage"),
    "embed": ("openai", "google"),
    "speech": ("openai", "gemini-tts"),
    "moderate": ("openai", "mistral"),
}
"""By operation: what is asked for, which is down, and which answers in its place."""
ASKED: dict[str, tuple[str, dict[str, Any]]] = {
    "image": ("/v1/images/generations", {"prompt": "a cat"}),
    "rerank": ("/v2/rerank", {"query": "a", "documents": ["a", "b"]}),
    "embed": ("/v1/embeddings", {"input": "a"}),
    "speech": ("/v1/audio/speech", {"input": "hello", "voice": "Kore", "response_format": "wav"}),
    "moderate": ("/v1/moderations", {"input": "hello"}),
}


def down(model: dict[str, Any]) -> dict[str, Any]:
    """The same model at an address without a server."""
    config = {**model["provider"]["config"], "baseUrl": "http://127.0.0.1:9", "connectTimeout": "1s"}
    name = f"{model['name']}-down"
    return {"name": name, "provider": {**model["provider"], "config": config}}


@pytest.fixture(scope="module")
def voices() -> Iterator[RealtimeVendor]:
    vendor = RealtimeVendor()
    yield vendor
    vendor.close()


@pytest.fixture(scope="module")
def routed(
    vendors: Vendors, voices: RealtimeVendor, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServedGateway]:
    models = models_of(vendors.url)
    by_name = {model["name"]: model for model in models}
    routers = [
        {
            "name": operation,
            "type": "model-router",
            "config": {"model": f"{first}-down", "fallbacks": [second], "operations": [operation]},
        }
        for operation, (first, second) in ROUTES.items()
    ]
    voice = {"baseUrl": f"{voices.url}/v1", "apiKey": "k", "model": "gpt-realtime"}
    models += [down(by_name[name]) for name in {first for first, _ in ROUTES.values()}]
    models += [{"name": "voice", "provider": {"type": "openai", "config": voice}}]
    realtime = {"model": "openai-down", "fallbacks": ["voice"], "operations": ["realtime"]}
    plugins = [*routers, {"name": "voices", "type": "model-router", "config": realtime}]
    served = ServedGateway({"models": models, "plugins": plugins}, tmp_path_factory.mktemp("routed"))
    yield served
    served.stop()


@pytest.mark.parametrize("operation", ROUTES)
def test_the_next_provider_answers_where_the_first_fails(routed: ServedGateway, operation: str) -> None:
    path, body = ASKED[operation]
    with routed.http() as http:
        reply = http.post(path, json={"model": ROUTES[operation][0], **body})

    assert reply.status_code == 200, reply.text
    assert reply.headers["x-llm-gateway-model"] == ROUTES[operation][1]
    assert reply.headers["x-llm-gateway-attempts"] == "2"


def test_a_session_is_opened_by_the_next_provider(routed: ServedGateway) -> None:
    url = routed.url.replace("http", "ws", 1) + "/v1/realtime?model=openai-down"
    with connect(url, additional_headers={"authorization": "Bearer k"}, proxy=None) as session:
        assert session.response is not None
        assert session.response.headers["x-llm-gateway-model"] == "voice"
        assert json.loads(session.recv(5))["type"] == "session.created"


def test_a_router_leaves_other_requests_alone(routed: ServedGateway) -> None:
    body = {"model": "openai", "messages": [{"role": "user", "content": "hi"}]}
    with routed.http() as http:
        reply = http.post("/v1/chat/completions", json=body)

    assert reply.headers.get("x-llm-gateway-attempts") in (None, "1")
