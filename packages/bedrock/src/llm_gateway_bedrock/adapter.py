"""The adapter `bedrock`: clients of boto3's `bedrock-runtime` with the gateway as `endpoint_url`.

A client signs its requests with a key pair (SigV4). The gateway does not know the secret and does not check the
signature: the access key's id counts as the caller's key, as a bearer token of Bedrock does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar
from urllib.parse import unquote

from llm_gateway_sdk import Adapter, ErrorInfo, Headers, ModelEntry, Route, WireReply, WireRequest
from llm_gateway_sdk.wire import json

from .errors import encode_error
from .invoke_dialect import BedrockInvoke
from .parts import NAME
from .paths import CONVERSE, CONVERSE_STREAM, COUNT_TOKENS, INVOKE, INVOKE_STREAM

__all__ = ["BedrockAdapter"]


class BedrockAdapter(Adapter):
    name: ClassVar[str] = "bedrock"
    dialect: ClassVar[str] = NAME
    routes: ClassVar[Sequence[Route]] = (
        Route("POST", f"/model/{{model}}/{CONVERSE}", "generate", NAME),
        Route("POST", f"/model/{{model}}/{CONVERSE_STREAM}", "generate", NAME),
        Route("POST", f"/model/{{model}}/{INVOKE}", "generate", BedrockInvoke.name),
        Route("POST", f"/model/{{model}}/{INVOKE_STREAM}", "generate", BedrockInvoke.name),
        Route("POST", f"/model/{{model}}/{COUNT_TOKENS}", "count_tokens", NAME),
        Route("GET", "/foundation-models", "models", NAME),
        Route("GET", "/foundation-models/{model}", "models", NAME),
    )

    def claims(self, wire: WireRequest) -> bool:
        return "x-amz-date" in wire.headers or "amz-sdk-request" in wire.headers

    def list_models(self, models: Sequence[ModelEntry], wire: WireRequest) -> WireReply:
        """ListFoundationModels, or GetFoundationModel where the path names one."""
        listed = {name: entry for entry in models for name in (entry.name, *entry.aliases) if "*" not in name}
        _, found, asked = wire.path.partition("/foundation-models/")
        if not found:
            return _reply({"modelSummaries": [_model(name, entry) for name, entry in listed.items()]})
        name = unquote(asked)
        if name in listed:
            return _reply({"modelDetails": _model(name, listed[name])})
        return encode_error(ErrorInfo(f"The model {name} is not found.", 404, "not_found"))

    def estimate_reply(self, input_tokens: int) -> WireReply:
        return _reply({"inputTokens": input_tokens})


def _reply(body: dict[str, Any]) -> WireReply:
    return WireReply(200, Headers.of([("content-type", "application/json")]), json.dumps(body))


def _model(name: str, entry: ModelEntry) -> dict[str, Any]:
    return {
        "modelArn": f"arn:aws:bedrock:::foundation-model/{name}",
        "modelId": name,
        "modelName": entry.description or name,
        "providerName": entry.provider or "llm-gateway",
        "inputModalities": ["TEXT"],
        "outputModalities": ["TEXT"],
        "responseStreamingSupported": True,
        "inferenceTypesSupported": ["ON_DEMAND"],
        "modelLifecycle": {"status": "ACTIVE"},
    }
