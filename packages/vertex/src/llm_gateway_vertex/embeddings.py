"""Embeddings of Google's models on Vertex AI: `:predict` with one instance for each text.

Source: Vertex AI, "Text embeddings API": `instances[*].{content, task_type, title}`, `parameters.{autoTruncate,
outputDimensionality}`; a call takes 250 texts, of `gemini-embedding-001` one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar
from urllib.parse import quote

from llm_gateway_sdk import DialectError, Target, Usage, WireReply, WireRequest
from llm_gateway_sdk.context import Operation
from llm_gateway_sdk.losses import Losses
from llm_gateway_sdk.operations.embeddings import EmbeddingReply, EmbeddingRequest, Purpose, plain_text
from llm_gateway_sdk.operations.form import OperationForm
from llm_gateway_sdk.operations.reading import count, json_request, numbers, object_of

__all__ = ["VertexEmbeddings"]

_TASKS: dict[Purpose, str] = {
    "query": "RETRIEVAL_QUERY",
    "document": "RETRIEVAL_DOCUMENT",
    "classification": "CLASSIFICATION",
    "clustering": "CLUSTERING",
    "similarity": "SEMANTIC_SIMILARITY",
    "question": "QUESTION_ANSWERING",
    "fact": "FACT_VERIFICATION",
    "code": "CODE_RETRIEVAL_QUERY",
}
_MOST = 250
_ONE_AT_A_TIME = "gemini-embedding"


class VertexEmbeddings(OperationForm[EmbeddingRequest, EmbeddingReply]):
    name: ClassVar[str] = "vertex"
    operation: ClassVar[Operation] = "embed"

    def encode_request(self, request: EmbeddingRequest, target: Target, losses: Losses) -> WireRequest:
        if request.element != "float":
            raise DialectError(f"the model's provider gives vectors of floats only, not of {request.element}")
        instances = []
        for place, value in enumerate(request.inputs):
            instance: dict[str, Any] = {"content": plain_text(value, place)}
            if request.purpose is not None:
                instance["task_type"] = _TASKS[request.purpose]
            if request.titles and request.titles[place]:
                instance["title"] = request.titles[place]
            instances.append(instance)
        parameters: dict[str, Any] = {}
        if request.dimensions is not None:
            parameters["outputDimensionality"] = request.dimensions
        if request.truncate is not None:
            parameters["autoTruncate"] = request.truncate
        if request.user is not None:
            losses.dropped("user")
        for fields in request.provider_metadata.values():
            for field in fields:
                losses.dropped(field)
        body: dict[str, Any] = {"instances": instances}
        if parameters:
            body["parameters"] = parameters
        name = target.model.removeprefix("publishers/google/").removeprefix("models/")
        return json_request(f"/models/{quote(name, safe='@.-_')}:predict", body)

    def decode_reply(self, wire: WireReply, request: EmbeddingRequest) -> EmbeddingReply:
        found = object_of(wire.body).get("predictions")
        if not isinstance(found, list) or len(found) != len(request.inputs):
            raise DialectError("expected a prediction for each input", path="predictions")
        vectors: list[Sequence[float]] = []
        used, known = 0, False
        for place, each in enumerate(found):
            embedding = each.get("embeddings") if isinstance(each, dict) else None
            if not isinstance(embedding, dict):
                raise DialectError("expected an object", path=f"predictions[{place}].embeddings")
            vectors.append(numbers(embedding.get("values"), f"predictions[{place}].embeddings.values"))
            statistics = embedding.get("statistics")
            tokens = count(statistics.get("token_count")) if isinstance(statistics, dict) else None
            if tokens is not None:
                used, known = used + tokens, True
        return EmbeddingReply(vectors, "", Usage(input_tokens=used) if known else None)

    def most_inputs(self, target: Target) -> int | None:
        return 1 if _ONE_AT_A_TIME in target.model else _MOST
