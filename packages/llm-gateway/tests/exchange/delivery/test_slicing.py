"""Slices of chunks: short, in order, and in sum equal to the chunk."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace

import pytest

from llm_gateway.exchange.delivery.slicing import in_slices, slices
from llm_gateway_sdk import (
    Choice,
    Citation,
    LLMResponse,
    Message,
    RefusalPart,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    Usage,
)
from llm_gateway_sdk.response import Accumulator


def reply(seed: int) -> LLMResponse:
    chance = random.Random(seed)

    def text() -> str:
        return "".join(chance.choices("abc é😀", k=chance.choice([0, 3, 4096, 4097, 50_000])))

    parts = [
        TextPart(text(), citations=[Citation(url="https://example.com")], index=0),
        ThinkingPart(text(), summary=True, index=1, signature="proof", signed_by="anthropic"),
        ToolCallPart("call_1", "look", text(), index=2, signature="mine", signed_by="gemini"),
        RefusalPart(text(), index=3),
        ToolCallPart("call_2", "paint", text(), kind="custom", index=4),
        TextPart(text(), index=5, item_id="msg_1"),
    ]
    chance.shuffle(parts)
    parts = [replace(part, index=number) for number, part in enumerate(parts)]
    choices = [Choice(number, Message("assistant", list(parts)), finish_reason="stop") for number in range(2)]
    return LLMResponse("id_1", "m", 7, choices, Usage(1, 2), final=True, provider_metadata={"openai_chat": {"a": 1}})


def summed(chunks: list[LLMResponse]) -> LLMResponse:
    total = Accumulator()
    for chunk in chunks:
        total.add(chunk)
    return total.value()


@pytest.mark.parametrize("seed", range(12))
def test_the_sum_of_the_slices_is_the_chunk_and_each_is_short(seed: int) -> None:
    chunk = reply(seed)

    found = list(slices(chunk))

    assert summed(found) == summed([chunk])
    assert [piece.final for piece in found[:-1]] == [False] * (len(found) - 1)
    assert found[-1].final
    parts = [part for piece in found for choice in piece.choices for part in choice.message.content]
    assert max(len(getattr(part, "text", getattr(part, "arguments", ""))) for part in parts) <= 4096


def test_a_short_chunk_is_its_own_slice() -> None:
    chunk = LLMResponse(choices=[Choice(message=Message("assistant", [TextPart("hello", index=0)]))])

    assert next(slices(chunk)) is chunk


def test_parts_of_a_whole_reply_that_have_no_numbers_stay_apart() -> None:
    chunk = LLMResponse(choices=[Choice(message=Message("assistant", [TextPart("a" * 9000), TextPart("b" * 9000)]))])

    assert [part.text for part in summed(list(slices(chunk))).message.content] == ["a" * 9000, "b" * 9000]


def test_one_of_many_choices_ends_before_the_next_begins() -> None:
    choices = [Choice(number, Message("assistant", [TextPart("a", index=0)]), "stop") for number in range(40)]
    chunk = LLMResponse("id_1", "m", 7, choices, Usage(1, 2), final=True)

    found = list(slices(chunk))

    assert summed(found) == summed([chunk])
    assert all(len(piece.choices) == 1 for piece in found)
    assert [choice.index for piece in found for choice in piece.choices] == [n // 2 for n in range(80)]


def test_others_have_their_turn_between_slices() -> None:
    chunk = LLMResponse(choices=[Choice(message=Message("assistant", [TextPart("a" * 4096 * 200, index=0)]))])
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def main() -> None:
        task = asyncio.ensure_future(other())
        async for _ in in_slices([chunk]):
            sum(range(20_000))
        task.cancel()

    asyncio.run(main())

    assert turns > 5
