"""What a reply of very many parts costs grows with their number, not with its square, in every dialect."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest
from llm_gateway_bedrock.dialect import Bedrock
from llm_gateway_gemini.dialect import Gemini
from llm_gateway_ollama.dialect import Ollama

from llm_gateway.dialects.anthropic.dialect import Anthropic
from llm_gateway.dialects.openai_chat.dialect import OpenAIChat
from llm_gateway.dialects.openai_responses.dialect import OpenAIResponses
from llm_gateway.exchange.delivery.slicing import slices
from llm_gateway_sdk import (
    Accumulator,
    Choice,
    Dialect,
    Echo,
    LLMResponse,
    Message,
    Mint,
    RefusalPart,
    TextPart,
    ThinkingPart,
    ToolCallPart,
)
from llm_gateway_sdk.losses import Losses
from llm_gateway_sdk.parts import Part

DIALECTS: list[type[Dialect]] = [Anthropic, Bedrock, Gemini, Ollama, OpenAIChat, OpenAIResponses]
FEW, MANY = 100, 400
MINT = Mint(lambda prefix: f"{prefix}x", lambda: 1)
PARTS: dict[str, Callable[[int], Part]] = {
    "texts": lambda _: TextPart("word"),
    "calls": lambda number: ToolCallPart(f"call_{number}", "look", '{"a":1}'),
    "thoughts": lambda number: ThinkingPart("word") if number % 2 else TextPart("word"),
    "refusals": lambda number: RefusalPart("word") if number % 2 else TextPart("word"),
}


def reply(kind: str, number: int) -> LLMResponse:
    if kind == "choices":
        choices = [Choice(each, Message("assistant", [TextPart("word")]), "stop") for each in range(number)]
    else:
        parts = [PARTS[kind](each) for each in range(number)]
        choices = [Choice(0, Message("assistant", parts), "tool_calls" if kind == "calls" else "stop")]
    return LLMResponse(id="r", model="m", choices=choices, final=True)


def calls_of(work: Callable[[], Any]) -> int:
    """Calls of functions, and steps of generators."""
    count = 0

    def look(frame: Any, event: str, argument: Any) -> None:
        nonlocal count
        count += event == "call"

    sys.setprofile(look)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


def stream_of(dialect: Dialect, whole: LLMResponse) -> bytes:
    encoder = dialect.stream_encoder(Echo("m", True), MINT, Losses("response"))
    return b"".join([*[encoder.encode(piece) for piece in slices(whole)], encoder.close()])


def read(dialect: Dialect, data: bytes) -> None:
    decoder, total = dialect.stream_decoder(MINT), Accumulator()
    for start in range(0, len(data), 4096):
        for chunk in decoder.feed(data[start : start + 4096]):
            total.add(chunk)
    for chunk in decoder.close():
        total.add(chunk)
    total.value()


@pytest.mark.parametrize("kind", [*PARTS, "choices"])
@pytest.mark.parametrize("kind_of_dialect", DIALECTS)
def test_four_times_the_parts_take_four_times_the_work(kind_of_dialect: type[Dialect], kind: str) -> None:
    dialect = kind_of_dialect()
    few, many = stream_of(dialect, reply(kind, FEW)), stream_of(dialect, reply(kind, MANY))

    def ratio(work: Callable[[int, bytes], Any]) -> float:
        return calls_of(lambda: work(MANY, many)) / calls_of(lambda: work(FEW, few))

    assert ratio(lambda number, _: stream_of(dialect, reply(kind, number))) < 5
    assert ratio(lambda _, data: read(dialect, data)) < 5
    whole = Echo("m", False)
    assert ratio(lambda number, _: dialect.encode_response(reply(kind, number), whole, MINT, Losses("response"))) < 5
