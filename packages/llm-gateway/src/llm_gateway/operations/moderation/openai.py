"""OpenAI's moderations (platform.openai.com/docs/api-reference/moderations)."""

from __future__ import annotations

from typing import Any, ClassVar

from llm_gateway_sdk import DialectError, Mint, Target, WireReply, WireRequest
from llm_gateway_sdk.context import Operation
from llm_gateway_sdk.losses import Losses
from llm_gateway_sdk.operations.form import OperationForm
from llm_gateway_sdk.operations.moderation import Judgement, ModerationReply, ModerationRequest
from llm_gateway_sdk.operations.reading import json_reply, json_request, object_of

__all__ = ["CATEGORIES", "OpenAIModeration"]

CATEGORIES = (
    "harassment", "harassment/threatening", "hate", "hate/threatening", "illicit", "illicit/violent", "self-harm",
    "self-harm/instructions", "self-harm/intent", "sexual", "sexual/minors", "violence", "violence/graphic",
)  # fmt: skip


class OpenAIModeration(OperationForm[ModerationRequest, ModerationReply]):
    name: ClassVar[str] = "openai"
    operation: ClassVar[Operation] = "moderate"
    path = "/moderations"

    def decode_request(self, wire: WireRequest) -> ModerationRequest:
        body = object_of(wire.body)
        model = body.get("model")
        return ModerationRequest(model if isinstance(model, str) else "", _inputs(body.get("input")))

    def encode_reply(self, reply: ModerationReply, request: ModerationRequest, mint: Mint) -> WireReply:
        results = [
            {
                "flagged": each.flagged,
                "categories": {**dict.fromkeys(CATEGORIES, False), **each.categories},
                "category_scores": {**dict.fromkeys(CATEGORIES, 0.0), **each.scores},
                "category_applied_input_types": {name: ["text"] for name in each.categories},
            }
            for each in reply.results
        ]
        return json_reply({"id": reply.id or mint.id("modr-"), "model": reply.model, "results": results})

    def encode_request(self, request: ModerationRequest, target: Target, losses: Losses) -> WireRequest:
        return json_request(self.path, {"model": target.model, "input": request.inputs})

    def decode_reply(self, wire: WireReply, request: ModerationRequest) -> ModerationReply:
        body = object_of(wire.body)
        results = body.get("results")
        if not isinstance(results, list) or not all(isinstance(each, dict) for each in results):
            raise DialectError("expected an array of results", path="results")
        judged = [Judgement(_table(each, "categories"), _table(each, "category_scores")) for each in results]
        return ModerationReply(judged, str(body.get("model") or ""), id=str(body.get("id") or ""))


def _table(result: dict[str, Any], name: str) -> dict[str, Any]:
    """Raises DialectError."""
    value = result.get(name)
    if value is not None and not isinstance(value, dict):
        raise DialectError("expected an object", path=f"results[*].{name}")
    return value or {}


def _inputs(value: Any) -> list[str]:
    """Texts; of a list of parts all texts are one input. Raises DialectError for images."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, list) and value:
        if all(isinstance(item, str) for item in value):
            return value
        parts = [item.get("text") if isinstance(item, dict) else None for item in value]
        if all(isinstance(part, str) for part in parts):
            return ["\n".join(map(str, parts))]
        raise DialectError("the model's provider moderates texts only", path="input")
    raise DialectError("expected a string or an array of strings", path="input")
