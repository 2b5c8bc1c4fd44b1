"""Rerank in canonical form: documents in the order in which they answer a query."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..response import Usage

__all__ = ["Ranked", "RerankReply", "RerankRequest"]


@dataclass(slots=True)
class RerankRequest:
    model: str
    query: str
    documents: list[str]
    top: int | None = None
    """How many of the best are answered; None is all."""
    return_documents: bool = False
    originals: list[Any] = field(default_factory=list)
    """The documents as the client wrote them, which may have been objects."""
    max_tokens_per_document: int | None = None
    truncate: bool | None = None
    provider_metadata: dict[str, Any] = field(default_factory=dict)
    """By form: fields that the canonical form has no name for."""


@dataclass(slots=True)
class Ranked:
    index: int
    """Of the document in the request."""
    score: float


@dataclass(slots=True)
class RerankReply:
    results: list[Ranked]
    """The best first."""
    model: str = ""
    usage: Usage | None = None
    search_units: int | None = None
    """Cohere's unit of account: one query over up to 100 documents."""
    id: str = ""
