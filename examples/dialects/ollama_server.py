"""Who speaks the dialect of ollama_native.py: a provider to call, and an adapter for clients.

Loaded by `path:` next to the dialect, which it refers to by its name.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from llm_gateway_sdk import (
    Adapter,
    Headers,
    HTTPProvider,
    ModelEntry,
    Route,
    WireReply,
    WireRequest,
    http_provider_schema,
)
from llm_gateway_sdk.dialects.quirks import FLAG, quirks_schema
from llm_gateway_sdk.wire import json


class OllamaProvider(HTTPProvider):
    """An Ollama server, by default the one of this machine."""

    name: ClassVar[str] = "ollama_native"
    dialect: ClassVar[str] = "ollama_native"
    default_base_url: ClassVar[str] = "http://127.0.0.1:11434"
    configuration_schema: ClassVar[dict[str, Any]] = http_provider_schema(quirks=quirks_schema({"no_effort": FLAG}))


class OllamaAdapter(Adapter):
    """Clients of Ollama's API: `OLLAMA_HOST=http://127.0.0.1:8080/ollama_native`."""

    name: ClassVar[str] = "ollama_native"
    dialect: ClassVar[str] = "ollama_native"
    routes: ClassVar[Sequence[Route]] = (
        Route("POST", "/api/chat", "generate", "ollama_native", "/api/chat"),
        Route("GET", "/api/tags", "models", "ollama_native", "/api/tags"),
    )

    def list_models(self, models: Sequence[ModelEntry], wire: WireRequest) -> WireReply:
        entries = [{"name": model.name, "model": model.name} for model in models]
        return WireReply(200, Headers([("content-type", "application/json")]), json.dumps({"models": entries}))
