"""Rerank on Bedrock, by InvokeModel: Amazon's and Cohere's models take the same body (Amazon Bedrock User Guide,
"Use a reranker model")."""

from __future__ import annotations

from typing import Any, ClassVar

from llm_gateway_sdk import DialectError, Target, Usage, WireReply, WireRequest
from llm_gateway_sdk.context import Operation
from llm_gateway_sdk.losses import Losses
from llm_gateway_sdk.operations.form import OperationForm
from llm_gateway_sdk.operations.reading import count, object_of
from llm_gateway_sdk.operations.rerank import Ranked, RerankReply, RerankRequest

from .embeddings import invocation

__all__ = ["BedrockRerank"]


class BedrockRerank(OperationForm[RerankRequest, RerankReply]):
    name: ClassVar[str] = "bedrock"
    operation: ClassVar[Operation] = "rerank"

    def encode_request(self, request: RerankRequest, target: Target, losses: Losses) -> WireRequest:
        body: dict[str, Any] = {"query": request.query, "documents": request.documents}
        if request.top is not None:
            body["top_n"] = request.top
        if "cohere" in target.model:
            body["api_version"] = 2
            if request.max_tokens_per_document is not None:
                body["max_tokens_per_doc"] = request.max_tokens_per_document
        elif request.max_tokens_per_document is not None:
            losses.dropped("max_tokens_per_document")
        for fields in request.provider_metadata.values():
            for field in fields:
                losses.dropped(field)
        return invocation(target.model, body)

    def decode_reply(self, wire: WireReply, request: RerankRequest) -> RerankReply:
        found = object_of(wire.body).get("results")
        if not isinstance(found, list):
            raise DialectError("expected an array of results", path="results")
        results: list[Ranked] = []
        for item in found:
            place = count(item.get("index")) if isinstance(item, dict) else None
            score = item.get("relevance_score") if isinstance(item, dict) else None
            if place is None or place >= len(request.documents) or not isinstance(score, int | float):
                raise DialectError("expected the index of a document and a relevance score", path="results[*]")
            results.append(Ranked(place, score))
        counted = wire.headers.get("x-amzn-bedrock-input-token-count")
        usage = Usage(input_tokens=int(counted)) if counted is not None and counted.isdigit() else None
        return RerankReply(sorted(results, key=lambda each: -each.score), "", usage)
