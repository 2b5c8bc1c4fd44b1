"""Token counts, embeddings, model lists and a vendor's other endpoints, through the running gateway."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from five_apis import DIALECTS, FiveApis, Received, models_of
from served_gateway import ServedGateway

TOOL = {"name": "weather", "description": "Reports the weather.", "input_schema": {"type": "object", "properties": {}}}
COUNTS = {"anthropic": 101, "openai_responses": 102, "gemini": 103, "bedrock": 104}
"""What each API of the upstream counts; Chat Completions can't count."""
PATHS = {
    "anthropic": "/v1/messages/count_tokens",
    "openai_responses": "/v1/responses/input_tokens",
    "gemini": "/v1beta/models/gemini-3-pro:countTokens",
    "bedrock": "/model/anthropic.claude-sonnet-4-5-v1%3A0/count-tokens",
}
ESTIMATE = "x-llm-gateway-estimate"


@pytest.fixture(scope="module")
def served(apis: FiveApis, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedGateway]:
    """A model for each API, one of them with an alias and metadata; one without endpoints other than generation."""
    models = models_of(apis.url)
    for model in models:
        if model["name"] == "anthropic":
            more = {"maxInputTokens": 200_000, "displayName": "The Claude"}
            model.update(isDefault=True, aliases=["claude-x", "claude-*"], description="The best.", metadata=more)
    nowhere = {"apiKey": "k", "baseUrl": f"{apis.url}/nowhere", "model": "m", "retryAttempts": 1}
    models.append({"name": "bare", "provider": {"type": "anthropic", "config": nowhere}})
    native = {"name": "native", "nativePaths": ["/v1/files", "/v1/responses/*", "/v1/messages/batches"]}
    gateway = ServedGateway({"models": models, "projects": [native]}, tmp_path_factory.mktemp("side"))
    yield gateway
    gateway.stop()


@pytest.fixture
def http(served: ServedGateway) -> Iterator[httpx.Client]:
    with served.http() as client:
        yield client


def last(apis: FiveApis, path: str) -> Received:
    return next(received for received in reversed(apis.received) if received.path.endswith(path))


def count(http: httpx.Client, client: str, model: str, text: str = "Hello", **more: Any) -> httpx.Response:
    messages = [{"role": "user", "content": text}]
    if client == "anthropic":
        body = {"model": model, "messages": messages, **more}
        return http.post("/anthropic/v1/messages/count_tokens?beta=true", json=body)
    if client == "openai_responses":
        return http.post("/openai/v1/responses/input_tokens", json={"model": model, "input": text, **more})
    contents = [{"role": "user", "parts": [{"text": text}]}]
    return http.post(f"/gemini/v1beta/models/{model}:countTokens", json={"contents": contents, **more})


def counted(client: str, reply: httpx.Response) -> int:
    assert reply.status_code == 200, reply.text
    return int(reply.json()["totalTokens" if client == "gemini" else "input_tokens"])


@pytest.mark.parametrize("client", ["anthropic", "openai_responses", "gemini"])
@pytest.mark.parametrize("model", COUNTS)
def test_tokens_are_counted_by_the_provider_that_can(
    http: httpx.Client, apis: FiveApis, client: str, model: str
) -> None:
    reply = count(http, client, model)

    assert counted(client, reply) == COUNTS[model]
    assert ESTIMATE not in reply.headers
    received = last(apis, PATHS[model])
    assert "Hello" in str(received.body) or model == "bedrock"
    assert "sk-upstream" in str(received.headers)


@pytest.mark.parametrize("client", ["anthropic", "openai_responses", "gemini"])
@pytest.mark.parametrize("model", ["openai_chat", "bare"])
def test_tokens_are_estimated_where_none_counts(http: httpx.Client, client: str, model: str) -> None:
    short, long = count(http, client, model), count(http, client, model, "Hello, world! " * 300)

    assert short.headers[ESTIMATE] == "true"
    assert 1 <= counted(client, short) < 40
    assert counted(client, long) >= 1200, "an estimate errs high"


def test_an_estimate_counts_tools_results_and_images(http: httpx.Client) -> None:
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}}
    turns = [
        {"role": "user", "content": [{"type": "text", "text": "Hello"}]},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "weather", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": [image]}]},
    ]
    body = {"model": "openai_chat", "messages": turns}
    path = "/anthropic/v1/messages/count_tokens"

    plain = http.post(path, json={**body, "messages": turns[:1]}).json()["input_tokens"]
    shown = http.post(path, json=body).json()["input_tokens"]
    equipped = http.post(path, json={**body, "tools": [TOOL] * 20}).json()["input_tokens"]

    assert plain < shown < equipped


def test_a_count_needs_no_max_tokens_and_keeps_its_bytes(http: httpx.Client, apis: FiveApis) -> None:
    count(http, "anthropic", "anthropic", tools=[TOOL], some_field={"a": 1e5})

    received = last(apis, PATHS["anthropic"])
    assert received.query == "beta=true"
    assert received.body["some_field"] == {"a": 1e5}
    assert received.body["model"] == "anthropic-model"


