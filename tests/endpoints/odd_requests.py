"""A request with many fields for each endpoint next to conversations, and values of wrong types for its places."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

__all__ = ["ODD", "REQUESTS", "changed", "odd_at_each_place"]

ODD: list[Any] = [
    [], {}, [["a"]], {"a": ["b"]}, None, True, 7, -1.5, "a", "", [None], [{}], [7], 10**30, float("nan"), float("inf"),
    "\ud800", "x\x00", -(10**30), "a/../b", "9" * 5000,
]  # fmt: skip

REQUESTS: dict[str, dict[str, Any]] = {
    "/openai/v1/embeddings": {
        "input": ["x", "y"], "dimensions": 3, "encoding_format": "float", "user": "u", "input_type": "q",
        "messages": [{"role": "user", "content": "x"}],
    },
    "/cohere/v2/embed": {
        "texts": ["x"], "input_type": "search_query", "embedding_types": ["float"], "output_dimension": 3,
        "max_tokens": 3, "truncate": "END", "images": [], "inputs": [{"content": [{"type": "text", "text": "x"}]}],
    },
    "/gemini/v1beta/models/{model}:embedContent": {
        "content": {"parts": [{"text": "x"}], "role": "user"}, "taskType": "RETRIEVAL_QUERY", "title": "t",
        "outputDimensionality": 3, "model": "models/m",
    },
    "/gemini/v1beta/models/{model}:batchEmbedContents": {
        "requests": [
            {"model": "models/m", "content": {"parts": [{"text": "x"}]}, "taskType": "RETRIEVAL_QUERY", "title": "t"}
        ]
    },
    "/ollama/api/embed": {"input": ["x"], "truncate": True, "options": {"a": 1}, "keep_alive": "5m", "dimensions": 3},
    "/ollama/api/embeddings": {"prompt": "x", "options": {"a": 1}, "keep_alive": "5m"},
    "/cohere/v2/rerank": {
        "query": "x", "documents": ["x", {"text": "y"}], "top_n": 1, "max_tokens_per_doc": 3, "return_documents": True,
        "rank_fields": ["text"],
    },
    "/openai/v1/moderations": {
        "input": ["x", {"type": "text", "text": "y"}, {"type": "image_url", "image_url": {"url": "data:image/png,"}}]
    },
    "/openai/v1/images/generations": {
        "prompt": "x", "n": 2, "size": "1024x1024", "quality": "high", "response_format": "b64_json", "style": "vivid",
        "user": "u", "background": "auto", "moderation": "auto", "output_format": "png", "output_compression": 3,
        "stream": False, "partial_images": 0,
    },
    "/gemini/v1beta/models/{model}:predict": {
        "instances": [{"prompt": "x", "image": {"bytesBase64Encoded": "AAAA", "mimeType": "image/png"}}],
        "parameters": {
            "sampleCount": 1, "aspectRatio": "1:1", "negativePrompt": "n", "seed": 1,
            "outputOptions": {"mimeType": "image/png", "compressionQuality": 3},
        },
    },
    "/openai/v1/audio/speech": {
        "input": "x", "voice": "alloy", "instructions": "i", "speed": 1.0, "response_format": "mp3",
        "stream_format": "audio",
    },
    "/openai/v1/responses/input_tokens": {
        "input": [{"role": "user", "content": "x"}], "instructions": "i", "tools": [], "conversation": "conv_1",
        "previous_response_id": "resp_1", "truncation": "auto",
    },
    "/anthropic/v1/messages/count_tokens": {"messages": [{"role": "user", "content": "x"}], "system": "s"},
    "/gemini/v1beta/models/{model}:countTokens": {
        "contents": [{"role": "user", "parts": [{"text": "x"}]}],
        "generateContentRequest": {"model": "models/m", "contents": [{"role": "user", "parts": [{"text": "x"}]}]},
    },
    "/bedrock/model/{model}/count-tokens": {
        "input": {"converse": {"messages": [{"role": "user", "content": [{"text": "x"}]}], "system": [{"text": "s"}]}}
    },
    "/ollama/api/show": {"model": "openai", "verbose": True},
}  # fmt: skip
"""By path; `{model}` is a model's name, which else is in the body."""


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inner:
        yield from _places(each, (*path, key))


def changed(value: Any, path: tuple[Any, ...], odd: Any) -> Any:
    """A copy with another value in one place."""
    if not path:
        return odd
    whole = inner = copy.deepcopy(value)
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = odd
    return whole


def odd_at_each_place(value: Any, *, each: int | None = None, shift: int = 0) -> Iterator[tuple[str, Any]]:
    """(what was changed, the value with the change) for each place; `each` are the odd values tried in a place, which
    take turns; None is all of them."""
    for number, path in enumerate(_places(value)):
        count = len(ODD) if each is None else each
        for step in range(count):
            odd = ODD[(shift + number * 3 + step * 5) % len(ODD)]
            yield f"{'.'.join(map(str, path))} = {str(odd)[:60]!r}", changed(value, path, odd)
