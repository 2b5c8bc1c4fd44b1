"""Embeddings in OpenAI's shape by vendors whose models are trained for a purpose: a query, a document and so on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from llm_gateway_sdk import Target, WireRequest
from llm_gateway_sdk.losses import Losses
from llm_gateway_sdk.operations.embeddings import EmbeddingRequest, Purpose, plain_text
from llm_gateway_sdk.operations.reading import json_request

from .openai import OpenAIEmbeddings, report_unwritten

__all__ = ["PurposeEmbeddings"]


class PurposeEmbeddings(OpenAIEmbeddings):
    """Subclasses name the vendor's fields and its words for purposes; a purpose without a word is reported as lost."""

    purpose_field: ClassVar[str]
    purposes: ClassVar[Mapping[Purpose | None, str]]
    dimensions_field: ClassVar[str]
    truncate_field: ClassVar[str]
    own_fields: ClassVar[Mapping[str, type]]
    """The vendor's fields with their types, which its users send through OpenAI's clients as `extra_body`."""

    def encode_request(self, request: EmbeddingRequest, target: Target, losses: Losses) -> WireRequest:
        inputs = [plain_text(value, place) for place, value in enumerate(request.inputs)]
        body: dict[str, Any] = {"model": target.model, "input": inputs}
        written = {"truncate"}
        if request.purpose in self.purposes:
            body[self.purpose_field] = self.purposes[request.purpose]
            written.add("purpose")
        if request.dimensions is not None:
            body[self.dimensions_field] = request.dimensions
        if request.truncate is not None:
            body[self.truncate_field] = request.truncate
        given = request.provider_metadata.get("openai", {})
        own = {name: given[name] for name, kind in self.own_fields.items() if type(given.get(name)) is kind}
        body.update(own)
        report_unwritten(request, self.name, losses, written=frozenset(written), sent=own)
        return json_request(self.path, body)
