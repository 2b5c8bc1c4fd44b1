"""The short ways for what is ordinary give what the general way gives, which each test takes by saying it otherwise."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.dialects.anthropic import Anthropic
from llm_gateway_sdk import (
    CacheHint,
    Choice,
    Citation,
    DialectError,
    Echo,
    Headers,
    LLMRequest,
    LLMResponse,
    Losses,
    Message,
    Mint,
    Target,
    TextPart,
    ThinkingPart,
    WireReply,
    WireRequest,
)

ANTHROPIC = Anthropic()
MINT = Mint(lambda prefix: f"{prefix}1", lambda: 0)

_TEXTS = st.sampled_from(["", "a", "two words", " "])


class Wordy(TextPart):
    """A text that is not taken for an ordinary one."""


def outcome(work: Any) -> Any:
    try:
        return work()
    except DialectError as error:
        return str(error)


def read(**body: Any) -> LLMRequest:
    wire = WireRequest("POST", "/v1/messages", "", Headers(), json.dumps(body).encode())
    return ANTHROPIC.decode_request(wire)[0]


_ODD = st.sampled_from([None, 0, [], {}])
_WIRES = st.fixed_dictionaries(
    {},
    optional={
        "role": st.sampled_from(["user", "assistant", "system"]) | _ODD,
        "content": _TEXTS | _ODD | st.just([{"type": "text", "text": "t"}]),
        "x": _TEXTS,
    },
)


@given(st.lists(_WIRES, max_size=4))
def test_messages_are_read_as_with_an_additional_null(wires: list[dict[str, Any]]) -> None:
    longer = [{**wire, "y": None} for wire in wires]

    assert outcome(lambda: read(messages=wires)) == outcome(lambda: read(messages=longer))


@given(
    st.dictionaries(st.sampled_from(["text", "citations", "x"]), _TEXTS | st.sampled_from([None, 0, []]), max_size=3)
)
def test_a_block_of_text_is_read_as_with_an_additional_null(block: dict[str, Any]) -> None:
    def content(block: dict[str, Any]) -> Any:
        return read(messages=[{"role": "user", "content": [{"type": "text", **block}]}])

    assert outcome(lambda: content(block)) == outcome(lambda: content({**block, "cache_control": None}))


@st.composite
def _texts(draw: st.DrawFn) -> dict[str, Any]:
    return {
        "text": draw(_TEXTS),
        "citations": draw(st.sampled_from([[], [Citation("url", url="u")], [Citation("document")]])),
        "signature": draw(st.sampled_from([None, None, "s"])),
        "signed_by": draw(st.sampled_from([None, "anthropic", "gemini"])),
        "cache": draw(st.sampled_from([None, None, CacheHint("1h")])),
        "provider_metadata": draw(st.sampled_from([{}, {}, {"anthropic": {"x": 1}}, {"openai_chat": {"x": 1}}])),
    }


@given(
    st.lists(st.tuples(st.sampled_from(["system", "user", "assistant"]), st.lists(_texts(), max_size=3)), max_size=4)
)
def test_a_request_is_written_as_one_of_texts_that_are_not_ordinary(words: list[tuple[str, Any]]) -> None:
    def written(kind: type[TextPart]) -> Any:
        losses = Losses("request")
        messages = [Message(role, [kind(**text) for text in texts]) for role, texts in words]
        wire = ANTHROPIC.encode_request(LLMRequest("m", messages), Target("m"), losses)
        return wire.body, list(losses)

    assert written(TextPart) == written(Wordy)


@given(st.lists(_texts(), max_size=3))
def test_a_reply_is_written_as_one_of_texts_that_are_not_ordinary(texts: list[dict[str, Any]]) -> None:
    def written(kind: type[TextPart]) -> Any:
        losses = Losses("response")
        response = LLMResponse("i", "m", 0, [Choice(0, Message("assistant", [kind(**text) for text in texts]))])
        return ANTHROPIC.encode_response(response, Echo("m"), MINT, losses).body, list(losses)

    assert written(TextPart) == written(Wordy)


@given(st.lists(st.lists(st.tuples(_texts(), st.sampled_from([0, 0, 1, None])), max_size=2), min_size=1, max_size=5))
def test_chunks_are_written_as_those_of_texts_that_are_not_ordinary(words: list[Any]) -> None:
    def written(kind: type[TextPart]) -> Any:
        losses = Losses("response")
        encoder = ANTHROPIC.stream_encoder(Echo("m"), MINT, losses)
        events = []
        for texts in words:
            parts: list[Any] = [kind(**text, index=index) for text, index in texts] or [ThinkingPart("t", index=2)]
            events.append(encoder.encode(LLMResponse("i", "m", 0, [Choice(0, Message("assistant", parts))])))
        return events, encoder.close(), list(losses)

    assert written(TextPart) == written(Wordy)


@given(
    st.permutations(["id", "content", "usage", "x"]),
    st.sampled_from([None, {}, {"input_tokens": 1}, {"input_tokens": 1, "output_tokens": 2, "x": {"usage": 3}}]),
)
def test_usage_of_a_body_that_passes_is_that_of_the_body_read(names: list[str], usage: Any) -> None:
    values = {"id": "usage", "content": [], "usage": usage, "x": {"usage": {"input_tokens": 5}}}
    body = json.dumps({name: values[name] for name in names}).encode()

    assert ANTHROPIC.usage_of(b"", body) == ANTHROPIC.decode_response(WireReply(200, Headers(), body), MINT).usage
