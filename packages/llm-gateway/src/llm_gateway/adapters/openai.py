"""Clients of OpenAI's APIs: the OpenAI SDKs, Codex, and everything that speaks Chat Completions or Responses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar
from urllib.parse import unquote

from llm_gateway_sdk import Adapter, Headers, ModelEntry, ModelNotFound, Route, WireReply, WireRequest
from llm_gateway_sdk.operations.form import OperationForm
from llm_gateway_sdk.wire import json

from ..dialects.openai_chat import OpenAIChat
from ..operations.audio.speech import OpenAISpeech
from ..operations.audio.transcription import OpenAITranscription
from ..operations.batches.forms import OpenAIBatches, OpenAIFiles
from ..operations.embeddings.openai import OpenAIEmbeddings
from ..operations.images.edits import OpenAIImageEdits
from ..operations.images.openai import OpenAIImages
from ..operations.moderation.openai import OpenAIModeration

__all__ = ["OpenAIAdapter"]


_FORMS: Mapping[str, OperationForm[Any, Any]] = {
    "/embeddings": OpenAIEmbeddings(),
    "/moderations": OpenAIModeration(),
    "/images/generations": OpenAIImages(),
    "/images/edits": OpenAIImageEdits(),
    "/audio/speech": OpenAISpeech(),
    "/audio/transcriptions": OpenAITranscription(),
    "/audio/translations": OpenAITranscription(),
}


_OWNED = (
    ("POST", "/files", OpenAIFiles("create", multipart=True)),
    ("GET", "/files", OpenAIFiles("list")),
    ("GET", "/files/{id}/content", OpenAIFiles("content")),
    ("GET", "/files/{id}", OpenAIFiles("read")),
    ("DELETE", "/files/{id}", OpenAIFiles("delete")),
    ("POST", "/batches", OpenAIBatches("create")),
    ("GET", "/batches", OpenAIBatches("list")),
    ("GET", "/batches/{id}", OpenAIBatches("read")),
    ("POST", "/batches/{id}/cancel", OpenAIBatches("cancel")),
)


def _routes() -> tuple[Route, ...]:
    """Each endpoint with and without `/v1`: SDKs are given a base URL of either kind."""
    endpoints = (
        ("POST", "/chat/completions", "generate", "openai_chat"),
        ("POST", "/responses", "generate", "openai_responses"),
        ("POST", "/responses/input_tokens", "count_tokens", "openai_responses"),
        # What the gateway keeps; of several patterns that match, the first counts.
        ("GET", "/responses/{id}/input_items", "stored", "openai_responses"),
        ("POST", "/responses/{id}/cancel", "stored", "openai_responses"),
        ("GET", "/responses/{id}", "stored", "openai_responses"),
        ("DELETE", "/responses/{id}", "stored", "openai_responses"),
        ("POST", "/conversations", "stored", "openai_responses"),
        ("GET", "/conversations/{id}/items/{item}", "stored", "openai_responses"),
        ("DELETE", "/conversations/{id}/items/{item}", "stored", "openai_responses"),
        ("GET", "/conversations/{id}/items", "stored", "openai_responses"),
        ("POST", "/conversations/{id}/items", "stored", "openai_responses"),
        ("GET", "/conversations/{id}", "stored", "openai_responses"),
        ("POST", "/conversations/{id}", "stored", "openai_responses"),
        ("DELETE", "/conversations/{id}", "stored", "openai_responses"),
        ("GET", "/realtime", "realtime", "openai_chat"),
        ("GET", "/models", "models", "openai_chat"),
        ("GET", "/models/{model}", "models", "openai_chat"),
    )
    routes = [
        Route(method, prefix + path, operation, dialect, path)  # type: ignore[arg-type]
        for prefix in ("/v1", "")
        for method, path, operation, dialect in endpoints
    ]
    routes += [
        Route("POST", prefix + path, form.operation, "openai_chat", path, form=form)
        for prefix in ("/v1", "")
        for path, form in _FORMS.items()
    ]
    routes += [
        Route("GET", prefix + "/responses", "realtime", "openai_responses", "/responses", messages=True)
        for prefix in ("/v1", "")
    ]
    routes.append(Route("*", "/v1/{rest}", "native", "openai_chat", "/{rest}"))
    routes += [
        Route(method, prefix + path, form.operation, "openai_chat", path, form=form)
        for prefix in ("/v1", "")
        for method, path, form in _OWNED
    ]
    # On a bare path this would take what other adapters have.
    routes.append(Route("*", "/{rest}", "native", "openai_chat", "/{rest}", bare=False))
    return tuple(routes)


class OpenAIAdapter(Adapter):
    name = "openai"
    dialect = "openai_chat"
    routes: ClassVar[Sequence[Route]] = _routes()

    def claims(self, wire: WireRequest) -> bool:
        """Whatever names no version of another vendor's API."""
        headers = wire.headers
        return "anthropic-version" not in headers and "x-api-key" not in headers and "x-goog-api-key" not in headers

    def list_models(self, models: Sequence[ModelEntry], wire: WireRequest) -> WireReply:
        """A list of `Model`, or one where the path names it. A name with a wildcard is not a model to list."""
        listed: dict[str, ModelEntry] = {}
        for model in models:
            for name in (model.name, *model.aliases):
                if "*" not in name:
                    listed.setdefault(name, model)
        _, found, wanted = wire.path.partition("/models/")
        if found and wanted:
            wanted = unquote(wanted)
            if wanted not in listed:
                return OpenAIChat().encode_error(ModelNotFound(wanted, list(listed)).info())
            return _json(_model(wanted, listed[wanted]))
        page: dict[str, Any] = {"object": "list", "data": [_model(name, model) for name, model in listed.items()]}
        if _CODEX in wire.query:
            described = [(name, model) for name, model in listed.items() if _CATALOGUE in model.metadata]
            page["models"] = [_codex_model(name, model) for name, model in described]
        return _json(page)

    def estimate_reply(self, input_tokens: int) -> WireReply:
        return _json({"object": "response.input_tokens", "input_tokens": input_tokens})


