"""Jina's embeddings (api.jina.ai/redoc)."""

from __future__ import annotations

from typing import Any, ClassVar

from llm_gateway_sdk import Target, WireRequest
from llm_gateway_sdk.losses import Losses
from llm_gateway_sdk.operations.embeddings import EmbeddingRequest, Purpose, plain_text
from llm_gateway_sdk.operations.reading import json_request

from .openai import OpenAIEmbeddings, report_unsaid

__all__ = ["JinaEmbeddings"]

_TASKS: dict[Purpose | None, str] = {
    "query": "retrieval.query",
    "question": "retrieval.query",
    "document": "retrieval.passage",
    "classification": "classification",
    "clustering": "separation",
    "similarity": "text-matching",
    "code": "code.query",
}
_OWN = {"task": str, "late_chunking": bool, "normalized": bool, "truncate": bool}


class JinaEmbeddings(OpenAIEmbeddings):
    name: ClassVar[str] = "jina"

    def __init__(self) -> None:
        super().__init__(512)

    def encode_request(self, request: EmbeddingRequest, target: Target, losses: Losses) -> WireRequest:
        inputs = [plain_text(value, place) for place, value in enumerate(request.inputs)]
        body: dict[str, Any] = {"model": target.model, "input": inputs}
        if request.purpose in _TASKS:
            body["task"] = _TASKS[request.purpose]
        if request.dimensions is not None:
            body["dimensions"] = request.dimensions
        if request.truncate is not None:
            body["truncate"] = request.truncate
        given = request.provider_metadata.get("openai", {})
        body.update({key: given[key] for key, kind in _OWN.items() if isinstance(given.get(key), kind)})
        said = {"truncate"} | ({"purpose"} if request.purpose in _TASKS else set())
        report_unsaid(request, self.name, losses, said=frozenset(said))
        return json_request(self.path, body)
