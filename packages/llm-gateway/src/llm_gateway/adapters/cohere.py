"""Clients of Cohere's API, as far as it is about retrieval: rerank and embeddings. Clients of other servers' rerank,
such as Jina's and vLLM's, send what Cohere's first version takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from llm_gateway_sdk import Adapter, Route, WireRequest

from ..operations.embeddings.cohere import CohereEmbeddings
from ..operations.rerank.cohere import CohereRerank

__all__ = ["CohereAdapter"]

_RERANK, _EMBED = CohereRerank(), CohereEmbeddings()


class CohereAdapter(Adapter):
    name = "cohere"
    dialect = "openai_chat"
    routes: ClassVar[Sequence[Route]] = (
        Route("POST", "/v2/rerank", "rerank", "openai_chat", form=_RERANK),
        Route("POST", "/v1/rerank", "rerank", "openai_chat", form=_RERANK),
        Route("POST", "/rerank", "rerank", "openai_chat", form=_RERANK),
        Route("POST", "/v2/embed", "embed", "openai_chat", form=_EMBED),
    )

    def claims(self, wire: WireRequest) -> bool:
        """Cohere's clients name themselves."""
        return "x-fern-language" in wire.headers and "anthropic-version" not in wire.headers
