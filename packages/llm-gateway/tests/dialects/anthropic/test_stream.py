from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_gateway.dialects.anthropic import Anthropic
from llm_gateway_sdk import (
    Accumulator,
    Choice,
    Citation,
    DialectError,
    Echo,
    ErrorInfo,
    LLMResponse,
    Losses,
    MediaPart,
    Message,
    Mint,
    OpaquePart,
    RefusalPart,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    Usage,
    merge,
)
from llm_gateway_sdk.testing.grammar.anthropic import violations
from llm_gateway_sdk.wire import json
from llm_gateway_sdk.wire.sse import SSEDecoder, encode_event

DIALECT = Anthropic()
MINT = Mint(lambda prefix: f"{prefix}1", lambda: 7)


def event(**body: Any) -> bytes:
    return encode_event(json.dumps(body), body["type"])


def start(index: int, **block: Any) -> bytes:
    return event(type="content_block_start", index=index, content_block=block)


def delta(index: int, **body: Any) -> bytes:
    return event(type="content_block_delta", index=index, delta=body)


def stop(index: int) -> bytes:
    return event(type="content_block_stop", index=index)


OPENING = event(
    type="message_start",
    message={
        "id": "msg_x",
        "type": "message",
        "role": "assistant",
        "model": "claude",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": 5, "cache_read_input_tokens": 100, "output_tokens": 1, "service_tier": "standard"},
    },
)


def ending(reason: str = "end_turn", **usage: int) -> bytes:
    return event(
        type="message_delta",
        delta={"stop_reason": reason, "stop_sequence": None},
        usage={"output_tokens": 9, **usage},
    ) + event(type="message_stop")


STREAM = (
    OPENING
    + event(type="ping")
    + start(0, type="thinking", thinking="", signature="")
    + delta(0, type="thinking_delta", thinking="h€")
    + delta(0, type="thinking_delta", thinking="m")
    + delta(0, type="signature_delta", signature="s1")
    + stop(0)
    + start(1, type="thinking", thinking="", signature="")
    + delta(1, type="signature_delta", signature="s2")
    + stop(1)
    + start(2, type="redacted_thinking", data="d")
    + stop(2)
    + start(3, type="text", text="", citations=[])
    + delta(3, type="text_delta", text="so ")
    + delta(3, type="citations_delta", citation={"type": "page_location", "cited_text": "c", "document_index": 0})
    + delta(3, type="text_delta", text="\u2028🙂")
    + stop(3)
    + start(4, type="server_tool_use", id="v", name="web_search", input={})
    + delta(4, type="input_json_delta", partial_json='{"query":')
    + delta(4, type="input_json_delta", partial_json='"q"}')
    + stop(4)
    + start(5, type="web_search_tool_result", tool_use_id="v", content=[{"type": "x"}])
    + stop(5)
    + start(6, type="tool_use", id="t", name="f", input={}, caller={"type": "direct"})
    + delta(6, type="input_json_delta", partial_json="")
    + delta(6, type="input_json_delta", partial_json='{"a"')
    + delta(6, type="input_json_delta", partial_json=": 1}")
    + stop(6)
    + start(7, type="tool_use", id="u", name="g", input={})
    + stop(7)
    + ending("tool_use", input_tokens=6)
)

