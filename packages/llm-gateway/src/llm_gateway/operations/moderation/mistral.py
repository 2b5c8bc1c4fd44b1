"""Mistral's moderations, whose categories are others than OpenAI's (docs.mistral.ai/capabilities/guardrailing)."""

from __future__ import annotations

from typing import ClassVar

from llm_gateway_sdk import Usage, WireReply
from llm_gateway_sdk.operations.moderation import Judgement, ModerationReply, ModerationRequest
from llm_gateway_sdk.operations.reading import count, object_of

from .openai import OpenAIModeration

__all__ = ["MistralModeration"]

_NAMES = {
    "hate_and_discrimination": "hate",
    "violence_and_threats": "violence",
    "dangerous_and_criminal_content": "illicit",
    "selfharm": "self-harm",
}
"""Mistral's categories in OpenAI's words; the others keep their names."""


class MistralModeration(OpenAIModeration):
    name: ClassVar[str] = "mistral"

    def decode_reply(self, wire: WireReply, request: ModerationRequest) -> ModerationReply:
        reply = super().decode_reply(wire, request)
        usage = object_of(wire.body).get("usage")
        used = count(usage.get("prompt_tokens")) if isinstance(usage, dict) else None
        reply.usage = None if used is None else Usage(input_tokens=used)
        reply.results = [
            Judgement(
                {_NAMES.get(name, name): flag for name, flag in each.categories.items()},
                {_NAMES.get(name, name): score for name, score in each.scores.items()},
            )
            for each in reply.results
        ]
        return reply
