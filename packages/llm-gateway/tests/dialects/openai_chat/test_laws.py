"""The laws of dialects, over the recorded traffic of OpenAI and of servers that speak its format."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from llm_gateway.dialects.openai_chat import OpenAIChat
from llm_gateway_sdk import LLMResponse, TextPart, ThinkingPart, ToolCallPart
from llm_gateway_sdk.testing.dialect_laws import DialectLaws, plain_parts
from llm_gateway_sdk.testing.grammar.openai_chat import violations


class TestOpenAIChatLaws(DialectLaws):
    dialect = OpenAIChat()
    corpus = ("openai-chat", "openai-compat")
    grammar = staticmethod(violations)
    # A count that is too large and one that is too many are both 400s of type invalid_request_error.
    lost_error_kinds = frozenset({"unknown"})

    def normalise_request(self, body: Any) -> Any:
        body = super().normalise_request(body)
        if not isinstance(body, dict):
            return body
        if body.get("stream") is False:
            del body["stream"]
        if not body.get("tools"):
            body.pop("tools", None)
        for tool in body.get("tools") or ():
            tool.setdefault("type", "function")
        for message in body.get("messages") or ():
            if not message.get("content") and message.get("role") == "assistant":
                message.pop("content", None)
            for call in message.get("tool_calls") or ():
                call.pop("index", None)
        return body

    def normalise_reply(self, reply: LLMResponse) -> LLMResponse:
        """A message has one text, one refusal and a list of calls: how they stood among each other is lost."""
        reply = super().normalise_reply(reply)
        for choice in reply.choices:
            parts = [replace(part, item_id=None) for part in choice.message.content]
            ranks = {ThinkingPart: 0, TextPart: 1, ToolCallPart: 3}
            choice.message.content = plain_parts(sorted(parts, key=lambda part: ranks.get(type(part), 2)))
        return reply