WHOLE = {
    "id": "msg_x",
    "type": "message",
    "role": "assistant",
    "model": "claude",
    "content": [
        {"type": "thinking", "thinking": "h€m", "signature": "s1"},
        {"type": "thinking", "thinking": "", "signature": "s2"},
        {"type": "redacted_thinking", "data": "d"},
        {
            "type": "text",
            "text": "so \u2028🙂",
            "citations": [{"type": "page_location", "cited_text": "c", "document_index": 0}],
        },
        {"type": "server_tool_use", "id": "v", "name": "web_search", "input": {"query": "q"}},
        {"type": "web_search_tool_result", "tool_use_id": "v", "content": [{"type": "x"}]},
        {"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}, "caller": {"type": "direct"}},
        {"type": "tool_use", "id": "u", "name": "g", "input": {}},
    ],
    "stop_reason": "tool_use",
    "stop_sequence": None,
    "usage": {
        "input_tokens": 6,
        "cache_creation_input_tokens": None,
        "cache_read_input_tokens": 100,
        "output_tokens": 9,
        "service_tier": "standard",
    },
}


def decode(*pieces: bytes) -> list[LLMResponse]:
    decoder = DIALECT.stream_decoder(MINT)
    chunks = [chunk for piece in pieces for chunk in decoder.feed(piece)]
    return chunks + decoder.close()


def total(chunks: list[LLMResponse]) -> LLMResponse:
    accumulator = Accumulator()
    for chunk in chunks:
        accumulator.add(chunk)
    return accumulator.value()


def whole(response: LLMResponse) -> Any:
    return json.loads(DIALECT.encode_response(response, Echo(), MINT, Losses("response")).body)


def encode(chunks: list[LLMResponse], losses: Losses | None = None) -> bytes:
    encoder = DIALECT.stream_encoder(Echo("m", True), MINT, losses if losses is not None else Losses("response"))
    return b"".join(encoder.encode(chunk) for chunk in chunks) + encoder.close()


def events(stream: bytes) -> list[dict[str, Any]]:
    return [json.loads(event.data) for event in SSEDecoder().feed(stream)]


def blocks(stream: bytes) -> list[dict[str, Any]]:
    """The blocks as a client sees them, assembled by the dialect's other half."""
    assert violations(stream) == []
    content: list[dict[str, Any]] = whole(total(decode(stream)))["content"]
    return content


def chunk(*parts: Any, **fields: Any) -> LLMResponse:
    return LLMResponse(choices=[Choice(0, Message("assistant", list(parts)))], **fields)


def finish(reason: str = "stop") -> LLMResponse:
    return LLMResponse(choices=[Choice(0, Message("assistant"), finish_reason=reason)], final=True)


# Reading.


def test_the_sum_of_the_chunks_is_the_reply_as_a_whole() -> None:
    response = total(decode(STREAM))

    assert response.final
    assert whole(response) == WHOLE


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, len(STREAM)), max_size=12), st.booleans())
def test_where_the_bytes_are_cut_changes_nothing(cuts: list[int], crlf: bool) -> None:
    data = STREAM.replace(b"\n", b"\r\n") if crlf else STREAM
    places = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})

    pieces = [data[a:b] for a, b in pairwise(places)]

    assert whole(total(decode(*pieces))) == WHOLE


def test_byte_by_byte() -> None:
    assert whole(total(decode(*[STREAM[at : at + 1] for at in range(len(STREAM))]))) == WHOLE


def test_fields_that_are_there_but_empty_say_nothing() -> None:
    stream = (
        OPENING
        + start(0, type="text", text="", citations=None)
        + delta(0, type="text_delta", text="")
        + delta(0, type="text_delta", text="x")
        + delta(0, type="text_delta", text=None)
        + stop(0)
        + ending()
    )

    chunks = decode(stream)

    assert [part.text for chunk in chunks for part in chunk.message.content if isinstance(part, TextPart)] == ["x"]


def test_a_zero_does_not_override_a_count() -> None:
    usage = total(decode(OPENING + ending(input_tokens=0, cache_read_input_tokens=0))).usage

    assert usage is not None
    assert (usage.input_tokens, usage.cache_read_tokens, usage.output_tokens) == (105, 100, 9)


def test_a_call_whose_input_came_with_its_start_is_kept() -> None:
    stream = OPENING + start(0, type="tool_use", id="t", name="f", input={"a": 1}) + stop(0) + ending("tool_use")

    assert total(decode(stream)).tool_calls[0].arguments == '{"a":1}'


def test_an_error_after_a_delta_in_the_same_packet_is_seen() -> None:
    error = event(type="error", error={"type": "overloaded_error", "message": "Overloaded"})
    stream = OPENING + start(0, type="text", text="") + delta(0, type="text_delta", text="x") + error

    chunks = decode(stream)

    assert chunks[-1].error is not None
    assert (chunks[-1].error.kind, chunks[-1].error.status) == ("overloaded", 529)
    assert total(chunks).text == "x"
    assert not total(chunks).final


def test_a_stream_without_its_end_is_not_finished() -> None:
    decoder = DIALECT.stream_decoder(MINT)

    decoder.feed(STREAM[: -len(event(type="message_stop"))])
    decoder.close()

    assert not decoder.finished


