"""Cohere: embeddings and rerank by its own API, conversations by its OpenAI-compatible one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from llm_gateway_sdk import WireRequest
from llm_gateway_sdk.operations.form import OperationForm

from ..operations.embeddings.cohere import CohereEmbeddings
from ..operations.rerank.cohere import CohereRerank
from .openai import OpenAIProvider

__all__ = ["CohereProvider"]

_COMPATIBLE = "/compatibility/v1"
_OWN = ("/v1/", "/v2/")


class CohereProvider(OpenAIProvider):
    """`baseUrl` is the address without a version."""

    name = "cohere"
    default_base_url = "https://api.cohere.com"
    api_key_variable = "COHERE_API_KEY"
    forms: ClassVar[Sequence[OperationForm[Any, Any]]] = (CohereEmbeddings(), CohereRerank("/v2/rerank"))
    # docs.cohere.com/docs/compatibility-api lists what is taken.
    quirks: ClassVar[dict[str, Any]] = {
        "cache": "none",
        "no_custom_tools": True,
        "no_allowed_tools": True,
        "no_service_tier": True,
        "no_parallel_tool_calls": True,
        "max_tokens_field": "max_tokens",
        "no_fields": ("store", "metadata", "verbosity", "prompt_cache_key", "user", "logit_bias", "top_logprobs", "n"),
    }

    def url(self, wire: WireRequest) -> str:
        path = wire.path if wire.path.startswith(_OWN) else _COMPATIBLE + wire.path
        return f"{self.base_url}{path}?{wire.query}" if wire.query else self.base_url + path
