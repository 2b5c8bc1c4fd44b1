"""OpenAI's API, and servers that speak it."""

from __future__ import annotations

from typing import Any, ClassVar
from urllib.parse import urlsplit

from llm_gateway_sdk import HTTPProvider, http_provider_schema

__all__ = ["API_PROPERTY", "OpenAIProvider"]

CHAT, RESPONSES = "openai_chat", "openai_responses"

API_PROPERTY: dict[str, Any] = {
    "enum": ["auto", "chat", "responses"],
    "default": "auto",
    "description": "Which API to call. `auto`: Responses for clients of Responses where the server is known "
    "to have it, else Chat Completions.",
}


class OpenAIProvider(HTTPProvider):
    """Speaks Chat Completions or Responses, as `api` says."""

    name = "openai"
    dialect = CHAT
    default_base_url = "https://api.openai.com/v1"
    api_key_variable = "OPENAI_API_KEY"
    has_responses: ClassVar[bool] = False
    """This vendor's own address has the Responses API."""
    responses_hosts: ClassVar[tuple[str, ...]] = (
        "api.openai.com",
        ".api.openai.com",
        ".openai.azure.com",
        ".services.ai.azure.com",
    )
    """Hosts known to have it; one that begins with a dot stands for what is below it."""
    configuration_schema: ClassVar[dict[str, Any]] = http_provider_schema(
        api=API_PROPERTY,
        organization={"type": "string", "description": "`OpenAI-Organization` of each call."},
        project={"type": "string", "description": "`OpenAI-Project` of each call."},
    )

    async def configure(self, config: dict[str, Any]) -> None:
        await super().configure(config)
        self.api = config.get("api", "auto")
        for key, header in (("organization", "openai-organization"), ("project", "openai-project")):
            if config.get(key):
                self.settings.headers.setdefault(header, str(config[key]))

    @property
    def speaks_responses(self) -> bool:
        """Whether the server is known to have the Responses API."""
        if self.has_responses and self.base_url == self.default_base_url.rstrip("/"):
            return True
        host = urlsplit(self.base_url).hostname or ""
        return any(host == known or (known[0] == "." and host.endswith(known)) for known in self.responses_hosts)

    def dialect_for(self, client_dialect: str, request_path: str) -> str:
        if self.api == "chat":
            return CHAT
        if request_path.startswith("/responses/") or request_path.endswith(("/count_tokens", ":countTokens")):
            # Only the Responses API counts tokens.
            return RESPONSES if self.api == "responses" or self.speaks_responses else CHAT
        if self.api == "responses":
            return RESPONSES
        return RESPONSES if client_dialect == RESPONSES and self.speaks_responses else CHAT
