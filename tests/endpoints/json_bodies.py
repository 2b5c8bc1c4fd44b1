"""A body for each route that takes JSON, with words that a redaction plugin hides."""

from __future__ import annotations

from typing import Any

__all__ = ["JSON_BODIES", "SECRET"]

SECRET = "555-1234"

JSON_BODIES: list[tuple[str, dict[str, Any]]] = [
    ("/v1/embeddings", {"input": [f"call {SECRET}"], "user": SECRET}),
    ("/v2/embed", {"texts": [f"call {SECRET}"], "input_type": "search_query"}),
    ("/v2/rerank", {"query": f"call {SECRET}", "documents": [f"a {SECRET}", {"text": "b", "title": SECRET}]}),
    ("/v1/rerank", {"query": "q", "documents": [f"a {SECRET}"], "return_documents": True}),
    ("/v1/moderations", {"input": f"call {SECRET}"}),
    ("/api/embed", {"input": [f"call {SECRET}"]}),
    ("/api/embeddings", {"prompt": f"call {SECRET}"}),
    ("/v1/images/generations", {"prompt": f"draw {SECRET}", "user": SECRET}),
    ("/v1/audio/speech", {"input": f"call {SECRET}", "voice": "alloy", "instructions": f"say {SECRET}"}),
]
