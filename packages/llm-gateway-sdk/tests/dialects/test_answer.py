import pytest

from llm_gateway_sdk import Choice, Message, RefusalPart, TextPart, ThinkingPart, ToolCallPart
from llm_gateway_sdk.dialects.answer import (
    broken_end,
    finish_that_fits,
    has_content,
    join_choices,
    parts_of_later_choice,
)


def choice(index, *parts, finish=None):
    return Choice(index, Message("assistant", list(parts)), finish)


def test_text_and_call_in_two_choices_are_one_answer():
    call = ToolCallPart("c", "f", "{}")
    joined = join_choices([choice(0, TextPart("I look."), finish="stop"), choice(1, call, finish="tool_calls")])

    assert joined.message.content == [TextPart("I look."), call]
    assert joined.finish_reason == "tool_calls"


def test_choices_that_share_an_index_are_joined_too():
    joined = join_choices([choice(0, TextPart("a")), choice(0, TextPart("b"))])

    assert joined.message.text == "ab"


@pytest.mark.parametrize("reason", ["length", "content_filter", "refusal"])
def test_an_end_that_cuts_off_counts_wherever_it_is(reason):
    assert join_choices([choice(0, finish=reason), choice(1, finish="stop")]).finish_reason == reason
    assert join_choices([choice(0, finish="stop"), choice(1, finish=reason)]).finish_reason == reason


def test_one_choice_is_itself_and_none_is_empty():
    only = choice(0, TextPart("x"))

    assert join_choices([only]) is only
    assert join_choices([]).message.content == []


def test_parts_of_a_later_choice_of_a_stream_begin_parts_of_their_own():
    later = choice(2, TextPart("x", index=0), TextPart("y", index=1))

    first = [part.index for part in parts_of_later_choice(later)]
    assert len({0, 1, *first}) == 4
    assert [part.index for part in parts_of_later_choice(later)] == first


@pytest.mark.parametrize(
    ("reason", "calls", "fits"),
    [
        (None, True, "tool_calls"),
        ("stop", True, "tool_calls"),
        ("tool_calls", True, "tool_calls"),
        ("length", True, "length"),
        ("refusal", True, "refusal"),
        (None, False, None),
        ("stop", False, "stop"),
        ("tool_calls", False, "stop"),
        ("length", False, "length"),
    ],
)
def test_the_word_for_the_end_follows_what_is_there(reason, calls, fits):
    assert finish_that_fits(reason, calls=calls) == fits


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([], False),
        ([TextPart("")], False),
        ([ThinkingPart("hm")], False),
        ([TextPart("x")], True),
        ([ToolCallPart("c", "f", "{}")], True),
        ([RefusalPart("no")], True),
    ],
)
def test_what_counts_as_an_answer(parts, expected):
    assert has_content(parts) is expected


def test_an_end_with_an_error_and_without_content_is_an_error():
    broken = choice(0, finish="error")
    broken.raw_finish_reason = "MALFORMED_FUNCTION_CALL"

    error = broken_end([broken], "the call could not be read")
    assert error.kind == "upstream"
    assert error.message == "The model's output ended early (MALFORMED_FUNCTION_CALL). the call could not be read"
    assert broken_end([choice(0, TextPart("x"), finish="error")], sure={"OTHER"}) is None
    assert broken_end([choice(0, TextPart("x"), finish="error")]) is not None
    assert broken_end([choice(0, TextPart("x"), finish="error"), choice(1, TextPart("y"), finish="stop")]) is None
    assert broken_end([choice(0, finish="stop")]) is None
    assert broken_end([]) is None
