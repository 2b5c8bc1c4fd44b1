"""Vendors of embeddings and rerank alone: Voyage and Jina."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from llm_gateway_sdk import HTTPProvider, http_provider_schema
from llm_gateway_sdk.operations.form import OperationForm

from ..operations.embeddings.jina import JinaEmbeddings
from ..operations.embeddings.voyage import VoyageEmbeddings
from ..operations.rerank.jina import JinaRerank
from ..operations.rerank.voyage import VoyageRerank

__all__ = ["JinaProvider", "VoyageProvider"]


class VoyageProvider(HTTPProvider):
    """Has no conversations."""

    name = "voyage"
    dialect = "openai_chat"
    default_base_url = "https://api.voyageai.com/v1"
    api_key_variable = "VOYAGE_API_KEY"
    configuration_schema: ClassVar[dict[str, Any]] = http_provider_schema()
    forms: ClassVar[Sequence[OperationForm[Any, Any]]] = (VoyageEmbeddings(), VoyageRerank())


class JinaProvider(HTTPProvider):
    """Has no conversations."""

    name = "jina"
    dialect = "openai_chat"
    default_base_url = "https://api.jina.ai/v1"
    api_key_variable = "JINA_API_KEY"
    configuration_schema: ClassVar[dict[str, Any]] = http_provider_schema()
    forms: ClassVar[Sequence[OperationForm[Any, Any]]] = (JinaEmbeddings(), JinaRerank())
