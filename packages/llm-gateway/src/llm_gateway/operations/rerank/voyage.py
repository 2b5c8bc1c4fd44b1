"""Voyage's rerank (docs.voyageai.com/reference/reranker-api)."""

from __future__ import annotations

from typing import Any, ClassVar

from llm_gateway_sdk import Target, WireReply, WireRequest
from llm_gateway_sdk.losses import Losses
from llm_gateway_sdk.operations.reading import json_request, object_of
from llm_gateway_sdk.operations.rerank import RerankReply, RerankRequest, decode_results

from .cohere import report_unwritten
from .jina import JinaRerank

__all__ = ["VoyageRerank"]


class VoyageRerank(JinaRerank):
    name: ClassVar[str] = "voyage"

    def encode_request(self, request: RerankRequest, target: Target, losses: Losses) -> WireRequest:
        body: dict[str, Any] = {"model": target.model, "query": request.query, "documents": request.documents}
        if request.top is not None:
            body["top_k"] = request.top
        if request.truncate is not None:
            body["truncation"] = request.truncate
        report_unwritten(request, self.name, losses, written=frozenset({"truncate"}))
        return json_request(self.path, body)

    def decode_reply(self, wire: WireReply, request: RerankRequest) -> RerankReply:
        body = object_of(wire.body)
        results = decode_results(body.get("data"), len(request.documents))
        return RerankReply(results, str(body.get("model") or ""), self.usage_of(body))
