"""Ids of calls that fit, alike for a call and its result."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway_sdk import Losses, Message, TextPart, ToolCallPart, ToolResultPart
from llm_gateway_sdk.dialects.call_ids import fit_ids, id_fitting
from llm_gateway_sdk.dialects.receiver import CHAT, CONVERSE, MESSAGES, RESPONSES, CallIds

RULES = [rule for rule in (CHAT.call_ids, RESPONSES.call_ids, MESSAGES.call_ids, CONVERSE.call_ids) if rule]
RULES.append(CallIds(exactly=9))


def turn(*ids: str) -> list[Message]:
    return [
        Message("assistant", [ToolCallPart(identity, "f") for identity in ids]),
        Message("tool", [ToolResultPart(identity, [TextPart(f"of {identity}")]) for identity in ids]),
    ]


def ids_of(messages: list[Message]) -> tuple[list[str], list[str]]:
    parts = [part for message in messages for part in message.content]
    return (
        [part.id for part in parts if isinstance(part, ToolCallPart)],
        [part.tool_call_id for part in parts if isinstance(part, ToolResultPart)],
    )


@given(st.text(min_size=1, max_size=120), st.sampled_from(RULES))
def test_an_id_becomes_one_that_is_taken_always_the_same(identity: str, rule: CallIds) -> None:
    fitting = id_fitting(identity, rule)

    assert rule.takes(fitting)
    assert fitting == id_fitting(identity, rule)
    assert (fitting == identity) is rule.takes(identity)


@given(st.lists(st.text(max_size=70), min_size=1, max_size=5), st.sampled_from(RULES))
def test_calls_and_results_keep_together_over_all_turns(ids: list[str], rule: CallIds) -> None:
    messages = [message for identity in ids for message in turn(identity)]

    calls, results = ids_of(fit_ids(messages, rule, Losses()))

    assert calls == results
    assert all(rule.takes(identity) for identity in calls)
    if rule.unique:
        assert len(set(calls)) == len(calls)


def test_ids_that_fit_stay_the_very_same_objects() -> None:
    messages, losses = [*turn("call_1", "call_2"), *turn("call_3")], Losses()

    assert fit_ids(messages, MESSAGES.call_ids, losses) is messages
    assert not losses


def test_an_id_of_an_earlier_turn_is_distinguished_where_the_receiver_wants_that() -> None:
    messages, losses = [*turn("call_0"), *turn("call_0")], Losses()

    calls, results = ids_of(fit_ids(messages, MESSAGES.call_ids, losses))

    assert calls == results
    assert calls[0] == "call_0" != calls[1]
    assert [str(loss.kind) for loss in losses] == ["converted"]
    assert ids_of(fit_ids(messages, CHAT.call_ids, Losses()))[0] == ["call_0", "call_0"]


def test_a_longer_history_gives_the_same_ids() -> None:
    short = [*turn("call_0"), *turn("call_0")]

    once, _ = ids_of(fit_ids(short, MESSAGES.call_ids, Losses()))
    again, _ = ids_of(fit_ids([*short, *turn("call_0")], MESSAGES.call_ids, Losses()))

    assert again[:2] == once


def test_parallel_calls_of_one_id_are_answered_in_order() -> None:
    messages = [
        Message("assistant", [ToolCallPart("x", "f"), ToolCallPart("x", "g")]),
        Message("tool", [ToolResultPart("x", [TextPart("f")]), ToolResultPart("x", [TextPart("g")])]),
    ]

    calls, results = ids_of(fit_ids(messages, MESSAGES.call_ids, Losses()))

    assert calls == results
    assert len(set(calls)) == 2


@pytest.mark.parametrize("rule", RULES)
def test_calls_without_an_id_are_paired_with_results_without_one(rule: CallIds) -> None:
    calls, results = ids_of(fit_ids([*turn(""), *turn("", "")], rule, Losses()))

    assert calls == results
    assert len(set(calls)) == 3
