"""Voyage's embeddings (docs.voyageai.com/reference/embeddings-api)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from llm_gateway_sdk.operations.embeddings import Purpose

from .purposes import PurposeEmbeddings

__all__ = ["VoyageEmbeddings"]


class VoyageEmbeddings(PurposeEmbeddings):
    name: ClassVar[str] = "voyage"
    purpose_field: ClassVar[str] = "input_type"
    purposes: ClassVar[Mapping[Purpose | None, str]] = {"query": "query", "question": "query", "document": "document"}
    dimensions_field: ClassVar[str] = "output_dimension"
    truncate_field: ClassVar[str] = "truncation"
    own_fields: ClassVar[Mapping[str, type]] = {"input_type": str, "truncation": bool, "output_dimension": int}

    def __init__(self) -> None:
        super().__init__(1000)
