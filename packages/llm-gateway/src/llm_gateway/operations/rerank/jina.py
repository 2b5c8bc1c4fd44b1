"""Jina's rerank (api.jina.ai/redoc)."""

from __future__ import annotations

from typing import Any, ClassVar

from llm_gateway_sdk import Target, Usage, WireReply, WireRequest
from llm_gateway_sdk.context import Operation
from llm_gateway_sdk.losses import Losses
from llm_gateway_sdk.operations.form import OperationForm
from llm_gateway_sdk.operations.reading import count, json_request, object_of
from llm_gateway_sdk.operations.rerank import RerankReply, RerankRequest, decode_results

from .cohere import report_unwritten

__all__ = ["JinaRerank"]


class JinaRerank(OperationForm[RerankRequest, RerankReply]):
    name: ClassVar[str] = "jina"
    operation: ClassVar[Operation] = "rerank"
    path = "/rerank"

    def encode_request(self, request: RerankRequest, target: Target, losses: Losses) -> WireRequest:
        body: dict[str, Any] = {"model": target.model, "query": request.query, "documents": request.documents}
        if request.top is not None:
            body["top_n"] = request.top
        if request.max_tokens_per_document is not None:
            body["max_doc_length"] = request.max_tokens_per_document
        body["return_documents"] = False
        report_unwritten(request, self.name, losses, written=frozenset({"max_tokens_per_document"}))
        return json_request(self.path, body)

    def decode_reply(self, wire: WireReply, request: RerankRequest) -> RerankReply:
        body = object_of(wire.body)
        results = decode_results(body.get("results"), len(request.documents))
        return RerankReply(results, str(body.get("model") or ""), self.usage_of(body))

    def usage_of(self, body: dict[str, Any]) -> Usage | None:
        usage = body.get("usage")
        used = count(usage.get("total_tokens")) if isinstance(usage, dict) else None
        return None if used is None else Usage(input_tokens=used)
