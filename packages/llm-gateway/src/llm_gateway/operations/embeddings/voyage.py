"""Voyage's embeddings (docs.voyageai.com/reference/embeddings-api)."""

from __future__ import annotations

from typing import Any, ClassVar

from llm_gateway_sdk import Target, WireRequest
from llm_gateway_sdk.losses import Losses
from llm_gateway_sdk.operations.embeddings import EmbeddingRequest, Purpose, plain_text
from llm_gateway_sdk.operations.reading import json_request

from .openai import OpenAIEmbeddings, report_unsaid

__all__ = ["VoyageEmbeddings"]

_KINDS: dict[Purpose | None, str] = {"query": "query", "question": "query", "document": "document"}
_OWN = {"input_type": str, "truncation": bool, "output_dimension": int}
"""Voyage's own fields, which its users send through OpenAI's clients as `extra_body`."""


class VoyageEmbeddings(OpenAIEmbeddings):
    name: ClassVar[str] = "voyage"

    def __init__(self) -> None:
        super().__init__(1000)

    def encode_request(self, request: EmbeddingRequest, target: Target, losses: Losses) -> WireRequest:
        inputs = [plain_text(value, place) for place, value in enumerate(request.inputs)]
        body: dict[str, Any] = {"model": target.model, "input": inputs}
        if request.purpose in _KINDS:
            body["input_type"] = _KINDS[request.purpose]
        if request.dimensions is not None:
            body["output_dimension"] = request.dimensions
        if request.truncate is not None:
            body["truncation"] = request.truncate
        given = request.provider_metadata.get("openai", {})
        body.update({key: given[key] for key, kind in _OWN.items() if isinstance(given.get(key), kind)})
        said = {"truncate"} | ({"purpose"} if request.purpose in _KINDS else set())
        report_unsaid(request, self.name, losses, said=frozenset(said))
        return json_request(self.path, body)
