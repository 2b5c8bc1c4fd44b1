"""Bodies of InvokeModel as clients send them: each model vendor's own, distinguished by their fields.

| body | known by | read as |
|---|---|---|
| Anthropic's Messages | `anthropic_version` | the dialect `anthropic` |
| Amazon Nova's | `schemaVersion`, `inferenceConfig`, or contents without a `type` | Converse, whose fields it has |
| OpenAI's, and those of Mistral, Qwen, DeepSeek and others in its shape | `messages` | the dialect `openai_chat` |

Bodies of a prompt alone (Titan, Llama, older Cohere and Mistral models) and those for embeddings and images are refused
by name. Sources: Bedrock user guide, "Inference request parameters and response fields for foundation models".
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import entry_points
from typing import Any, Literal

from llm_gateway_sdk import Dialect, DialectError, Headers, WireRequest
from llm_gateway_sdk.dialects.field_names import FieldNames
from llm_gateway_sdk.dialects.fields import optional_list, read_object
from llm_gateway_sdk.wire import json

from .dialect import Bedrock
from .invoke import MESSAGES
from .parts import NAME
from .paths import CONVERSE, CONVERSE_STREAM, INVOKE_STREAM, build_path, split_path

__all__ = ["Family", "FieldsOfBody", "family_of", "inner_dialect", "unwrap"]

Family = Literal["anthropic", "openai_chat", "bedrock"]
"""The dialect whose body it is."""

_CHAT = "/chat/completions"
_NOT_OF_NOVA = frozenset({"schemaVersion"})


def family_of(body: dict[str, Any]) -> Family:
    """Raises DialectError for a body of another kind."""
    if "anthropic_version" in body:
        return "anthropic"
    if "schemaVersion" in body or "inferenceConfig" in body:
        return "bedrock"
    if "messages" in body:
        for message in optional_list(body["messages"], "messages"):
            content = message.get("content") if isinstance(message, dict) else None
            if isinstance(content, list) and any(isinstance(block, dict) and "type" not in block for block in content):
                return "bedrock"
        return "openai_chat"
    if {"inputText", "texts", "inputs"} & body.keys() and "textGenerationConfig" not in body:
        raise DialectError("embeddings are asked for at /v1/embeddings, not by InvokeModel")
    raise DialectError(
        "InvokeModel takes Anthropic's body (`anthropic_version`), Amazon Nova's (`inferenceConfig`) or one of "
        "`messages` in OpenAI's shape here; for any other model use Converse"
    )


def unwrap(wire: WireRequest) -> tuple[Family, WireRequest]:
    """The request as a client of the body's own API would have sent it. Raises DialectError."""
    body = read_object(wire.body)
    family = family_of(body)
    model, operation = split_path(wire.path)
    streams = operation == INVOKE_STREAM
    headers = wire.headers.copy()
    if family == NAME:
        path = build_path(model or "", CONVERSE_STREAM if streams else CONVERSE)
        return family, _request(path, headers, {k: v for k, v in body.items() if k not in _NOT_OF_NOVA})
    body = {**body, "model": model or "", "stream": streams}
    if family == "openai_chat":
        if streams:
            body["stream_options"] = {"include_usage": True}
        return family, _request(_CHAT, headers, body)
    del body["anthropic_version"]
    betas = body.pop("anthropic_beta", None)
    if isinstance(betas, list) and betas:
        headers.set("anthropic-beta", ",".join(str(beta) for beta in betas))
    return family, _request(MESSAGES, headers, body)


def _request(path: str, headers: Headers, body: dict[str, Any]) -> WireRequest:
    return WireRequest("POST", path, "", headers, json.dumps(body))


@cache
def inner_dialect(family: Family) -> Dialect:
    """The dialect of a body; those of the gateway are found as the gateway itself finds them. Raises DialectError."""
    if family == NAME:
        return Bedrock()
    for point in entry_points(group="llm_gateway.dialects", name=family):
        dialect: Dialect = point.load()()
        return dialect
    raise DialectError(f"the dialect '{family}', whose body this is, is not installed")


class FieldsOfBody(FieldNames):
    """Names of fields as the API calls them whose body it is."""

    def spell(self, path: str, body: bytes = b"") -> str:
        try:
            family = family_of(read_object(body))
            return inner_dialect(family).field_names.spell(path, body)
        except DialectError:
            return path
