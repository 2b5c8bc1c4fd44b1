"""The provider type `bedrock`: Converse on Amazon Bedrock Runtime, by SigV4 or by API key."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar

from llm_gateway_sdk import (
    ConfigError,
    ConfigProblem,
    Headers,
    HTTPProvider,
    HTTPReply,
    HTTPSettings,
    WireRequest,
    http_provider_schema,
)
from llm_gateway_sdk.context import Operation
from llm_gateway_sdk.dialects.quirks import quirks_schema
from llm_gateway_sdk.operations.form import OperationForm

from .embeddings import embeddings_of
from .images import images_of
from .invoke import COUNT, MESSAGES, AnthropicReply, to_invoke_model
from .parts import NAME
from .quirks import QUIRKS
from .rerank import BedrockRerank
from .signing import CredentialSource, FixedCredentials, SessionCredentials, session_region, sign

__all__ = ["BedrockProvider"]

_REGION = re.compile(r"^https://bedrock-runtime(?:-fips)?\.([a-z0-9-]+)\.")
_SUFFIXES = {"cn-": "amazonaws.com.cn"}


class BedrockProvider(HTTPProvider):
    """Credentials, in this order: `apiKey` (a Bedrock API key, sent as bearer token); `accessKeyId` and
    `secretAccessKey`; botocore's chain, of `profile` if that is written. With `accessKeyId` written the API key is not
    used, also if `apiKey` is set: who writes both means to sign."""

    name: ClassVar[str] = "bedrock"
    dialect: ClassVar[str] = NAME
    default_base_url: ClassVar[str] = ""
    api_key_variable: ClassVar[str] = "AWS_BEARER_TOKEN_BEDROCK"
    finds_credentials: ClassVar[bool] = True
    configuration_schema: ClassVar[dict[str, Any]] = http_provider_schema(
        quirks=quirks_schema(QUIRKS),
        api={
            "enum": ["converse", "invoke"],
            "default": "converse",
            "description": "`invoke` asks Claude by InvokeModel: Anthropic's own API in full, beta features included. "
            "`converse` is one API for all models.",
        },
        region={
            "type": "string",
            "pattern": "^[a-z0-9-]+$",
            "description": "AWS region; without it that of the environment or the profile.",
        },
        accessKeyId={"type": "string", "description": "AWS access key.", "x-secret": True},
        secretAccessKey={"type": "string", "description": "Its secret.", "x-secret": True},
        sessionToken={"type": "string", "description": "The token of temporary keys.", "x-secret": True},
        profile={"type": "string", "description": "Profile of the shared AWS configuration."},
    ) | {"examples": [{"region": "eu-central-1", "model": "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"}]}

    _source: CredentialSource | None = None
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
        if bool(config.get("accessKeyId")) != bool(config.get("secretAccessKey")):
            raise ConfigError([ConfigProblem("accessKeyId and secretAccessKey belong together", "accessKeyId")])
        await super().configure(config)
        self._invokes = self.adapts_replies = config.get("api") == "invoke"
        self._region = self._find_region(config)
        if not self.base_url:
            suffix = next((end for start, end in _SUFFIXES.items() if self._region.startswith(start)), "amazonaws.com")
            self.base_url = self.settings.base_url = f"https://bedrock-runtime.{self._region}.{suffix}"
        self._source = self._find_source(config)

    def read_settings(self, config: Mapping[str, Any]) -> HTTPSettings:
        settings = super().read_settings(config)
        if config.get("accessKeyId"):
            settings.api_key = None
        return settings

    def _find_region(self, config: Mapping[str, Any]) -> str:
        if config.get("region"):
            return str(config["region"])
        match = _REGION.match(self.base_url)
        if match is not None:
            return match[1]
        if self.base_url and self._bearer(config):
            return ""  # nothing asks for it
        region = _region_of_session(config.get("profile"))
        if region is None:
            message = "region is not written, and the environment names none; write `region`, or set AWS_REGION"
            raise ConfigError([ConfigProblem(message, "region")])
        return region

    def _find_source(self, config: Mapping[str, Any]) -> CredentialSource | None:
        if self._bearer(config):
            return None
        if config.get("accessKeyId"):
            return FixedCredentials(config["accessKeyId"], config["secretAccessKey"], config.get("sessionToken"))
        return SessionCredentials(config.get("profile"))

    def _bearer(self, config: Mapping[str, Any]) -> bool:
        by_token = self.settings.credentials == "client" or self.tokens is not None
        return by_token or bool(self.settings.api_key)

    def prepare(self, wire: WireRequest) -> tuple[str, str, Headers, bytes]:
        """Signs last, when address, headers and body are what they will be."""
        if wire.path in (MESSAGES, COUNT):
            to_invoke_model(wire)
        method, url, headers, body = super().prepare(wire)
        if self._source is not None:
            credentials = self._source.current()
            for name, value in sign(method, url, headers, body, credentials=credentials, region=self._region):
                headers.set(name, value)
        return method, url, headers, body

    def secrets(self) -> tuple[str, ...]:
        return super().secrets() + (self._source.known() if self._source is not None else ())

    async def close(self) -> None:
        await super().close()
        if self._source is not None:
            self._source.close()


_RERANK = BedrockRerank()


def _region_of_session(profile: str | None) -> str | None:
    from botocore.exceptions import BotoCoreError  # type: ignore[import-untyped]

    try:
        return session_region(profile)
    except BotoCoreError as error:
        raise ConfigError([ConfigProblem(str(error), "profile")]) from None
