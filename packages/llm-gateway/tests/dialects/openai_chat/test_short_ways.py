"""The short ways for what is ordinary give what the general way gives, which each test takes by saying it otherwise."""

from __future__ import annotations

import json
from typing import Any

from chat_wire import answer, hear, mint, say, write_messages
from hypothesis import example, given
from hypothesis import strategies as st

from llm_gateway.dialects.openai_chat import ChatEcho, OpenAIChat
from llm_gateway_sdk import (
    CacheHint,
    Citation,
    DialectError,
    Headers,
    LLMResponse,
    Losses,
    MediaPart,
    Message,
    Part,
    TextPart,
    ToolResultPart,
    WireRequest,
)

CHAT = OpenAIChat()

_TEXTS = st.sampled_from(["", "a", "two words", " "])
_ODD = st.sampled_from([None, 0, False, [], {}, "user", "tool", [{"type": "text", "text": "t"}]])
_METADATA = st.sampled_from(
    [{}, {"anthropic": {"_string": True}}, {"anthropic": {"own": 1}}, {"openai_chat": {"x": 1}}]
)


class Wordy(TextPart):
    """A text that is not taken for an ordinary one."""


def outcome(work: Any) -> Any:
    try:
        return work()
    except DialectError as error:
        return str(error)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "role": st.sampled_from(["user", "assistant", "system", "developer", "tool", None, 0, []]),
            "content": _TEXTS | _ODD,
            "refusal": _TEXTS | _ODD,
            "x": _TEXTS,
        },
    )
)
def test_a_message_of_a_request_is_read_as_with_an_additional_null(wire: dict[str, Any]) -> None:
    def read(message: dict[str, Any]) -> Any:
        body = json.dumps({"messages": [message]}).encode()
        return CHAT.decode_request(WireRequest("POST", "", "", Headers(), body))[0].messages

    assert outcome(lambda: read(wire)) == outcome(lambda: read({**wire, "name": None}))


@given(
    st.dictionaries(
        st.sampled_from(["role", "refusal", "annotations", "tool_calls", "images", "audio", "reasoning", "x"]),
        _TEXTS | _ODD,
        max_size=4,
    ),
    st.sampled_from(["a", "two words"]),
)
def test_a_message_of_a_reply_is_read_as_if_its_text_were_a_part(wire: dict[str, Any], text: str) -> None:
    def read(content: Any) -> Any:
        return hear({"choices": [{"index": 0, "message": {**wire, "content": content}, "finish_reason": "stop"}]})

    assert outcome(lambda: read(text)) == outcome(lambda: read([{"type": "text", "text": text}]))


@st.composite
def _texts(draw: st.DrawFn) -> dict[str, Any]:
    return {
        "text": draw(_TEXTS),
        "citations": draw(st.sampled_from([[], [Citation("url", url="u")], [Citation("document")]])),
        "signature": draw(st.sampled_from([None, "s"])),
        "signed_by": draw(st.sampled_from([None, "openai_chat", "gemini"])),
        "cache": draw(st.sampled_from([None, CacheHint("1h")])),
        "provider_metadata": draw(_METADATA),
    }


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["user", "assistant", "system", "developer", "tool", "new"]),
            st.lists(_texts(), max_size=2),
            st.sampled_from([None, None, "n"]),
            _METADATA,
            st.booleans(),
        ),
        max_size=4,
    )
)
def test_a_message_is_written_as_one_of_texts_that_are_not_ordinary(words: list[tuple[Any, ...]]) -> None:
    def written(kind: type[TextPart]) -> Any:
        messages = []
        for role, texts, name, kept, after_media in words:
            if after_media:
                messages.append(Message("tool", [ToolResultPart("call_1", [MediaPart("image", url="http://i")])]))
            content: list[Part] = [kind(**text) for text in texts]
            messages.append(Message(role, content, name, kept))
        return outcome(lambda: write_messages(*messages))

    assert written(TextPart) == written(Wordy)


@given(st.lists(st.lists(_texts(), max_size=2), min_size=1, max_size=4), st.booleans())
def test_chunks_are_written_as_those_of_texts_that_are_not_ordinary(words: list[Any], usage: bool) -> None:
    def written(kind: type[TextPart]) -> Any:
        losses = Losses("response")
        encoder = CHAT.stream_encoder(ChatEcho("m", True, usage), mint(), losses)
        chunks = [answer(*(kind(**text, index=0) for text in texts), finish=None) for texts in words]
        return [encoder.encode(chunk) for chunk in chunks], encoder.close(), list(losses)

    assert written(TextPart) == written(Wordy)


@given(st.lists(_texts(), max_size=3))
def test_a_reply_is_written_as_one_of_texts_that_are_not_ordinary(texts: list[dict[str, Any]]) -> None:
    assert say(answer(*(TextPart(**text) for text in texts))) == say(answer(*(Wordy(**text) for text in texts)))


