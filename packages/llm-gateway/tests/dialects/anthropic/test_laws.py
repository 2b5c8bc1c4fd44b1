from __future__ import annotations

from typing import Any

from llm_gateway.dialects.anthropic import Anthropic
from llm_gateway.dialects.anthropic.parts import encode_own
from llm_gateway_sdk import LLMResponse, OpaquePart, Part, RefusalPart
from llm_gateway_sdk.testing.dialect_laws import DialectLaws
from llm_gateway_sdk.testing.grammar.anthropic import violations
from llm_gateway_sdk.wire import json

SAY_NOTHING = {"is_error": False, "strict": False, "stream": False, "disable_parallel_tool_use": False}


class TestAnthropicLaws(DialectLaws):
    dialect = Anthropic()
    corpus = ("anthropic",)
    grammar = staticmethod(violations)
    lost_error_kinds = frozenset({"unknown", "context_length", "content_policy"})
    """The latter two differ from others in their text alone."""

    def holds(self, part: Part) -> bool:
        return not isinstance(part, RefusalPart)

    def normalise_request(self, body: Any) -> Any:
        return _without_defaults(super().normalise_request(body))

    def normalise_reply(self, reply: LLMResponse) -> LLMResponse:
        plain = super().normalise_reply(reply)
        if plain.usage is not None and not plain.usage.total_tokens:
            # A message has to name both counts.
            plain.usage = None
        for choice in plain.choices:
            if choice.finish_reason == "content_filter":
                # The same word in this format.
                choice.finish_reason = "refusal"
            for call in choice.message.tool_calls:
                # An input is an object: spaces between its letters are not kept.
                call.arguments = json.dumps_text(json.loads(call.arguments))
            for part in choice.message.content:
                if isinstance(part, OpaquePart):
                    part.data, part.deltas = encode_own(part), []
        return plain


def _without_defaults(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_defaults(item) for item in value if not _is_blank(item)]
    if not isinstance(value, dict):
        return value
    return {
        key: _without_defaults(inner)
        for key, inner in value.items()
        if not (key in SAY_NOTHING and inner is SAY_NOTHING[key])
    }


def _is_blank(block: Any) -> bool:
    return isinstance(block, dict) and block.get("type") == "text" and not str(block.get("text", "")).strip()
