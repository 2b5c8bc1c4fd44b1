from __future__ import annotations

from typing import Any

import pytest

from llm_gateway.adapters.anthropic import AnthropicAdapter
from llm_gateway_sdk import Headers, ModelEntry, WireReply, WireRequest
from llm_gateway_sdk.wire import json

ADAPTER = AnthropicAdapter()
MODELS = [
    ModelEntry(
        "fast",
        "anthropic",
        ("claude-fast", "claude-*"),
        "A fast one",
        metadata={"maxInputTokens": 200000, "max_tokens": 64000},
        created=1_700_000_000,
    ),
    ModelEntry("clever", "openai"),
]


def get(path: str, query: str = "", **headers: str) -> WireReply:
    items = [(name.replace("_", "-"), value) for name, value in headers.items()]
    return ADAPTER.list_models(MODELS, WireRequest("GET", path, query, Headers(items)))


def body(reply: WireReply) -> Any:
    return json.loads(reply.body)


def test_models_are_listed_with_their_aliases_but_not_with_patterns() -> None:
    page = body(get("/v1/models"))

    assert [model["id"] for model in page["data"]] == ["fast", "claude-fast", "clever"]
    assert (page["first_id"], page["last_id"], page["has_more"]) == ("fast", "clever", False)


def test_a_model_has_the_fields_of_the_sdk() -> None:
    from anthropic.types import ModelInfo

    info = ModelInfo.model_validate(body(get("/v1/models/claude-fast")))

    assert (info.id, info.display_name, info.max_input_tokens, info.max_tokens) == (
        "claude-fast",
        "A fast one",
        200000,
        64000,
    )
    assert info.created_at.year == 2023
    assert ModelInfo.model_validate(body(get("/v1/models"))["data"][2]).display_name == "clever"


@pytest.mark.parametrize(
    ("query", "ids", "more"),
    [
        ("limit=2", ["fast", "claude-fast"], True),
        ("limit=1&after_id=fast", ["claude-fast"], True),
        ("after_id=claude-fast", ["clever"], False),
        ("limit=1&before_id=clever", ["claude-fast"], True),
        ("limit=1000", ["fast", "claude-fast", "clever"], False),
    ],
)
def test_pages(query: str, ids: list[str], more: bool) -> None:
    page = body(get("/v1/models", query))

    assert [model["id"] for model in page["data"]] == ids
    assert page["has_more"] is more


def test_an_unknown_model_is_the_vendors_404() -> None:
    reply = get("/anthropic/v1/models/none")

    assert reply.status == 404
    assert body(reply)["error"]["type"] == "not_found_error"


@pytest.mark.parametrize(
    ("header", "claimed"), [("anthropic-version", True), ("x-api-key", True), ("authorization", False)]
)
def test_shared_paths_are_claimed_by_the_vendors_headers(header: str, claimed: bool) -> None:
    assert ADAPTER.claims(WireRequest("GET", "/v1/models", headers=Headers([(header, "x")]))) is claimed


def test_counts_have_the_vendors_shape() -> None:
    assert body(ADAPTER.estimate_reply(12)) == {"input_tokens": 12}


def test_each_operation_has_its_route() -> None:
    assert {(route.method, route.path): route.operation for route in ADAPTER.routes} == {
        ("POST", "/v1/messages"): "generate",
        ("POST", "/v1/messages/count_tokens"): "count_tokens",
        ("GET", "/v1/models"): "models",
        ("POST", "/v1/files"): "file",
        ("GET", "/v1/files"): "file",
        ("GET", "/v1/files/{id}"): "file",
        ("GET", "/v1/files/{id}/content"): "file",
        ("DELETE", "/v1/files/{id}"): "file",
        ("GET", "/v1/models/{model}"): "models",
        ("POST", "/v1/messages/batches"): "batch",
        ("GET", "/v1/messages/batches"): "batch",
        ("GET", "/v1/messages/batches/{id}"): "batch",
        ("GET", "/v1/messages/batches/{id}/results"): "batch",
        ("POST", "/v1/messages/batches/{id}/cancel"): "batch",
        ("DELETE", "/v1/messages/batches/{id}"): "batch",
        ("*", "/v1/{rest}"): "native",
    }
