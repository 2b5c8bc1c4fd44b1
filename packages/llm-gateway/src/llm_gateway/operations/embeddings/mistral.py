"""Mistral's embeddings: OpenAI's shape with other names, where unknown fields are refused (docs.mistral.ai/api)."""

from __future__ import annotations

from typing import Any, ClassVar

from llm_gateway_sdk import DialectError, Target, WireRequest
from llm_gateway_sdk.losses import Losses
from llm_gateway_sdk.operations.embeddings import EmbeddingRequest, plain_text
from llm_gateway_sdk.operations.reading import json_request

from .openai import OpenAIEmbeddings, report_unwritten

__all__ = ["MistralEmbeddings"]

_OWN = frozenset({"output_dimension", "output_dtype", "metadata"})


class MistralEmbeddings(OpenAIEmbeddings):
    name: ClassVar[str] = "mistral"

    def encode_request(self, request: EmbeddingRequest, target: Target, losses: Losses) -> WireRequest:
        inputs = [plain_text(value, place) for place, value in enumerate(request.inputs)]
        body: dict[str, Any] = {"model": target.model, "input": inputs}
        if request.dimensions is not None:
            body["output_dimension"] = request.dimensions
        # Mistral's own clients send its names on OpenAI's path.
        own = {key: value for key, value in request.provider_metadata.get("openai", {}).items() if key in _OWN}
        if own.get("output_dtype") not in (None, "float"):
            raise DialectError("the vectors of another type than float can't be read here", path="output_dtype")
        body.update(own)
        report_unwritten(request, self.name, losses, written=frozenset(), sent=own)
        return json_request(self.path, body)
