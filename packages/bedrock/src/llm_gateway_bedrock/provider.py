"""The provider type `bedrock`: Converse on Amazon Bedrock Runtime, by SigV4 or by API key."""

from __future__ import annotations

from typing import Any, ClassVar

from llm_gateway_sdk import Headers, HTTPReply, WireRequest, http_provider_schema
from llm_gateway_sdk.context import Operation
from llm_gateway_sdk.dialects.quirks import quirks_schema
from llm_gateway_sdk.operations.form import OperationForm

from .aws import AWS_PROPERTIES, AWSProvider
from .embeddings import embeddings_of
from .images import images_of
from .invoke import COUNT, MESSAGES, AnthropicReply, to_invoke_model
from .parts import NAME
from .quirks import QUIRKS
from .rerank import BedrockRerank

__all__ = ["BedrockProvider"]


class BedrockProvider(AWSProvider):
    """Credentials are those of `AWSProvider`; `apiKey` is a Bedrock API key."""

    name: ClassVar[str] = "bedrock"
    dialect: ClassVar[str] = NAME
    service: ClassVar[str] = "bedrock"
    host: ClassVar[str] = "bedrock-runtime"
    default_base_url: ClassVar[str] = ""
    api_key_variable: ClassVar[str] = "AWS_BEARER_TOKEN_BEDROCK"
    configuration_schema: ClassVar[dict[str, Any]] = http_provider_schema(
        quirks=quirks_schema(QUIRKS),
        api={
            "enum": ["converse", "invoke"],
            "default": "converse",
            "description": "`invoke` asks Claude by InvokeModel: Anthropic's own API in full, beta features included. "
            "`converse` is one API for all models.",
        },
        **AWS_PROPERTIES,
    ) | {"examples": [{"region": "eu-central-1", "model": "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"}]}

    _invokes = False

    def dialect_for(self, client_dialect: str, request_path: str, model: str = "") -> str:
        return "anthropic" if self._invokes else self.dialect

    def adapt_reply(self, reply: HTTPReply) -> HTTPReply:
        return AnthropicReply(reply)

    def form_for(self, operation: Operation, client_form: str, model: str) -> OperationForm[Any, Any] | None:
        """Each vendor on Bedrock has its own body."""
        if operation == "rerank":
            return _RERANK if "rerank" in model else None
        if operation == "image":
            return images_of(model)
        return embeddings_of(model) if operation == "embed" else None

    async def configure(self, config: dict[str, Any]) -> None:
        await super().configure(config)
        self._invokes = self.adapts_replies = config.get("api") == "invoke"

    def prepare(self, wire: WireRequest) -> tuple[str, str, Headers, bytes]:
        """Signed last, when address, headers and body are what they will be."""
        if wire.path in (MESSAGES, COUNT):
            to_invoke_model(wire)
        return super().prepare(wire)


_RERANK = BedrockRerank()
