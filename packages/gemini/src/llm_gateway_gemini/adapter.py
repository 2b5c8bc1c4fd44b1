"""The adapter `gemini`: clients of google-genai and of plain generateContent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar
from urllib.parse import unquote

from llm_gateway_sdk import Adapter, ErrorInfo, Headers, ModelEntry, Route, WireReply, WireRequest
from llm_gateway_sdk.context import Operation
from llm_gateway_sdk.operations.form import OperationForm
from llm_gateway_sdk.operations.owned import OwnedForm
from llm_gateway_sdk.wire import json

from .batch_forms import GeminiBatches, GeminiFiles
from .embeddings import GeminiEmbeddings
from .errors import encode_error
from .imagen import ImagenImages
from .parts import NAME

__all__ = ["GeminiAdapter"]

_VERSIONS = ("/v1beta", "/v1", "/v1alpha")
_VERTEX_VERSIONS = ("/v1beta1", "/v1")
"""In addresses of Vertex AI, which google-genai writes with `vertexai=True`."""
_METHODS: tuple[tuple[str, Operation], ...] = (
    ("generateContent", "generate"),
    ("streamGenerateContent", "generate"),
    ("countTokens", "count_tokens"),
    ("embedContent", "embed"),
    ("batchEmbedContents", "embed"),
    ("predict", "image"),
)
_FORMS: Mapping[Operation, OperationForm[Any, Any]] = {"embed": GeminiEmbeddings(), "image": ImagenImages()}


_OWNED: tuple[tuple[str, str, OwnedForm], ...] = (
    ("POST", "/models/{model}:batchGenerateContent", GeminiBatches("create")),
    ("POST", "/models/{model}:asyncBatchEmbedContent", GeminiBatches("create")),
    ("GET", "/batches", GeminiBatches("list")),
    ("POST", "/batches/{id}:cancel", GeminiBatches("cancel")),
    ("GET", "/batches/{id}", GeminiBatches("read")),
    ("DELETE", "/batches/{id}", GeminiBatches("delete")),
    ("GET", "/files", GeminiFiles("list")),
    ("GET", "/files/{id}:download", GeminiFiles("content")),
    ("GET", "/files/{id}", GeminiFiles("read")),
    ("DELETE", "/files/{id}", GeminiFiles("delete")),
)
_UPLOAD = GeminiFiles("create")


def _routes() -> list[Route]:
    routes = []
    for version in _VERSIONS:
        for collection in ("models", "tunedModels"):
            for method, operation in _METHODS:
                path = f"/{collection}/{{model}}:{method}"
                form = _FORMS.get(operation)
                routes.append(Route("POST", version + path, operation, NAME, path, form=form))
        routes += [
            Route(method, version + path, form.operation, NAME, path, form=form) for method, path, form in _OWNED
        ]
        routes.append(Route("POST", f"/upload{version}/files", "file", NAME, "/upload/files", form=_UPLOAD))
        routes.append(
            Route("GET", f"/download{version}/files/{{id}}:download", "file", NAME, "/files/{id}:download",
                  form=GeminiFiles("content"))
        )  # fmt: skip
        routes.append(Route("GET", f"{version}/models", "models", NAME, "/models"))
        routes.append(Route("GET", f"{version}/models/{{model}}", "models", NAME, "/models/{model}"))
    for version in _VERTEX_VERSIONS:
        # `place` is `publishers/google`, with or without a project and a location before it, which here are the
        # gateway's to choose.
        for method, operation in _METHODS:
            path, upstream = f"{version}/{{place}}/models/{{model}}:{method}", f"/models/{{model}}:{method}"
            routes.append(Route("POST", path, operation, NAME, upstream, form=_FORMS.get(operation)))
        routes.append(Route("GET", f"{version}/{{place}}/models/{{model}}", "models", NAME, "/models/{model}"))
    return routes


class GeminiAdapter(Adapter):
    name: ClassVar[str] = "gemini"
    dialect: ClassVar[str] = NAME
    routes: ClassVar[Sequence[Route]] = _routes()

    def claims(self, wire: WireRequest) -> bool:
        """`/v1/models` is everybody's: Google's clients are known by their header, key or version."""
        if wire.path.startswith(("/v1beta/", "/v1beta1/", "/v1alpha/")):
            return True
        names = wire.headers
        return "x-goog-api-key" in names or "x-goog-api-client" in names or "key=" in wire.query

    def list_models(self, models: Sequence[ModelEntry], wire: WireRequest) -> WireReply:
        """`{"models": [Model]}`, or one Model where the path names it. Aliases are listed as models of their own."""
        entries = [_model(entry, name) for entry in models for name in (entry.name, *entry.aliases) if "*" not in name]
        _, found, asked = wire.path.partition("/models/")
        if not found:
            return _reply({"models": entries})
        name = f"models/{unquote(asked)}"
        for item in entries:
            if item["name"] == name:
                return _reply(item)
        return encode_error(ErrorInfo(f"{name} is not found.", 404, "not_found"))

    def estimate_reply(self, input_tokens: int) -> WireReply:
        return _reply({"totalTokens": input_tokens})


def _reply(body: dict[str, Any]) -> WireReply:
    return WireReply(200, Headers.of([("content-type", "application/json; charset=UTF-8")]), json.dumps(body))


def _model(entry: ModelEntry, name: str) -> dict[str, Any]:
    model: dict[str, Any] = {
        "name": f"models/{name}",
        "version": str(entry.metadata.get("version", "")),
        "displayName": str(entry.metadata.get("displayName", name)),
        "description": entry.description or "",
        "supportedGenerationMethods": ["generateContent", "countTokens"],
    }
    for key, names in (
        ("inputTokenLimit", ("inputTokenLimit", "contextWindow", "maxInputTokens")),
        ("outputTokenLimit", ("outputTokenLimit", "maxOutputTokens", "maxTokens")),
    ):
        value = next((entry.metadata[name] for name in names if isinstance(entry.metadata.get(name), int)), None)
        if value is not None:
            model[key] = value
    return model
