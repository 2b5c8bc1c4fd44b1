from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from llm_gateway_sdk import ToolCallPart
from llm_gateway_sdk.testing.dialect_laws import plain_parts, summed
from llm_gateway_sdk.testing.generated_replies import cut_reply, held, replies


@given(replies(), st.integers(0, 999))
def test_a_reply_cut_into_chunks_sums_to_itself(reply, seed: int) -> None:  # type: ignore[no-untyped-def]
    chance = random.Random(seed)
    chunks = cut_reply(reply, chance)

    assert plain_parts(summed(chunks).message.content) == plain_parts(reply.message.content)
    assert plain_parts(summed(held(chunks, chance)).message.content) == plain_parts(reply.message.content)
    assert summed(chunks).usage == reply.usage


@given(replies(), st.integers(0, 999))
def test_fragments_of_neighbouring_calls_are_mixed_but_calls_begin_in_order(reply, seed: int) -> None:  # type: ignore[no-untyped-def]
    begun = [
        part.index
        for chunk in cut_reply(reply, random.Random(seed))
        for part in chunk.message.content
        if isinstance(part, ToolCallPart) and part.name
    ]

    assert begun == sorted(begun)
