from __future__ import annotations

import random

import pytest
from chat_wire import CHAT, DONE, chunk, delta, deltas, event, listen, mint, read_messages, stream, total

from llm_gateway.dialects.openai_chat import ChatEcho
from llm_gateway_sdk import (
    Citation,
    DialectError,
    ErrorInfo,
    LLMResponse,
    Losses,
    OpaquePart,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    Usage,
)
from llm_gateway_sdk.testing.grammar.openai_chat import violations

CALL = ToolCallPart


def call(index: int | None = 0, id: str | None = None, name: str | None = None, arguments: str | None = None) -> bytes:
    function = {key: value for key, value in (("name", name), ("arguments", arguments)) if value is not None}
    fields = {"index": index, "id": id, "type": "function" if id else None, "function": function}
    return delta(tool_calls=[{key: value for key, value in fields.items() if value is not None}])


def words(*events: bytes) -> list[tuple[str, str, str]]:
    """(id, name, arguments) of each call."""
    return [(part.id, part.name, part.arguments) for part in total(*events).tool_calls]


# Reading what servers of the format do


def test_interleaved_calls_stay_apart() -> None:
    assert words(
        call(0, "a", "f", ""), call(1, "b", "g", ""), call(0, None, None, '{"x":'), call(1, None, None, "{}"),
        call(0, None, None, "1}"), DONE,
    ) == [("a", "f", '{"x":1}'), ("b", "g", "{}")]  # fmt: skip


def test_calls_that_all_have_index_0_are_distinguished_by_their_ids() -> None:
    assert words(call(0, "a", "f", "{}"), call(0, "b", "g", "{}"), DONE) == [("a", "f", "{}"), ("b", "g", "{}")]


def test_calls_without_index_are_distinguished_by_ids_and_names() -> None:
    assert words(
        call(None, "a", "f", '{"x":'), call(None, None, None, "1}"), call(None, "b", "g", "{"),
        call(None, "b", None, "}"), DONE,
    ) == [("a", "f", '{"x":1}'), ("b", "g", "{}")]  # fmt: skip


def test_a_call_without_an_id_is_given_one() -> None:
    assert words(call(0, None, "f", "{}"), DONE) == [("call_0", "f", "{}")]


def test_ids_and_names_that_are_repeated_with_each_piece_count_once() -> None:
    assert words(call(0, "a", "f", "{"), call(0, "a", "f", "}"), DONE) == [("a", "f", "{}")]


def test_an_id_minted_anew_for_each_piece_goes_on_with_the_call() -> None:
    assert words(call(0, "a", "f", "{"), call(0, "x9", None, "}"), DONE) == [("a", "f", "{}")]


def test_whole_calls_in_one_chunk() -> None:
    calls = [{"id": key, "function": {"name": key, "arguments": {"k": 1}}} for key in "ab"]

    assert words(delta(tool_calls=calls), DONE) == [("a", "a", '{"k":1}'), ("b", "b", '{"k":1}')]


def test_empty_lists_and_nulls_next_to_text_do_not_matter() -> None:
    reply = total(
        delta(role="assistant", content="", tool_calls=[], refusal=None, reasoning="", annotations=[]),
        delta(content="Hel", tool_calls=[], function_call=None, reasoning_content=None),
        delta(content="lo", tool_calls=None, audio=None),
        delta(finish="stop", content=""),
        DONE,
    )

    assert reply.text == "Hello"
    assert len(reply.message.content) == 1


def test_text_after_a_call_is_another_part() -> None:
    reply = total(delta(content="a"), call(0, "c", "f", "{}"), delta(content="b"), DONE)

    assert [(type(part), part.index) for part in reply.message.content] == [(TextPart, 0), (CALL, 1), (TextPart, 2)]


def test_usage_on_the_finish_chunk_and_a_second_finish_are_taken() -> None:
    usage = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
    reply = total(
        delta(content="x"),
        delta(finish="stop"),
        event({"index": 0, "delta": {}, "finish_reason": "stop"}, usage=usage),
        DONE,
    )

    assert (reply.finish_reason, reply.usage) == ("stop", Usage(3, 4))


def test_groq_s_older_place_of_usage() -> None:
    reply = total(
        delta(content="x"), event(x_groq={"id": "r", "usage": {"prompt_tokens": 3, "completion_tokens": 4}}), DONE
    )

    assert reply.usage == Usage(3, 4)


