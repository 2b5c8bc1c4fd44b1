"""The provider type `ollama-native`: an Ollama server over its native API, whose options its clients can use in full.

The type `ollama` reaches the same server by Chat Completions, which has no `num_ctx`, `keep_alive` and the like.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from llm_gateway_sdk import HTTPProvider, http_provider_schema
from llm_gateway_sdk.dialects.quirks import quirks_schema
from llm_gateway_sdk.operations.form import OperationForm

from .embeddings import OllamaEmbeddings
from .parts import NAME
from .quirks import QUIRKS

__all__ = ["OllamaNativeProvider"]


class OllamaNativeProvider(HTTPProvider):
    """An Ollama server, by default the one of this machine."""

    name: ClassVar[str] = "ollama-native"
    dialect: ClassVar[str] = NAME
    default_base_url: ClassVar[str] = "http://127.0.0.1:11434"
    forms: ClassVar[Sequence[OperationForm[Any, Any]]] = (OllamaEmbeddings(),)
    configuration_schema: ClassVar[dict[str, Any]] = http_provider_schema(quirks=quirks_schema(QUIRKS))
