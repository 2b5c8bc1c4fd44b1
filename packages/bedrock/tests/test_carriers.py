"""Signatures of calls come back through a client of Converse, whatever it keeps and in whatever order."""

from __future__ import annotations

from itertools import combinations, permutations
from typing import Any

import pytest
from llm_gateway_bedrock.parts import BlockEncoder, decode_content

from llm_gateway_sdk.losses import Losses
from llm_gateway_sdk.parts import Part, TextPart, ThinkingPart, ToolCallPart

THOUGHT = ThinkingPart("hm", signature="of the thought", signed_by="anthropic")
TURN: tuple[Part, ...] = (
    THOUGHT,
    TextPart("Let me look."),
    ToolCallPart("a", "look", "{}", signature="of the call", signed_by="gemini"),
    ToolCallPart("b", "look", "{}"),
)


def blocks() -> list[dict[str, Any]]:
    return BlockEncoder(Losses("response"), "content[*]", reply=True).encode(TURN)


def signatures(parts: list[Part]) -> dict[str, tuple[str | None, str | None]]:
    return {part.id: (part.signature, part.signed_by) for part in parts if isinstance(part, ToolCallPart)}


def test_a_whole_reply_carries_the_signature_in_front_of_its_call() -> None:
    kinds = [next(iter(block)) for block in blocks()]

    assert kinds == ["reasoningContent", "text", "reasoningContent", "toolUse", "toolUse"]
    assert blocks()[2]["reasoningContent"]["reasoningText"] == {"text": "", "signature": "gw1.gemini.tool:of the call"}


def test_what_comes_back_as_it_went_is_as_it_was() -> None:
    parts = decode_content(blocks(), "content")

    assert signatures(parts) == {"a": ("of the call", "gemini"), "b": (None, None)}
    assert [(part.text, part.signature) for part in parts if isinstance(part, ThinkingPart)] == [
        ("hm", "of the thought")
    ]


_KEPT = [kept for count in range(1, 5) for kept in combinations(range(1, 5), count)]


@pytest.mark.parametrize("kept", _KEPT, ids=["".join(map(str, kept)) for kept in _KEPT])
def test_no_carrier_is_left_whatever_is_kept_in_whatever_order(kept: tuple[int, ...]) -> None:
    for order in permutations(kept):
        parts = decode_content([blocks()[place] for place in order], "content")

        assert not [part for part in parts if isinstance(part, ThinkingPart)], order
        found = [signature for signature, _ in signatures(parts).values() if signature]
        assert found == ["of the call"] * (2 in kept and bool({3, 4} & set(kept))), order