def test_azure_s_first_chunk_has_no_choices() -> None:
    first = event(id="", model="", prompt_filter_results=[{"prompt_index": 0}])

    chunks = listen(first, delta(content="x"), DONE)

    assert not chunks[0].has_content
    assert chunks[0].provider_metadata["openai_chat"]["prompt_filter_results"] == [{"prompt_index": 0}]
    assert violations(stream(*chunks[:-1], chunk(finish="stop"))) == []


def test_mistral_s_lists_of_parts_are_fragments() -> None:
    def thinking(text: str) -> bytes:
        return delta(content=[{"type": "thinking", "thinking": [{"type": "text", "text": text}]}])

    reply = total(
        thinking("Let "), thinking("me."), delta(content=[{"type": "text", "text": "Y"}]), delta(content="es"), DONE
    )

    assert (reply.thinking, reply.text) == ("Let me.", "Yes")


def test_litellm_s_thinking_blocks_are_not_counted_twice() -> None:
    def fragment(text: str) -> bytes:
        return delta(reasoning_content=text, thinking_blocks=[{"type": "thinking", "thinking": text}])

    signature = delta(reasoning_content="", thinking_blocks=[{"type": "thinking", "thinking": "", "signature": "sig"}])
    reply = total(fragment("Let "), fragment("me."), signature, delta(content="Yes"), DONE)

    thought = reply.message.content[0]
    assert isinstance(thought, ThinkingPart)
    assert (thought.text, thought.signature, len(reply.message.content)) == ("Let me.", "sig", 2)


def test_legacy_function_calls_are_calls() -> None:
    reply = total(
        delta(function_call={"name": "f", "arguments": ""}), delta(function_call={"arguments": "{}"}),
        delta(finish="function_call"), DONE,
    )  # fmt: skip

    assert (reply.tool_calls[0].name, reply.tool_calls[0].arguments) == ("f", "{}")
    assert reply.finish_reason == "tool_calls"


def test_several_choices_are_kept_apart() -> None:
    reply = total(
        delta(0, content="a"),
        delta(1, content="b"),
        delta(0, content="A"),
        delta(1, finish="stop"),
        delta(0, finish="length"),
        DONE,
    )

    assert [(choice.message.text, choice.finish_reason) for choice in reply.choices] == [
        ("aA", "length"),
        ("b", "stop"),
    ]


def test_audio_pieces_are_kept_as_they_came() -> None:
    audio = [{"id": "audio_1", "transcript": "He"}, {"data": "QUI="}, {"data": "QkM="}, {"expires_at": 9}]
    chunks = listen(*(delta(audio=piece) for piece in audio), delta(finish="stop"), DONE)

    part = total(*(delta(audio=piece) for piece in audio)).message.content[0]

    assert isinstance(part, OpaquePart)
    assert part.deltas == audio
    assert [piece["audio"] for piece in deltas(stream(*chunks)) if "audio" in piece] == audio


def test_a_stream_without_done_is_whole_where_it_has_a_finish_reason() -> None:
    for end, finished in ((delta(finish="stop"), True), (b"", False)):
        decoder = CHAT.stream_decoder(mint())
        decoder.feed(delta(content="x") + end)
        chunks = decoder.close()

        assert decoder.finished is finished
        assert any(chunk.final for chunk in chunks) is finished


def test_an_error_right_after_a_delta_in_one_packet() -> None:
    error = b'data: {"error":{"message":"Overloaded","type":"server_error","code":"server_is_overloaded"}}\n\n'

    chunks = listen(delta(content="x") + error + DONE)

    assert [chunk.text for chunk in chunks] == ["x", ""]
    assert chunks[1].error is not None
    assert (chunks[1].error.kind, chunks[1].error.status) == ("overloaded", 503)


@pytest.mark.parametrize(("answered", "broken"), [(b"", True), (delta(content="x"), False)])
def test_an_unknown_end_after_nothing_is_an_error(answered: bytes, broken: bool) -> None:
    chunks = listen(answered + delta(finish="some_filter") + DONE)

    assert any(chunk.error for chunk in chunks) is broken


@pytest.mark.parametrize(
    "body",
    [
        b'{"error": {"message": "No.", "type": "x", "code": 429}}',
        b'data: {"object": "error", "message": "No.", "code": 429}\n\n',
        b'event: error\ndata: {"error": {"message": "No.", "code": "429"}}\n\n',
    ],
)
def test_errors_in_other_clothes(body: bytes) -> None:
    chunks = listen(body)

    assert [(chunk.error.message, chunk.error.status) for chunk in chunks if chunk.error] == [("No.", 429)]


def test_a_whole_reply_in_place_of_a_stream_is_taken() -> None:
    message = b'{"role":"assistant","content":"Hi"}'
    choice = b'{"index":0,"finish_reason":"stop","message":' + message + b"}"
    body = b'{"id":"c","object":"chat.completion","model":"m","choices":[' + choice + b"]}"

    reply = total(body)

    assert (reply.text, reply.final) == ("Hi", True)


