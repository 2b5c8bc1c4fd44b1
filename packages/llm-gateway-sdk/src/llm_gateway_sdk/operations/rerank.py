"""Rerank in canonical form: documents in the order in which they answer a query."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..errors import DialectError
from ..response import Usage
from .reading import count

__all__ = ["Ranked", "RerankReply", "RerankRequest", "decode_results"]


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


def decode_results(found: Any, documents: int) -> list[Ranked]:
    """The results as most vendors write them, the best first: each with `index`, one of so many documents, and
    `relevance_score`. Raises DialectError."""
    if not isinstance(found, list):
        raise DialectError("expected an array of results", path="results")
    results: list[Ranked] = []
    for item in found:
        place = count(item.get("index")) if isinstance(item, dict) else None
        score = item.get("relevance_score", item.get("relevanceScore")) if isinstance(item, dict) else None
        if place is None or place >= documents or isinstance(score, bool) or not isinstance(score, int | float):
            raise DialectError("expected the index of a document and a relevance score", path="results[*]")
        results.append(Ranked(place, score))
    return sorted(results, key=lambda each: -each.score)
