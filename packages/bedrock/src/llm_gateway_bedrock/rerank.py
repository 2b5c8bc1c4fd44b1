"""Rerank on Bedrock, by InvokeModel: Amazon's and Cohere's models take the same body (Amazon Bedrock User Guide,
"Use a reranker model")."""

from __future__ import annotations

from typing import Any, ClassVar

from llm_gateway_sdk import Target, WireReply, WireRequest
from llm_gateway_sdk.context import Operation
from llm_gateway_sdk.losses import Losses
from llm_gateway_sdk.operations.form import OperationForm
from llm_gateway_sdk.operations.reading import object_of
from llm_gateway_sdk.operations.rerank import RerankReply, RerankRequest, decode_results

from .embeddings import counted, invocation

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
        results = decode_results(object_of(wire.body).get("results"), len(request.documents))
        return RerankReply(results, "", counted(wire))
