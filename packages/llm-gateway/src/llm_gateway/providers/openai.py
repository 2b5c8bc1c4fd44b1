"""OpenAI's API, and servers that speak it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar
from urllib.parse import urlsplit

from llm_gateway_sdk import HTTPProvider, HTTPSettings, http_provider_schema
from llm_gateway_sdk.dialects.model_limits import limits_of
from llm_gateway_sdk.dialects.quirks import quirks_schema
from llm_gateway_sdk.operations.form import OperationForm

from ..dialects.openai_chat.quirks import QUIRKS as CHAT_QUIRKS
from ..dialects.openai_responses.quirks import QUIRKS as RESPONSES_QUIRKS
from ..operations.audio.speech import OpenAISpeech
from ..operations.audio.transcription import OpenAITranscription
from ..operations.batches.openai_api import OpenAIBatchAPI
from ..operations.embeddings.openai import OpenAIEmbeddings
from ..operations.images.openai import OPENAI_SIZES, OpenAIImages
from ..operations.moderation.openai import OpenAIModeration

__all__ = ["API_PROPERTY", "KEEPS_PROPERTY", "OpenAIProvider"]

CHAT, RESPONSES = "openai_chat", "openai_responses"

_OWN_HOSTS = ("api.openai.com", ".openai.azure.com")
"""Hosts of which it is known that OpenAI's own servers answer."""

API_PROPERTY: dict[str, Any] = {
    "enum": ["auto", "chat", "responses", "both"],
    "default": "auto",
    "description": "Which API to call. `auto`: where the server is known to have Responses, that for its own clients, "
    "for all others but Chat's where the model reasons, and for every client where the model is served there alone; "
    "else Chat Completions. `both`: the server has both APIs, whatever its address.",
}

KEEPS_PROPERTY: dict[str, Any] = {
    "type": "boolean",
    "description": "The server keeps responses for `previous_response_id` itself; `false` lets the gateway do so. "
    "Without it: `true` for OpenAI, Azure and xAI.",
}


class OpenAIProvider(HTTPProvider):
    """Speaks Chat Completions or Responses, as `api` sets."""

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
    """Hosts known to have it; one that begins with a dot means what is below it."""
    stores_responses: ClassVar[bool] = True
    """Servers of this kind keep responses themselves, for `previous_response_id`."""
    configuration_schema: ClassVar[dict[str, Any]] = http_provider_schema(
        api=API_PROPERTY,
        keepsResponses=KEEPS_PROPERTY,
        quirks=quirks_schema(CHAT_QUIRKS, RESPONSES_QUIRKS),
        organization={"type": "string", "description": "`OpenAI-Organization` of each call."},
        project={"type": "string", "description": "`OpenAI-Project` of each call."},
    )

    forms: ClassVar[Sequence[OperationForm[Any, Any]]] = (
        OpenAIEmbeddings(2048),
        OpenAIModeration(),
        OpenAIImages(sizes=OPENAI_SIZES),
        OpenAISpeech(),
        OpenAITranscription(),
        OpenAIBatchAPI(),
    )

    def read_settings(self, config: Mapping[str, Any]) -> HTTPSettings:
        settings = super().read_settings(config)
        host = urlsplit(settings.base_url).hostname or ""
        if host.endswith(_OWN_HOSTS):
            # An unknown parameter of a message is refused, and OpenAI's own answers have no reasoning in them.
            settings.quirks.setdefault("no_reasoning_history", True)
        return settings

    async def configure(self, config: dict[str, Any]) -> None:
        await super().configure(config)
        self.api = config.get("api", "auto")
        self.keeps_responses = bool(config.get("keepsResponses", self.stores_responses))
        for key, header in (("organization", "openai-organization"), ("project", "openai-project")):
            if config.get(key):
                self.settings.headers.setdefault(header, str(config[key]))

    @cached_property
    def speaks_responses(self) -> bool:
        """Whether the server is known to have the Responses API."""
        if self.api == "both":
            return True
        if self.has_responses and self.base_url == self.default_base_url.rstrip("/"):
            return True
        host = urlsplit(self.base_url).hostname or ""
        return any(host == known or (known[0] == "." and host.endswith(known)) for known in self.responses_hosts)

    def dialect_for(self, client_dialect: str, request_path: str, model: str = "") -> str:
        if self.api == "chat":
            return CHAT
        if request_path.startswith("/responses/") or request_path.endswith(("/count_tokens", ":countTokens")):
            # Only the Responses API counts tokens.
            return RESPONSES if self.api == "responses" or self.speaks_responses else CHAT
        if self.api == "responses":
            return RESPONSES
        if not self.speaks_responses:
            return CHAT
        limits = limits_of(model or self.model or "")
        if client_dialect == CHAT:
            return RESPONSES if limits.only_responses and self.api == "auto" else CHAT
        # OpenAI's reasoning models take tools and reasoning together only there, and give reasoning back only there.
        return RESPONSES if client_dialect == RESPONSES or limits.reasons or limits.only_responses else CHAT
