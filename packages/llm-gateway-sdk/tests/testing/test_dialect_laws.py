from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from llm_gateway_sdk import ToolCallPart
from llm_gateway_sdk.testing.dialect_laws import (
    cut_reply,
    damaged,
    held,
    json_differences,
    pieces,
    plain_parts,
    replies,
    summed,
)


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


@given(st.binary(max_size=200), st.integers(0, 999))
def test_pieces_are_the_whole(data: bytes, seed: int) -> None:
    assert b"".join(pieces(data, seed)) == data


def test_differences_name_their_places() -> None:
    before = {"a": [1, {"b": "x"}], "c": 1, "d": [1]}
    after = {"a": [1, {"b": "y"}], "c": 1.0, "d": [1, 2], "e": None}

    assert json_differences(before, after) == [".a[1].b", ".c", ".d", ".e"]
    assert json_differences(before, before) == []


def test_damage_is_one_place() -> None:
    body = {"a": [1, 2], "b": {"c": 3}}

    for seed in range(30):
        assert len(json_differences(body, damaged(body, random.Random(seed), "junk"))) == 1
