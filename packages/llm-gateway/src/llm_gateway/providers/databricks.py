"""Databricks: models that a workspace serves, by Chat Completions.

Source: Databricks documentation, "Query chat models", "Query an embedding model" (150 inputs in one call) and
"Foundation model REST API reference".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from llm_gateway_sdk.operations.form import OperationForm

from ..operations.embeddings.openai import OpenAIEmbeddings
from .openai import OpenAIProvider

__all__ = ["DatabricksProvider"]


class DatabricksProvider(OpenAIProvider):
    """`model` is the serving endpoint's name. Each workspace has its own address."""

    name: ClassVar[str] = "databricks"
    default_base_url: ClassVar[str] = ""
    api_key_variable: ClassVar[str] = "DATABRICKS_TOKEN"
    stores_responses: ClassVar[bool] = False
    forms: ClassVar[Sequence[OperationForm[Any, Any]]] = (OpenAIEmbeddings(150),)
    quirks: ClassVar[Mapping[str, Any]] = {
        "cache": "none",
        "max_tokens_field": "max_tokens",
        "no_custom_tools": True,
        "no_allowed_tools": True,
        "no_developer_role": True,
        "no_service_tier": True,
        "top_k": True,
        "user_field": "user",
        "no_fields": ("store", "metadata", "verbosity", "prompt_cache_key"),
    }
    configuration_schema: ClassVar[dict[str, Any]] = {
        **OpenAIProvider.configuration_schema,
        "required": ["baseUrl"],
        "examples": [
            {
                "apiKey": "${DATABRICKS_TOKEN}",
                "baseUrl": "https://my-workspace.cloud.databricks.com/serving-endpoints",
                "model": "databricks-claude-sonnet-4-5",
            }
        ],
        "properties": {
            **OpenAIProvider.configuration_schema["properties"],
            "baseUrl": {
                "type": "string",
                "pattern": "^https?://",
                "description": "The workspace's address: `https://WORKSPACE/serving-endpoints`.",
            },
        },
    }
