"""A model for each vendor that has endpoints next to generation."""

from __future__ import annotations

from typing import Any

__all__ = ["models_of"]

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
        model("gemini-ears", "gemini", "/v1beta", "gemini-3-flash"),
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
