"""Signed reasoning after plugins have edited it."""

from __future__ import annotations

import copy
from base64 import b64encode

import pytest

from llm_gateway.exchange.signed_reasoning import (
    StreamedSignatures,
    disguise_wrapped,
    has_signed_thinking,
    has_wrapped,
    withhold_edited,
    withhold_edited_reply,
)
from llm_gateway_sdk import Choice, LLMResponse, Message, TextPart, ThinkingPart
from llm_gateway_sdk.losses import Losses


def thinking(
    text: str, signature: str | None = None, item: str | None = None, index: int | None = None
) -> ThinkingPart:
    return ThinkingPart(
        text, signature=signature, signed_by="anthropic" if signature else None, item_id=item, index=index
    )


def texts(message: Message) -> list[str]:
    return [part.text for part in message.content if isinstance(part, ThinkingPart | TextPart)]


def edited(before: list[Message], change: dict[str, str]) -> tuple[list[Message], list[str]]:
    """The messages after texts were changed and what does not fit was withheld, with the paths of the losses."""
    after = copy.deepcopy(before)
    for message in after:
        for part in message.content:
            if isinstance(part, ThinkingPart | TextPart):
                part.text = change.get(part.text, part.text)
    losses = Losses()
    withhold_edited(before, after, losses)
    return after, [loss.path for loss in losses]


def test_reasoning_that_no_plugin_touched_is_sent_back_whole() -> None:
    before = [Message("assistant", [thinking("a", "s1"), TextPart("b"), thinking("c")])]

    assert edited(before, {"b": "other", "c": "other"}) == (
        [Message("assistant", [thinking("a", "s1"), TextPart("other"), thinking("other")])], [],
    )  # fmt: skip


def test_an_edited_block_is_withheld_and_the_others_stay() -> None:
    before = [Message("user", []), Message("assistant", [thinking("a", "s1"), thinking("b", "s2"), TextPart("c")])]
    after, lost = edited(before, {"a": "[hidden]"})

    assert texts(after[1]) == ["b", "c"]
    assert lost == ["messages[*].thinking"]


def test_an_item_of_several_parts_is_withheld_as_one() -> None:
    before = [
        Message("assistant", [thinking("a", item="i"), thinking("b", "s1", item="i"), thinking("c", "s2", item="j")])
    ]

    assert texts(edited(before, {"a": "[hidden]"})[0][0]) == ["c"]
    assert texts(edited(before, {"c": "[hidden]"})[0][0]) == ["a", "b"]


def test_a_signature_that_came_from_a_plugin_is_left_alone() -> None:
    message = Message("assistant", [thinking("new", "unknown")])
    withhold_edited([], [message], losses := Losses())

    assert (texts(message), list(losses)) == (["new"], [])


def test_choices_of_a_reply_are_treated_alike() -> None:
    before = [Choice(0, Message("assistant", [thinking("a", "s1")]))]
    after = copy.deepcopy(before)
    part = after[0].message.content[0]
    assert isinstance(part, ThinkingPart)
    part.text = "[hidden]"
    withhold_edited_reply(before, after, Losses())

    assert after[0].message.content == []


@pytest.mark.parametrize(
    ("parts", "signed"),
    [([], False), ([TextPart("a", signature="s")], False), ([thinking("a")], False), ([thinking("", "s")], True)],
    ids=["empty", "text", "unsigned", "signed"],
)
def test_signed_thinking_is_noticed(parts: list[TextPart | ThinkingPart], signed: bool) -> None:
    assert has_signed_thinking([Message("assistant", list(parts))]) is signed


def chunk(*parts: ThinkingPart) -> LLMResponse:
    return LLMResponse(choices=[Choice(0, Message("assistant", list(parts)))])


@pytest.mark.parametrize(
    ("went", "kept"),
    [(["He", "llo"], True), (["Hello"], True), (["He", "xxo"], False), (["He"], False)],
    ids=["same", "joined", "changed", "cut"],
)
def test_in_a_stream_the_signature_is_withheld_where_the_text_has_changed(went: list[str], kept: bool) -> None:
    signatures = StreamedSignatures(losses := Losses())
    for text in ("He", "llo"):
        signatures.came(chunk(thinking(text, index=0)))
    for text in went:
        signatures.judge(chunk(thinking(text, index=0)))
    last = thinking("", "s", index=0)
    signatures.judge(chunk(last))

    assert last.signature == ("s" if kept else None)
    assert [loss.path for loss in losses] == ([] if kept else ["thinking.signature"])


def test_blocks_of_a_stream_are_judged_one_by_one() -> None:
    signatures = StreamedSignatures(Losses())
    signatures.came(chunk(thinking("a", index=0), thinking("b", index=1)))
    first, second = thinking("x", "s1", index=0), thinking("b", "s2", index=1)
    signatures.judge(chunk(first, second))

    assert (first.signature, second.signature) == (None, "s2")


def test_wrapped_signatures_are_no_longer_recognised() -> None:
    base64 = b64encode(b"gw1.anthropic.sig").decode()
    body = f'{{"a":"gw1.anthropic.sig","b":"{base64}","c":"not gw1. inside"}}'.encode()
    disguised = disguise_wrapped(body)

    assert disguised is not None
    assert len(disguised) == len(body)
    assert b'"gw1.' not in disguised
    assert base64.encode() not in disguised
    assert b"not gw1. inside" in disguised
    assert has_wrapped(body)
    assert not has_wrapped(b'{"a":"plain"}')
