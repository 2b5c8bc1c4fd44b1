"""Rerank by Cohere's client, on each provider that has it."""

from __future__ import annotations

import cohere
import pytest
from served_gateway import ServedGateway
from vendors import Vendors

DOCUMENTS = ["about cats", "about dogs", "about birds and dogs"]
PROVIDERS = ["cohere", "voyage", "jina", "bedrock-rerank", "vllm"]


@pytest.mark.parametrize("model", PROVIDERS)
def test_coheres_client_on_each_provider(cohere_client: cohere.ClientV2, model: str) -> None:
    reply = cohere_client.rerank(model=model, query="dogs", documents=DOCUMENTS, top_n=2)

    assert [(each.index, each.relevance_score) for each in reply.results] == [(1, 0.9), (2, 0.9)]


@pytest.mark.parametrize("model", PROVIDERS[1:4])
@pytest.mark.parametrize("path", ["/v1/rerank", "/rerank", "/cohere/v1/rerank"])
def test_documents_come_back_where_they_are_asked_for(gateway: ServedGateway, path: str, model: str) -> None:
    body = {"model": model, "query": "dogs", "documents": DOCUMENTS, "top_n": 1, "return_documents": True}
    with gateway.http() as http:
        reply = http.post(path, json=body).json()

    assert reply["results"] == [{"index": 1, "relevance_score": 0.9, "document": {"text": "about dogs"}}]


def test_documents_may_be_objects(gateway: ServedGateway, vendors: Vendors) -> None:
    documents = [{"text": "about cats", "id": 1}, {"title": "T", "body": "dogs"}]
    with gateway.http() as http:
        http.post("/v1/rerank", json={"model": "voyage", "query": "dogs", "documents": documents})

    sent = vendors.last("/rerank").body["documents"]
    assert sent[0] == "about cats"
    assert "dogs" in sent[1]


@pytest.mark.parametrize(
    "body", [{}, {"query": "q"}, {"query": "q", "documents": []}, {"query": 1, "documents": ["a"]}]
)
def test_what_is_wrong_is_reported_in_coheres_shape(gateway: ServedGateway, body: dict[str, object]) -> None:
    with gateway.http() as http:
        reply = http.post("/v2/rerank", json={"model": "voyage", **body})

    assert reply.status_code == 400
    assert isinstance(reply.json()["message"], str)
