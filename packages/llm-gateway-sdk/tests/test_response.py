"""A reply is the sum of its chunks: `merge` as its docstring describes it."""

import copy
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from llm_gateway_sdk import (
    Accumulator,
    Choice,
    LLMResponse,
    Message,
    OpaquePart,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    Usage,
    merge,
    merge_usage,
)

TEXT = st.text(alphabet="ab ", max_size=4)
INDEX = st.one_of(st.none(), st.integers(0, 2))
COUNT = st.one_of(st.none(), st.integers(0, 5))
PARTS = st.one_of(
    st.builds(TextPart, TEXT, index=INDEX),
    st.builds(ThinkingPart, TEXT, index=INDEX, signature=st.one_of(st.none(), st.just("s"))),
    st.builds(ToolCallPart, st.sampled_from(["", "c1"]), st.sampled_from(["", "f"]), TEXT, index=INDEX),
    st.builds(OpaquePart, st.just("d"), st.none(), st.lists(st.integers(0, 3), max_size=2), index=INDEX),
)
CHOICES = st.builds(
    Choice,
    st.integers(0, 1),
    st.builds(Message, st.sampled_from(["", "assistant"]), st.lists(PARTS, max_size=3)),
    finish_reason=st.one_of(st.none(), st.just("stop")),
)
CHUNKS = st.builds(
    LLMResponse,
    st.sampled_from(["", "id-1"]),
    choices=st.lists(CHOICES, max_size=2, unique_by=lambda choice: choice.index),
    usage=st.one_of(st.none(), st.builds(Usage, COUNT, COUNT, COUNT)),
    final=st.booleans(),
    provider_metadata=st.dictionaries(st.sampled_from(["x", "y"]), st.dictionaries(TEXT, st.integers()), max_size=2),
    provider_deltas=st.lists(st.tuples(st.just("x"), st.integers()), max_size=2),
)


@given(CHUNKS, CHUNKS, CHUNKS)
def test_it_does_not_matter_what_is_merged_first(a, b, c):
    assert merge(merge(a, b), c) == merge(a, merge(b, c))


@given(CHUNKS)
def test_an_empty_response_changes_nothing(chunk):
    whole = merge(LLMResponse(), chunk)

    assert merge(chunk, LLMResponse()) == whole
    assert merge(LLMResponse(), whole) == whole


@settings(max_examples=50)
@given(st.lists(CHUNKS, max_size=5))
def test_summing_leaves_the_chunks_as_they_were_and_may_be_read_at_any_time(chunks):
    before = copy.deepcopy(chunks)
    read, unread = Accumulator(), Accumulator()
    for chunk in chunks:
        read.add(chunk)
        unread.add(chunk)
        for choice in read.value().choices:
            for part in choice.message.content:
                part.index = 99  # what is handed out is the reader's own
    assert read.value() == unread.value()
    assert chunks == before


def test_a_text_after_a_signature_is_a_separate_part_also_after_an_empty_fragment():
    parts = [
        ThinkingPart("x", signature="s", index=0),
        ThinkingPart("", index=0),
        ThinkingPart("a", index=0),
    ]
    total = Accumulator()
    for part in parts:
        total.add(LLMResponse(choices=[Choice(0, Message("assistant", [part]))]))

    assert [part.text for part in total.value().message.content] == ["x", "a"]


def summed(*parts):
    total = Accumulator()
    for part in parts:
        total.add(LLMResponse(choices=[Choice(0, Message("assistant", [part]))]))
    return total.value().message.content


def test_fragments_of_one_index_are_one_part():
    assert summed(TextPart("a", index=0), TextPart("b", index=0), TextPart("c", index=1)) == [
        TextPart("ab", index=0),
        TextPart("c", index=1),
    ]


def test_interleaved_tool_calls_each_get_their_own_arguments():
    calls = summed(
        ToolCallPart("c1", "f", "{", index=0),
        ToolCallPart("c2", "g", "[", index=1),
        ToolCallPart("", "", "}", index=0),
        ToolCallPart("", "", "]", index=1),
    )

    assert [(call.id, call.name, call.arguments) for call in calls] == [("c1", "f", "{}"), ("c2", "g", "[]")]


def test_nothing_is_joined_to_what_is_signed_or_is_of_another_item():
    signed = ThinkingPart("a", signature="s", index=0)

    assert len(summed(signed, ThinkingPart("b", index=0))) == 2
    assert len(summed(TextPart("a", item_id="1", index=0), TextPart("b", item_id="2", index=0))) == 2
    assert len(summed(replace(signed, signature=None), ThinkingPart("", signature="s", index=0))) == 1


def test_the_latest_count_counts_and_zero_overrides_nothing():
    assert merge_usage(Usage(10, 1), Usage(None, 5)) == Usage(10, 5)
    assert merge_usage(Usage(10, 5), Usage(0, 0)) == Usage(10, 5)
    assert merge_usage(None, Usage(0, None)) == Usage(0, None)


def test_totals_are_unknown_where_both_counts_are():
    assert Usage().total_tokens is None
    assert Usage(3).total_tokens == 3
    assert Usage(10, 2, cache_read_tokens=6, cache_write_tokens=1).uncached_input_tokens == 3


def test_summing_ten_thousand_chunks_takes_no_square_of_time():
    import time

    total = Accumulator()
    started = time.perf_counter()
    for _ in range(10_000):
        total.add(LLMResponse(choices=[Choice(0, Message("assistant", [TextPart("word ", index=0)]))]))
        if _ % 100 == 0:
            total.value()
    assert len(total.value().text) == 50_000
    assert time.perf_counter() - started < 2


def test_summing_ten_thousand_parts_looks_at_few_of_them():
    looks = 0

    class Number(int):
        __hash__ = int.__hash__

        def __eq__(self, other: object) -> bool:
            nonlocal looks
            looks += 1
            return int(self) == other

    total = Accumulator()
    for number in range(10_000):
        total.add(LLMResponse(choices=[Choice(0, Message("assistant", [TextPart("word ", index=Number(number))]))]))

    assert len(total.value().message.content) == 10_000
    assert looks < 30_000


def test_the_beginning_of_a_sum_is_that_of_the_whole():
    total = Accumulator()
    for number in range(30):
        parts = [TextPart(f"{number}.{place}", index=place) for place in range(number)]
        total.add(LLMResponse(id="r", choices=[Choice(number, Message("assistant", parts))]))

    whole, beginning = total.value(), total.value(7)

    assert total.size == 30 + sum(range(30))
    assert beginning.id == "r"
    assert beginning.choices == [
        replace(choice, message=replace(choice.message, content=choice.message.content[:7]))
        for choice in whole.choices[:7]
    ]
    assert total.value() == whole