def test_what_is_not_an_event_is_refused() -> None:
    with pytest.raises(DialectError):
        listen(b"data: nonsense\n\n")


# Found by damaging recorded streams


def test_a_piece_without_id_and_name_goes_on_with_the_call_before_it() -> None:
    assert words(call(0, "a", "f", "{"), call(7, None, None, "}"), DONE) == [("a", "f", "{}")]


def test_a_call_that_is_never_named_is_legal_all_the_same() -> None:
    nameless, named = CALL("a", "", "{}", index=0), CALL("b", "g", "{}", index=1)

    data = stream(chunk(nameless, named), chunk(finish="tool_calls"))

    assert violations(data) == []
    assert words(data) == [("b", "g", "{}"), ("a", "unnamed", "{}")]


def test_an_index_that_is_not_a_number_is_the_place() -> None:
    data = stream(*listen(event({"index": True, "delta": {"content": "x"}}), delta(finish="stop")))

    assert violations(data) == []


def test_any_value_under_error_is_an_error() -> None:
    chunks = listen(b'data: {"error": [true]}\n\n')

    assert [chunk.error.message for chunk in chunks if chunk.error] == ["[true]"]


# Writing


def test_the_role_comes_first_and_everything_else_once() -> None:
    data = stream(
        chunk(TextPart("Hel", index=0)), chunk(TextPart("lo", index=0)), chunk(finish="stop"),
        LLMResponse(usage=Usage(3, 4)), LLMResponse(final=True), echo=ChatEcho("m", include_usage=True),
    )  # fmt: skip

    assert violations(data) == []
    assert deltas(data) == [
        {"role": "assistant", "content": "", "refusal": None}, {"content": "Hel"}, {"content": "lo"}, {},
    ]  # fmt: skip
    assert data.count(b'"usage":{') == 1
    assert data.endswith(DONE)


def test_a_client_that_did_not_ask_gets_no_usage() -> None:
    data = stream(chunk(TextPart("x", index=0), usage=Usage(3, 4)))

    assert b"usage" not in data


def test_calls_are_numbered_densely_and_begin_with_id_and_name() -> None:
    data = stream(
        chunk(TextPart("x", index=0)),
        chunk(CALL("a", "f", index=1), CALL("b", "g", index=2)),
        chunk(CALL(arguments="{}", index=2)),
        chunk(CALL(arguments="{}", index=1)),
        chunk(finish="tool_calls"),
    )

    assert violations(data) == []
    assert words(data) == [("a", "f", "{}"), ("b", "g", "{}")]


def test_a_call_without_arguments_has_an_object_all_the_same() -> None:
    assert words(stream(chunk(CALL("a", "f", index=0)), chunk(finish="tool_calls"))) == [("a", "f", "{}")]


def test_a_call_whose_name_comes_late_waits_for_it() -> None:
    data = stream(
        chunk(CALL("a", "", '{"x":', index=0)), chunk(CALL("", "f", "1}", index=0)), chunk(finish="tool_calls")
    )

    assert violations(data) == []
    assert words(data) == [("a", "f", '{"x":1}')]


def test_free_text_of_a_custom_tool_is_unwrapped_as_it_grows() -> None:
    arguments = '{"input": "a\\n\\ud83d\\ude00 \\"b\\""}'
    pieces = [CALL("a", "patch", index=0), *(CALL(arguments=letter, index=0) for letter in arguments)]

    data = stream(
        *(chunk(piece) for piece in pieces),
        chunk(finish="tool_calls"),
        echo=ChatEcho("m", custom_tools=frozenset({"patch"})),
    )

    assert violations(data) == []
    assert words(data) == [("a", "patch", 'a\n😀 "b"')]
    assert len(deltas(data)) > 6


def test_thinking_streams_as_text_and_its_proof_as_a_block() -> None:
    data = stream(
        chunk(ThinkingPart("Let ", index=0)),
        chunk(ThinkingPart("me.", index=0)),
        chunk(ThinkingPart(signature="s1", signed_by="anthropic", index=0)),
        chunk(ThinkingPart(redacted="xyz", signed_by="anthropic", index=1)),
        chunk(TextPart("Yes.", index=2)),
        chunk(finish="stop"),
    )

    assert deltas(data)[1:6] == [
        {"reasoning_content": "Let "},
        {"reasoning_content": "me."},
        {"thinking_blocks": [{"index": 0, "type": "thinking", "thinking": "Let me.", "signature": "gw1.anthropic.s1"}]},
        {"thinking_blocks": [{"index": 1, "type": "redacted_thinking", "data": "gw1.anthropic.xyz"}]},
        {"content": "Yes."},
    ]


