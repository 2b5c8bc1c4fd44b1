"""The provider type `gemini`: Google's Gemini API, or a server that speaks it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from llm_gateway_sdk import Headers, HTTPProvider, WireRequest, http_provider_schema
from llm_gateway_sdk.context import Operation
from llm_gateway_sdk.dialects.quirks import quirks_schema
from llm_gateway_sdk.operations.form import OperationForm
from llm_gateway_sdk.provider import stable

from .batch_api import GeminiBatchAPI
from .embeddings import GeminiEmbeddings
from .images import images_of
from .parts import NAME
from .paths import without_key
from .quirks import QUIRKS
from .speech import GeminiSpeech
from .transcription import GeminiTranscription

__all__ = ["GeminiProvider"]


class GeminiProvider(HTTPProvider):
    """Authorises by `x-goog-api-key`. A caller's key, which may be in the query, never goes upstream unless
    `credentials: client` reports it."""

    name: ClassVar[str] = "gemini"
    dialect: ClassVar[str] = NAME
    default_base_url: ClassVar[str] = "https://generativelanguage.googleapis.com/v1beta"
    api_key_variable: ClassVar[str] = "GEMINI_API_KEY"
    configuration_schema: ClassVar[dict[str, Any]] = http_provider_schema(quirks=quirks_schema(QUIRKS))

    forms: ClassVar[Sequence[OperationForm[Any, Any]]] = (
        GeminiEmbeddings(), GeminiSpeech(), GeminiTranscription(), GeminiBatchAPI(),
    )  # fmt: skip

    def form_for(self, operation: Operation, client_form: str, model: str) -> OperationForm[Any, Any] | None:
        if operation == "image":
            return images_of(model, client_form)
        return super().form_for(operation, client_form, model)

    @stable
    def authorize(self, headers: Headers) -> None:
        if self.settings.api_key:
            headers.set("x-goog-api-key", self.settings.api_key)

    @stable
    def url(self, wire: WireRequest) -> str:
        query = wire.query if self.settings.credentials == "client" else without_key(wire.query)
        base = self.base_url
        if wire.path.startswith("/upload/"):
            # https://host/v1beta has its uploads at https://host/upload/v1beta.
            host, _, version = base.rpartition("/")
            base = f"{host}/upload/{version}"
            return base + wire.path.removeprefix("/upload")
        return f"{base}{wire.path}?{query}" if query else base + wire.path
