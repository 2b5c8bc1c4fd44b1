"""The order of a conversation, as receivers want it."""

from __future__ import annotations

import copy

from hypothesis import given
from hypothesis import strategies as st

from llm_gateway_sdk import CacheHint, Losses, Message, Part, TextPart, ThinkingPart, ToolCallPart, ToolResultPart
from llm_gateway_sdk.dialects.history import (
    BEGIN,
    CONTINUE,
    NO_RESULT,
    begin_with_user,
    join_turns,
    one_system_message,
    results_after_calls,
    without_blank_texts,
    without_trailing_blank,
)


def turn(role: str, *texts: str) -> Message:
    return Message(role, [TextPart(text) for text in texts])


def calls(*ids: str) -> Message:
    return Message("assistant", [ToolCallPart(identity, "f", "{}") for identity in ids])


def answers(*ids: str) -> Message:
    return Message("tool", [ToolResultPart(identity, [TextPart(f"result of {identity}")]) for identity in ids])


def shape(messages: list[Message]) -> list[tuple[str, list[str]]]:
    return [(message.role, [label(part) for part in message.content]) for message in messages]


def label(part: Part) -> str:
    if isinstance(part, ToolCallPart):
        return f"call {part.id}"
    if isinstance(part, ToolResultPart):
        return f"result {part.tool_call_id}"
    return getattr(part, "text", "")


# Results after calls.


def test_an_orderly_conversation_is_the_very_same() -> None:
    messages = [turn("user", "look"), calls("a", "b"), answers("a"), answers("b"), turn("user", "go on"), calls("c")]
    losses = Losses()

    assert results_after_calls(messages, losses) is messages
    assert not losses


def test_texts_between_two_results_follow_them() -> None:
    messages = [turn("user", "look"), calls("a", "b"), answers("a"), turn("developer", "note"), answers("b")]
    losses = Losses()

    assert shape(results_after_calls(messages, losses)) == [
        ("user", ["look"]),
        ("assistant", ["call a", "call b"]),
        ("tool", ["result a", "result b"]),
        ("developer", ["note"]),
    ]
    assert [loss.kind for loss in losses] == ["converted"]


def test_a_late_result_goes_to_its_call() -> None:
    messages = [calls("a"), turn("user", "wait"), calls("b"), answers("b"), answers("a")]

    assert shape(results_after_calls(messages, Losses())) == [
        ("assistant", ["call a"]),
        ("tool", ["result a"]),
        ("user", ["wait"]),
        ("assistant", ["call b"]),
        ("tool", ["result b"]),
    ]


def test_an_id_that_comes_again_keeps_each_result_with_its_own_turn() -> None:
    messages = [
        calls("x"),
        answers("x"),
        turn("user", "again"),
        calls("x", "y"),
        answers("x"),
        turn("user", "w"),
        answers("y"),
    ]

    assert shape(results_after_calls(messages, Losses())) == [
        ("assistant", ["call x"]),
        ("tool", ["result x"]),
        ("user", ["again"]),
        ("assistant", ["call x", "call y"]),
        ("tool", ["result x", "result y"]),
        ("user", ["w"]),
    ]


def test_a_call_without_a_result_gets_one_unless_its_turn_is_the_last() -> None:
    messages = [turn("user", "look"), calls("a", "b"), answers("b"), turn("user", "never mind")]

    sorted_ = results_after_calls(messages, Losses())

    results = sorted_[2].content
    assert [label(part) for part in results] == ["result b", "result a"]
    assert results[1].content == [TextPart(NO_RESULT)]  # type: ignore[union-attr]
    assert results_after_calls([turn("user", "look"), calls("a")], Losses())[-1].content == calls("a").content


def test_the_last_turns_calls_are_answered_all_or_not_at_all() -> None:
    messages = [turn("user", "look"), calls("a", "b"), answers("a")]

    assert shape(results_after_calls(messages, Losses()))[-1] == ("tool", ["result a", "result b"])


def test_two_results_of_one_call_are_one() -> None:
    messages = [calls("a"), answers("a"), answers("a"), turn("user", "go on")]

    (result,) = results_after_calls(messages, Losses())[1].content
    assert [label(part) for part in result.content] == ["result of a", "result of a"]  # type: ignore[union-attr]


def test_a_result_without_its_call_becomes_a_text() -> None:
    messages = [answers("gone"), turn("user", "and now?")]

    sorted_ = results_after_calls(messages, Losses())

    assert shape(sorted_) == [("user", ["[content of tool result gone]", "result of gone"]), ("user", ["and now?"])]


def test_turns_in_a_row_that_call_are_answered_after_the_last() -> None:
    messages = [turn("user", "look"), calls("a"), calls("b"), answers("a", "b")]

    assert shape(results_after_calls(messages, Losses()))[1:] == [
        ("assistant", ["call a"]),
        ("assistant", ["call b"]),
        ("tool", ["result a", "result b"]),
    ]