def test_a_client_that_sums_a_stream_can_send_the_turn_back_over_ten_turns() -> None:
    """Signatures of thinking and of calls survive the way through a Chat client, byte for byte."""
    chance = random.Random(7)
    history: list[dict[str, object]] = [{"role": "user", "content": "Go."}]
    for turn in range(10):
        parts = [
            ThinkingPart(f"thought {turn}", signature=f"s{turn}+/=", signed_by="anthropic", index=0),
            ThinkingPart("", signature=f"t{turn}", signed_by="anthropic", index=1),
            CALL(f"call_{turn}", "f", '{"n":1}', signature=f"g{turn}", signed_by="gemini", index=2),
        ]
        message: dict[str, object] = {}
        for piece in deltas(stream(*(chunk(part) for part in parts), chunk(finish="tool_calls"))):
            for key, value in piece.items():
                if isinstance(value, list):
                    known = message.setdefault(key, [])
                    assert isinstance(known, list)
                    for entry in value:
                        assert isinstance(entry, dict)
                        if key == "tool_calls" and entry["index"] < len(known):
                            known[entry["index"]]["function"]["arguments"] += entry["function"]["arguments"]
                        else:
                            known.append(entry)
                elif isinstance(value, str) and key != "role":
                    message[key] = str(message.get(key) or "") + value
        history.append({"role": "assistant", **message})
        history.append({"role": "tool", "tool_call_id": f"call_{turn}", "content": str(chance.random())})

    turns = [message.content for message in read_messages(*history) if message.role == "assistant"]

    for number, content in enumerate(turns):
        assert [(part.signature, part.signed_by) for part in content] == [
            (f"s{number}+/=", "anthropic"), (f"t{number}", "anthropic"), (f"g{number}", "gemini"),
        ]  # fmt: skip


def test_citations_come_in_one_list_before_the_end() -> None:
    data = stream(
        chunk(TextPart("One. ", index=0)),
        chunk(TextPart("Two.", [Citation("url", "https://b.example", "B")], index=1)),
        chunk(finish="stop"),
    )

    note = deltas(data)[-2]["annotations"][0]
    assert note["url_citation"] == {"url": "https://b.example", "title": "B", "start_index": 5, "end_index": 9}


def test_what_follows_a_finish_reason_is_still_legal() -> None:
    data = stream(chunk(TextPart("a", index=0), finish="length"), chunk(TextPart("b", index=0), finish="length"))

    assert violations(data) == []
    assert total(data).text == "ab"


def test_an_empty_reply_is_legal() -> None:
    assert violations(stream()) == []


def test_legacy_clients_get_function_call_deltas() -> None:
    data = stream(
        chunk(CALL("a", "f", "{", index=0)), chunk(CALL(arguments="}", index=0)), chunk(finish="tool_calls"),
        echo=ChatEcho("m", legacy_functions=True),
    )  # fmt: skip

    assert deltas(data)[1:3] == [
        {"function_call": {"name": "f", "arguments": "{"}},
        {"function_call": {"arguments": "}"}},
    ]
    assert b'"finish_reason":"function_call"' in data


def test_a_failed_stream_has_one_error_and_nothing_else() -> None:
    encoder = CHAT.stream_encoder(ChatEcho("m"), mint(), Losses("response"))
    data = encoder.encode(chunk(TextPart("x", index=0), finish="stop")) + encoder.fail(
        ErrorInfo("Broken.", 502, "upstream")
    )

    assert violations(data, complete=False) == []
    assert b"[DONE]" not in data


@pytest.mark.parametrize(
    ("wire", "kind"),
    [
        (b"data: [DONE]", "terminal"),
        (b": OPENROUTER PROCESSING", "other"),
        (delta(role="assistant", content="").strip(), "preamble"),
        (delta(content="x").strip(), "content"),
        (delta(content='"error": {"usage": {}} [DONE]').strip(), "content"),
        (call(0, "a", "f", "").strip(), "content"),
        (event(usage={"prompt_tokens": 1}).strip(), "usage"),
        (b'data: {"error": {"message": "x"}}', "error"),
        (delta(finish="stop").strip(), "other"),
        (event(prompt_filter_results=[]).strip(), "preamble"),
    ],
)
def test_events_are_known_by_their_bytes(wire: bytes, kind: str) -> None:
    assert CHAT.event_kind(wire) == kind
