"""Cohere's embeddings, version 2 of its API (docs.cohere.com/reference/embed)."""

from __future__ import annotations

from typing import Any, ClassVar, cast

from llm_gateway_sdk import DialectError, ErrorInfo, Mint, Target, Usage, WireReply, WireRequest
from llm_gateway_sdk.context import Operation
from llm_gateway_sdk.losses import Losses
from llm_gateway_sdk.operations.embeddings import EmbeddingReply, EmbeddingRequest, Purpose, plain_text
from llm_gateway_sdk.operations.form import OperationForm
from llm_gateway_sdk.operations.reading import (
    count,
    json_reply,
    json_request,
    numbers,
    object_of,
    positive,
    text,
    texts,
)

from ..cohere_errors import encode_error
from .openai import report_unwritten

__all__ = ["CohereEmbeddings", "billed_tokens"]

_KINDS: dict[Purpose | None, str] = {
    "query": "search_query",
    "question": "search_query",
    "document": "search_document",
    "classification": "classification",
    "clustering": "clustering",
    "similarity": "clustering",
    "code": "search_query",
    "fact": "search_query",
}
_PURPOSES: dict[str, Purpose] = {
    "search_query": "query",
    "search_document": "document",
    "classification": "classification",
    "clustering": "clustering",
}
_KNOWN = frozenset({"model", "texts", "input_type", "embedding_types", "output_dimension", "truncate"})
_PLAIN = "search_document"
"""What is embedded without a word on its purpose is most often what is to be found."""


class CohereEmbeddings(OperationForm[EmbeddingRequest, EmbeddingReply]):
    name: ClassVar[str] = "cohere"
    operation: ClassVar[Operation] = "embed"
    path = "/v2/embed"

    def decode_request(self, wire: WireRequest) -> EmbeddingRequest:
        body = object_of(wire.body)
        if body.get("images") or body.get("inputs"):
            raise DialectError("the model's provider embeds texts only; send `texts`")
        kinds = body.get("embedding_types") or ["float"]
        if kinds != ["float"]:
            raise DialectError("the model's provider gives vectors of floats only", path="embedding_types")
        inputs = texts(body.get("texts"), "texts")
        cut = body.get("truncate")
        return EmbeddingRequest(
            text(body, "model"),
            list(inputs),
            dimensions=positive(body, "output_dimension"),
            purpose=_PURPOSES.get(str(body.get("input_type"))),
            truncate=None if cut is None else cut != "NONE",
            provider_metadata={self.name: {key: value for key, value in body.items() if key not in _KNOWN}},
        )

    def encode_request(self, request: EmbeddingRequest, target: Target, losses: Losses) -> WireRequest:
        inputs = [plain_text(value, place) for place, value in enumerate(request.inputs)]
        given = request.provider_metadata.get("openai", {}).get("input_type")
        kind = given if isinstance(given, str) else _KINDS.get(request.purpose, _PLAIN)
        body: dict[str, Any] = {
            "model": target.model,
            "texts": inputs,
            "input_type": kind,
            "embedding_types": ["float"],
        }
        if request.dimensions is not None:
            body["output_dimension"] = request.dimensions
        if request.truncate is not None:
            body["truncate"] = "END" if request.truncate else "NONE"
        body.update(request.provider_metadata.get(self.name, {}))
        sent = ("input_type",) if isinstance(given, str) else ()
        report_unwritten(request, self.name, losses, written=frozenset({"purpose", "truncate"}), sent=sent)
        return json_request(self.path, body)

    def decode_reply(self, wire: WireReply, request: EmbeddingRequest) -> EmbeddingReply:
        body = object_of(wire.body)
        found = body.get("embeddings")
        if isinstance(found, dict):
            found = found.get("float")
        if not isinstance(found, list):
            raise DialectError("expected vectors", path="embeddings.float")
        vectors = [numbers(vector, "embeddings.float[*]") for vector in found]
        return EmbeddingReply(list(vectors), "", self.usage_of(body), str(body.get("id") or ""))

    def encode_reply(self, reply: EmbeddingReply, request: EmbeddingRequest, mint: Mint) -> WireReply:
        used = reply.usage.input_tokens if reply.usage is not None else None
        return json_reply(
            {
                "id": reply.id or mint.id("emb-"),
                "embeddings": {"float": reply.vectors},
                "texts": cast("list[Any]", request.inputs),
                "meta": {"api_version": {"version": "2"}, "billed_units": {"input_tokens": used or 0}},
                "response_type": "embeddings_by_type",
            }
        )

    def encode_error(self, error: ErrorInfo) -> WireReply:
        return encode_error(error)

    def most_inputs(self, target: Target) -> int | None:
        return 96

    def usage_of(self, body: dict[str, Any]) -> Usage | None:
        used = billed_tokens(body)
        return None if used is None else Usage(input_tokens=used)


def billed_tokens(body: dict[str, Any]) -> int | None:
    """Input tokens of `meta.billed_units`, or of `meta.tokens` where none are billed."""
    meta = body.get("meta")
    if not isinstance(meta, dict):
        return None
    for name in ("billed_units", "tokens"):
        part = meta.get(name)
        used = count(part.get("input_tokens")) if isinstance(part, dict) else None
        if used is not None:
            return used
    return None