@pytest.mark.parametrize("model", ["anthropic", "openai_chat"])
def test_what_rests_on_a_stored_conversation_is_not_counted_elsewhere(http: httpx.Client, model: str) -> None:
    stored = {"previous_response_id": "resp_1"}

    refused = count(http, "openai_responses", model, **stored)

    assert refused.status_code == 400
    assert "previous_response_id" in refused.json()["error"]["message"]
    assert counted("openai_responses", count(http, "openai_responses", "openai_responses", **stored)) == 102


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"model": "openai_chat", "messages": 5}'])
def test_a_count_of_nonsense_is_refused(http: httpx.Client, body: bytes) -> None:
    headers = {"content-type": "application/json"}

    reply = http.post("/anthropic/v1/messages/count_tokens", content=body, headers=headers)

    assert reply.status_code == 400
    assert reply.json()["type"] == "error"


def test_embeddings_pass_through(http: httpx.Client, apis: FiveApis) -> None:
    body = {"model": "openai_chat", "input": ["a", "b"], "dimensions": 2}

    reply = http.post("/openai/v1/embeddings", json=body)

    assert reply.json()["data"][0]["embedding"] == [0.5, -0.25]
    assert last(apis, "/v1/embeddings").body == {**body, "model": "openai_chat-model"}, "nothing is added"


def test_embeddings_of_a_model_without_them_are_not_found(http: httpx.Client) -> None:
    reply = http.post("/openai/v1/embeddings", json={"model": "anthropic", "input": "a"})

    assert reply.status_code == 404
    assert "anthropic" in reply.json()["error"]["message"]


def test_models_are_listed_for_openais_clients(http: httpx.Client, served: ServedGateway) -> None:
    listed = {model.id: model for model in served.openai().models.list()}

    assert {*DIALECTS, "bare", "claude-x"} == listed.keys(), "a name with a wildcard is no model"
    shown = http.get("/openai/v1/models/claude-x").json()
    assert (shown["object"], shown["owned_by"], shown["description"]) == ("model", "anthropic", "The best.")
    assert shown["metadata"]["maxInputTokens"] == 200_000
    missing = http.get("/openai/v1/models/nothing")
    assert (missing.status_code, missing.json()["error"]["type"]) == (404, "invalid_request_error")


def test_models_are_listed_for_anthropics_clients(http: httpx.Client, served: ServedGateway) -> None:
    listed = {model.id: model for model in served.anthropic().models.list(limit=2)}

    assert {*DIALECTS, "bare", "claude-x"} == listed.keys(), "page by page"
    shown = served.anthropic().models.retrieve("claude-x")
    assert (shown.type, shown.display_name, shown.max_input_tokens) == ("model", "The Claude", 200_000)
    assert http.get("/anthropic/v1/models/nothing").json()["error"]["type"] == "not_found_error"


def test_models_are_listed_for_googles_clients(http: httpx.Client) -> None:
    listed = http.get("/gemini/v1beta/models").json()["models"]

    assert {f"models/{name}" for name in (*DIALECTS, "bare", "claude-x")} == {model["name"] for model in listed}
    shown = http.get("/gemini/v1beta/models/claude-x").json()
    assert (shown["displayName"], shown["inputTokenLimit"]) == ("The Claude", 200_000)
    assert http.get("/gemini/v1beta/models/nothing").json()["error"]["status"] == "NOT_FOUND"


@pytest.mark.parametrize(
    ("headers", "key"),
    [({}, "object"), ({"anthropic-version": "2023-06-01"}, "has_more"), ({"x-goog-api-key": "k"}, "models")],
    ids=["openai", "anthropic", "gemini"],
)
def test_models_on_the_bare_path_have_the_clients_shape(http: httpx.Client, headers: dict[str, str], key: str) -> None:
    assert key in http.get("/v1/models", headers=headers).json()


@pytest.mark.parametrize(
    ("method", "path", "seen"),
    [
        ("GET", "/native/openai/v1/files?purpose=batch", "/v1/files"),
        ("GET", "/native/openai/v1/responses/resp_1", "/v1/responses/resp_1"),
        ("GET", "/native/anthropic/v1/messages/batches", "/v1/messages/batches"),
    ],
)
def test_a_vendors_other_paths_pass_where_they_are_listed(
    http: httpx.Client, apis: FiveApis, method: str, path: str, seen: str
) -> None:
    reply = http.request(method, path)

    assert reply.status_code == 200, reply.text
    received = last(apis, seen)
    assert received.method == method
    assert "sk-upstream" in str(received.headers)
    assert received.query == path.partition("?")[2]


@pytest.mark.parametrize("path", ["/native/openai/v1/threads", "/openai/v1/threads", "/native/openai/v1/files/../x"])
def test_and_nowhere_else(http: httpx.Client, apis: FiveApis, path: str) -> None:
    before = len(apis.received)

    reply = http.get(path)

    assert reply.status_code == 404
    assert len(apis.received) == before
