"""Anthropic's API, and servers that speak it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from llm_gateway_sdk import Headers, HTTPProvider, WireRequest, http_provider_schema
from llm_gateway_sdk.dialects.quirks import quirks_schema
from llm_gateway_sdk.operations.form import OperationForm
from llm_gateway_sdk.provider import stable

from ..dialects.anthropic import Anthropic
from ..operations.batches.anthropic_api import AnthropicBatchAPI

__all__ = ["AnthropicProvider"]

_BEARER_PREFIX = "sk-ant-oat"
"""Access tokens of an OAuth login, which are no API keys."""
_BEARER_BETA = "oauth-2025-04-20"


class AnthropicProvider(HTTPProvider):
    name = "anthropic"
    dialect = "anthropic"
    default_base_url = "https://api.anthropic.com"
    api_key_variable = "ANTHROPIC_API_KEY"
    configuration_schema: ClassVar[dict[str, Any]] = http_provider_schema(quirks=quirks_schema(Anthropic.quirks))
    forms: ClassVar[Sequence[OperationForm[Any, Any]]] = (AnthropicBatchAPI(),)

    async def configure(self, config: dict[str, Any]) -> None:
        await super().configure(config)
        # Other vendors' addresses end in the version; here the path holds it.
        self.base_url = self.base_url.removesuffix("/v1")

    @stable
    def authorize(self, headers: Headers) -> None:
        """Keys go into `x-api-key`, access tokens into `authorization`."""
        if self.settings.api_key:
            self.forward_credential(headers, self.settings.api_key)

    @stable
    def forward_credential(self, headers: Headers, token: str) -> None:
        if not token.startswith(_BEARER_PREFIX):
            headers.remove("authorization")
            headers.set("x-api-key", token)
            return
        headers.remove("x-api-key")
        headers.set("authorization", f"Bearer {token}")
        betas = headers.get("anthropic-beta")
        if betas is None or _BEARER_BETA not in betas:
            headers.set("anthropic-beta", f"{betas},{_BEARER_BETA}" if betas else _BEARER_BETA)

    @stable
    def prepare(self, wire: WireRequest) -> tuple[str, str, Headers, bytes]:
        version = self.settings.api_version
        if version is not None:
            wire.headers.set(Anthropic.version_header, version)
        elif Anthropic.version_header not in wire.headers:
            wire.headers.set(Anthropic.version_header, Anthropic.default_version)
        return super().prepare(wire)
