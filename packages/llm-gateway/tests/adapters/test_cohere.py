"""Clients of Cohere's API: which requests are theirs and what they ask for."""

from __future__ import annotations

import pytest

from llm_gateway.adapters.cohere import CohereAdapter
from llm_gateway.testing import GatewayClient
from llm_gateway_sdk import Headers, WireRequest


@pytest.mark.parametrize(
    ("headers", "claimed"),
    [
        ([("x-fern-language", "Python")], True),
        ([("x-fern-language", "Python"), ("authorization", "Bearer k")], True),
        ([("x-fern-language", "Python"), ("anthropic-version", "2023-06-01")], False),
        ([("authorization", "Bearer k")], False),
        ([], False),
    ],
    ids=["client", "client with a key", "of Anthropic", "any client", "none"],
)
def test_cohere_s_clients_are_known_by_the_name_they_give(headers: list[tuple[str, str]], claimed: bool) -> None:
    wire = WireRequest("GET", "/v1/models", headers=Headers.of(headers))

    assert CohereAdapter().claims(wire) is claimed


@pytest.mark.parametrize(
    ("path", "operation"),
    [("/v2/embed", "embed"), ("/v2/rerank", "rerank"), ("/v1/rerank", "rerank"), ("/rerank", "rerank")],
)
def test_every_version_of_an_endpoint_is_served(path: str, operation: str) -> None:
    assert {(route.method, route.operation) for route in CohereAdapter.routes if route.path == path} == {
        ("POST", operation)
    }


def test_a_model_without_the_operation_is_an_error_in_cohere_s_shape() -> None:
    with GatewayClient("models: [{name: m, isDefault: true, provider: {type: echo}}]") as client:
        reply = client.post("/cohere/v2/rerank", json={"model": "m", "query": "q", "documents": ["a"]})

    assert 400 <= reply.status < 500
    assert set(reply.json()) <= {"message", "id"}
    assert reply.json()["message"]
