"""Gemini's embeddings: `embedContent`, `batchEmbedContents` (ai.google.dev/api/embeddings)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from llm_gateway_sdk import DialectError, Mint, Target, Usage, WireReply, WireRequest
from llm_gateway_sdk.context import Operation
from llm_gateway_sdk.losses import Losses
from llm_gateway_sdk.operations.embeddings import EmbeddingReply, EmbeddingRequest, Purpose, plain_text
from llm_gateway_sdk.operations.form import OperationForm
from llm_gateway_sdk.operations.reading import count, json_reply, json_request, numbers, object_of
from llm_gateway_sdk.wire import json

from .paths import build_path, split_path

__all__ = ["GeminiEmbeddings"]

_TASKS: dict[Purpose | None, str] = {
    "query": "RETRIEVAL_QUERY",
    "document": "RETRIEVAL_DOCUMENT",
    "classification": "CLASSIFICATION",
    "clustering": "CLUSTERING",
    "similarity": "SEMANTIC_SIMILARITY",
    "question": "QUESTION_ANSWERING",
    "fact": "FACT_VERIFICATION",
    "code": "CODE_RETRIEVAL_QUERY",
}
_PURPOSES: dict[str, Purpose] = {task: purpose for purpose, task in _TASKS.items() if purpose is not None}
_MOST = 100
_SINGLE, _BATCH = "embedContent", "batchEmbedContents"


class GeminiEmbeddings(OperationForm[EmbeddingRequest, EmbeddingReply]):
    name: ClassVar[str] = "gemini"
    operation: ClassVar[Operation] = "embed"

    def peek(self, wire: WireRequest) -> str | None:
        return split_path(wire.path)[0]

    def decode_request(self, wire: WireRequest) -> EmbeddingRequest:
        body = object_of(wire.body)
        model, method = split_path(wire.path)
        if method == _SINGLE:
            each = [body]
        else:
            each = body.get("requests") or []
            if not isinstance(each, list) or not each or not all(isinstance(item, dict) for item in each):
                raise DialectError("expected an array of requests", path="requests")
        task, size = _field(each[0], "taskType"), _field(each[0], "outputDimensionality")
        if any(_field(item, "taskType") != task or _field(item, "outputDimensionality") != size for item in each):
            raise DialectError(
                "taskType and outputDimensionality have to be the same in all requests for this model's provider",
                path="requests",
            )
        if size is not None and (not isinstance(size, int) or isinstance(size, bool) or size < 1):
            raise DialectError("expected a whole number from 1 on", path="outputDimensionality")
        titles = [_field(item, "title") for item in each]
        return EmbeddingRequest(
            model or "",
            [_text(_field(item, "content"), place) for place, item in enumerate(each)],
            single=method == _SINGLE,
            dimensions=size,
            purpose=_PURPOSES.get(str(task)),
            titles=[title if isinstance(title, str) else None for title in titles] if any(titles) else [],
        )

    def encode_request(self, request: EmbeddingRequest, target: Target, losses: Losses) -> WireRequest:
        if request.element != "float":
            raise DialectError(f"the model's provider gives vectors of floats only, not of {request.element}")
        path = build_path(target.model, _BATCH)
        named = path.rpartition(":")[0].removeprefix("/")
        each: list[dict[str, Any]] = []
        for place, value in enumerate(request.inputs):
            item: dict[str, Any] = {"model": named, "content": {"parts": [{"text": plain_text(value, place)}]}}
            if request.purpose is not None:
                item["taskType"] = _TASKS[request.purpose]
            if request.dimensions is not None:
                item["outputDimensionality"] = request.dimensions
            if request.titles and request.titles[place]:
                item["title"] = request.titles[place]
            each.append(item)
        for field in ("user", "truncate"):
            if getattr(request, field) is not None:
                losses.dropped(field)
        for own, fields in request.provider_metadata.items():
            if own != self.name:
                for field in fields:
                    losses.dropped(field)
        return json_request(path, {"requests": each})

    def decode_reply(self, wire: WireReply, request: EmbeddingRequest) -> EmbeddingReply:
        body = object_of(wire.body)
        found = body.get("embeddings", [body["embedding"]] if "embedding" in body else None)
        if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
            raise DialectError("expected an array of embeddings", path="embeddings")
        vectors: list[Sequence[float]] = [numbers(item.get("values"), "embeddings[*].values") for item in found]
        return EmbeddingReply(vectors, "", self.usage_of(body))

    def encode_reply(self, reply: EmbeddingReply, request: EmbeddingRequest, mint: Mint) -> WireReply:
        used = reply.usage.input_tokens if reply.usage is not None else None
        values = [{"values": vector} for vector in reply.vectors]
        body: dict[str, Any] = {"embedding": values[0]} if request.single else {"embeddings": values}
        if used is not None:
            body["usageMetadata"] = {"promptTokenCount": used}
        return json_reply(body)

    def retarget(self, wire: WireRequest, target: Target) -> WireRequest:
        model, method = split_path(wire.path)
        if model is None or not target.model or model == target.model:
            return wire
        path = build_path(target.model, method)
        named, body = path.rpartition(":")[0].removeprefix("/"), wire.body
        value = json.loads(body)
        if isinstance(value, dict) and isinstance(each := value.get("requests"), list):
            renamed = [{**item, "model": named} if isinstance(item, dict) else item for item in each]
            body = json.replace_top_level(body, {"requests": renamed})
        elif isinstance(value, dict) and "model" in value:
            body = json.replace_top_level(body, {"model": named})
        return WireRequest(wire.method, path, wire.query, wire.headers, body)

    def most_inputs(self, target: Target) -> int | None:
        return _MOST

    def usage_of(self, body: dict[str, Any]) -> Usage | None:
        usage = body.get("usageMetadata")
        used = count(usage.get("promptTokenCount")) if isinstance(usage, dict) else None
        return None if used is None else Usage(input_tokens=used)


def _field(item: dict[str, Any], camel: str) -> Any:
    """Google's servers take both spellings, and an `embedContentConfig` in place of the older fields."""
    snake = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in camel)
    for name in (camel, snake):
        if item.get(name) is not None:
            return item[name]
    config = item.get("embedContentConfig", item.get("embed_content_config"))
    return _field(config, camel) if isinstance(config, dict) else None


def _text(content: Any, place: int) -> str:
    parts = content.get("parts") if isinstance(content, dict) else None
    if isinstance(parts, dict):
        parts = [parts]
    if not isinstance(parts, list) or not parts:
        raise DialectError("expected a content with parts", path=f"requests[{place}].content")
    found: list[str] = []
    for part in parts:
        if not isinstance(part, dict) or not isinstance(part.get("text"), str):
            raise DialectError("the model's provider embeds texts only", path=f"requests[{place}].content.parts")
        found.append(part["text"])
    return "\n".join(found)
