"""Events that are alike but for their text give the chunks that they give one by one."""

from __future__ import annotations

import json
from typing import Any

import pytest
from chat_wire import mint
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.dialects.openai_chat import stream
from llm_gateway.dialects.openai_chat.stream import ChatStreamDecoder
from llm_gateway.dialects.openai_chat.text_events import TextShape
from llm_gateway_sdk import DialectError, LLMResponse

_TEXTS = st.sampled_from(
    ["", "a", " two words", 'a "quote"', "\\", "\\n", "\n", "ü", "😀", '","obfuscation":"', '"content":"x"', "}]}"]
)
_ODD = st.sampled_from([None, 0, "", "x", [], {}, "role", {"content": "a"}])


def _event(text: Any, index: int, top: dict[str, Any], choice: dict[str, Any], delta: dict[str, Any], end: Any) -> Any:
    spelled = {"index": index, "delta": {**delta, "content": text}, "finish_reason": end, **choice}
    return {"id": "c-1", "created": 1, "model": "m", "choices": [spelled], **top}


@st.composite
def _streams(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Runs of events that differ in their text, with something else changed between the runs."""
    events = []
    for _ in range(draw(st.integers(1, 4))):
        top = draw(st.dictionaries(st.sampled_from(["usage", "x", "service_tier", "content", "citations"]), _ODD))
        choice = draw(st.dictionaries(st.sampled_from(["logprobs", "x", "content", "stop_reason"]), _ODD, max_size=2))
        delta = draw(st.dictionaries(st.sampled_from(["role", "refusal", "reasoning", "x"]), _ODD, max_size=2))
        index = draw(st.sampled_from([0, 0, 1]))
        end = draw(st.sampled_from([None, None, None, "stop"]))
        padded = draw(st.booleans())
        for number, text in enumerate(draw(st.lists(_TEXTS, min_size=1, max_size=5))):
            noise = {"obfuscation": "x" * number} if padded else {}
            events.append({**_event(text, index, top, choice, delta, end), **noise})
    return events


def _heard(events: list[bytes]) -> Any:
    decoder = ChatStreamDecoder(mint())
    try:
        chunks = [chunk for event in events for chunk in decoder.feed(b"data: " + event + b"\n\n")]
        return chunks + decoder.close()
    except DialectError as error:
        return str(error)


@given(_streams(), st.booleans())
def test_a_stream_is_read_as_without_shapes(events: list[dict[str, Any]], is_ascii: bool) -> None:
    wire = [json.dumps(event, separators=(",", ":"), ensure_ascii=is_ascii).encode() for event in events]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stream, "_MOST_SHAPES", 0)
        expected = _heard(wire)
    assert _heard(wire) == expected


def _taken(raw: bytes) -> TextShape | None:
    decoder = ChatStreamDecoder(mint())
    (chunk,) = decoder.feed(raw + b"\n\n")
    return TextShape.of(raw, chunk)


_PLAIN = b'data: {"id":"c","model":"m","choices":[{"index":0,"delta":{"content":"%s"},"logprobs":null}]%s}'


def test_the_next_event_of_the_shape_is_its_text() -> None:
    shape = _taken(_PLAIN % (b"one", b""))
    assert shape is not None
    chunk = shape.read(_PLAIN % (b' \\"two\\" \\u00fc', b""))
    assert isinstance(chunk, LLMResponse)
    assert (chunk.id, chunk.model, chunk.text) == ("c", "m", ' "two" ü')


def test_padding_belongs_to_no_shape() -> None:
    shape = _taken(_PLAIN % (b"one", b',"obfuscation":"abc"'))
    assert shape is not None
    chunk = shape.read(_PLAIN % (b"two", b',"obfuscation":"defghi"'))
    assert chunk is not None
    assert chunk.text == "two"


@pytest.mark.parametrize(
    "event",
    [
        _PLAIN % (b"", b""),
        _PLAIN % (b'a","x":"b', b""),
        _PLAIN % (b"a\tb", b""),
        _PLAIN % (b"two", b',"x":1'),
        b"data: [DONE]",
    ],
)
def test_other_events_are_left_to_the_long_way(event: bytes) -> None:
    shape = _taken(_PLAIN % (b"one", b""))
    assert shape is not None
    assert shape.read(event) is None


@pytest.mark.parametrize(
    "event",
    [
        b'data: {"content":"x","choices":[{"index":0,"delta":{"content" : "x"}}]}',
        b'data: {"choices":[{"index":0,"delta":{"content":"one"},"finish_reason":"stop"}]}',
        b'data: {"choices":[{"index":0,"delta":{"content":"one"}},{"index":1,"delta":{"content":"one"}}]}',
        b'data: {"choices":[{"index":0,"delta":{"content":"one","reasoning":"so"}}]}',
        b'data: {"choices":[{"index":0,"delta":{"content":"one"}}],"usage":{"prompt_tokens":1}}',
    ],
)
def test_an_event_that_holds_more_has_no_shape(event: bytes) -> None:
    assert _taken(event) is None