def test_events_of_tomorrow_are_kept_in_order_and_written_again() -> None:
    unknown = event(type="weather", sky="blue")
    stream = OPENING + unknown + start(0, type="text", text="") + delta(0, type="text_delta", text="x") + stop(0)
    stream += delta_of_tomorrow() + ending()

    chunks = decode(stream)

    assert [body["type"] for _, body in total(chunks).provider_deltas] == ["weather"]
    assert unknown in encode(chunks)
    assert b'"sings"' in encode(chunks)


def delta_of_tomorrow() -> bytes:
    return start(1, type="song") + delta(1, type="sings", notes=[1]) + stop(1)


@pytest.mark.parametrize(
    "bad",
    [
        b"data: nonsense\n\n",
        b"data: [1]\n\n",
        event(type="content_block_delta", index=3, delta={"type": "text_delta", "text": "x"}),
        event(type="content_block_start", content_block={"type": "text"}),
        event(type="content_block_start", index=0, content_block=5),
        event(type="message_start"),
    ],
)
def test_what_is_not_an_event_is_refused(bad: bytes) -> None:
    with pytest.raises(DialectError):
        decode(OPENING + bad)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
TYPES = [
    "message_start", "content_block_start", "content_block_delta", "content_block_stop", "message_delta",
    "message_stop", "ping", "error", "new",
]  # fmt: skip
FIELDS = ["index", "delta", "content_block", "message", "usage", "error", "type"]
INNER = st.fixed_dictionaries(
    {"type": st.sampled_from(["text", "tool_use", "thinking", "text_delta", "input_json_delta", "image", "x"])},
    optional=dict.fromkeys(("text", "id", "input", "citations", "signature", "usage", "source", "content"), JSON),
)
EVENTS = st.fixed_dictionaries(
    {"type": st.sampled_from(TYPES)}, optional={key: INNER | JSON for key in FIELDS if key != "type"}
)


@settings(max_examples=120, deadline=None)
@given(st.lists(EVENTS | JSON, max_size=5))
def test_any_json_gives_chunks_or_a_dialect_error(bodies: list[Any]) -> None:
    decoder = DIALECT.stream_decoder(MINT)
    try:
        chunks = decoder.feed(OPENING + b"".join(b"data: " + json.dumps(body) + b"\n\n" for body in bodies))
    except DialectError:
        return
    encode([chunk for chunk in chunks if chunk.error is None])


# Writing.


def test_a_stream_comes_out_as_it_went_in() -> None:
    out = encode(decode(STREAM))

    assert violations(out) == []
    assert whole(total(decode(out))) == WHOLE
    assert events(out)[0]["message"]["usage"]["cache_read_input_tokens"] == 100


@settings(max_examples=100, deadline=None)
@given(st.lists(st.booleans(), min_size=30, max_size=30))
def test_holding_and_merging_chunks_changes_nothing(holds: list[bool]) -> None:
    chunks, merged = decode(STREAM), []
    held: LLMResponse | None = None
    for piece, hold in zip(chunks, holds + [False] * len(chunks), strict=False):
        held = piece if held is None else merge(held, piece)
        if not hold or piece.final:
            merged.append(held)
            held = None

    out = encode(merged)

    assert violations(out) == []
    assert whole(total(decode(out))) == WHOLE


ARGUMENTS = st.sampled_from(
    ["", "{}", '{"a": "}{"}', '{"a": {"b": [1, "\\\\", "\\""]}}', '{"é": "\\u00e9🙂"}', '[{"a": 1}]', '{"broken": ']
)
CALLS = st.lists(ARGUMENTS, min_size=1, max_size=4)


@settings(max_examples=80, deadline=None)
@given(CALLS, st.data())
def test_interleaved_calls_are_written_one_after_the_other(calls: list[str], data: st.DataObject) -> None:
    queues = []
    for place, arguments in enumerate(calls):
        parts: list[Any] = [ToolCallPart(f"id{place}", f"f{place}", "", index=place + 1)]
        cuts = sorted(data.draw(st.lists(st.integers(0, len(arguments)), max_size=3)))
        for a, b in zip([0, *cuts], [*cuts, len(arguments)], strict=True):
            parts.append(ToolCallPart(arguments=arguments[a:b], index=place + 1))
        queues.append(parts)
    queues.append([TextPart(letter, index=0) for letter in "so"])
    chunks = []
    while any(queues):
        queue = data.draw(st.sampled_from([queue for queue in queues if queue]))
        chunks.append(chunk(queue.pop(0)))

    out = encode([*chunks, finish("tool_calls")])

    assert violations(out) == []
    words = total(decode(out))
    assert words.text == "so"
    assert sorted((call.id, call.name, call.arguments or "{}") for call in words.tool_calls) == [
        (f"id{place}", f"f{place}", arguments or "{}") for place, arguments in enumerate(calls)
    ]