@st.composite
def conversations(draw: st.DrawFn) -> list[Message]:
    """Calls, results and texts in any order; results of calls that exist and of some that do not."""
    messages: list[Message] = []
    known = ["none"]
    for number in range(draw(st.integers(0, 7))):
        kind = draw(st.sampled_from(("user", "system", "assistant", "call", "result", "mixed")))
        if kind == "call":
            ids = [f"c{number}_{at}" for at in range(draw(st.integers(1, 3)))]
            known += ids
            messages.append(calls(*ids))
        elif kind in ("result", "mixed"):
            one = draw(st.sampled_from(known))
            known = [identity for identity in known if identity != one or one == "none"]
            message = answers(one)
            if kind == "mixed":
                message = Message("user", [TextPart(f"text {number}"), *message.content])
            messages.append(message)
        else:
            messages.append(turn(kind, f"text {number}"))
    return messages


@given(conversations())
def test_any_conversation_comes_into_order_and_loses_nothing(messages: list[Message]) -> None:
    before = copy.deepcopy(messages)

    sorted_ = results_after_calls(messages, Losses())

    assert messages == before
    assert results_after_calls(sorted_, Losses()) is sorted_
    kept_texts = {part.text for message in sorted_ for part in message.content if isinstance(part, TextPart)}
    for message in messages:
        for part in message.content:
            if isinstance(part, TextPart):
                assert part.text in kept_texts
    kept = [label(part) for message in sorted_ for part in message.content]
    orphan = [part.tool_call_id for message in messages for part in message.content if isinstance(part, ToolResultPart)]
    for message in messages:
        for part in message.content:
            if isinstance(part, ToolCallPart):
                assert label(part) in kept
                assert (label(part).replace("call", "result") in kept) or part.id not in orphan


# Neighbours.


def test_neighbours_of_a_role_are_joined_and_others_stay() -> None:
    messages = [turn("user", "a"), turn("assistant", "b"), calls("c"), turn("user", "d"), turn("user", "e")]

    assert shape(join_turns(messages, ["assistant"])) == [
        ("user", ["a"]),
        ("assistant", ["b", "call c"]),
        ("user", ["d"]),
        ("user", ["e"]),
    ]
    assert join_turns(messages[:2], ["assistant"]) == messages[:2]


def test_a_thought_in_pieces_is_one_thought_with_its_signature() -> None:
    pieces = [
        Message("assistant", [ThinkingPart("I wonder")]),
        Message("assistant", [ThinkingPart(" whether")]),
        Message("assistant", [ThinkingPart("", signature="sig", signed_by="anthropic")]),
        turn("assistant", "Yes."),
    ]

    (joined,) = join_turns(pieces, ["assistant"])

    thought = joined.content[0]
    assert isinstance(thought, ThinkingPart)
    assert (thought.text, thought.signature) == ("I wonder whether", "sig")
    assert len(joined.content) == 2


# Blank texts.


def test_blank_texts_are_left_out_of_messages_and_results() -> None:
    result = Message("tool", [ToolResultPart("a", [TextPart(" "), TextPart("found")])])
    messages = [turn("system", "  "), turn("user", "\n", "hi"), calls("a"), result]
    losses = Losses()

    kept = without_blank_texts(messages, losses)

    assert shape(kept) == [("user", ["hi"]), ("assistant", ["call a"]), ("tool", ["result a"])]
    assert [label(part) for part in kept[2].content[0].content] == ["found"]  # type: ignore[union-attr]
    assert losses
    assert without_blank_texts(kept, Losses()) is kept


def test_a_cache_hint_moves_to_what_is_before_the_blank() -> None:
    hint = CacheHint("5m")
    message = Message("user", [TextPart("long"), TextPart(" ", cache=hint)])

    (kept,) = without_blank_texts([message], Losses())

    assert kept.content == [TextPart("long", cache=hint)]
    assert message.content[0].cache is None


def test_a_last_turn_of_nothing_but_blanks_still_is_the_users() -> None:
    messages = [turn("user", "hi"), turn("assistant", "hello"), turn("user", " ")]

    assert shape(without_blank_texts(messages, Losses()))[-1] == ("user", [CONTINUE])


def test_the_assistants_last_text_ends_without_white_space() -> None:
    messages = [turn("user", "finish "), turn("assistant", "  The answer is: \n")]

    assert shape(without_trailing_blank(messages, Losses())) == [
        ("user", ["finish "]),
        ("assistant", ["  The answer is:"]),
    ]
    assert without_trailing_blank(messages[:1], Losses()) == messages[:1]
    assert len(without_trailing_blank([messages[0], turn("assistant", " ")], Losses())) == 1


# Who begins.


def test_a_turn_of_the_user_comes_first() -> None:
    system, greeting = turn("system", "s"), turn("assistant", "welcome")

    assert shape(begin_with_user([system, greeting], Losses(), always=True))[1] == ("user", [BEGIN])
    assert shape(begin_with_user([system], Losses(), always=True)) == [("system", ["s"]), ("user", [BEGIN])]
    alone = [system]
    assert begin_with_user(alone, Losses(), always=False) is alone
    fine = [system, turn("user", "hi"), greeting]
    assert begin_with_user(fine, Losses(), always=True) is fine


def test_one_system_message_first_and_later_ones_become_the_users() -> None:
    messages = [turn("system", "a"), turn("developer", "b"), turn("user", "c"), turn("system", "d"), turn("user", "e")]
    losses = Losses()

    assert shape(one_system_message(messages, losses)) == [
        ("system", ["a\n\nb"]),
        ("user", ["c"]),
        ("user", ["d"]),
        ("user", ["e"]),
    ]
    assert losses
    one = [messages[0], messages[2]]
    assert one_system_message(one, Losses()) is one
