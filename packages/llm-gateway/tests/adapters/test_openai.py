from __future__ import annotations

import pytest
from openai.types import Model

from llm_gateway.adapters.openai import OpenAIAdapter
from llm_gateway_sdk import Headers, ModelEntry, WireRequest
from llm_gateway_sdk.wire import json

MODELS = [
    ModelEntry("gpt-std", "openai", aliases=("gpt-4o", "claude-*"), created=1_750_000_000, metadata={"tier": 1}),
    ModelEntry("local", "ollama"),
]


def listed(path: str) -> tuple[int, dict[str, object]]:
    reply = OpenAIAdapter().list_models(MODELS, WireRequest("GET", path))
    return reply.status, json.loads(reply.body)


def test_models_and_their_plain_aliases_are_listed_as_the_sdk_reads_them() -> None:
    status, body = listed("/openai/v1/models")

    assert status == 200
    assert body["object"] == "list"
    data = body["data"]
    assert isinstance(data, list)
    models = [Model.model_validate(entry, strict=True) for entry in data]
    assert [(model.id, model.owned_by) for model in models] == [
        ("gpt-std", "openai"),
        ("gpt-4o", "openai"),
        ("local", "ollama"),
    ]


def test_one_model_is_found_by_its_escaped_name() -> None:
    assert listed("/openai/v1/models/gpt%2D4o")[1]["id"] == "gpt-4o"


def test_an_unknown_model_is_an_openai_error_that_names_the_others() -> None:
    status, body = listed("/openai/v1/models/nope")

    error = body["error"]
    assert status == 404
    assert isinstance(error, dict)
    assert error["code"] == "model_not_found"
    assert "gpt-std" in error["message"]


@pytest.mark.parametrize("prefix", ["/v1", ""])
@pytest.mark.parametrize(
    ("path", "operation", "dialect"),
    [
        ("/chat/completions", "generate", "openai_chat"),
        ("/responses", "generate", "openai_responses"),
        ("/responses/input_tokens", "count_tokens", "openai_responses"),
        ("/embeddings", "embed", "openai_chat"),
    ],
)
def test_endpoints_are_with_and_without_the_version(prefix: str, path: str, operation: str, dialect: str) -> None:
    route = next(route for route in OpenAIAdapter.routes if route.path == prefix + path)

    assert (route.method, route.operation, route.dialect, route.upstream) == ("POST", operation, dialect, path)


def test_other_vendors_clients_are_not_claimed() -> None:
    adapter = OpenAIAdapter()

    assert adapter.claims(WireRequest(headers=Headers([("Authorization", "Bearer k")])))
    assert not adapter.claims(WireRequest(headers=Headers([("anthropic-version", "2023-06-01")])))


def test_an_estimate_has_the_shape_of_the_count() -> None:
    assert json.loads(OpenAIAdapter().estimate_reply(7).body) == {"object": "response.input_tokens", "input_tokens": 7}


def test_codex_gets_its_own_catalogue_next_to_the_list() -> None:
    plain = ModelEntry("gpt-5")
    codex = {"base_instructions": "Be a coding agent.", "context_window": 1000}
    described = ModelEntry("qwen", metadata={"codex": codex})

    reply = OpenAIAdapter().list_models([plain, described], WireRequest("GET", "/v1/models", "client_version=0.169.0"))
    body = json.loads(reply.body)

    assert [model["id"] for model in body["data"]] == ["gpt-5", "qwen"]
    (entry,) = body["models"]
    assert (entry["slug"], entry["base_instructions"], entry["context_window"]) == ("qwen", "Be a coding agent.", 1000)
    assert {"shell_type", "truncation_policy", "supported_reasoning_levels", "visibility"} <= set(entry)


def test_other_clients_get_the_list_alone() -> None:
    reply = OpenAIAdapter().list_models([ModelEntry("gpt-5")], WireRequest("GET", "/v1/models"))

    assert set(json.loads(reply.body)) == {"object", "data"}
