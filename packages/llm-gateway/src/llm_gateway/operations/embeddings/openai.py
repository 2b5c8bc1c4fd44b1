"""OpenAI's embeddings, and those of the servers that took over its shape."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, ClassVar

from llm_gateway_sdk import DialectError, Mint, Target, Usage, WireReply, WireRequest
from llm_gateway_sdk.context import Operation
from llm_gateway_sdk.losses import Losses
from llm_gateway_sdk.operations.embeddings import EmbeddingInput, EmbeddingReply, EmbeddingRequest
from llm_gateway_sdk.operations.form import OperationForm
from llm_gateway_sdk.operations.reading import count, json_reply, json_request, numbers, object_of, positive
from llm_gateway_sdk.operations.vectors import from_base64, to_base64

__all__ = ["OpenAIEmbeddings", "decode_vectors", "report_unwritten"]

_KNOWN = frozenset({"model", "input", "dimensions", "encoding_format", "user"})


class OpenAIEmbeddings(OperationForm[EmbeddingRequest, EmbeddingReply]):
    """`most` is how many inputs the server takes in one call."""

    name: ClassVar[str] = "openai"
    operation: ClassVar[Operation] = "embed"
    path = "/embeddings"

    def __init__(self, most: int | None = None) -> None:
        self._most = most

    def decode_request(self, wire: WireRequest) -> EmbeddingRequest:
        body = object_of(wire.body)
        model = body.get("model")
        coding = body.get("encoding_format")
        if coding not in (None, "float", "base64"):
            raise DialectError("expected 'float' or 'base64'", path="encoding_format")
        inputs = _inputs(body.get("input"))
        user = body.get("user")
        return EmbeddingRequest(
            model if isinstance(model, str) else "",
            inputs,
            single=len(inputs) == 1 and not isinstance(body.get("input"), list),
            dimensions=positive(body, "dimensions"),
            base64=coding == "base64",
            user=user if isinstance(user, str) else None,
            provider_metadata={self.name: {key: value for key, value in body.items() if key not in _KNOWN}},
        )

    def encode_request(self, request: EmbeddingRequest, target: Target, losses: Losses) -> WireRequest:
        body: dict[str, Any] = {"model": target.model, "input": list(request.inputs)}
        if request.dimensions is not None:
            body["dimensions"] = request.dimensions
        if request.user is not None:
            body["user"] = request.user
        body.update(request.provider_metadata.get(self.name, {}))
        report_unwritten(request, self.name, losses)
        return json_request(self.path, body)

    def decode_reply(self, wire: WireReply, request: EmbeddingRequest) -> EmbeddingReply:
        body = object_of(wire.body)
        model = body.get("model")
        return EmbeddingReply(decode_vectors(body), model if isinstance(model, str) else "", self.usage_of(body))

    def encode_reply(self, reply: EmbeddingReply, request: EmbeddingRequest, mint: Mint) -> WireReply:
        used = (reply.usage.input_tokens if reply.usage is not None else None) or 0
        data = [
            {"object": "embedding", "index": place, "embedding": to_base64(vector) if request.base64 else vector}
            for place, vector in enumerate(reply.vectors)
        ]
        usage = {"prompt_tokens": used, "total_tokens": used}
        return json_reply({"object": "list", "data": data, "model": reply.model or request.model, "usage": usage})

    def most_inputs(self, target: Target) -> int | None:
        return self._most

    def usage_of(self, body: dict[str, Any]) -> Usage | None:
        usage = body.get("usage")
        if not isinstance(usage, dict):
            return None
        used = count(usage.get("prompt_tokens"))
        used = count(usage.get("total_tokens")) if used is None else used
        return None if used is None else Usage(input_tokens=used)


def decode_vectors(body: dict[str, Any]) -> list[Sequence[float]]:
    """The vectors of `data`, by their index. Raises DialectError."""
    data = body.get("data")
    if not isinstance(data, list) or not all(isinstance(item, dict) for item in data):
        raise DialectError("expected an array of embeddings", path="data")
    if all(isinstance(item.get("index"), int) for item in data):
        data = sorted(data, key=lambda item: item["index"])
    return [_vector(item.get("embedding")) for item in data]


def _vector(value: Any) -> Sequence[float]:
    return from_base64(value) if isinstance(value, str) else numbers(value, "data[*].embedding")


def report_unwritten(
    request: EmbeddingRequest,
    form: str,
    losses: Losses,
    *,
    written: frozenset[str] = frozenset({"user"}),
    sent: Collection[str] = (),
) -> None:
    """Lists what of a request a form has no field for; `sent` are fields of another form that went along. Raises
    DialectError where the reply would be of another kind."""
    if request.element != "float" and "element" not in written:
        raise DialectError(f"the model's provider gives vectors of floats only, not of {request.element}")
    for name in ("purpose", "truncate", "user"):
        if name not in written and getattr(request, name) is not None:
            losses.dropped(name)
    if "titles" not in written and any(request.titles):
        losses.dropped("titles")
    for own, fields in request.provider_metadata.items():
        if own != form:
            for field in fields:
                if field not in sent:
                    losses.dropped(field)


def _inputs(value: Any) -> list[EmbeddingInput]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, list) and value:
        if all(_is_number(item) for item in value):
            return [value]
        if all(isinstance(item, str) or _is_tokens(item) for item in value):
            return value
    raise DialectError("expected a string, an array of strings, or arrays of token numbers", path="input")


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_tokens(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(map(_is_number, value))
