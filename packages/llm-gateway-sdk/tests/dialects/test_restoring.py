"""A provider's stream with the client's own names of tools."""

from __future__ import annotations

from llm_gateway_sdk import Choice, LLMResponse, Message, StreamDecoder, TextPart, ToolCallPart
from llm_gateway_sdk.dialects.restoring import RestoringDecoder


class Scripted(StreamDecoder):
    def feed(self, data: bytes) -> list[LLMResponse]:
        parts = [TextPart("text"), ToolCallPart("call_1", data.decode(), index=1)]
        return [LLMResponse(choices=[Choice(message=Message("assistant", list(parts)))])]

    def close(self) -> list[LLMResponse]:
        self.finished = True
        return self.feed(b"made")


def test_calls_are_named_as_the_client_names_them() -> None:
    decoder = RestoringDecoder(Scripted(), {"made": "the client's own"})

    fed, other = decoder.feed(b"made"), decoder.feed(b"other")

    assert [chunk.tool_calls[0].name for chunk in (*fed, *other)] == ["the client's own", "other"]
    assert not decoder.finished
    assert decoder.close()[0].tool_calls[0].name == "the client's own"
    assert decoder.finished
