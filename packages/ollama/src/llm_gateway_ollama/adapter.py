"""The adapter `ollama`: clients of Ollama, and tools with an "Ollama URL" or LM Studio address.

`/api/chat`, `/api/generate`, `/api/embed` and `/api/embeddings` are answered by any model. Models are found by
`/api/tags`, `/api/show` and `/api/ps`. Below `/ollama/v1` is the part of OpenAI's API that such tools go on with.

Sources: Ollama's API document; LM Studio's REST API v0.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar
from urllib.parse import unquote

from llm_gateway_sdk import Adapter, Headers, ModelEntry, Route, WireReply, WireRequest
from llm_gateway_sdk.waiting import moment_of_seconds
from llm_gateway_sdk.wire import json

from .embeddings import OllamaEmbeddings, OllamaPromptEmbedding
from .parts import NAME
from .paths import CHAT, GENERATE

__all__ = ["OllamaAdapter"]

VERSION = "0.13.0"
"""The API that is spoken here; clients compare it with what they need."""
_CONTEXT = 131_072
"""Tokens, where the configuration does not say."""


class OllamaAdapter(Adapter):
    name: ClassVar[str] = NAME
    dialect: ClassVar[str] = NAME
    routes: ClassVar[Sequence[Route]] = (
        Route("POST", CHAT, "generate", NAME),
        Route("POST", GENERATE, "generate", NAME),
        Route("POST", "/api/embed", "embed", NAME, form=OllamaEmbeddings()),
        Route("POST", "/api/embeddings", "embed", NAME, form=OllamaPromptEmbedding()),
        Route("GET", "/api/tags", "models", NAME),
        Route("GET", "/api/ps", "models", NAME),
        Route("GET", "/api/version", "models", NAME),
        Route("POST", "/api/show", "models", NAME),
        Route("GET", "/api/v0/models", "models", NAME),
        Route("GET", "/api/v0/models/{model}", "models", NAME),
        # Below the adapter's own address, so that an "Ollama URL" works with the paths of both.
        Route("GET", "", "models", NAME, bare=False),
        Route("GET", "/v1/models", "models", "openai_chat", bare=False),
        Route("POST", "/v1/chat/completions", "generate", "openai_chat", "/chat/completions", bare=False),
    )

    def claims(self, wire: WireRequest) -> bool:
        """No other adapter has its paths."""
        return "/api/" in wire.path

    def list_models(self, models: Sequence[ModelEntry], wire: WireRequest) -> WireReply:
        listed = {name: entry for entry in models for name in (entry.name, *entry.aliases) if "*" not in name}
        path = wire.path.rstrip("/")
        if path.endswith("/api/version"):
            return _reply({"version": VERSION})
        if path.endswith("/api/show"):
            return _show(listed, wire.body)
        if "/api/v0/models/" in path:
            name = unquote(path.partition("/api/v0/models/")[2])
            return _reply(_of_lm_studio(name, listed[name])) if name in listed else _missing(name)
        if path.endswith("/api/v0/models"):
            return _reply({"object": "list", "data": [_of_lm_studio(name, entry) for name, entry in listed.items()]})
        if path.endswith("/v1/models"):
            return _reply({"object": "list", "data": list(_of_openai(listed))})
        if not path.endswith(("/tags", "/ps")):
            return WireReply(200, Headers.of([("content-type", "text/plain; charset=utf-8")]), b"Ollama is running")
        return _reply({"models": [_tag(name, entry, running=path.endswith("/ps")) for name, entry in listed.items()]})

    def estimate_reply(self, input_tokens: int) -> WireReply:
        return _reply({"input_tokens": input_tokens})


def _show(listed: Mapping[str, ModelEntry], body: bytes) -> WireReply:
    try:
        asked = json.loads(body)
    except ValueError:
        return _reply({"error": "the body is not valid JSON"}, 400)
    name = (asked.get("model") or asked.get("name")) if isinstance(asked, dict) else None
    if not isinstance(name, str):
        return _reply({"error": "model is required"}, 400)
    entry = listed.get(name) or listed.get(name.removesuffix(":latest"))
    if entry is None:
        return _missing(name)
    return _reply(
        {
            "license": "",
            "modelfile": f"FROM {name}\n",
            "parameters": "",
            "template": "{{ .Prompt }}",
            "details": _details(entry),
            "model_info": {"general.architecture": "gateway", "gateway.context_length": _context(entry)},
            "capabilities": ["completion", "tools", "vision"],
            "modified_at": _moment(entry),
        }
    )


def _tag(name: str, entry: ModelEntry, *, running: bool) -> dict[str, Any]:
    tag: dict[str, Any] = {
        "name": name,
        "model": name,
        "size": 0,
        "digest": hashlib.sha256(name.encode()).hexdigest(),
        "details": _details(entry),
    }
    if running:
        tag |= {"expires_at": "2318-01-01T00:00:00Z", "size_vram": 0, "context_length": _context(entry)}
    else:
        tag["modified_at"] = _moment(entry)
    return tag


def _details(entry: ModelEntry) -> dict[str, Any]:
    family = entry.provider or "llm-gateway"
    return {
        "parent_model": "",
        "format": "gguf",
        "family": family,
        "families": [family],
        "parameter_size": "",
        "quantization_level": "",
    }


def _of_lm_studio(name: str, entry: ModelEntry) -> dict[str, Any]:
    return {
        "id": name,
        "object": "model",
        "type": "llm",
        "publisher": entry.provider or "llm-gateway",
        "arch": entry.provider or "llm-gateway",
        "compatibility_type": "gguf",
        "quantization": "",
        "state": "loaded",
        "max_context_length": _context(entry),
        "loaded_context_length": _context(entry),
    }


def _of_openai(listed: Mapping[str, ModelEntry]) -> Iterator[dict[str, Any]]:
    for name, entry in listed.items():
        yield {"id": name, "object": "model", "created": entry.created, "owned_by": entry.provider or "llm-gateway"}


def _context(entry: ModelEntry) -> int:
    for key in ("contextWindow", "maxInputTokens", "inputTokenLimit"):
        value = entry.metadata.get(key)
        if isinstance(value, int) and not isinstance(value, bool):
            return value
    return _CONTEXT


def _moment(entry: ModelEntry) -> str:
    return moment_of_seconds(entry.created)


def _missing(name: str) -> WireReply:
    return _reply({"error": f"model '{name}' not found"}, 404)


def _reply(body: dict[str, Any], status: int = 200) -> WireReply:
    return WireReply(status, Headers.of([("content-type", "application/json")]), json.dumps(body))
