"""The provider type `sagemaker`: models on Amazon SageMaker endpoints whose containers take Chat Completions.

The endpoint's name is in the address, the body is OpenAI's, and requests are signed. A stream comes as AWS's event
stream, whose parts hold the container's own bytes (server-sent events), cut anywhere; what a container refuses comes
under status 424 with its own status inside. Both are put into the form that the dialect reads.

Sources: SageMaker Runtime API reference, InvokeEndpoint and InvokeEndpointWithResponseStream; the documentation of the
Large Model Inference containers, "Chat Completions API Schema".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import quote

from llm_gateway_sdk import Headers, HTTPReply, WireRequest, http_provider_schema
from llm_gateway_sdk.wire import json

from .aws import AWS_PROPERTIES, AWSProvider
from .carried_reply import CarriedReply, exception_of
from .eventstream import EventStreamMessage

__all__ = ["SageMakerProvider", "SageMakerReply"]

_TARGETS = {
    "inferenceComponent": "x-amzn-sagemaker-inference-component",
    "targetVariant": "x-amzn-sagemaker-target-variant",
    "targetModel": "x-amzn-sagemaker-target-model",
}
_MODEL_ERROR = 424
"""The container answered with an error: its status and words are in the body."""


class SageMakerProvider(AWSProvider):
    """`model` is the endpoint's name."""

    name: ClassVar[str] = "sagemaker"
    dialect: ClassVar[str] = "openai_chat"
    service: ClassVar[str] = "sagemaker"
    host: ClassVar[str] = "runtime.sagemaker"
    adapts_replies = True
    quirks: ClassVar[Mapping[str, Any]] = {
        "cache": "none",
        "max_tokens_field": "max_tokens",
        "no_custom_tools": True,
        "no_allowed_tools": True,
        "no_developer_role": True,
        "no_service_tier": True,
        "user_field": "user",
        "no_fields": ("store", "metadata", "verbosity", "prompt_cache_key"),
        "top_k": True,
    }
    configuration_schema: ClassVar[dict[str, Any]] = http_provider_schema(
        quirks={"type": "object", "description": "What the container does otherwise: quirks of `openai`."},
        servedModel={
            "type": "string",
            "description": "The name of the model in the body, where the container wants one; none by default.",
        },
        inferenceComponent={"type": "string", "description": "The inference component of the endpoint."},
        targetVariant={"type": "string", "description": "The production variant of the endpoint."},
        targetModel={"type": "string", "description": "The model of a multi-model endpoint."},
        **AWS_PROPERTIES,
    ) | {"examples": [{"region": "eu-central-1", "model": "my-endpoint"}]}

    async def configure(self, config: dict[str, Any]) -> None:
        await super().configure(config)
        self._served = config.get("servedModel")
        for key, header in _TARGETS.items():
            if config.get(key):
                self.settings.headers.setdefault(header, str(config[key]))

    def prepare(self, wire: WireRequest) -> tuple[str, str, Headers, bytes]:
        """Raises ValueError where the body is not a JSON object."""
        endpoint, streams = json.peek(wire.body)
        operation = "invocations-response-stream" if streams else "invocations"
        wire.body = json.replace_top_level(wire.body, {"model": self._served})
        wire.path, wire.query = f"/endpoints/{quote(endpoint or '', safe='')}/{operation}", ""
        wire.headers.set("content-type", "application/json")
        return super().prepare(wire)

    def adapt_reply(self, reply: HTTPReply) -> HTTPReply:
        return SageMakerReply(reply)


class SageMakerReply(CarriedReply):
    """A reply of an endpoint as the container gave it."""

    def part_of(self, message: EventStreamMessage) -> bytes:
        """The container's bytes; an exception of the service as an error event of the container's API."""
        if (name := exception_of(message)) is not None:
            _, body = _error_of(500, message.payload, name)
            return b"data: " + body + b"\n\n"
        return message.payload if message.headers.get(":event-type") == "PayloadPart" else b""

    def whole_of(self, body: bytes) -> bytes:
        if self.status >= 400:
            self.status, body = _error_of(self.status, body)
        return body


def _error_of(status: int, body: bytes, name: str = "") -> tuple[int, bytes]:
    """Status and body as the container's API has them."""
    try:
        found = json.loads(body)
    except ValueError:
        found = None
    if not isinstance(found, dict) or "error" in found:
        return status, body
    inner = found.get("OriginalStatusCode")
    if status == _MODEL_ERROR and isinstance(inner, int) and 400 <= inner <= 599:
        status = inner
    words = found.get("OriginalMessage") or found.get("Message") or found.get("message") or name
    message = words if isinstance(words, str) else ""
    try:
        original = json.loads(message.encode())
    except ValueError:
        original = None
    if isinstance(original, dict) and "error" in original:
        return status, json.dumps(original)
    text = message or name or "The endpoint failed."
    return status, json.dumps({"error": {"message": text, "type": name or found.get("ErrorCode") or None}})
