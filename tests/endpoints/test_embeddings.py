"""Embeddings by the vendors' own clients, on each provider that has them."""

from __future__ import annotations

import struct
from base64 import b64decode
from typing import Any

import cohere
import openai
import pytest
from google import genai
from google.genai import types
from served_gateway import ServedGateway
from vendors import Vendors, vector

PROVIDERS = [
    "openai", "google", "titan", "bedrock-cohere", "cohere", "voyage", "jina", "mistral", "vllm", "ollama", "dashscope",
]  # fmt: skip
SIZED = [name for name in PROVIDERS if name != "bedrock-cohere"]
TEXTS = [f"text number {number}" for number in range(250)]


@pytest.mark.parametrize("model", PROVIDERS)
def test_openais_client_on_each_provider(gateway: ServedGateway, model: str) -> None:
    reply = gateway.openai().embeddings.create(model=model, input=["Hello", "world"])  # asks for base64

    assert [item.embedding for item in sorted(reply.data, key=lambda item: item.index)] == [
        vector("Hello"), vector("world"),
    ]  # fmt: skip
    assert reply.usage.prompt_tokens > 0
    assert reply.usage.total_tokens == reply.usage.prompt_tokens


@pytest.mark.parametrize("model", PROVIDERS)
def test_googles_client_on_each_provider(gemini_client: genai.Client, model: str) -> None:
    reply = gemini_client.models.embed_content(
        model=model, contents=["Hello", "world"], config=types.EmbedContentConfig(task_type="RETRIEVAL_QUERY")
    )

    assert reply.embeddings is not None
    assert [item.values for item in reply.embeddings] == [vector("Hello"), vector("world")]


@pytest.mark.parametrize("model", PROVIDERS)
def test_coheres_client_on_each_provider(cohere_client: cohere.ClientV2, model: str) -> None:
    reply = cohere_client.embed(
        model=model, texts=["Hello", "world"], input_type="search_query", embedding_types=["float"]
    )

    assert reply.embeddings.float_ == [vector("Hello"), vector("world")]


@pytest.mark.parametrize("model", SIZED)
def test_the_length_of_vectors_is_asked_for(gateway: ServedGateway, model: str) -> None:
    reply = gateway.openai().embeddings.create(model=model, input="Hello", dimensions=5)

    assert reply.data[0].embedding == vector("Hello", 5)


@pytest.mark.parametrize(("model", "calls"), [("titan", 250), ("google", 3), ("cohere", 3), ("dashscope", 25)])
def test_what_a_provider_takes_in_parts_is_joined_in_order(
    gateway: ServedGateway, vendors: Vendors, model: str, calls: int
) -> None:
    before = len(vendors.seen)

    reply = gateway.openai().embeddings.create(model=model, input=TEXTS)

    assert [item.embedding for item in reply.data] == [vector(text) for text in TEXTS]
    assert [item.index for item in reply.data] == list(range(250))
    assert len(vendors.seen) - before == calls
    if model != "google":  # which counts nothing here
        assert reply.usage.prompt_tokens == 2 * 250


def test_a_client_of_the_providers_own_form_is_split_too(cohere_client: cohere.ClientV2) -> None:
    texts = [f"t{number}" for number in range(200)]

    reply = cohere_client.embed(model="cohere", texts=texts, input_type="classification", embedding_types=["float"])

    assert reply.embeddings.float_ == [vector(text) for text in texts]


@pytest.mark.parametrize("model", ["google", "cohere"])
@pytest.mark.parametrize("coding", ["float", "base64"])
def test_vectors_are_coded_as_asked(gateway: ServedGateway, model: str, coding: str) -> None:
    with gateway.http() as http:
        body = {"model": model, "input": "Hello", "encoding_format": coding}
        given = http.post("/openai/v1/embeddings", json=body).json()["data"][0]["embedding"]

    found = list(struct.unpack("<3f", b64decode(given))) if coding == "base64" else given
    assert found == vector("Hello")


@pytest.mark.parametrize("tokens", [[1, 2, 3], [[1, 2], [3]]])
def test_tokens_go_only_where_they_mean_something(gateway: ServedGateway, vendors: Vendors, tokens: Any) -> None:
    assert gateway.openai().embeddings.create(model="openai", input=tokens).data

    with pytest.raises(openai.BadRequestError, match="vocabulary"):
        gateway.openai().embeddings.create(model="cohere", input=tokens)


def test_the_same_form_passes_untouched(gateway: ServedGateway, vendors: Vendors) -> None:
    raw = b'{ "model":"openai-model" , "input":["a"],"some_field":{"a":1.50} }'
    with gateway.http() as http:
        reply = http.post("/openai/v1/embeddings", content=raw, headers={"content-type": "application/json"})

    assert reply.status_code == 200
    assert vendors.last("/embeddings").raw == raw


def test_gemini_is_asked_for_its_own_name_of_the_model(gemini_client: genai.Client, vendors: Vendors) -> None:
    gemini_client.models.embed_content(model="google", contents=["Hello"])

    seen = vendors.last("EmbedContents") if "batch" in vendors.seen[-1].path else vendors.seen[-1]
    assert seen.path.startswith("/v1beta/models/gemini-embedding-001:")
    assert b"models/gemini-embedding-001" in seen.raw or b'"model"' not in seen.raw


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"input": 5}, "input"),
        ({"input": []}, "input"),
        ({"input": "a", "dimensions": 0}, "dimensions"),
        ({"input": "a", "encoding_format": "hex"}, "encoding_format"),
    ],
)
def test_what_is_wrong_is_named(gateway: ServedGateway, body: dict[str, Any], named: str) -> None:
    with gateway.http() as http:
        reply = http.post("/openai/v1/embeddings", json={"model": "google", **body})

    assert reply.status_code == 400
    assert reply.json()["error"]["param"] == named


def test_errors_have_the_clients_shape(gateway: ServedGateway) -> None:
    with gateway.http() as http:
        openais = http.post("/openai/v1/embeddings", json={"model": "anthropic", "input": "a"})
        coheres = http.post("/cohere/v2/embed", json={"model": "anthropic", "texts": ["a"]})
        googles = http.post(
            "/gemini/v1beta/models/anthropic:embedContent", json={"content": {"parts": [{"text": "a"}]}}
        )

    assert (openais.status_code, coheres.status_code, googles.status_code) == (404, 404, 404)
    assert "does not have this endpoint" in openais.json()["error"]["message"]
    assert "does not have this endpoint" in coheres.json()["message"]
    assert googles.json()["error"]["status"] == "NOT_FOUND"
