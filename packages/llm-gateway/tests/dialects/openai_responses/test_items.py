"""Signatures that travel in reasoning items of their own find the part that they belong to, however a client orders,
keeps or drops the items of a turn."""

from __future__ import annotations

from itertools import combinations, permutations
from typing import Any

import pytest

from llm_gateway.dialects.openai_responses.input import decode_input
from llm_gateway.dialects.openai_responses.tools import ToolNames
from llm_gateway_sdk.parts import Part, TextPart, ThinkingPart, ToolCallPart

THOUGHT = {
    "type": "reasoning",
    "summary": [{"type": "summary_text", "text": "hm"}],
    "encrypted_content": "gw1.unsigned.",
}
WORDS = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Let me look."}]}


def carrier(mark: str) -> dict[str, Any]:
    return {"type": "reasoning", "summary": [], "encrypted_content": f"gw1.gemini.{mark}"}


def call(identity: str) -> dict[str, Any]:
    return {"type": "function_call", "call_id": identity, "name": "look", "arguments": "{}"}


def parts_of(*items: dict[str, Any]) -> list[Part]:
    messages = decode_input([{"role": "user", "content": "hi"}, *items], ToolNames())
    return [part for message in messages[1:] for part in message.content]


def signatures(parts: list[Part]) -> dict[str, str | None]:
    return {part.id: part.signature for part in parts if isinstance(part, ToolCallPart)}


def test_each_call_takes_the_signature_right_before_it() -> None:
    parts = parts_of(THOUGHT, WORDS, carrier("tool:one"), call("a"), call("b"), carrier("tool:two"), call("c"))

    assert signatures(parts) == {"a": "one", "b": None, "c": "two"}


def test_a_text_takes_the_signature_after_it() -> None:
    parts = parts_of(WORDS, carrier("text:one"))

    assert [(type(part), part.signature, part.signed_by) for part in parts] == [(TextPart, "one", "gemini")]


def test_a_client_that_puts_the_last_reasoning_item_first_keeps_the_signature() -> None:
    parts = parts_of(carrier("tool:one"), WORDS, call("a"), call("b"))

    assert signatures(parts) == {"a": "one", "b": None}
    assert not [part for part in parts if isinstance(part, ThinkingPart)]


_TURN = (THOUGHT, WORDS, carrier("text:of the text"), carrier("tool:of the call"), call("a"))
_KEPT = [kept for count in range(len(_TURN) + 1) for kept in combinations(range(len(_TURN)), count)]


@pytest.mark.parametrize("kept", _KEPT, ids=["".join(map(str, kept)) or "none" for kept in _KEPT])
def test_no_mark_is_left_whatever_is_kept_in_whatever_order(kept: tuple[int, ...]) -> None:
    for order in permutations(kept):
        parts = parts_of(*(_TURN[number] for number in order))
        found = [(type(part), part.signature) for part in parts if part.signature is not None]
        wanted = [(TextPart, "of the text")] * (1 in kept and 2 in kept)
        wanted += [(ToolCallPart, "of the call")] * (3 in kept and 4 in kept)

        assert sorted(found, key=str) == sorted(wanted, key=str), order
        assert len([part for part in parts if isinstance(part, ThinkingPart)]) == (0 in kept)
