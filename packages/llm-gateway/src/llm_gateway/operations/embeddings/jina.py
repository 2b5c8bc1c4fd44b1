"""Jina's embeddings (api.jina.ai/redoc)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from llm_gateway_sdk.operations.embeddings import Purpose

from .purposes import PurposeEmbeddings

__all__ = ["JinaEmbeddings"]


class JinaEmbeddings(PurposeEmbeddings):
    name: ClassVar[str] = "jina"
    purpose_field: ClassVar[str] = "task"
    purposes: ClassVar[Mapping[Purpose | None, str]] = {
        "query": "retrieval.query",
        "question": "retrieval.query",
        "document": "retrieval.passage",
        "classification": "classification",
        "clustering": "separation",
        "similarity": "text-matching",
        "code": "code.query",
    }
    dimensions_field: ClassVar[str] = "dimensions"
    truncate_field: ClassVar[str] = "truncate"
    own_fields: ClassVar[Mapping[str, type]] = {
        "task": str,
        "late_chunking": bool,
        "normalized": bool,
        "truncate": bool,
    }

    def __init__(self) -> None:
        super().__init__(512)