def _model(name: str, model: ModelEntry) -> dict[str, Any]:
    """After the SDK's `Model`, with the limits and features of the configuration as further fields."""
    entry: dict[str, Any] = {
        "id": name,
        "object": "model",
        "created": model.created,
        "owned_by": model.provider or "llm-gateway",
    }
    if model.description is not None:
        entry["description"] = model.description
    if model.metadata:
        entry["metadata"] = model.metadata
    return entry


_CODEX = "client_version="
"""Codex asks for its catalogue with this in the query."""
_CATALOGUE = "codex"


def _codex_model(name: str, model: ModelEntry) -> dict[str, Any]:
    """An entry of Codex's catalogue (`ModelInfo` of its protocol), completed from `metadata.codex`.

    Only models that say so have one: an entry replaces what Codex itself knows of a model, its prompt included.
    """
    written = model.metadata[_CATALOGUE]
    return {
        "slug": name,
        "display_name": name,
        "description": model.description,
        "supported_reasoning_levels": [],
        "shell_type": "shell_command",
        "visibility": "list",
        "supported_in_api": True,
        "priority": 0,
        "upgrade": None,
        "base_instructions": "",
        "supports_reasoning_summaries": False,
        "support_verbosity": False,
        "default_verbosity": None,
        "apply_patch_tool_type": None,
        "truncation_policy": {"mode": "bytes", "limit": 10_000},
        "supports_parallel_tool_calls": True,
        "experimental_supported_tools": [],
        "input_modalities": ["text", "image"],
        **(written if isinstance(written, dict) else {}),
    }


def _json(body: dict[str, Any]) -> WireReply:
    return WireReply(200, Headers.of([("content-type", "application/json")]), json.dumps(body))
