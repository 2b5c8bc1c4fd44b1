"""Ollama's embeddings: `/api/embed`, and `/api/embeddings` of older clients (Ollama API reference)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from llm_gateway_sdk import DialectError, Mint, Target, Usage, WireReply, WireRequest
from llm_gateway_sdk.context import Operation
from llm_gateway_sdk.losses import Losses
from llm_gateway_sdk.operations.embeddings import EmbeddingInput, EmbeddingReply, EmbeddingRequest, plain_text
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

__all__ = ["OllamaEmbeddings", "OllamaPromptEmbedding"]

_PATH = "/api/embed"
_KNOWN = frozenset({"model", "input", "dimensions", "truncate"})


class OllamaEmbeddings(OperationForm[EmbeddingRequest, EmbeddingReply]):
    name: ClassVar[str] = "ollama"
    operation: ClassVar[Operation] = "embed"
    path = _PATH

    def decode_request(self, wire: WireRequest) -> EmbeddingRequest:
        body = object_of(wire.body)
        value = body.get("input")
        inputs: list[EmbeddingInput] = [value] if isinstance(value, str) else [*texts(value, "input")]
        if not inputs:
            raise DialectError("expected at least one text", path="input")
        truncate = body.get("truncate")
        return EmbeddingRequest(
            _model(body),
            inputs,
            single=isinstance(value, str),
            dimensions=positive(body, "dimensions") if body.get("dimensions") else None,
            truncate=truncate if isinstance(truncate, bool) else None,
            provider_metadata=_rest(self.name, body, _KNOWN),
        )

    def encode_request(self, request: EmbeddingRequest, target: Target, losses: Losses) -> WireRequest:
        if request.element != "float":
            raise DialectError(f"the model's provider gives vectors of floats only, not of {request.element}")
        inputs = [plain_text(value, place) for place, value in enumerate(request.inputs)]
        body: dict[str, Any] = {"model": target.model, "input": inputs}
        if request.dimensions is not None:
            body["dimensions"] = request.dimensions
        if request.truncate is not None:
            body["truncate"] = request.truncate
        body.update(request.provider_metadata.get(self.name, {}))
        for field in ("purpose", "user"):
            if getattr(request, field) is not None:
                losses.dropped(field)
        if any(request.titles):
            losses.dropped("titles")
        for form, fields in request.provider_metadata.items():
            for field in fields if form != self.name else ():
                losses.dropped(field)
        return json_request(self.path, body)

    def decode_reply(self, wire: WireReply, request: EmbeddingRequest) -> EmbeddingReply:
        body = object_of(wire.body)
        found = body.get("embeddings")
        if not isinstance(found, list):
            raise DialectError("expected an array of vectors", path="embeddings")
        vectors: list[Sequence[float]] = [numbers(item, "embeddings[*]") for item in found]
        model = body.get("model")
        return EmbeddingReply(vectors, model if isinstance(model, str) else "", self.usage_of(body))

    def encode_reply(self, reply: EmbeddingReply, request: EmbeddingRequest, mint: Mint) -> WireReply:
        used = reply.usage.input_tokens if reply.usage is not None else None
        body: dict[str, Any] = {"model": reply.model or request.model, "embeddings": list(reply.vectors)}
        return json_reply(body if used is None else {**body, "prompt_eval_count": used})

    def usage_of(self, body: dict[str, Any]) -> Usage | None:
        used = count(body.get("prompt_eval_count"))
        return None if used is None else Usage(input_tokens=used)


class OllamaPromptEmbedding(OllamaEmbeddings):
    """`/api/embeddings`: one `prompt`, one `embedding`. Providers have it under the newer path alone, so its requests
    are always translated."""

    name: ClassVar[str] = "ollama-prompt"

    def decode_request(self, wire: WireRequest) -> EmbeddingRequest:
        body = object_of(wire.body)
        rest = _rest(OllamaEmbeddings.name, body, frozenset({"model", "prompt"}))
        return EmbeddingRequest(_model(body), [text(body, "prompt")], single=True, provider_metadata=rest)

    def encode_reply(self, reply: EmbeddingReply, request: EmbeddingRequest, mint: Mint) -> WireReply:
        return json_reply({"embedding": reply.vectors[0] if reply.vectors else []})


def _model(body: dict[str, Any]) -> str:
    model = body.get("model")
    return model if isinstance(model, str) else ""


def _rest(form: str, body: dict[str, Any], known: frozenset[str]) -> dict[str, Any]:
    return {form: {key: value for key, value in body.items() if key not in known and value not in (None, {})}}