# Heads of stream events


_FIELDS = {
    "id": st.sampled_from(["a", "b", 7, None]),
    "object": st.sampled_from(["chat.completion.chunk", "chat.completion.chunk", "chat.completion", "error"]),
    "created": st.sampled_from([1, 2, None]),
    "model": st.sampled_from(["m", "n"]),
    "service_tier": st.sampled_from(["default", "flex", None]),
    "system_fingerprint": st.sampled_from(["f", "g", None]),
    "usage": st.sampled_from([None, {"prompt_tokens": 1, "completion_tokens": 2}]),
    "x_groq": st.sampled_from([{"usage": {"prompt_tokens": 3}}, {}]),
    "error": st.sampled_from([None, {"message": "m"}]),
    "obfuscation": st.sampled_from(["o", "p"]),
    "x": st.sampled_from([None, 1, {"choices": [], "id": "c"}]),
}
_DELTAS = st.sampled_from(
    [{}, {"content": ""}, {"content": "t"}, {"role": "assistant", "content": "u"}, {"refusal": "r"}, {"content": 1}]
)
_CHOICES = st.lists(
    st.fixed_dictionaries(
        {"index": st.sampled_from([0, 0, 1]), "delta": _DELTAS},
        optional={"finish_reason": st.sampled_from([None, "stop"]), "x": st.sampled_from([1, 2])},
    ),
    max_size=2,
)


@st.composite
def _streams(draw: st.DrawFn) -> list[list[tuple[str, Any]]]:
    """Events as lists of fields, few of which change from one to the next."""
    optional = ["service_tier", "system_fingerprint", "usage", "x_groq", "obfuscation", "x"]
    names = ["id", "object", "created", "model", "choices", *draw(st.lists(st.sampled_from(optional), unique=True))]
    names = draw(st.permutations(names)) if draw(st.booleans()) else names
    same = {name: draw(_FIELDS[name]) for name in names if name != "choices"}
    events = []
    for _ in range(draw(st.integers(1, 12))):
        fields = {**same, "choices": draw(_CHOICES)}
        if draw(st.integers(0, 3)) == 0:
            name = draw(st.sampled_from(sorted({*same, "error"})))
            fields[name] = draw(_FIELDS[name])
        events.append([(name, fields[name]) for name in [*names, "error"] if name in fields])
    return events


@given(_streams())
@example([[("id", "a"), ("x", {"choices": 1, "y": 2}), ("choices", [])]] * 2)
@example([[("id", "a"), ("choices", []), ("id", "b")]] * 3)
def test_a_stream_is_read_as_one_whose_events_begin_with_choices(events: list[list[tuple[str, Any]]]) -> None:
    def read(*, choices_first: bool) -> Any:
        decoder = CHAT.stream_decoder(mint())
        chunks: list[LLMResponse] = []
        for fields in events:
            ordered = sorted(fields, key=lambda field: field[0] != "choices") if choices_first else fields
            text = ",".join(f"{json.dumps(name)}:{json.dumps(value)}" for name, value in ordered)
            chunks += decoder.feed(f"data: {{{text}}}\n\n".encode())
        return chunks + decoder.close(), decoder.finished

    assert outcome(lambda: read(choices_first=False)) == outcome(lambda: read(choices_first=True))


def test_the_same_beginning_of_events_is_not_read_again() -> None:
    decoder = CHAT.stream_decoder(mint())
    event = b'data: {"id":"i","model":"m","system_fingerprint":"f","choices":[{"index":0,"delta":{"content":"t"}}]}\n\n'

    first, second = decoder.feed(event), decoder.feed(event)

    assert first[0].provider_metadata == {"openai_chat": {"system_fingerprint": "f"}}
    assert second[0].provider_metadata == {}
    assert (second[0].id, second[0].model, second[0].text) == ("i", "m", "t")


@given(
    st.permutations(["id", "choices", "usage", "x_groq", "x"]),
    st.sampled_from([None, {}, {"prompt_tokens": 1}, {"prompt_tokens": 1, "completion_tokens": 2, "x": {"usage": 3}}]),
    st.sampled_from([None, {"usage": {"prompt_tokens": 9}}]),
)
def test_usage_of_a_body_that_passes_is_that_of_the_body_read(names: list[str], usage: Any, groq: Any) -> None:
    values = {
        "id": "usage",
        "choices": [{"message": {}}],
        "usage": usage,
        "x_groq": groq,
        "x": {"usage": {"prompt_tokens": 5}},
    }
    body = {name: values[name] for name in names}

    assert CHAT.usage_of(b"", json.dumps(body).encode()) == hear(body).usage