def test_the_first_call_streams_while_the_others_wait() -> None:
    encoder = DIALECT.stream_encoder(Echo("m", True), MINT, Losses())
    encoder.encode(chunk(ToolCallPart("a", "f", '{"x"', index=0)))

    assert encoder.encode(chunk(ToolCallPart("b", "g", "{", index=1))) == b""
    assert b'partial_json":":1' in encoder.encode(chunk(ToolCallPart(arguments=":1", index=0)))
    released = encoder.encode(chunk(ToolCallPart(arguments="}", index=0)))

    assert b"content_block_stop" in released
    assert b'"name":"g"' in released


def test_a_name_that_comes_late_is_waited_for() -> None:
    out = encode(
        [
            chunk(ToolCallPart("a", "", "", index=0)),
            chunk(ToolCallPart(arguments='{"x":', index=0)),
            chunk(ToolCallPart(name="f", arguments="1}", index=0)),
            finish("tool_calls"),
        ]
    )

    assert blocks(out) == [{"type": "tool_use", "id": "a", "name": "f", "input": {"x": 1}}]


def test_calls_of_one_index_but_different_ids_are_different_calls() -> None:
    out = encode(
        [
            chunk(ToolCallPart("a", "f", "{}", index=0)),
            chunk(ToolCallPart("b", "f", '{"x":1}', index=0)),
            finish(),
        ]
    )

    assert [block["id"] for block in blocks(out)] == ["a", "b"]
    assert events(out)[-2]["delta"]["stop_reason"] == "tool_use"


def test_free_text_of_a_custom_tool_becomes_the_string_of_an_object() -> None:
    out = encode(
        [
            chunk(ToolCallPart("a", "patch", '*** "Begin"\n', kind="custom", index=0)),
            chunk(TextPart("done", index=1)),
            chunk(ToolCallPart(arguments="end", kind="custom", index=0)),
            finish(),
        ]
    )

    assert blocks(out)[0]["input"] == {"input": '*** "Begin"\nend'}
    assert blocks(out)[1] == {"type": "text", "text": "done"}


def test_signatures_of_others_travel_in_blocks_of_their_own() -> None:
    out = encode(
        [
            chunk(ThinkingPart("hm", index=0)),
            chunk(ThinkingPart(signature="abc", signed_by="gemini", index=0)),
            chunk(TextPart("so", index=1)),
            chunk(TextPart(signature="ttt", signed_by="gemini", index=1)),
            chunk(ToolCallPart("a", "f", "{}", signature="sss", signed_by="gemini", index=2)),
            chunk(ToolCallPart("b", "f", "{}", index=3)),
            chunk(ToolCallPart(signature="late", signed_by="gemini", index=3)),
            finish(),
        ]
    )

    assert [block.get("signature") for block in blocks(out)] == [
        "gw1.gemini.abc", None, "gw1.gemini.after:ttt", "gw1.gemini.tool:sss", None, None, "gw1.gemini.after:late",
    ]  # fmt: skip


def test_a_refusal_is_text_and_ends_as_one() -> None:
    out = encode([chunk(RefusalPart("I ", index=0)), chunk(RefusalPart("won't", index=0)), finish()])

    assert blocks(out) == [{"type": "text", "text": "I won't"}]
    assert events(out)[-2]["delta"]["stop_reason"] == "refusal"


def test_parts_without_an_index_go_on_where_they_can() -> None:
    out = encode([chunk(TextPart("a")), chunk(TextPart("b")), finish()])

    assert blocks(out) == [{"type": "text", "text": "ab"}]


