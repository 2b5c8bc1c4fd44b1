"""Azure OpenAI: OpenAI's API under a resource's own address, with Azure's credentials.

Microsoft Learn, "Azure OpenAI API version lifecycle": the v1 API takes the deployment as `model` and needs no version;
dated versions have the deployment in the path and `api-version` in the query.
"""

from __future__ import annotations

import re
from functools import cached_property
from typing import Any, ClassVar
from urllib.parse import quote, urlsplit

from llm_gateway_sdk import ConfigError, Headers, WireRequest, http_provider_schema
from llm_gateway_sdk.wire import json

from .openai import API_PROPERTY, KEEPS_PROPERTY, OpenAIProvider

__all__ = ["AzureOpenAIProvider"]


class AzureOpenAIProvider(OpenAIProvider):
    """`model` is the deployment. `baseUrl` is the resource's address, or one with `/openai/v1` or
    `/openai/deployments/NAME` after it; `resource` alone is enough."""

    name = "azure-openai"
    default_base_url = ""
    api_key_variable = "AZURE_OPENAI_API_KEY"
    configuration_schema: ClassVar[dict[str, Any]] = http_provider_schema(
        api=API_PROPERTY,
        keepsResponses=KEEPS_PROPERTY,
        quirks=OpenAIProvider.configuration_schema["properties"]["quirks"],
        resource={"type": "string", "description": "Name of the resource, in place of `baseUrl`."},
    ) | {"examples": [{"apiKey": "${AZURE_OPENAI_API_KEY}", "resource": "my-resource", "model": "my-deployment"}]}

    async def configure(self, config: dict[str, Any]) -> None:
        if not config.get("baseUrl"):
            if not config.get("resource"):
                raise ConfigError("provider 'azure-openai' needs `baseUrl` or `resource`")
            config = {**config, "baseUrl": f"https://{config['resource']}.openai.azure.com"}
        await super().configure(config)
        version = self.settings.api_version
        self._dated = version if version is not None and _DATE.match(version) else None
        path = urlsplit(self.base_url).path
        root = self.base_url.removesuffix(path)
        self._deployment = "/deployments/" in path
        if self._dated is None and not self._deployment and path in ("", "/openai"):
            self.base_url = f"{root}/openai/v1"
        elif self._dated is not None and path in ("", "/openai", "/openai/v1"):
            self.base_url = f"{root}/openai"

    @cached_property
    def speaks_responses(self) -> bool:
        return self.api == "both" or not self._deployment

    def url(self, wire: WireRequest) -> str:
        version, path, query = self.settings.api_version, wire.path, wire.query
        if self._dated is not None and not self._deployment and path in _BY_DEPLOYMENT:
            path = f"/deployments/{quote(_deployment_of(wire), safe='')}{path}"
        base = self.base_url
        if path == "/realtime" and (self._dated is not None or self._deployment):
            # Sessions name the deployment in the query, and never in the path.
            base = base.partition("/deployments/")[0]
            query = _MODEL.sub("deployment=", query, count=1)
        if version is not None and "api-version=" not in query:
            query = f"{query}&api-version={version}" if query else f"api-version={version}"
        return f"{base}{path}?{query}" if query else base + path

    def authorize(self, headers: Headers) -> None:
        if self.settings.api_key:
            self.forward_credential(headers, self.settings.api_key)

    def forward_credential(self, headers: Headers, token: str) -> None:
        """Keys go into `api-key`, Entra ID tokens (JWTs) into `authorization`."""
        if token.startswith("eyJ"):
            headers.remove("api-key")
            headers.set("authorization", f"Bearer {token}")
        else:
            headers.remove("authorization")
            headers.set("api-key", token)


def _deployment_of(wire: WireRequest) -> str:
    try:
        return json.peek(wire.body)[0] or ""
    except ValueError:
        return ""


_MODEL = re.compile(r"\bmodel=")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_BY_DEPLOYMENT = frozenset(
    {"/chat/completions", "/completions", "/embeddings", "/images/generations", "/images/edits", "/audio/speech",
     "/audio/transcriptions", "/audio/translations"}
)  # fmt: skip
