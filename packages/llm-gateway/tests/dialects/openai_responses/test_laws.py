"""The laws that every dialect keeps, over recorded and generated replies."""

from __future__ import annotations

from typing import Any

from llm_gateway.dialects.openai_responses import OpenAIResponses
from llm_gateway_sdk.parts import OpaquePart, ThinkingPart
from llm_gateway_sdk.response import LLMResponse
from llm_gateway_sdk.testing.dialect_laws import DialectLaws
from llm_gateway_sdk.testing.grammar.openai_responses import violations


class TestOpenAIResponsesLaws(DialectLaws):
    dialect = OpenAIResponses()
    corpus = ("openai-responses",)
    grammar = staticmethod(violations)
    parallel = ("input", "tools")

    def normalise_request(self, body: Any) -> Any:
        """Nothing is streamed unless asked for; images are of detail `auto`; output texts have annotations."""
        body = super().normalise_request(body)
        if not isinstance(body, dict):
            return body
        body = {key: value for key, value in body.items() if value not in ([], {})}
        if body.get("stream") is False:
            del body["stream"]
        for item in body["input"] if isinstance(body.get("input"), list) else []:
            for key in ("content", "output"):
                for part in item[key] if isinstance(item.get(key), list) else []:
                    if part.get("type") == "input_image":
                        part.setdefault("detail", "auto")
                    if part.get("type") == "output_text":
                        part.setdefault("annotations", [])
                        part.pop("logprobs", None)
            if item.get("content") == []:
                del item["content"]
        return body

    def normalise_reply(self, reply: LLMResponse) -> LLMResponse:
        """Every item gets an id; reasoning of other providers is shown as a summary; every counter of the usage is a
        number, for the vendor's type wants them all; what is not understood is what it was in the end."""
        if reply.usage is not None:
            for name in ("cache_read_tokens", "cache_write_tokens", "reasoning_tokens"):
                setattr(reply.usage, name, getattr(reply.usage, name) or 0)
        for choice in reply.choices:
            for part in choice.message.content:
                part.item_id = None
                if isinstance(part, OpaquePart):
                    part.data, part.deltas = whole(part), []
                if isinstance(part, ThinkingPart):
                    part.summary = False
        return super().normalise_reply(reply)


def whole(part: OpaquePart) -> Any:
    """The item as its last event has it, without what the vendor encrypts anew each time."""
    done = [delta["item"] for delta in part.deltas if delta.get("type") == "response.output_item.done"]
    item = done[-1] if done else part.data
    return {key: value for key, value in item.items() if key != "encrypted_content"}
