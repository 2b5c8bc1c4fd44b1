"""One server of all vendors and one gateway before it, for the tests of endpoints next to generation."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cohere
import httpx
import pytest
from google import genai
from google.genai import types

TESTS = Path(__file__).resolve().parent.parent
sys.path += [str(TESTS / "endpoints"), str(TESTS / "end_to_end")]

from served_gateway import ServedGateway  # noqa: E402
from vendors import Vendors  # noqa: E402

AWS = {"region": "us-east-1", "accessKeyId": "AKIDEXAMPLE", "secretAccessKey": "wJalrXUtnFEMI-example"}


def models_of(url: str) -> list[dict[str, Any]]:
    """A model for each provider type that has endpoints next to generation, named after it."""

    def model(name: str, kind: str, base: str, upstream: str, **more: Any) -> dict[str, Any]:
        config = {"baseUrl": url + base, "model": upstream, "retryAttempts": 1, **more}
        if kind != "bedrock":
            config.setdefault("apiKey", f"sk-{name}")
        return {"name": name, "provider": {"type": kind, "config": config}}

    return [
        {**model("openai", "openai", "/v1", "openai-model"), "isDefault": True},
        model("google", "gemini", "/v1beta", "gemini-embedding-001"),
        model("titan", "bedrock", "", "amazon.titan-embed-text-v2:0", **AWS),
        model("bedrock-cohere", "bedrock", "", "cohere.embed-english-v3", **AWS),
        model("bedrock-rerank", "bedrock", "", "cohere.rerank-v3-5:0", **AWS),
        model("imagen", "gemini", "/v1beta", "imagen-4.0-generate-001"),
        model("gemini-image", "gemini", "/v1beta", "gemini-2.5-flash-image"),
        model("gemini-tts", "gemini", "/v1beta", "gemini-2.5-flash-preview-tts"),
        model("nova-canvas", "bedrock", "", "amazon.nova-canvas-v1:0", **AWS),
        model("stability", "bedrock", "", "stability.stable-image-core-v1:1", **AWS),
        model("cohere", "cohere", "", "embed-v4.0"),
        model("voyage", "voyage", "/v1", "voyage-3.5"),
        model("jina", "jina", "/v1", "jina-embeddings-v4"),
        model("mistral", "mistral", "/v1", "mistral-embed"),
        model("vllm", "vllm", "/v1", "bge-m3"),
        model("ollama", "ollama", "/v1", "nomic-embed-text"),
        model("dashscope", "dashscope", "/v1", "text-embedding-v4"),
        model("anthropic", "anthropic", "", "claude-sonnet-4-5"),
    ]


@pytest.fixture(scope="session")
def vendors() -> Iterator[Vendors]:
    server = Vendors()
    yield server
    server.close()


@pytest.fixture(scope="session")
def gateway(vendors: Vendors, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedGateway]:
    served = ServedGateway({"models": models_of(vendors.url)}, tmp_path_factory.mktemp("endpoints"))
    yield served
    served.stop()


@pytest.fixture(scope="session")
def cohere_client(gateway: ServedGateway) -> Iterator[cohere.ClientV2]:
    with httpx.Client(trust_env=False) as http:
        yield cohere.ClientV2("k", base_url=f"{gateway.url}/cohere", httpx_client=http)


@pytest.fixture(scope="session")
def gemini_client(gateway: ServedGateway) -> Iterator[genai.Client]:
    options = types.HttpOptions(base_url=f"{gateway.url}/gemini", client_args={"trust_env": False})
    client = genai.Client(api_key="k", vertexai=False, http_options=options)
    yield client
    client.close()