def test_a_further_choice_continues_the_message() -> None:
    call = ToolCallPart("toolu_1", "f", "{}", index=0)
    out = encode(
        [
            chunk(TextPart("I look.", index=0)),
            LLMResponse(choices=[Choice(1, Message("assistant", [call]), "tool_calls")]),
            finish("tool_calls"),
        ]
    )

    assert [block["type"] for block in blocks(out)] == ["text", "tool_use"]
    assert b'"stop_reason":"tool_use"' in out


def test_what_no_block_can_hold_is_listed() -> None:
    losses = Losses("response")
    foreign = OpaquePart("gemini", {"x": 1}, index=1)

    out = encode(
        [
            chunk(TextPart("a", [Citation(kind="document", title="T")], index=0)),
            chunk(foreign, MediaPart("image", data="AAAA", index=2)),
            finish(),
        ],
        losses,
    )

    assert blocks(out) == [{"type": "text", "text": "a"}]
    assert {loss.path for loss in losses} == {
        "choices[*].message.blocks[*]", "choices[*].message.image[*].data",
        "choices[*].message.content[*].citations",
    }  # fmt: skip


def test_usage_that_comes_after_the_finish_is_in_the_end_event() -> None:
    finished = replace(finish(), final=False)
    out = encode([chunk(TextPart("a", index=0)), finished, LLMResponse(usage=Usage(10, 5, 4), final=True)])

    assert events(out)[-2]["usage"] == {
        "input_tokens": 6,
        "cache_creation_input_tokens": None,
        "cache_read_input_tokens": 4,
        "output_tokens": 5,
    }


def test_the_first_chunk_opens_the_message_whatever_it_holds() -> None:
    encoder = DIALECT.stream_encoder(Echo("m", True), MINT, Losses())

    opening = events(encoder.encode(LLMResponse(id="x", model="y")))

    assert [body["type"] for body in opening] == ["message_start"]
    assert (opening[0]["message"]["id"], opening[0]["message"]["model"]) == ("x", "y")
    assert b"message_start" not in encoder.encode(LLMResponse(id="z"))


def test_a_failed_stream_ends_in_an_error_and_in_nothing_else() -> None:
    encoder = DIALECT.stream_encoder(Echo("m", True), MINT, Losses())
    out = encoder.encode(chunk(TextPart("a", index=0)))

    out += encoder.fail(ErrorInfo("broken", 503, "overloaded"))
    out += encoder.close()

    assert violations(out, complete=False) == []
    assert events(out)[-1] == {"type": "error", "error": {"type": "overloaded_error", "message": "broken"}}


def test_a_reply_without_content_is_whole_too() -> None:
    assert violations(encode([])) == []
    assert violations(encode([finish()])) == []


def test_keep_alives_may_be_anywhere() -> None:
    encoder = DIALECT.stream_encoder(Echo("m", True), MINT, Losses())

    out = encoder.encode(chunk(TextPart("a", index=0))) + encoder.keep_alive() + encoder.encode(finish())

    assert violations(out) == []
    assert encoder.keep_alive().startswith(b"event: ping\n")


# Looking without reading.


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (OPENING, "preamble"),
        (start(0, type="text", text=""), "preamble"),
        (start(0, type="thinking", thinking="", signature=""), "preamble"),
        (start(0, type="tool_use", id="t", name="f", input={}), "content"),
        (start(0, type="redacted_thinking", data="x"), "content"),
        (delta(0, type="text_delta", text='{"type":"error"}'), "content"),
        (event(type="message_delta", delta={}), "usage"),
        (event(type="message_stop"), "terminal"),
        (event(type="error", error={}), "error"),
        (event(type="ping"), "other"),
        (event(type="weather"), "other"),
        (b": comment", "other"),
        (b'data: {"type": "message_stop"}', "terminal"),
    ],
)
def test_events_are_known_by_a_byte_test(raw: bytes, kind: str) -> None:
    assert DIALECT.event_kind(raw.strip(b"\n")) == kind


def test_usage_is_found_in_the_first_and_last_events() -> None:
    for data in (STREAM, STREAM.replace(b"\n", b"\r\n")):
        usage = DIALECT.usage_of(data[:600], data[-400:])

        assert usage is not None
        assert (usage.input_tokens, usage.cache_read_tokens, usage.output_tokens) == (106, 100, 9)
    assert DIALECT.usage_of(b"", b"") is None
