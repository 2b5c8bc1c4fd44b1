"""Embeddings on Bedrock, by InvokeModel: Amazon Titan's and Cohere's bodies (Amazon Bedrock User Guide, "Inference
request parameters and response fields for foundation models")."""

from __future__ import annotations

from typing import Any, ClassVar

from llm_gateway_sdk import DialectError, Headers, Target, Usage, WireReply, WireRequest
from llm_gateway_sdk.context import Operation
from llm_gateway_sdk.losses import Losses
from llm_gateway_sdk.numerals import whole_number
from llm_gateway_sdk.operations.embeddings import EmbeddingReply, EmbeddingRequest, Purpose, plain_text
from llm_gateway_sdk.operations.form import OperationForm
from llm_gateway_sdk.operations.reading import count, numbers, object_of
from llm_gateway_sdk.wire import json

from .paths import build_path

__all__ = ["CohereOnBedrock", "TitanEmbeddings", "counted", "embeddings_of", "invocation"]

INVOKE = "invoke"
_KINDS: dict[Purpose | None, str] = {
    "query": "search_query",
    "question": "search_query",
    "fact": "search_query",
    "code": "search_query",
    "classification": "classification",
    "clustering": "clustering",
    "similarity": "clustering",
}
_COUNTED = "x-amzn-bedrock-input-token-count"


class TitanEmbeddings(OperationForm[EmbeddingRequest, EmbeddingReply]):
    """One text a call."""

    name: ClassVar[str] = "bedrock_titan"
    operation: ClassVar[Operation] = "embed"

    def encode_request(self, request: EmbeddingRequest, target: Target, losses: Losses) -> WireRequest:
        body: dict[str, Any] = {"inputText": plain_text(request.inputs[0], 0)}
        if request.dimensions is not None:
            if "embed-text-v1" in target.model or "g1" in target.model:
                raise DialectError("this model has vectors of one length only", path="dimensions")
            body["dimensions"] = request.dimensions
        _report_unwritten(request, losses, "purpose", "truncate")
        return invocation(target.model, body)

    def decode_reply(self, wire: WireReply, request: EmbeddingRequest) -> EmbeddingReply:
        body = object_of(wire.body)
        vector = numbers(body.get("embedding"), "embedding")
        return EmbeddingReply([vector], "", self.usage_of(body) or counted(wire))

    def most_inputs(self, target: Target) -> int | None:
        return 1

    def usage_of(self, body: dict[str, Any]) -> Usage | None:
        used = count(body.get("inputTextTokenCount"))
        return None if used is None else Usage(input_tokens=used)


class CohereOnBedrock(OperationForm[EmbeddingRequest, EmbeddingReply]):
    name: ClassVar[str] = "bedrock_cohere"
    operation: ClassVar[Operation] = "embed"

    def encode_request(self, request: EmbeddingRequest, target: Target, losses: Losses) -> WireRequest:
        inputs = [plain_text(value, place) for place, value in enumerate(request.inputs)]
        body: dict[str, Any] = {"texts": inputs, "input_type": _KINDS.get(request.purpose, "search_document")}
        if request.dimensions is not None:
            if "embed-v4" not in target.model:
                raise DialectError("this model has vectors of one length only", path="dimensions")
            body["output_dimension"] = request.dimensions
        if request.truncate is not None:
            body["truncate"] = "END" if request.truncate else "NONE"
        _report_unwritten(request, losses)
        return invocation(target.model, body)

    def decode_reply(self, wire: WireReply, request: EmbeddingRequest) -> EmbeddingReply:
        body = object_of(wire.body)
        found = body.get("embeddings")
        if isinstance(found, dict):
            found = found.get("float")
        if not isinstance(found, list):
            raise DialectError("expected vectors", path="embeddings")
        return EmbeddingReply([numbers(vector, "embeddings[*]") for vector in found], "", counted(wire))

    def most_inputs(self, target: Target) -> int | None:
        return 96


def embeddings_of(model: str) -> OperationForm[EmbeddingRequest, EmbeddingReply] | None:
    """The form of a model's body, by its id, profile or ARN; None where the model has no embeddings that are known."""
    if "titan-embed" in model:
        return _TITAN
    return _COHERE if "cohere.embed" in model else None


_TITAN, _COHERE = TitanEmbeddings(), CohereOnBedrock()


def invocation(model: str, body: dict[str, Any]) -> WireRequest:
    headers = Headers.of([("content-type", "application/json"), ("accept", "application/json")])
    return WireRequest("POST", build_path(model, INVOKE), "", headers, json.dumps(body))


def counted(wire: WireReply) -> Usage | None:
    """InvokeModel counts in a header."""
    used = whole_number(wire.headers.get(_COUNTED))
    return None if used is None else Usage(input_tokens=used)


def _report_unwritten(request: EmbeddingRequest, losses: Losses, *more: str) -> None:
    if request.element != "float":
        raise DialectError(f"the model's provider gives vectors of floats only, not of {request.element}")
    for name in ("user", *more):
        if getattr(request, name) is not None:
            losses.dropped(name)
    if any(request.titles):
        losses.dropped("titles")
    for fields in request.provider_metadata.values():
        for field in fields:
            losses.dropped(field)
